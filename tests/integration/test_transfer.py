# SPDX-License-Identifier: Apache-2.0
"""Transfers through the real gateway: baresip phones at both ends, a tone from each, and a desk (or a third baresip) in
between that transfers."""

import time

import desk as desks
import lab
import phone
import pytest
import speech

pytestmark = pytest.mark.skipif(not lab.have("baresip"), reason="baresip is not installed")

MEDIA = {"codecs": ["PCMU", "PCMA"]}
OFF = {"options": {"enabled": False}}


@pytest.fixture
def phones(tmp_path):
    made = []

    def make(tone_hz, codec="pcmu"):
        made.append(phone.Phone(tmp_path / f"phone-{len(made)}", codec, tone_hz))
        return made[-1]

    yield make
    for each in made:
        each.stop()


@pytest.fixture
def desk():
    made = []

    def make(voice=1):
        made.append(desks.Desk(voice))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def connect(gateways, caller, pbx, third, mode="local", **more):
    """A gateway between two carriers, "left" and "right", and a PBX that both reach; the PBX reaches "right"."""

    def trunk(name, role, port, **sip):
        return {"id": name, "role": role, "endpoints": [{"uri": f"sip:127.0.0.1:{port}"}], "media": MEDIA,
                "health": OFF, "sip": sip}

    def route(name, sources, to):
        return {"id": name, "match": {"source_trunks": sources}, "action": {"trunks": to}}

    gateway = gateways(
        trunks=[trunk("left", "carrier", caller.port), trunk("pbx", "pbx", pbx.port, refer_mode=mode),
                trunk("right", "carrier", third.port)],
        routes=[route("in", ["left", "right"], ["pbx"]), route("out", ["pbx"], ["right"])],
        **more,
    )
    pbx.gateway = ("127.0.0.1", gateway.sip_port)
    return gateway


def expect_last_tone(a_phone, hz):
    """What it heard in its last second but a half."""
    heard = a_phone.heard()
    peak, share = phone.loudest_hz(heard[-12000:-4000])
    assert abs(peak - hz) < 5 and share > 0.9, f"{peak} Hz arrived ({share:.2f}), {hz} Hz was sent"


def packets_more(gateway, n):
    """Waits until each side of the first call has been heard for n packets more."""

    def counts():
        call = min(gateway.api.get("/calls")["items"], key=lambda c: c["start_at"])
        return [call["media"][side]["pkts_in"] for side in "ab"]

    before = counts()
    lab.wait_for(lambda: all(now >= then + n for now, then in zip(counts(), before)), f"{n} packets each way")


def test_a_phone_transfers(gateways, phones):
    """SIG-18: baresip transfers its caller by REFER; the caller hears the third phone, and its tone is heard there"""
    a, b, c = phones(1000), phones(300), phones(440)
    gateway = connect(gateways, a, b, c)
    a.dial(f"sip:phone@127.0.0.1:{gateway.sip_port}")
    a.wait_established()
    b.wait_established()
    b.command("transfer", f"sip:phone@127.0.0.1:{gateway.sip_port}")
    c.wait_established()
    packets_more(gateway, 200)
    a.hang_up()
    c.wait_ended()
    expect_last_tone(a, 440)
    expect_last_tone(c, 1000)
    for each in a, c:  # the new tone is whole: no hole, no step in level
        hole_ms, step_db = speech.holes_ms(each.heard()[-24000:-4000])
        assert hole_ms == 0 and step_db < 1, (hole_ms, step_db)
    first, second = sorted(gateway.wait_cdrs(2), key=lambda c: c["start_at"])
    assert (first["a"]["trunk"], first["b"]["trunk"]) == ("left", "pbx")
    assert (second["a"]["trunk"], second["b"]["trunk"]) == ("pbx", "right")
    assert any(step["step"] == "transfer" and step["detail"] == first["id"] for step in second["route"]["trace"])
    assert [s["detail"] for s in first["route"]["trace"] if s["step"] == "transfer"] == [second["id"]] * 2
    assert second["duration_ms"] >= 3000 and first["duration_ms"] > second["duration_ms"]


def longest_gap_ms(heard, since):
    times = [since] + [each[0] for each in heard if each[0] > since]
    return max(1000 * (b - a) for a, b in zip(times, times[1:]))


def assert_goes_on(heard):
    """MED-3: one source, never backward."""
    assert len({each[1] for each in heard}) == 1
    for (_, _, seq, stamp, _), (_, _, next_seq, next_stamp, _) in zip(heard, heard[1:]):
        assert (next_seq - seq) % 65536 < 32768 and (next_stamp - stamp) % 2**32 < 2**31


def test_an_attended_transfer(gateways, desk):
    """SIG-18 MED-3: REFER with Replaces: both calls of the desk end, and the others hear each other within 200 ms, in a
    stream that goes on for the one who was there first"""
    a, b, c = desk(1), desk(2), desk(3)
    gateway = connect(gateways, a, b, c)
    a.gateway = c.gateway = b.gateway
    a.dial("phone")
    first = b.answered_call()
    assert b.invite(first, direction="sendonly").startswith("SIP/2.0 200")
    second = b.dial("phone")
    lab.wait_for(lambda: a.rtp.voices() == {2} and c.rtp.voices() == {2}, "the desk to be heard by both")
    since = time.monotonic()
    assert b.refer(first, "phone", second).startswith("SIP/2.0 202")
    lab.wait_for(lambda: first.ended and second.ended, "both calls of the desk to end")
    assert first.fragments == ["SIP/2.0 100 Trying", "SIP/2.0 200 OK"]
    lab.wait_for(lambda: a.rtp.heard[-1][4] == 3 and c.rtp.heard[-1][4] == 1, "the others to hear each other")
    packets_more(gateway, 50)
    assert longest_gap_ms(a.rtp.heard, since) < 200 and longest_gap_ms(c.rtp.heard, since) < 200
    assert_goes_on(a.rtp.heard)
    assert a.request(next(iter(a.dialogs.values())), "BYE").startswith("SIP/2.0 200")
    assert len(gateway.wait_cdrs(2)) == 2


def relaying(gateways, desk):
    """A call of the carrier's to the PBX, whose transfers are the carrier's to make: its dialog at each end"""
    a, b = desk(1), desk(2)
    a.allow = "Allow: INVITE, ACK, BYE, CANCEL, REFER, NOTIFY\r\n"
    gateway = gateways(
        trunks=[{"id": "left", "role": "carrier", "endpoints": [{"uri": f"sip:127.0.0.1:{a.port}"}], "media": MEDIA,
                 "health": OFF},
                {"id": "pbx", "role": "pbx", "endpoints": [{"uri": f"sip:127.0.0.1:{b.port}"}], "media": MEDIA,
                 "health": OFF, "sip": {"refer_mode": "relay"}}],
        routes=[{"id": "in", "match": {"source_trunks": ["left"]}, "action": {"trunks": ["pbx"]}},
                {"id": "out", "match": {"source_trunks": ["pbx"]}, "action": {"trunks": ["left"]}}],
    )
    a.gateway = b.gateway = ("127.0.0.1", gateway.sip_port)
    return gateway, a, b, a.dial("phone"), b.answered_call()


def test_a_transfer_is_passed_on(gateways, desk):
    """SIG-18: in relay mode the other side is asked with a REFER of our own, and what it reports is reported; both hang
    up by themselves"""
    gateway, a, b, left, right = relaying(gateways, desk)
    assert b.refer(right, "+442079460018").startswith("SIP/2.0 202")
    asked = lab.wait_for(lambda: left.referred, "a REFER on the other side")[0]
    assert "+442079460018@" in desks.header(asked, "Refer-To")
    for header in ("Refer-To", "Referred-By", "Contact", "Via"):
        assert str(b.port) not in desks.header(asked, header) and "100@" not in desks.header(asked, header)
    for status in ("100 Trying", "180 Ringing", "200 OK"):
        assert a.report(left, status).startswith("SIP/2.0 200")
        lab.wait_for(lambda: right.fragments[-1:] == [f"SIP/2.0 {status}"], f"news of {status}")
    assert b.request(right, "BYE").startswith("SIP/2.0 200")
    lab.wait_for(lambda: left.ended, "the other leg to end")
    assert [s["rule"] for s in gateway.cdr()["route"]["trace"] if s["step"] == "transfer"] == ["refer relay"]


def test_a_transfer_passed_on_fails(gateways, desk):
    """SIG-18: what was passed on and fails leaves the call as it was; who wants no news gets none, and is told so"""
    gateway, a, b, left, right = relaying(gateways, desk)
    assert b.refer(right, "+442079460018").startswith("SIP/2.0 202")
    lab.wait_for(lambda: left.referred, "a REFER on the other side")
    assert a.report(left, "486 Busy Here").startswith("SIP/2.0 200")
    lab.wait_for(lambda: right.fragments[-1:] == ["SIP/2.0 486 Busy Here"], "the outcome")
    fragments = list(right.fragments)
    answer = b.refer(right, "+442079460019", headers="Refer-Sub: false\r\n")
    assert answer.startswith("SIP/2.0 202") and desks.header(answer, "Refer-Sub") == "false"
    lab.wait_for(lambda: len(left.referred) == 2, "another REFER on the other side")
    assert a.report(left, "200 OK").startswith("SIP/2.0 200")
    assert b.request(right, "BYE").startswith("SIP/2.0 200")
    lab.wait_for(lambda: left.ended, "the other leg to end")
    assert right.fragments == fragments
    assert gateway.cdr()["release"]["side"] == "b"


def test_a_failed_transfer_keeps_the_call(gateways, phones, desk):
    """SIG-18: the third phone is not there: the desk is told, the caller is fetched back from hold, the record says so"""
    a, b = phones(1000), desk()
    nobody = type("Nobody", (), {"port": lab.free_port()})
    gateway = connect(gateways, a, b, nobody)
    a.dial(f"sip:phone@127.0.0.1:{gateway.sip_port}")
    a.wait_established()
    call = b.answered_call()
    assert b.invite(call, direction="sendonly").startswith("SIP/2.0 200")
    assert b.refer(call, "phone").startswith("SIP/2.0 202")
    lab.wait_for(lambda: len(call.fragments) == 2, "the outcome")
    assert call.fragments[1].startswith("SIP/2.0 50")
    assert not call.ended
    live = [c for c in gateway.api.get("/calls")["items"]]
    assert len(live) == 1 and live[0]["state"] == "up"
    assert b.request(call, "BYE").startswith("SIP/2.0 200")
    a.wait_ended()
    kept = [c for c in gateway.wait_cdrs(2) if c["a"]["trunk"] == "left"]
    assert kept[0]["release"]["diagnosis"] == "refer_failed_kept"


def test_a_call_is_taken_over(gateways, phones, desk):
    """SIG-19: another phone of the PBX takes the caller over with INVITE and Replaces; a second time it is too late"""
    a, b, c = phones(1000), desk(), desk()
    gateway = connect(gateways, a, b, c)
    a.dial(f"sip:phone@127.0.0.1:{gateway.sip_port}")
    a.wait_established()
    call = b.answered_call()
    # What its caller calls to-tag is the gateway's: here it is the one who takes over that writes it.
    replaces = f"Replaces: {call.replaces()}\r\n"
    taken = b.dial("x", replaces)
    assert isinstance(taken, desks.Dialog), taken
    lab.wait_for(lambda: call.ended, "the first leg to end")
    assert b.dial("x", replaces).startswith("SIP/2.0 603")
    assert b.dial("x", "Replaces: a;to-tag=b;from-tag=c\r\n").startswith("SIP/2.0 481")
    assert b.request(taken, "BYE").startswith("SIP/2.0 200")
    a.wait_ended()
    assert len(gateway.wait_cdrs(2)) == 2


def test_a_ringing_call_is_picked_up(gateways, phones, desk):
    """SIG-19: another phone of the PBX answers what rings at the desk: the caller talks to it, and the desk is told that
    somebody has answered"""
    a, b, c = phones(1000), desk(), desk()
    gateway = connect(gateways, a, b, c)
    b.rings = True
    a.dial(f"sip:phone@127.0.0.1:{gateway.sip_port}")
    call = b.answered_call()
    lab.wait_for(lambda: gateway.api.get("/calls")["items"][0]["state"] == "ringing", "the call to ring")
    taken = b.dial("x", f"Replaces: {call.replaces()};early-only\r\n")
    assert isinstance(taken, desks.Dialog), taken
    a.wait_established()
    lab.wait_for(lambda: call.ended, "the desk to stop ringing")
    assert "cause=200" in call.reason and "elsewhere" in call.reason
    packets_more(gateway, 50)
    assert b.dial("x", f"Replaces: {call.replaces()}\r\n").startswith("SIP/2.0 481")
    assert b.request(taken, "BYE").startswith("SIP/2.0 200")
    a.wait_ended()
    first, second = sorted(gateway.wait_cdrs(2), key=lambda c: c["start_at"])
    assert [s["rule"] for s in first["route"]["trace"] if s["step"] == "transfer"] == ["picked up"]
    assert (second["a"]["trunk"], second["release"]["side"]) == ("pbx", "a")


def test_an_attended_transfer_between_workers(gateways, desk):
    """SIG-18: with two workers both calls of an attended transfer are joined, whichever worker has each; afterwards either
    side may hold, press keys and hang up, and each call has its one record"""
    a, b, c = desk(1), desk(2), desk(3)
    ports = lab.free_port(span=120)
    pools = [{"id": "main", "address": "127.0.0.1", "port_min": ports, "port_max": ports + 119}]
    gateway = connect(gateways, a, b, c, system={"workers": 2}, media_pools=pools)
    a.gateway = c.gateway = b.gateway
    rounds = 12
    for i in range(rounds):
        for each in (a, b, c):
            each.dialogs.clear()
        left = a.dial("phone")
        first = b.answered_call()
        assert b.invite(first, direction="sendonly").startswith("SIP/2.0 200")
        second = b.dial("phone")
        right = c.answered_call()
        assert b.refer(first, "phone", second).startswith("SIP/2.0 202")
        lab.wait_for(lambda: first.ended and second.ended, "both calls of the desk to end")
        assert first.fragments == ["SIP/2.0 100 Trying", "SIP/2.0 200 OK"]
        lab.wait_for(lambda: a.rtp.heard[-1][4] == 3 and c.rtp.heard[-1][4] == 1, "the others to hear each other")
        assert c.invite(right, direction="sendonly").startswith("SIP/2.0 200")
        assert c.invite(right).startswith("SIP/2.0 200")
        one, other = ((a, left), (c, right)) if i % 2 else ((c, right), (a, left))
        assert one[0].request(one[1], "BYE").startswith("SIP/2.0 200")
        lab.wait_for(lambda: other[1].ended, "the other side to be hung up")
    records = gateway.wait_cdrs(2 * rounds)
    assert len({r["id"] for r in records}) == 2 * rounds
    assert all(r["answer_at"] and r["media"]["audio"] == "both" for r in records)
    assert gateway.api.get("/calls")["items"] == []
    lab.wait_for(lambda: "handed over to another worker" in gateway.log(), "a call that changed workers")


def test_several_workers(gateways, desk):
    """SIG-19: with two workers an INVITE with Replaces finds its call, whichever worker has it"""
    a, b, c = desk(), desk(), desk()
    gateway = connect(gateways, a, b, c, system={"workers": 2})
    a.gateway = ("127.0.0.1", gateway.sip_port)
    for _ in range(8):
        b.dialogs.clear()
        caller = a.dial("phone")
        call = b.answered_call()
        taken = b.dial("x", f"Replaces: {call.replaces()}\r\n")
        assert isinstance(taken, desks.Dialog), taken
        lab.wait_for(lambda: call.ended, "the first leg to end")
        assert a.request(caller, "BYE").startswith("SIP/2.0 200")
        lab.wait_for(lambda: taken.ended, "the other leg to end")
