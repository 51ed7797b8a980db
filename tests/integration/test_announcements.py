# SPDX-License-Identifier: Apache-2.0
"""What callers hear when nobody answers, through the real gateway to a baresip phone, and a desk."""

import time

import pytest

import desk as desks
import lab
import phone
from test_audio import phones  # noqa: F401

pytestmark = pytest.mark.skipif(not lab.have("baresip", "sipp"), reason="baresip or SIPp is not installed")


def connect(gateways, caller, carrier, announcements, **more):
    config = lab.document(pbx=caller, carrier=carrier)
    config["trunks"][0]["media"] = {"codecs": ["PCMU"], "announcements": announcements, "tones": "gb"}
    return gateways(trunks=config["trunks"], **more)


def test_a_recording_is_heard_before_the_refusal(gateways, phones, sipp, tmp_path):  # noqa: F811
    """SIG-10 RTE-7: a busy carrier; the caller hears the recording, 700 Hz for a second and a half, as early media, and
    then that the line is busy"""
    sorry = tmp_path / "sorry.wav"
    phone.write_tone(sorry, 700, seconds=1.5, rate=8000)
    a, carrier = phones("pcmu", 1000), lab.free_port()
    sipp("uas-486", carrier)
    gateway = connect(gateways, a.port, carrier, [{"codes": [486], "sound": "sorry"}],
                      sounds=[{"id": "sorry", "file": str(sorry)}])
    started = time.monotonic()
    a.dial(f"sip:4711@127.0.0.1:{gateway.sip_port}")
    a.wait_ended()
    assert time.monotonic() - started > 1.4
    assert "183" in a.output() and "486" in a.output()
    heard = a.heard()
    assert len(heard) > phone.SAMPLE_RATE
    peak, share = phone.loudest_hz(heard[2000:10000])
    assert abs(peak - 700) < 5 and share > 0.95
    cdr = gateway.cdr()
    assert cdr["release"]["code"] == 486 and cdr["answer_at"] is None
    assert any("announcement sorry" in each for each in cdr["release"]["evidence"])
    assert 70 <= cdr["media"]["a"]["pkts_out"] <= 80


def test_the_tone_of_the_callers_country(gateways, phones, sipp):  # noqa: F811
    """RTE-7: no recording: the busy tone of Britain, 400 Hz, for as long as is configured"""
    a, carrier = phones("pcmu", 1000), lab.free_port()
    sipp("uas-486", carrier)
    gateway = connect(gateways, a.port, carrier, [{"q850": [17], "tone": "busy", "max_s": 2}])
    a.dial(f"sip:4711@127.0.0.1:{gateway.sip_port}")
    a.wait_ended()
    peak, share = phone.loudest_hz(a.heard()[2000:])
    assert abs(peak - 400) < 5 and share > 0.9
    assert 95 <= gateway.cdr()["media"]["a"]["pkts_out"] <= 105


def test_a_caller_who_gives_up(gateways, sipp):
    """SIG-7: CANCEL in the middle ends it at once, with 487"""
    caller, carrier = desks.Desk(), lab.free_port()
    try:
        sipp("uas-486", carrier)
        gateway = connect(gateways, caller.port, carrier, [{"tone": "busy", "max_s": 60}])
        caller.gateway = ("127.0.0.1", gateway.sip_port)
        call = desks.Dialog("give-up", "<sip:100@127.0.0.1>;tag=me", f"<sip:9@127.0.0.1:{gateway.sip_port}>",
                            f"sip:9@127.0.0.1:{gateway.sip_port}")
        via = f"Via: SIP/2.0/UDP 127.0.0.1:{caller.port};branch=z9hG4bKgive-up;rport\r\n"
        common = (f"{via}From: {call.local}\r\nTo: {call.remote}\r\nCall-ID: {call.call_id}\r\nMax-Forwards: 70\r\n")
        body = caller.describe(call)
        caller.peer.send(f"INVITE {call.target} SIP/2.0\r\n{common}CSeq: 1 INVITE\r\n"
                         f"Contact: <sip:desk@127.0.0.1:{caller.port}>\r\nContent-Type: application/sdp\r\n"
                         f"Content-Length: {len(body)}\r\n\r\n{body}", caller.gateway)
        lab.wait_for(lambda: len(caller.rtp.heard) > 25, "the tone")
        caller.peer.send(f"CANCEL {call.target} SIP/2.0\r\n{common}CSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n",
                         caller.gateway)
        answer = lab.wait_for(lambda: caller.answers.get(("give-up", "1 INVITE")), "the answer")[0]
        assert answer.startswith("SIP/2.0 487")
        cdr = gateway.cdr()
        assert cdr["release"]["code"] == 487 and cdr["release"]["side"] == "a"
    finally:
        caller.stop()
