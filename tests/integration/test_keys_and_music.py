# SPDX-License-Identifier: Apache-2.0
"""Keys in every way to every other, and music on hold, between two baresip phones."""

import re

import pytest

import lab
import phone
from test_audio import flows, phones  # noqa: F401

pytestmark = pytest.mark.skipif(not lab.have("baresip"), reason="baresip is not installed")


def talk(gateways, phones, media_a, media_b, **config):  # noqa: F811
    trunks = lab.document()["trunks"]
    a, b = phones("pcmu", 1000), phones("pcmu", 440)
    for trunk, each, media in zip(trunks, (a, b), (media_a, media_b)):
        trunk["endpoints"][0]["uri"] = f"sip:127.0.0.1:{each.port}"
        trunk["media"] = {"codecs": ["PCMU"], **media}
    gateway = gateways(trunks=trunks, **config)
    a.dial(f"sip:phone@127.0.0.1:{gateway.sip_port}")
    a.wait_established()
    b.wait_established()
    lab.wait_for(lambda: flows(gateway, 50), "audio")
    return gateway, a, b


def test_info_becomes_events(gateways, phones, sipp):  # noqa: F811
    """DTMF-3 DTMF-5: keys pressed by INFO, in both forms, are answered with 200, reach a phone as events, and are
    nowhere written"""
    b = phones("pcmu", 440)
    pbx = lab.free_port()
    trunks = lab.document(pbx=pbx, carrier=b.port)["trunks"]
    trunks[0].setdefault("media", {})["dtmf"] = "info"
    gateway = gateways(trunks=trunks, log={"level": "debug"})
    caller = sipp("uac-info", pbx, remote=f"127.0.0.1:{gateway.sip_port}", args=["-s", "phone", "-d", "1500"])
    caller.expect_success()
    b.wait_ended()
    # SIPp sends no audio, so the end of the fourth stays in the phone's jitter buffer.
    assert "".join(b.digits()) == "7#5"
    media = gateway.cdr()["media"]
    assert media["a"]["dtmf_events"] == 4 and media["a"]["dtmf_mode"] == "info"
    assert media["b"]["dtmf_mode"] == "rfc4733"
    assert gateway.log().count("pressed a key") == 4 and "Signal" not in gateway.log()


def test_events_become_info(gateways, phones):  # noqa: F811
    """DTMF-3: a phone that sends events is heard by one that is told by INFO"""
    gateway, a, b = talk(gateways, phones, {}, {"dtmf": "info"})
    for n, key in enumerate("42#"):
        a.press(key)
        lab.wait_for(lambda n=n: b.output().count("call: received DTMF") > n, f"key {key}")
    assert re.findall(r"call: received DTMF: '(.)'", b.output()) == ["4", "2", "#"]
    assert b.digits() == []
    a.hang_up()
    b.wait_ended()
    assert gateway.cdr()["media"]["a"]["dtmf_events"] == 3


def test_music_on_hold(gateways, phones, sipp, tmp_path):  # noqa: F811
    """SIG-16: a caller holds and sends nothing; the held phone is sent the recording"""
    music = tmp_path / "music.wav"
    phone.write_tone(music, 650, seconds=2, rate=8000)
    b = phones("pcmu", 440)
    pbx = lab.free_port()
    trunks = lab.document(pbx=pbx, carrier=b.port)["trunks"]
    trunks[1].setdefault("media", {}).update({"hold_audio": "gateway", "hold_sound": "waltz"})
    gateway = gateways(trunks=trunks, sounds=[{"id": "waltz", "file": str(music)}])
    caller = sipp("uac-hold-resume", pbx, remote=f"127.0.0.1:{gateway.sip_port}", args=["-s", "phone", "-d", "3000"])
    caller.expect_success()
    b.wait_ended()
    media = gateway.cdr()["media"]
    # 300 ms of hold; baresip does not decode while it is held, so what it is played is for the unit tests.
    assert media["a"]["pkts_in"] == 0 and 10 <= media["b"]["pkts_out"] <= 25
    assert "silence takes its place" not in gateway.log()
