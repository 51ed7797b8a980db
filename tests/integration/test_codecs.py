# SPDX-License-Identifier: Apache-2.0
"""What is agreed about codecs, and what is then on the wire: peers made of sockets say what no softphone says."""

import random
import time

import pytest

import wire
from talker import Talker, answer, connect, hang_up, header


@pytest.fixture
def talkers():
    made = [Talker(), Talker()]
    yield made
    for each in made:
        each.close()


def call(gateways, a, b, codecs):
    trunk = {"role": "pbx", "media": {"codecs": codecs}}
    return gateways(trunks=[
        {"id": "pbx", **trunk, "endpoints": [{"uri": f"sip:127.0.0.1:{a.sip.port}"}]},
        {"id": "carrier", **trunk, "role": "carrier", "endpoints": [{"uri": f"sip:127.0.0.1:{b.sip.port}"}]}])


@pytest.mark.parametrize("name,pt,b_pt,parameters,answered,size,samples", [
    ("AMR-WB/16000", 96, 104, "octet-align=1;mode-set=0,1,2,3,4,5,6,7,8;mode-change-period=2;mode-change-capability=2;"
     "mode-change-neighbor=1;max-red=0", "octet-align=1;mode-set=0,1,2,3,4,5,6,7,8;mode-change-period=2;"
     "mode-change-capability=2;mode-change-neighbor=1;max-red=0", 61, 320),
    ("iLBC/8000", 98, 98, "mode=20", "mode=30", 50, 240),
    ("SILK/16000", 103, 103, "useinbandfec=1", "useinbandfec=0", 47, 320),
])
def test_a_codec_we_do_not_know_passes(gateways, talkers, name, pt, b_pt, parameters, answered, size, samples):
    """MED-1 MED-2: with `other` on both trunks it is offered and answered with its own parameters, and every byte of
    it arrives; the record has its name"""
    a, b = talkers
    a.formats, b.formats = f"{pt} 0", str(b_pt)
    a.extra = f"a=rtpmap:{pt} {name}\r\na=fmtp:{pt} {parameters}\r\n"
    b.extra = f"a=rtpmap:{b_pt} {name}\r\na=fmtp:{b_pt} {answered}\r\n"
    gateway = call(gateways, a, b, ["other", "PCMU"])
    end = connect(gateway, a, b)
    assert f"a=fmtp:{pt} {parameters}\r\n" in b.invite
    assert f"a=rtpmap:{pt} {name}\r\na=fmtp:{pt} {answered}\r\n" in a.ok
    said = {each: [random.randbytes(size) for _ in range(25)] for each in (a, b)}
    for n in range(25):
        a.say(said[a][n], pt, samples)
        b.say(said[b][n], pt, samples)  # by the number of our offer
        time.sleep(samples / int(name.split("/")[1]))
        a.listen()
        b.listen()
    time.sleep(0.2)
    a.listen()
    b.listen()
    assert [payload for _, payload in b.heard] == said[a]
    assert [payload for _, payload in a.heard] == said[b]
    record = hang_up(gateway, a, b, end)
    assert not record["media"]["transcoded"]
    assert {record["media"][side]["codec"] for side in "ab"} == {name.split("/")[0]}


@pytest.mark.parametrize("formats,length,said_ms,heard_ms", [
    ("0", "a=ptime:20", 30, 20),
    ("0", "a=ptime:60", 20, 60),
    ("0", "a=maxptime:10", 20, 10),
    ("8", "a=maxptime:10", 20, 10),
    ("8", "a=ptime:120", 5, 120),
    ("0", "a=maxptime:150", 40, 40),
])
def test_packets_are_as_long_as_the_peer_asks(gateways, talkers, formats, length, said_ms, heard_ms):
    """MED-1 MED-2: ptime and maxptime of each side, in the same law and the other, with no sample lost or added"""
    a, b = talkers
    a.formats, b.formats, b.extra = "0", formats, length + "\r\n"
    gateway = call(gateways, a, b, ["PCMU", "PCMA"])
    end = connect(gateway, a, b)
    for _ in range(600 // said_ms):
        a.say(b"\xff" * (8 * said_ms), 0, 8 * said_ms)
        time.sleep(said_ms / 1000)
        b.listen()
    time.sleep(0.2)
    b.listen()
    assert {len(payload) for _, payload in b.heard} == {8 * heard_ms}
    assert len(b.heard) == 600 // heard_ms
    assert hang_up(gateway, a, b, end)["media"]["transcoded"] == (formats == "8")


NOTHING = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"


@pytest.mark.parametrize("offer,answered,warning,evidence", [
    (wire.sdp(formats="18"), None, '305 127.0.0.1 "incompatible media format"', "allows PCMU"),
    (wire.sdp(formats="0"), wire.sdp(formats="3"), '305 127.0.0.1 "incompatible media format"', "listed GSM"),
    (wire.sdp(formats="0"), wire.sdp(port=0, formats="0"), '304 127.0.0.1 "media type not available"', "with port 0"),
    (wire.sdp(port=0, formats="0"), None, '304 127.0.0.1 "media type not available"', "with port 0"),
    (NOTHING + "m=video 4000 RTP/AVP 96\r\n", None, '304 127.0.0.1 "media type not available"', "described video"),
], ids=["no-common-codec", "another-codec-answered", "audio-refused", "no-live-audio", "video-only"])
def test_a_call_without_common_media_says_why(gateways, talkers, offer, answered, warning, evidence):
    """MED-2: 488 with a Warning, wherever it turns out, and what each side has in the record"""
    a, b = talkers
    trunks = [{"id": name, "role": name, "endpoints": [{"uri": f"sip:127.0.0.1:{each.sip.port}"}],
               "media": {"codecs": codecs}}
              for name, each, codecs in (("pbx", a, ["PCMU", "G729"]), ("carrier", b, ["PCMU"]))]
    gateway = gateways(trunks=trunks)
    a.sip.send(wire.message("INVITE", f"sip:+442079460000@127.0.0.1:{gateway.sip_port}", a.sip,
                            extra="Content-Type: application/sdp\r\n", body=offer), ("127.0.0.1", gateway.sip_port))
    if answered:
        answer(b, b.message("INVITE "), gateway, answered)
        answer(b, b.message("BYE "), gateway)
    assert header(a.message("SIP/2.0 488"), "Warning") == warning
    record = gateway.cdr()
    assert record["release"]["diagnosis"] == "codec_mismatch"
    assert evidence in " ".join(record["release"]["evidence"])
