# SPDX-License-Identifier: Apache-2.0
"""Speech of espeak-ng between softphones with no codec in common: is what arrives what was said?"""

import shutil

import numpy
import pytest

import lab
import linphone
import phone
import speech
from test_audio import flows, phones  # noqa: F401  (a fixture)

pytestmark = pytest.mark.skipif(not lab.have("baresip", "espeak-ng", "sox"), reason="baresip, espeak-ng or sox is missing")

# Least envelope, most difference of the spectrum: what each codec leaves of speech, with room for the other one.
LEFT = {"pcmu": (0.99, 0.5), "pcma": (0.99, 0.5), "G722": (0.98, 1.0), "GSM": (0.95, 2.5), "opus": (0.95, 2.5),
        "G729": (0.95, 4.0)}


def talks(each, tmp_path, codec, voice):
    """From now on it says this; returns what it says."""
    path, said = speech.make(tmp_path, phone.CODEC_RATES.get(codec, speech.RATE), voice)
    shutil.copy(path, each.dir / "tone.wav")
    return said


def heard_by(each):
    paths = each.recordings() if isinstance(each, phone.Phone) else [each.dir / "heard.wav"]
    return numpy.concatenate([speech.read(path) for path in paths])


def expect_speech(said, listener, *codecs, compare=speech.similarity):
    heard = heard_by(listener)
    found = compare(said, heard[speech.RATE : -speech.RATE // 4])
    print(codecs, found)
    assert found["envelope"] > min(LEFT[c][0] for c in codecs) - 0.02, found
    assert found["spectrum_db"] < sum(LEFT[c][1] for c in codecs), found
    assert abs(found["level_db"]) < 2, found


def connect(gateways, a, b, codec_a, codec_b, **more):
    document = lab.document()
    for trunk, each, codec in zip(document["trunks"], (a, b), (codec_a, codec_b)):
        trunk["endpoints"] = [{"uri": f"sip:127.0.0.1:{each.port}"}]
        trunk["media"]["codecs"] = [codec if codec == "opus" else codec.upper()]
    document["trunks"][0]["media"]["nat"] = "any"
    gateway = gateways(trunks=document["trunks"], **more)
    a.dial(f"sip:phone@127.0.0.1:{gateway.sip_port}")
    a.wait_established()
    b.wait_established()
    return gateway


@pytest.mark.parametrize("codec_a,codec_b", [
    ("pcmu", "pcma"), ("pcmu", "G722"), ("pcma", "GSM"), ("opus", "pcmu"), ("G722", "GSM"), ("opus", "G722"),
    ("opus", "GSM"),
])
def test_speech_crosses(gateways, phones, tmp_path, codec_a, codec_b):  # noqa: F811
    """MED-2 MED-7: what each phone says is heard by the other, word by word"""
    a, b = phones(codec_a, 1000), phones(codec_b, 440)
    said_a, said_b = talks(a, tmp_path, codec_a, "en-us"), talks(b, tmp_path, codec_b, "de")
    gateway = connect(gateways, a, b, codec_a, codec_b)
    lab.wait_for(lambda: flows(gateway, 300), "six seconds of speech each way")
    a.hang_up()
    b.wait_ended()
    expect_speech(said_a, b, codec_a, codec_b)
    expect_speech(said_b, a, codec_a, codec_b)


@pytest.mark.skipif(not lab.have("linphonec"), reason="linphone is not installed")
def test_speech_crosses_g729(gateways, phones, tmp_path):  # noqa: F811
    """MED-2: linphone with G.729, a phone with G.711: the library is loaded when asked for, and both hear each other"""
    b = phones("pcma", 440)
    said_b = talks(b, tmp_path, "pcma", "de")
    path, said_a = speech.make(tmp_path)
    (tmp_path / "linphone").mkdir()
    a = linphone.Linphone(tmp_path / "linphone", 1000)
    try:
        shutil.copy(path, a.dir / "tone.wav")
        a.say(f"play {a.dir / 'tone.wav'}")
        gateway = connect(gateways, a, b, "G729", "pcma", system={"g729_library": "libbcg729.so.0"})
        if "G.729 cannot be transcoded" in gateway.log():
            pytest.skip("libbcg729-0 is not installed")
        lab.wait_for(lambda: flows(gateway, 400), "eight seconds of speech each way")
        a.hang_up()
        b.wait_ended()
        a.wait_ended()
    finally:
        a.stop()
    cdr = gateway.cdr()
    assert cdr["media"]["a"]["codec"] == "G729" and cdr["media"]["transcoded"]
    expect_speech(said_b, a, "G729", "pcma", compare=speech.similarity_by_pieces)
    expect_speech(said_a, b, "G729", "pcma", compare=speech.similarity_by_pieces)


def test_g729_without_its_library(gateways):
    """MED-2: a library that is not there is said once, the gateway runs, and such a call is refused as any without a codec"""
    document = lab.document()
    document["trunks"][0]["media"]["codecs"] = ["G729"]
    gateway = gateways(trunks=document["trunks"], system={"g729_library": "libno-such-thing.so.9"})
    assert gateway.log().count("G.729 cannot be transcoded and is relayed only") == 1
    assert "libno-such-thing.so.9" in gateway.log()
    shown = gateway.api.get("/system")["media"]["g729"]
    assert (shown["transcodes"], shown["library"]) == (False, None) and "libno-such-thing.so.9" in shown["fault"]


def test_g729_with_its_library(gateways):
    """MED-2: where the library is, /system says which file it is, and that there is none where nobody asks for it"""
    gateway = gateways(system={"g729_library": "libbcg729.so.0"})
    shown = gateway.api.get("/system")["media"]["g729"]
    if shown["fault"]:
        pytest.skip("libbcg729-0 is not installed")
    assert shown["transcodes"] and shown["library"].endswith("/libbcg729.so.0")
    assert gateways().api.get("/system")["media"]["g729"] == {"transcodes": False, "library": None, "fault": None}
