# SPDX-License-Identifier: Apache-2.0
"""Tones between softphones while the call changes: no gap, no step in level (speech.holes_ms)."""

import numpy
import pytest

import lab
import phone
import speech
from test_audio import flows, phones  # noqa: F401  (a fixture)
from test_speech import connect, heard_by

pytestmark = pytest.mark.skipif(not lab.have("baresip", "sox"), reason="baresip or sox is not installed")


def packets(gateway):
    media = gateway.api.get("/calls")["items"][0]["media"]
    return min(media["a"]["pkts_in"], media["b"]["pkts_in"])


def expect_whole(listener, hz, *codecs):
    """All it heard, from half a second on to the end of the call: one tone, without a hole."""
    heard = heard_by(listener)[: -speech.RATE // 5]
    hole_ms, step_db = speech.holes_ms(heard, after_s=0.5)
    # Codecs that model a voice waver a little on a tone.
    assert hole_ms == 0 and step_db < (4 if {"GSM", "opus"} & set(codecs) else 1), (hole_ms, step_db)
    peak, share = phone.loudest_hz(heard[speech.RATE // 2 :])
    assert abs(peak - hz) < 5 and share > 0.9, (peak, share)


@pytest.mark.parametrize("codec_a,codec_b", [("pcmu", "pcmu"), ("pcmu", "pcma"), ("G722", "pcma"), ("opus", "pcmu")])
def test_changes_of_the_session_are_not_heard(gateways, phones, codec_a, codec_b):  # noqa: F811
    """MED-3: five re-INVITEs from either phone: relayed or decoded, what the other sends goes on without a gap"""
    a, b = phones(codec_a, 1000), phones(codec_b, 440)
    gateway = connect(gateways, a, b, codec_a, codec_b)
    lab.wait_for(lambda: flows(gateway, 50), "a second of audio each way")
    for n in range(5):
        (a if n % 2 == 0 else b).command("reinvite")
        before = packets(gateway)
        lab.wait_for(lambda before=before: packets(gateway) > before + 50, "a second of audio after it")
    a.hang_up()
    b.wait_ended()
    expect_whole(b, 1000, codec_a, codec_b)
    expect_whole(a, 440, codec_a, codec_b)
    record = gateway.cdr()
    assert record["media"]["audio"] == "both"


@pytest.mark.parametrize("codec_a,codec_b", [("pcmu", "pcmu"), ("G722", "pcma")])
def test_after_a_hold_the_tone_is_whole_again(gateways, phones, codec_a, codec_b):  # noqa: F811
    """SIG-16 MED-3: held and taken up again; what the held side hears is the tone, silence, and the tone at the same level"""
    a, b = phones(codec_a, 1000), phones(codec_b, 440)
    gateway = connect(gateways, a, b, codec_a, codec_b)
    lab.wait_for(lambda: flows(gateway, 150), "three seconds of audio each way")
    a.command("hold")
    lab.wait_for(lambda: "hold" in b.output().lower(), "the hold to arrive")
    a.command("resume")
    before = gateway.api.get("/calls")["items"][0]["media"]["a"]["pkts_in"]
    lab.wait_for(lambda: gateway.api.get("/calls")["items"][0]["media"]["a"]["pkts_in"] > before + 200, "four seconds more")
    a.hang_up()
    b.wait_ended()
    heard = heard_by(b)[: -speech.RATE // 5]
    levels = speech.level_db((speech.frames(heard) ** 2).mean(axis=1))
    sounds = levels > numpy.median(levels) - 20
    assert sounds[-50:].all(), "there are holes in the last second"
    assert abs(numpy.median(levels[-50:]) - numpy.median(levels[25:75])) < 0.5
    # However long the hold was: it begins and ends once.
    assert numpy.count_nonzero(numpy.diff(sounds[25:].astype(int))) <= 2, sounds
