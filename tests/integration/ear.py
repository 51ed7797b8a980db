# SPDX-License-Identifier: Apache-2.0
"""Who listens closely: a desk's media with a tone of its own, that keeps every packet and says what is wrong with them."""

import struct
import time

import numpy

import desk
import speech

RATE = 8000
CLOCK_MS = 150  # loaded machines with sanitizers stall that long
LEVEL = 0.4  # of the tones of all phones here


def _ulaw_table():
    """What each octet of G.711 with the mu-law means, -1 to 1."""
    codes = ~numpy.arange(256) & 0xFF
    magnitude = (((codes & 0x0F) << 3) + 0x84) << ((codes & 0x70) >> 4)
    return numpy.where(codes & 0x80, 0x84 - magnitude, magnitude - 0x84) / 32768


ULAW = _ulaw_table()


def encode(samples):
    """Each sample as the octet that is nearest."""
    order = numpy.argsort(ULAW, kind="stable")
    at = numpy.clip(numpy.searchsorted(ULAW[order], samples), 1, 255)
    lower = samples - ULAW[order][at - 1] < ULAW[order][at] - samples
    return order[at - lower].astype(numpy.uint8)


class Packet:
    def __init__(self, data):
        self.at = time.monotonic()
        _, second, self.sequence, self.timestamp, self.ssrc = struct.unpack("!BBHII", data[:12])
        self.marker, self.pt, self.payload = bool(second & 0x80), second & 0x7F, data[12:]


class Ear(desk.Rtp):
    """Says a tone of @hz in PCMU, and hears."""

    def __init__(self, hz):
        n = numpy.arange(RATE)  # a whole number of periods
        self.tone = encode(LEVEL * numpy.sin(2 * numpy.pi * hz * n / RATE)).reshape(-1, 160)
        self.packets = []
        self.said = 0
        super().__init__(1)

    def payload(self, number):
        self.said += 1
        return self.tone[number % len(self.tone)].tobytes()

    def keep(self, data):
        self.packets.append(Packet(data))
        super().keep(data)

    def samples(self, first=0):
        """What it would have played from packet @first on: every packet in the place that its timestamp says. Where
        nothing came there is silence."""
        packets = self.packets[first:]
        origin = packets[0].timestamp
        places = [(p.timestamp - origin) % 2**32 for p in packets]
        out = numpy.zeros(max(places) + 160)
        for place, packet in zip(places, packets):
            heard = ULAW[numpy.frombuffer(packet.payload, dtype=numpy.uint8)]
            out[place : place + len(heard)] = heard
        return out

    def expect_one_stream(self, leap_ms=0):
        """MED-3: one source that counts on by one, with time that goes on, and a marker where it leaps by more than
        @leap_ms. Where there is a marker, time has gone on as the clock on the wall has."""
        assert {p.ssrc for p in self.packets} == {self.packets[0].ssrc}
        assert {p.pt for p in self.packets} == {0}
        for before, now in zip(self.packets, self.packets[1:]):
            ahead_ms = (now.timestamp - before.timestamp) % 2**32 / 8
            assert now.sequence == (before.sequence + 1) % 65536, (before.sequence, now.sequence)
            assert 0 < ahead_ms < 60000, ahead_ms
            extra_ms = ahead_ms - len(before.payload) / 8
            assert now.marker or 0 <= extra_ms <= leap_ms, f"{ahead_ms} ms without a marker"
            passed_ms = 1000 * (now.at - before.at)
            assert not now.marker or abs(passed_ms - ahead_ms) < CLOCK_MS, (passed_ms, ahead_ms)


def runs(samples, hz):
    """(first frame, frames) of each stretch in which a tone of @hz is all there is."""
    frames = speech.frames(samples)
    n = numpy.arange(speech.FRAME)
    power = (frames**2).mean(axis=1)
    share = numpy.abs(frames @ numpy.exp(-2j * numpy.pi * hz * n / RATE)) ** 2 / (speech.FRAME / 2) ** 2 / 2
    is_tone = (share > 0.8 * power) & (power > (LEVEL**2 / 2) / 10)
    edges = numpy.flatnonzero(numpy.diff(numpy.concatenate(([0], is_tone.astype(int), [0]))))
    return [(int(start), int(end - start)) for start, end in zip(edges[::2], edges[1::2])]


def expect_tone(samples, hz, level_db=20 * numpy.log10(LEVEL / 2**0.5), hz_off=1.0):
    """All of it: one tone, without a hole, within 1 dB and 1 Hz."""
    hole_ms, step_db = speech.holes_ms(samples)
    assert hole_ms == 0 and step_db < 1, (hole_ms, step_db)
    found_db = 10 * numpy.log10((samples**2).mean())
    assert abs(found_db - level_db) < 1, f"{found_db:.1f} dB, {level_db:.1f} expected"
    n = len(samples)
    power = numpy.abs(numpy.fft.rfft(samples * numpy.hanning(n), 4 * n)) ** 2
    peak = numpy.argmax(power) * RATE / (4 * n)
    assert abs(peak - hz) < hz_off, f"{peak:.1f} Hz, {hz} Hz expected"
    near = numpy.abs(numpy.arange(len(power)) * RATE / (4 * n) - hz) < 30
    assert power[near].sum() > 0.98 * power.sum(), "and something else"


def expect_tones(samples, *tones):
    """One after the other, each whole; returns the silence between them, in ms."""
    found = sorted((start, n, hz) for hz in set(tones) for start, n in runs(samples, hz))
    assert [hz for _, _, hz in found] == list(tones), f"{found} of {len(samples) // speech.FRAME} frames"
    for start, n, hz in found:
        assert n >= 50, f"{hz} Hz for {20 * n} ms only"
        expect_tone(samples[(start + 1) * speech.FRAME : (start + n - 1) * speech.FRAME], hz)
    return [20 * (later[0] - before[0] - before[1]) for before, later in zip(found, found[1:])]
