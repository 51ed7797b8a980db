# SPDX-License-Identifier: Apache-2.0
"""The API of the real binary: what it changes takes effect, persists, and leaves running calls alone."""

import pytest

import lab


def refused(gateway, status, method, path, body=None, headers=None):
    with pytest.raises(lab.ApiError) as error:
        gateway.api(method, path, body, headers)
    assert error.value.status == status, error.value
    return error.value.body


def test_a_trunk_made_by_the_api_carries_calls_and_survives_a_restart(gateways, sipp):
    """OPS-2: trunk and route by POST, a call over them, the same after a restart"""
    pbx, carrier = lab.free_port(), lab.free_port()
    gateway = gateways(pbx=pbx)
    made = gateway.api("POST", "/trunks", {
        "id": "second", "role": "carrier", "endpoints": [{"uri": f"sip:127.0.0.1:{carrier}"}],
        "auth": {"mode": "digest", "user": "u", "password": "very-secret"}})
    assert made["auth"]["password"] == {"set": True} or made["auth"]["password"]["set"] is True
    gateway.api("POST", "/routes", {
        "id": "special", "match": {"source_trunks": ["pbx"], "called": "44207"}, "action": {"trunks": ["second"]}})
    for restart in (False, True):
        if restart:
            gateway.stop()
            gateway.start()
        called = sipp("uas-answer", carrier, name=f"uas-{restart}")
        caller = sipp("uac-call", pbx, name=f"uac-{restart}", remote=f"127.0.0.1:{gateway.sip_port}",
                      args=["-s", "+442079460000", "-d", "300"])
        caller.expect_success()
        called.expect_success()
        called.stop()
        caller.stop()
    assert {c["b"]["trunk"] for c in gateway.wait_cdrs(2)} == {"second"}
    assert "very-secret" not in gateway.log()


def test_a_bad_body_is_refused_with_pointers_and_changes_nothing(gateways):
    """OPS-2: 422 with a pointer for each mistake; the revision stays; nothing is half-made"""
    gateway = gateways()
    before = gateway.api.get("/system")["revision"], gateway.api.get("/trunks")
    body = refused(gateway, 422, "POST", "/trunks", {
        "id": "bad", "rolle": "carrier", "endpoints": [{"uri": "not a uri"}], "limits": {"concurrent_in": -1}})
    pointers = {e["pointer"] for e in body["errors"]}
    assert {"/rolle", "/endpoints/0/uri", "/limits/concurrent_in"} <= pointers, pointers
    assert any("role" in e["detail"] for e in body["errors"])
    refused(gateway, 422, "POST", "/routes", {"id": "r", "match": {}, "action": {"trunks": ["carier"]}})
    refused(gateway, 409, "DELETE", "/trunks/pbx")
    refused(gateway, 409, "PATCH", "/trunks/pbx", {"enabled": False})
    refused(gateway, 404, "GET", "/trunks/none")
    refused(gateway, 405, "PUT", "/trunks")
    refused(gateway, 415, "POST", "/trunks", b"<xml/>", {"Content-Type": "text/xml"})
    assert (gateway.api.get("/system")["revision"], gateway.api.get("/trunks")) == before


def test_a_write_from_an_old_reading_is_refused(gateways):
    """If-Match: the second writer is told, and the first one's change stays"""
    gateway = gateways()
    gateway.api("POST", "/routes", {"id": "r", "match": {"called": "1"}, "action": {"reject": {"code": 403}}})
    _, headers, _ = gateway.api.raw("GET", "/api/v1/routes/r")
    etag = {"If-Match": headers["ETag"]}
    gateway.api("PATCH", "/routes/r", {"name": "first"}, etag)
    refused(gateway, 412, "PATCH", "/routes/r", {"name": "second"}, etag)
    assert gateway.api.get("/routes/r")["name"] == "first"


def test_changes_leave_running_calls_alone(gateways, sipp):
    """OPS-2: the trunk of a call is disabled while it is up; the call goes on, the next one does not"""
    pbx, carrier = lab.free_port(), lab.free_port()
    gateway = gateways(pbx=pbx)
    gateway.api("POST", "/trunks", {"id": "second", "role": "carrier",
                                    "endpoints": [{"uri": f"sip:127.0.0.1:{carrier}"}]})
    gateway.api("POST", "/routes", {"id": "special", "match": {"source_trunks": ["pbx"], "called": "44207"},
                                    "action": {"trunks": ["second"]}})
    called = sipp("uas-answer", carrier)
    caller = sipp("uac-call", pbx, remote=f"127.0.0.1:{gateway.sip_port}", args=["-s", "+442079460000", "-d", "2500"])
    lab.wait_for(lambda: [c for c in gateway.api.get("/calls")["items"] if c.get("answer_at")], "the call")
    gateway.api("POST", "/trunks/second/actions/disable")
    caller.expect_success()
    called.expect_success()
    sipp("uac-expect-503", pbx, remote=f"127.0.0.1:{gateway.sip_port}", args=["-s", "+442079460000"]).expect_success()
    long = [c for c in gateway.wait_cdrs(2) if c.get("answer_at")]
    assert len(long) == 1 and long[0]["duration_ms"] >= 2400


def test_route_tests_say_what_a_call_would_do(gateways):
    """RTE-1: the same decision as a call's, with its explanation, and no call"""
    gateway = gateways()
    answer = gateway.api("POST", "/route-tests", {"trunk": "pbx", "from": "100", "to": "+442079460000"})
    assert [t["trunk"] for t in answer["targets"]] == ["carrier"]
    assert any(step["rule"] == "out" for step in answer["trace"])
    assert gateway.api.get("/calls")["items"] == []


def test_who_may_do_what(gateways):
    """SEC-6: no token 401, too little role 403; the audit log names the actor"""
    gateway = gateways()
    assert gateway.api.raw("GET", "/api/v1/trunks", token=None)[0] == 401
    assert gateway.api.raw("GET", "/api/v1/trunks", token="dmt_wrong")[0] == 401
    token = gateway.api("POST", "/tokens", {"name": "viewer", "role": "read"})["token"]
    assert gateway.api.raw("GET", "/api/v1/trunks", token=token)[0] == 200
    assert gateway.api.raw("POST", "/api/v1/routes", {"id": "x"}, token=token)[0] == 403
    assert any(entry["path"].endswith("/tokens") for entry in gateway.api.get("/audit")["items"])


def test_metrics_and_health_tell_of_calls(gateways, sipp):
    """The metrics page counts the call by its result; health needs no token"""
    pbx, carrier = lab.free_port(), lab.free_port()
    gateway = gateways(pbx=pbx, carrier=carrier)
    called = sipp("uas-answer", carrier)
    sipp("uac-call", pbx, remote=f"127.0.0.1:{gateway.sip_port}", args=["-s", "+442079460000", "-d", "300"]).expect_success()
    called.expect_success()
    gateway.cdr()
    _, _, page = gateway.api.raw("GET", "/metrics")
    assert b'demarc_calls_total{result="answered"} 1' in page
    assert b"demarc_calls_active 0" in page
    for path in ("/healthz", "/readyz"):
        assert gateway.api.raw("GET", path, token=None)[0] == 200


def test_records_as_csv_and_lines(gateways, sipp):
    """CDR-1: the same records as CSV and NDJSON, by Accept"""
    pbx, carrier = lab.free_port(), lab.free_port()
    gateway = gateways(pbx=pbx, carrier=carrier)
    sipp("uas-486", carrier)
    sipp("uac-expect-486", pbx, remote=f"127.0.0.1:{gateway.sip_port}", args=["-s", "+442079460000"]).expect_success()
    record = gateway.cdr()
    for kind in ("text/csv", "application/x-ndjson"):
        status, headers, text = gateway.api.raw("GET", "/api/v1/cdrs", headers={"Accept": kind})
        assert status == 200 and headers["Content-Type"].startswith(kind)
        assert record["id"] in text.decode()
