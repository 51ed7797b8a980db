# SPDX-License-Identifier: Apache-2.0
"""Tones between softphones while the call changes: no gap, no step in level (speech.holes_ms); and what a listener that
looks at each packet (ear.py) gets from us while the phones behind us change."""

import concurrent.futures

import numpy
import pytest

import desk as desks
import ear
import lab
import linphone
import phone
import speech
from test_audio import flows, phones  # noqa: F401  (a fixture)
from test_proxy import proxies  # noqa: F401  (a fixture)
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


# --- a listener that keeps every packet: alone on the machine, for phones that wait for the processor are silent ---

@pytest.fixture
def listeners():
    """Desks whose media are ear.Ear."""
    made, pool = [], concurrent.futures.ThreadPoolExecutor()

    def make(hz):
        made.append(desks.Desk(rtp=ear.Ear(hz)))
        made[-1].dials = lambda number="phone": pool.submit(made[0].dial, number)
        return made[-1]

    yield make
    for each in made:
        each.stop()
    pool.shutdown()


@pytest.fixture
def linphones(tmp_path):
    made = []

    def make(hz, **more):
        directory = tmp_path / f"linphone-{len(made)}"
        directory.mkdir()
        made.append(linphone.Linphone(directory, hz, **more))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def trunk(name, role, port, codec="PCMU", **more):
    codec = codec if codec == "opus" else codec.upper()
    return {"id": name, "role": role, "endpoints": [{"uri": f"sip:127.0.0.1:{port}"}], "media": {"codecs": [codec]},
            "health": {"options": {"enabled": False}}, **more}


def route(name, sources, to):
    return {"id": name, "match": {"source_trunks": sources}, "action": {"trunks": to}}


def start(gateways, listener, trunks, routes):
    ports = lab.free_port(span=80)
    gateway = gateways(trunks=[trunk("left", "carrier", listener.port), *trunks], routes=routes,
                       media_pools=[{"id": "main", "address": "127.0.0.1", "port_min": ports, "port_max": ports + 79}])
    listener.gateway = ("127.0.0.1", gateway.sip_port)
    return gateway


def hears(listener, n):
    """Waits for n packets more."""
    before = len(listener.rtp.packets)
    lab.wait_for(lambda: len(listener.rtp.packets) >= before + n, f"{n} packets more")


def hears_tone(listener, hz, n=150):
    """Waits until this tone is what comes, and then for n packets more."""

    def now():
        packets = listener.rtp.packets
        return len(packets) > 10 and bool(ear.runs(listener.rtp.samples(len(packets) - 10), hz))

    lab.wait_for(now, f"{hz} Hz")
    hears(listener, n)


def hang_up(listener, gateway, n=1):
    (dialog,) = listener.dialogs.values()
    assert listener.request(dialog, "BYE").startswith("SIP/2.0 200")
    return sorted(gateway.wait_cdrs(n), key=lambda cdr: cdr["start_at"])


def expect_ended_with(a_phone, hz):
    """The last second but a bit of what a phone heard is this tone, whole."""
    heard = heard_by(a_phone)
    ear.expect_tone(heard[-speech.RATE * 5 // 4 : -speech.RATE // 4], hz)


@pytest.mark.busy
@pytest.mark.parametrize("codec", ["pcmu", "G722"])
def test_packets_go_on_through_changes_and_holds(gateways, phones, listeners, codec):  # noqa: F811
    """MED-3 SIG-16: re-INVITEs and a hold by the other side: one source, sequence by one, time by the clock, a marker
    behind the hold; the tone within 1 dB and 1 Hz, and silent for the hold only"""
    a, b = listeners(700), phones(codec, 1000)
    gateway = start(gateways, a, [trunk("pbx", "pbx", b.port, codec)], [route("in", ["left"], ["pbx"])])
    a.dial("phone")
    hears_tone(a, 1000)
    for _ in range(3):
        b.command("reinvite")
        hears(a, 50)
    b.command("hold")  # baresip is silent then
    lab.wait_for(lambda: "a=sendonly" in a.described or "a=inactive" in a.described, "the hold")
    said = a.rtp.said
    lab.wait_for(lambda: a.rtp.said > said + 50, "a second to go by")
    b.command("resume")
    lab.wait_for(lambda: "a=sendrecv" in a.described, "its end")
    hears_tone(a, 1000)
    a.rtp.expect_one_stream()
    gaps = ear.expect_tones(a.rtp.samples(), 1000, 1000)
    assert 500 < gaps[0] < 3000, gaps
    assert len([p for p in a.rtp.packets[1:] if p.marker]) <= 2
    (record,) = hang_up(a, gateway)
    b.wait_ended()
    assert record["media"]["transcoded"] == (codec != "pcmu")
    expect_ended_with(b, 700)


@pytest.mark.busy
def test_a_phone_transfers_its_caller(gateways, phones, listeners):  # noqa: F811
    """SIG-18 MED-3: blind, by baresip: the caller hears one phone until it hears the other"""
    a, b, c = listeners(700), phones("pcmu", 1000), phones("pcma", 440)
    gateway = start(gateways, a, [trunk("pbx", "pbx", b.port), trunk("right", "carrier", c.port, "pcma")],
                    [route("in", ["left"], ["pbx"]), route("out", ["pbx"], ["right"])])
    a.dial("phone")
    hears_tone(a, 1000)
    b.command("transfer", f"sip:phone@127.0.0.1:{gateway.sip_port}")
    c.wait_established()
    hears_tone(a, 440)
    a.rtp.expect_one_stream()
    gaps = ear.expect_tones(a.rtp.samples(), 1000, 440)
    hang_up(a, gateway, 2)
    c.wait_ended()
    print("blind: gap", gaps)
    assert gaps[0] <= 200
    expect_ended_with(c, 700)


@pytest.mark.busy
@pytest.mark.skipif(not lab.have("linphonec"), reason="linphone is not installed")
def test_linphone_joins_its_two_calls(gateways, phones, linphones, listeners):  # noqa: F811
    """SIG-18 MED-3: attended, by linphone: it puts its caller on hold, calls another phone, and joins the two by REFER
    with Replaces"""
    a, b, c = listeners(700), linphones(1000), phones("pcma", 440)
    gateway = start(gateways, a, [trunk("pbx", "pbx", b.port), trunk("right", "carrier", c.port, "pcma")],
                    [route("in", ["left"], ["pbx"]), route("out", ["pbx"], ["right"])])
    a.dial("phone")
    b.wait_established()
    hears_tone(a, 1000)
    b.say("pause")
    lab.wait_for(lambda: "a=sendonly" in a.described, "the hold")
    b.say(f"call sip:phone@127.0.0.1:{gateway.sip_port}")
    c.wait_established()
    lab.wait_for(lambda: all(call["state"] == "up" for call in gateway.api.get("/calls")["items"]), "both calls")
    before = len(a.rtp.packets)
    b.say("transfer 1 --to-call 2")
    hears_tone(a, 440)
    a.rtp.expect_one_stream(leap_ms=100)  # linphone's own clock leaps by some packets now and then
    gaps = ear.expect_tones(a.rtp.samples(before), 440)
    hang_up(a, gateway, 2)
    c.wait_ended()
    print("attended: gaps", gaps)
    expect_ended_with(c, 700)


FORKING = [("first", "manual", False), ("rtp_active", "early", False), ("latest", "manual", True)]


@pytest.mark.busy
@pytest.mark.skipif(not lab.have("kamailio"), reason="kamailio is not installed")
@pytest.mark.parametrize("policy,answers,decoded", FORKING)
def test_the_phone_that_answers_is_not_the_one_heard(
        gateways, phones, listeners, proxies, policy, answers, decoded):  # noqa: F811
    """SIG-9 MED-3: two phones ring behind a proxy; one is heard early, the other one answers (and may have described
    itself too): the caller hears the first until it hears the second, in one stream"""
    a, b, c = listeners(700), listeners(1000), phones("pcmu", 440, answers=answers)
    b.rings = "early"
    proxy = proxies([f"phone@127.0.0.1:{each.port}" for each in (b, c)])
    b.gateway = ("127.0.0.1", proxy.port)
    dtmf = {"media": {"codecs": ["PCMU"], "dtmf": "inband"}} if decoded else {}
    gateway = start(gateways, a, [{**trunk("right", "carrier", proxy.port, sip={"forking": policy}), **dtmf}],
                    [route("out", ["left"], ["right"])])
    dialling = a.dials()
    hears_tone(a, 1000)
    lab.wait_for(lambda: "using AF from sdp offer" in c.output(), "the other phone to ring")
    c.command("accept")
    c.wait_established()
    hears_tone(a, 440)
    dialling.result(lab.WATCHDOG_S)
    a.rtp.expect_one_stream()
    gaps = ear.expect_tones(a.rtp.samples(), 1000, 440)
    (record,) = hang_up(a, gateway)
    c.wait_ended()
    print(policy, answers, decoded, "gap", gaps)
    assert gaps[0] <= 200
    assert record["media"]["audio"] == "both"
    expect_ended_with(c, 700)


@pytest.mark.busy
@pytest.mark.skipif(not lab.have("kamailio", "linphonec"), reason="kamailio or linphone is not installed")
def test_linphone_answers_what_another_phone_says_early(gateways, linphones, listeners, proxies):  # noqa: F811
    """SIG-9 MED-3: the same with linphone as the phone that answers"""
    a, b, c = listeners(700), listeners(1000), linphones(440, answers=False)
    b.rings = "early"
    proxy = proxies([f"phone@127.0.0.1:{each.port}" for each in (b, c)])
    b.gateway = ("127.0.0.1", proxy.port)
    gateway = start(gateways, a, [trunk("right", "carrier", proxy.port)], [route("out", ["left"], ["right"])])
    dialling = a.dials()
    hears_tone(a, 1000)
    lab.wait_for(lambda: "Receiving new incoming call" in c.output(), "linphone to ring")
    c.say("answer")
    hears_tone(a, 440)
    dialling.result(lab.WATCHDOG_S)
    a.rtp.expect_one_stream(leap_ms=100)
    samples = a.rtp.samples()
    ((first, n),) = ear.runs(samples, 1000)
    # linphone itself falls silent for a second once, later on.
    gap_ms = 20 * (ear.runs(samples, 440)[0][0] - first - n)
    (record,) = hang_up(a, gateway)
    print("linphone: gap", gap_ms)
    assert 0 <= gap_ms <= 500  # linphone takes its time until it speaks
    assert record["media"]["audio"] == "both" and "Linphone" in record["b"]["user_agent"]


@pytest.mark.busy
@pytest.mark.parametrize("codec", ["pcmu", "opus"])
def test_who_is_heard_early_sends_the_caller_on(gateways, phones, listeners, codec):  # noqa: F811
    """SIG-20 MED-3: the first trunk is heard early and then redirects: the caller hears it until it hears the phone at
    the second trunk, whatever codec that has"""
    a, b, c = listeners(700), listeners(1000), phones(codec, 440)
    b.rings, b.user = "early", "phone"
    gateway = start(gateways, a, [trunk("first", "carrier", b.port), trunk("second", "carrier", c.port, codec)],
                    [route("out", ["left"], ["first"]), route("on", ["first"], ["second"])])
    b.gateway = a.gateway
    dialling = a.dials()
    hears_tone(a, 1000)
    dialog = b.answered_call()
    b.rtp.to = None
    b.respond(dialog.ringing, dialog, False, "302 Moved Temporarily")
    c.wait_established()
    hears_tone(a, 440)
    dialling.result(lab.WATCHDOG_S)
    a.rtp.expect_one_stream()
    gaps = ear.expect_tones(a.rtp.samples(), 1000, 440)
    (record,) = hang_up(a, gateway)
    c.wait_ended()
    print("redirected: gap", gaps)
    assert gaps[0] <= 500  # baresip takes its time until it speaks
    assert [attempt["trunk"] for attempt in record["attempts"]] == ["first", "second"]
    expect_ended_with(c, 700)
