# SPDX-License-Identifier: Apache-2.0
"""What survives: kill -9 in the middle of calls, SIGTERM with calls up, a second start, a changed file."""

import signal
import time

import pytest

import lab


def busy_gateway(gateways, sipp, calls, hold_ms):
    pbx, carrier = lab.free_port(), lab.free_port()
    gateway = gateways(start=False, pbx=pbx, carrier=carrier, media=lab.free_port(span=4 * calls + 8))
    pool = gateway.document["media_pools"][0]
    pool["port_max"] = pool["port_min"] + 4 * calls + 7
    gateway.document["log"] = {"level": "info"}
    gateway.write_config()
    gateway.start()
    called = sipp("uas-answer", carrier, calls=calls)
    caller = sipp("uac-call", pbx, remote=f"127.0.0.1:{gateway.sip_port}", calls=calls,
                  args=["-s", "+442079460000", "-d", hold_ms, "-r", "50", "-l", calls])
    return gateway, caller, called


def up(gateway):
    """Calls that are up now."""
    return sum(1 for call in gateway.api.get("/calls?limit=1000")["items"] if call.get("answer_at"))


@pytest.mark.busy
def test_kill_in_the_middle_of_200_calls(gateways, sipp):
    """CDR-1 OPS-3: after kill -9 and a restart, every answered call has a record, closed as cut off"""
    gateway, caller, called = busy_gateway(gateways, sipp, 200, 60000)
    lab.wait_for(lambda: up(gateway) >= 200, "200 calls to be up")
    answered = {call["id"] for call in gateway.api.get("/calls?limit=1000")["items"]}
    time.sleep(0.2)  # more than the 50 ms a record may lag behind
    gateway.kill()
    caller.stop()
    called.stop()
    gateway.start()
    records = {c["id"]: c for c in gateway.wait_cdrs(200)}
    assert answered <= set(records)
    for record in (records[i] for i in answered):
        assert record["end_at"] and record["answer_at"]
        assert record["release"]["diagnosis"] == "restart"


def test_terminate_drains(gateways, sipp):
    """OPS-1: SIGTERM refuses new calls, waits for those there are, and exits 0 with every record written"""
    gateway, caller, called = busy_gateway(gateways, sipp, 5, 3000)
    lab.wait_for(lambda: up(gateway) >= 5, "5 calls to be up")
    gateway.process.child.send_signal(signal.SIGTERM)
    late = sipp("uac-expect-503", caller.port + 1, name="late", remote=f"127.0.0.1:{gateway.sip_port}",
                args=["-s", "+442079460000"])
    caller.expect_success()
    called.expect_success()
    assert gateway.process.wait(40) == 0
    late.stop()
    gateway.start()
    records = [c for c in gateway.cdrs() if c.get("answer_at")]
    assert len(records) == 5
    assert all(c["release"]["side"] == "a" for c in records)


def test_second_signal_ends_at_once(gateways, sipp):
    """OPS-1: a second SIGTERM hangs up and ends"""
    gateway, caller, called = busy_gateway(gateways, sipp, 2, 60000)
    lab.wait_for(lambda: up(gateway) >= 2, "2 calls to be up")
    gateway.process.child.send_signal(signal.SIGTERM)
    lab.wait_for(lambda: "draining" in gateway.log(), "the drain to begin")
    gateway.process.child.send_signal(signal.SIGTERM)
    assert gateway.process.wait(20) == 0
    called.wait(20)
    gateway.start()
    assert {c["release"]["side"] for c in gateway.wait_cdrs(2)} == {"gateway"}


def test_reload_takes_a_good_file_and_refuses_a_bad_one(gateways):
    """OPS-2: SIGHUP; with a mistake in the file the old configuration stays, and the log says where it is"""
    gateway = gateways()
    gateway.document["routes"][0]["name"] = "renamed"
    gateway.write_config()
    gateway.process.child.send_signal(signal.SIGHUP)
    lab.wait_for(lambda: gateway.api.get("/routes/out").get("name") == "renamed", "the new name")
    gateway.document["routes"][0]["action"]["trunks"] = ["carier"]
    gateway.write_config()
    gateway.process.child.send_signal(signal.SIGHUP)
    lab.wait_for(lambda: "the old one stays" in gateway.log(), "the refusal")
    assert "did you mean" in gateway.log() and "/routes/0/action/trunks/0" in gateway.log()
    assert gateway.api.get("/routes/out")["action"]["trunks"] == ["carrier"]


def test_second_gateway_on_the_same_port_does_not_start(gateways):
    """OPS-1: two gateways of one user would each hear half of everything"""
    first = gateways()
    second = gateways(start=False, sip=first.sip_port)
    second.start(ready=False)
    assert second.process.wait() == 1
    assert f"127.0.0.1:{first.sip_port}: Address already in use" in second.log()


def test_first_token_may_be_given(gateways, monkeypatch):
    """SEC-6: DEMARC_ADMIN_TOKEN is the first token and is not printed; a short one stops the start"""
    token = "given-by-the-test-0123456789abcdef"
    monkeypatch.setenv("DEMARC_ADMIN_TOKEN", "too-short")
    refused = gateways(start=False)
    refused.start(ready=False)
    assert refused.process.wait() == 3 and "at least 32" in refused.log()
    monkeypatch.setenv("DEMARC_ADMIN_TOKEN", token)
    gateway = gateways(start=False)
    gateway.token = token
    gateway.start()
    assert gateway.api.get("/system")
    assert "The first API token" not in gateway.log() and token not in gateway.log()
