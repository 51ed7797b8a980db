# SPDX-License-Identifier: Apache-2.0
"""Calls through the real gateway between SIPp actors: what ends how, and what the record says of it."""

import re

import lab
import wire


def place(gateways, sipp, uac, uas, service="+442079460000", uac_args=(), **config):
    """One call from the PBX's port to the carrier's. Returns gateway, caller, called."""
    pbx, carrier = lab.free_port(), lab.free_port()
    gateway = gateways(pbx=pbx, carrier=carrier, **config)
    called = sipp(uas, carrier) if uas else None
    caller = sipp(uac, pbx, remote=f"127.0.0.1:{gateway.sip_port}", args=["-s", service, "-d", "1000", *uac_args])
    return gateway, caller, called


def test_success_is_answered_and_recorded(gateways, sipp):
    """SIG-2 SIG-5 CDR-1: a plain call from the PBX to the carrier, ended by the caller"""
    gateway, caller, called = place(gateways, sipp, "uac-call", "uas-answer")
    caller.expect_success()
    called.expect_success()
    cdr = gateway.cdr()
    assert cdr["a"]["trunk"] == "pbx" and cdr["b"]["trunk"] == "carrier"
    assert cdr["release"]["side"] == "a" and cdr["direction"] == "outbound"
    assert 800 <= cdr["duration_ms"] <= 10000
    assert cdr["answer_at"] and cdr["pdd_ms"] is not None and cdr["node"]
    assert [a["code"] for a in cdr["attempts"]] == [200]


def test_called_side_hangs_up(gateways, sipp):
    """SIG-1: the BYE of the carrier ends the call, and the record names the side"""
    gateway, caller, called = place(gateways, sipp, "uac-called-hangs-up", "uas-hangs-up")
    caller.expect_success()
    called.expect_success()
    assert gateway.cdr()["release"]["side"] == "b"


def test_inbound_call_reaches_the_pbx(gateways, sipp):
    """RTE-1: a call from the carrier is routed to the PBX"""
    pbx, carrier = lab.free_port(), lab.free_port()
    gateway = gateways(pbx=pbx, carrier=carrier)
    called = sipp("uas-answer", pbx)
    caller = sipp("uac-call", carrier, remote=f"127.0.0.1:{gateway.sip_port}", args=["-s", "+442079460001", "-d", "500"])
    caller.expect_success()
    called.expect_success()
    assert gateway.cdr()["direction"] == "inbound"


def test_topology_is_hidden_both_ways(gateways, sipp):
    """SIG-1 SIG-2: nothing of one side appears in any message to the other, and hops are counted across"""
    _, caller, called = place(gateways, sipp, "uac-call", "uas-answer")
    caller.expect_success()
    called.expect_success()
    to_carrier, to_pbx = "\n".join(called.received()), "\n".join(caller.received())
    assert "INVITE" in to_carrier and "200 OK" in to_pbx
    for secret in (f":{caller.port}", "ScenarioPBX", "internal-subject", "o=peer", "53655765"):
        assert secret not in to_carrier, secret
    for secret in (f":{called.port}", "ScenarioCarrier", "o=peer", "53655765"):
        assert secret not in to_pbx.replace(f"sip:+442079460000@127.0.0.1:{called.port}", ""), secret
    calls_of = lambda text: set(re.findall(r"^Call-ID: *(\S+)", text, re.M | re.I))
    assert not calls_of(to_carrier) & calls_of(to_pbx)
    assert "Max-Forwards: 69" in to_carrier
    bye = [m for m in called.received() if m.startswith("BYE")][0]
    assert "Q.850;cause=16" in bye and "SIP;cause" not in bye


def test_busy(gateways, sipp):
    """RTE-6 RTE-7: 486 with its Q.850 cause goes back to the caller at once"""
    gateway, caller, called = place(gateways, sipp, "uac-expect-486", "uas-486")
    caller.expect_success()
    called.expect_success()
    cdr = gateway.cdr()
    assert cdr["release"]["code"] == 486 and cdr["release"]["side"] == "b"
    assert "cause=17" in "\n".join(caller.received())


def test_no_answer(gateways, sipp):
    """RTE-5: a carrier that only rings is cancelled, and the caller hears of it"""
    pbx, carrier = lab.free_port(), lab.free_port()
    gateway = gateways(start=False, pbx=pbx, carrier=carrier)
    gateway.document["trunks"][1]["sip"] = {"timers": {"ringing_ms": 1500}}
    gateway.write_config()
    gateway.start()
    called = sipp("uas-rings", carrier)
    caller = sipp("uac-expect-408", pbx, remote=f"127.0.0.1:{gateway.sip_port}", args=["-s", "+442079460000"])
    caller.expect_success()
    called.expect_success()
    assert gateway.cdr()["release"]["side"] == "gateway"


def test_caller_cancels(gateways, sipp):
    """SIG-7: CANCEL gets 200, the INVITE 487, and the carrier is cancelled"""
    gateway, caller, called = place(gateways, sipp, "uac-cancel", "uas-rings")
    caller.expect_success()
    called.expect_success()
    cdr = gateway.cdr()
    assert cdr["release"]["code"] == 487 and cdr["release"]["side"] == "a" and not cdr.get("answer_at")
    assert "Call completed elsewhere" in "\n".join(called.received())


def test_carrier_down_uses_the_next(gateways, sipp):
    """SIG-22 RTE-5: nobody listens at the first carrier; the call goes out by the second, unheard by the PBX"""
    pbx, dead, carrier = lab.free_port(), lab.free_port(), lab.free_port()
    gateway = gateways(start=False, pbx=pbx, carrier=dead)
    second = dict(gateway.document["trunks"][1], id="second", endpoints=[{"uri": f"sip:127.0.0.1:{carrier}"}])
    gateway.document["trunks"].append(second)
    gateway.document["routes"][0]["action"]["trunks"] = ["carrier", "second"]
    gateway.write_config()
    gateway.start()
    called = sipp("uas-answer", carrier)
    caller = sipp("uac-call", pbx, remote=f"127.0.0.1:{gateway.sip_port}", args=["-s", "+442079460000", "-d", "500"])
    caller.expect_success()
    called.expect_success()
    cdr = gateway.cdr()
    assert [a["trunk"] for a in cdr["attempts"]] == ["carrier", "second"]
    assert cdr["b"]["trunk"] == "second"


def test_503_moves_to_the_next_target(gateways, sipp):
    """RTE-6: 503 from the first carrier is unheard by the PBX"""
    pbx, first, carrier = lab.free_port(), lab.free_port(), lab.free_port()
    gateway = gateways(start=False, pbx=pbx, carrier=first)
    second = dict(gateway.document["trunks"][1], id="second", endpoints=[{"uri": f"sip:127.0.0.1:{carrier}"}])
    gateway.document["trunks"].append(second)
    gateway.document["routes"][0]["action"]["trunks"] = ["carrier", "second"]
    gateway.write_config()
    gateway.start()
    refusing, called = sipp("uas-503", first), sipp("uas-answer", carrier)
    caller = sipp("uac-call", pbx, remote=f"127.0.0.1:{gateway.sip_port}", args=["-s", "+442079460000", "-d", "500"])
    for actor in (caller, refusing, called):
        actor.expect_success()
    assert [a["code"] for a in gateway.cdr()["attempts"]] == [503, 200]
    assert "503" not in "\n".join(caller.received())


def test_all_targets_down(gateways, sipp):
    """RTE-7: nothing answers; the caller gets 503 and the record says which trunk"""
    gateway, caller, _ = place(gateways, sipp, "uac-expect-503", None)
    caller.expect_success()
    cdr = gateway.cdr()
    assert cdr["attempts"][0]["failure_class"] == "transport"
    assert cdr["release"]["diagnosis"] == "trunk_unreachable"
    assert "'carrier' at 127.0.0.1:" in cdr["release"]["evidence"][0]


def test_a_carrier_that_wants_prack(gateways, sipp):
    """SIG-8: acknowledged here, unheard by a PBX without PRACK; the 200 repeats no description"""
    gateway, caller, called = place(gateways, sipp, "uac-call", "uas-prack")
    caller.expect_success()
    called.expect_success()
    to_pbx = "\n".join(caller.received())
    assert "RSeq" not in to_pbx and "SIP/2.0 183" in to_pbx
    assert [a["code"] for a in gateway.cdr()["attempts"]] == [200]


def test_early_media_reaches_the_caller(gateways, sipp):
    """SIG-10: 183 with SDP crosses with our own address in it"""
    gateway, caller, called = place(gateways, sipp, "uac-call", "uas-early-media")
    caller.expect_success()
    called.expect_success()
    early = [m for m in caller.received() if m.startswith("SIP/2.0 183")]
    assert early and "m=audio" in early[0]
    assert gateway.cdr()["early_media_at"]


def test_hold_and_resume(gateways, sipp):
    """SIG-16 SIG-17: sendonly is answered recvonly or inactive, sendrecv restores both ways"""
    _, caller, _ = place(gateways, sipp, "uac-hold-resume", "uas-hold")
    caller.expect_success()


def test_missing_ack(gateways, sipp):
    """SIG-6: a 2xx never acknowledged ends both legs after 64*T1, and the record says why"""
    gateway, caller, called = place(gateways, sipp, "uac-no-ack", "uas-answer")
    caller.expect_success(120)
    called.expect_success()
    cdr = gateway.cdr()
    assert cdr["release"]["diagnosis"] == "ack_timeout" and cdr["release"]["side"] == "gateway"
    bye = [m for m in called.received() if m.startswith("BYE")][0]
    assert "Reason:" in bye and "408" in bye


def digest_trunk(gateway, password):
    gateway.document["trunks"][1]["auth"] = {"mode": "digest", "user": "demarc", "password": password}
    gateway.write_config()
    gateway.start()


def test_digest_challenge_is_answered(gateways, sipp):
    """AUTH-1: a carrier that challenges gets credentials on the second INVITE"""
    pbx, carrier = lab.free_port(), lab.free_port()
    gateway = gateways(start=False, pbx=pbx, carrier=carrier)
    digest_trunk(gateway, "secret")
    called = sipp("uas-digest", carrier)
    caller = sipp("uac-call", pbx, remote=f"127.0.0.1:{gateway.sip_port}", args=["-s", "+442079460000", "-d", "300"])
    caller.expect_success()
    called.expect_success()
    assert "secret" not in gateway.log()


def test_wrong_password_ends_once(gateways, sipp):
    """AUTH-4: at most two INVITEs a challenge; the caller gets a final answer"""
    pbx, carrier = lab.free_port(), lab.free_port()
    gateway = gateways(start=False, pbx=pbx, carrier=carrier)
    digest_trunk(gateway, "wrong")
    called = sipp("uas-digest", carrier)
    caller = sipp("uac-expect-403", pbx, remote=f"127.0.0.1:{gateway.sip_port}", args=["-s", "+442079460000"])
    caller.expect_success()
    called.expect_success()
    assert sum(m.startswith("INVITE") for m in called.received()) == 2


def test_two_workers_carry_calls(gateways, sipp):
    """Any worker hands a message to its owner: 40 calls over two workers all succeed"""
    gateway, caller, called = None, None, None
    pbx, carrier = lab.free_port(), lab.free_port()
    gateway = gateways(pbx=pbx, carrier=carrier, media=lab.free_port(span=400), system={"workers": 2})
    gateway.document["media_pools"][0]["port_max"] = gateway.document["media_pools"][0]["port_min"] + 399
    gateway.stop()
    gateway.write_config()
    gateway.start()
    called = sipp("uas-answer", carrier, calls=40)
    caller = sipp("uac-call", pbx, remote=f"127.0.0.1:{gateway.sip_port}", calls=40,
                  args=["-s", "+442079460000", "-d", "300", "-r", "20"])
    caller.expect_success()
    called.expect_success()
    assert len(gateway.wait_cdrs(40)) == 40


def test_ipv6_to_ipv4(gateways, sipp):
    """SIG-25: a PBX on IPv6 calls a carrier on IPv4: each side sees its own family only"""
    pbx, carrier, port = lab.free_port(), lab.free_port(), lab.free_port()
    gateway = gateways(start=False, carrier=carrier)
    document = gateway.document
    document["listeners"].append({"id": "six", "address": "::1", "port": port, "transport": "udp", "media_pool": "six"})
    media = document["media_pools"][0]["port_min"]
    document["media_pools"].append({"id": "six", "address": "::1", "port_min": media, "port_max": media + 39})
    document["trunks"][0].update(endpoints=[{"uri": f"sip:[::1]:{pbx}"}], listener="six", media_pool="six")
    gateway.write_config()
    gateway.start()
    called = sipp("uas-answer", carrier)
    caller = sipp("uac-call", pbx, host="[::1]", remote=f"[::1]:{port}", args=["-s", "+442079460000", "-d", "300"])
    caller.expect_success()
    called.expect_success()
    assert gateway.cdr()["a"]["remote_ip"] == "::1"
    assert "IP6 ::1" in "\n".join(caller.received())
    assert "::1" not in "\n".join(called.received())


def test_loop_is_found_by_any_worker(gateways):
    """SIG-2: a carrier that sends our own INVITE back gets 482, whichever worker hears it"""
    port = lab.free_port()
    gateway = gateways(sip=port, carrier=port, system={"workers": 4})
    caller = wire.Peer(port=int(gateway.document["trunks"][0]["endpoints"][0]["uri"].rsplit(":", 1)[1]))
    for number in range(6):
        caller.send(wire.message("INVITE", f"sip:+442079460000@127.0.0.1:{port}", caller, f"loop-{number}",
                                 extra="Content-Type: application/sdp\r\n", body=wire.sdp()), ("127.0.0.1", port))
        assert caller.responses(f"loop-{number}".encode(), 10)[-1] == 482
    assert len(gateway.wait_cdrs(6)) == 6
    caller.close()
