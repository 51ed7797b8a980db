# SPDX-License-Identifier: Apache-2.0
"""Calls written to files: what two baresip phones said, on its own channel each."""

import os
import signal
import wave

import numpy
import pytest

import lab
import phone

pytestmark = pytest.mark.skipif(not lab.have("baresip"), reason="baresip is not installed")


@pytest.fixture
def phones(tmp_path):
    made = []

    def make(codec, tone_hz):
        made.append(phone.Phone(tmp_path / f"phone-{len(made)}", codec, tone_hz))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def talk(gateways, phones, codec_a, codec_b, **config):
    a, b = phones(codec_a, 1000), phones(codec_b, 440)
    gateway = gateways(pbx=a.port, carrier=b.port, **config)
    a.dial(f"sip:phone@127.0.0.1:{gateway.sip_port}")
    a.wait_established()
    b.wait_established()
    return gateway, a, b


def live(gateway):
    return gateway.api.get("/calls")["items"][0]


def recorded_for(gateway, ms, n=0):
    recordings = live(gateway)["media"]["recordings"]
    return len(recordings) > n and recordings[n]["duration_ms"] >= ms


def files(gateway):
    return sorted((gateway.dir / "data" / "recordings").rglob("*.wav"))


def channels(path):
    with wave.open(str(path)) as audio:
        assert audio.getnchannels() == 2 and audio.getsampwidth() == 2
        rate = audio.getframerate()
        samples = numpy.frombuffer(audio.readframes(audio.getnframes()), dtype="<i2") / 32768
    return samples[0::2], samples[1::2], rate


def expect_tone(samples, rate, hz):
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    assert len(middle) >= rate // 2, f"only {len(samples)} samples"
    spectrum = numpy.abs(numpy.fft.rfft(middle * numpy.hanning(len(middle))))
    peak = numpy.argmax(spectrum) * rate / len(middle)
    assert abs(peak - hz) < 5, f"{peak} Hz was recorded, {hz} Hz was said"
    assert 0.35 < numpy.sqrt(2 * numpy.mean(middle**2)) < 0.45


@pytest.mark.parametrize("codec_a,codec_b,rate", [("pcmu", "pcmu", "8000"), ("G722", "pcma", "16000")])
def test_policy_records_each_side_on_its_channel(gateways, phones, codec_a, codec_b, rate):
    """A relayed and a transcoded call of a trunk that wants it: caller left, called right, 0600, path in the record"""
    trunks = lab.document()["trunks"]
    for trunk, codec in zip(trunks, (codec_a, codec_b)):
        trunk["media"]["codecs"] = [codec.upper()]
    a, b = phones(codec_a, 1000), phones(codec_b, 440)
    for trunk, peer in zip(trunks, (a, b)):
        trunk["endpoints"] = [{"uri": f"sip:127.0.0.1:{peer.port}"}]
    trunks[1]["media"]["record"] = True
    gateway = gateways(trunks=trunks, recording={"sample_rate": rate, "min_free_mb": 0})
    a.dial(f"sip:phone@127.0.0.1:{gateway.sip_port}")
    a.wait_established()
    lab.wait_for(lambda: recorded_for(gateway, 3000), "three seconds on file")
    a.hang_up()
    b.wait_ended()
    cdr = gateway.cdr()
    (recording,) = cdr["media"]["recordings"]
    assert recording["state"] == "done" and recording["dropped_packets"] == 0
    path = gateway.dir / "data" / "recordings" / recording["file"]
    assert cdr["id"] in path.name
    lab.wait_for(lambda: abs(path.stat().st_size - recording["duration_ms"] * int(rate) * 4 / 1000) < 10000,
                 "the end of the file")
    assert path.stat().st_mode & 0o777 == 0o600
    left, right, found = channels(path)
    assert found == int(rate)
    expect_tone(left, found, 1000)
    expect_tone(right, found, 440)


def test_operator_starts_pauses_and_stops(gateways, phones):
    """By the API: silence while paused, and nothing after stop; a second file for a second start"""
    gateway, a, b = talk(gateways, phones, "pcma", "pcma", recording={"min_free_mb": 0})
    call = live(gateway)["id"]
    assert files(gateway) == []

    def act(action):
        return gateway.api("POST", f"/calls/{call}/actions/record", {"recording": action})

    with pytest.raises(lab.ApiError) as refused:
        act("pause")
    assert refused.value.status == 409
    with pytest.raises(lab.ApiError) as refused:
        act("erase")
    assert refused.value.status == 422
    gateway.api("POST", f"/calls/{call}/actions/record")
    lab.wait_for(lambda: recorded_for(gateway, 1000), "a second")
    gateway.api("POST", f"/calls/{call}/actions/pause")
    paused_at = live(gateway)["media"]["recordings"][0]
    assert paused_at["state"] == "paused"
    lab.wait_for(lambda: recorded_for(gateway, paused_at["duration_ms"] + 1000), "a second of silence")
    act("resume")
    lab.wait_for(lambda: recorded_for(gateway, paused_at["duration_ms"] + 2000), "another second")
    act("stop")
    act("start")
    lab.wait_for(lambda: recorded_for(gateway, 500, n=1), "a second file")
    a.hang_up()
    b.wait_ended()
    first, second = gateway.cdr()["media"]["recordings"]
    assert second["file"].endswith("-2.wav")
    left, right, rate = channels(gateway.dir / "data" / "recordings" / first["file"])
    assert len(left) == first["duration_ms"] * rate // 1000
    quiet = slice((paused_at["duration_ms"] + 200) * rate // 1000, (paused_at["duration_ms"] + 800) * rate // 1000)
    for side in left, right:
        assert numpy.abs(side[quiet]).max() == 0
        assert numpy.abs(side[: rate // 2]).max() > 0.3
        assert numpy.abs(side[-rate // 2 :]).max() > 0.3


def test_a_killed_gateway_leaves_a_whole_file(gateways, phones):
    """kill -9 in the middle: any program reads the file, up to a second or so before"""
    trunks = lab.document()["trunks"]
    a, b = phones("pcmu", 1000), phones("pcmu", 440)
    for trunk, peer in zip(trunks, (a, b)):
        trunk["endpoints"] = [{"uri": f"sip:127.0.0.1:{peer.port}"}]
        trunk["media"]["codecs"] = ["PCMU"]
        trunk["media"]["record"] = True
    gateway = gateways(trunks=trunks, recording={"min_free_mb": 0})
    a.dial(f"sip:phone@127.0.0.1:{gateway.sip_port}")
    a.wait_established()
    lab.wait_for(lambda: recorded_for(gateway, 5000), "five seconds")
    os.kill(gateway.process.pid, signal.SIGKILL)
    gateway.process.child.wait()
    for phone in a, b:
        phone.stop(signal.SIGKILL)  # asked politely, they wait for an answer to their BYE
    (path,) = files(gateway)
    left, right, rate = channels(path)
    assert len(left) >= 2.5 * rate
    expect_tone(left, rate, 1000)
    expect_tone(right, rate, 440)
