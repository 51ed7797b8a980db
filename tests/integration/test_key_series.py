# SPDX-License-Identifier: Apache-2.0
"""DTMF-4 through the real gateway: strings of keys as events one way and as tones the other, with packets lost."""

import random
import select
import socket
import struct
import threading
import time

import numpy
import pytest

import desk as desks
import ear
import lab

N_CALLS, N_STRINGS, N_KEYS = 10, 10, 20
LOSS = 0.01
KEYS = "0123456789*#ABCD"
PAD = "123A456B789C*0#D"
HZ = ((697, 770, 852, 941), (1209, 1336, 1477, 1633))
TICK = 160  # samples of a packet
SILENCE = b"\xff" * TICK


def tone(key, n):
    row, column = divmod(PAD.index(key), 4)
    at = numpy.arange(n) / ear.RATE
    return 0.15 * (numpy.sin(2 * numpy.pi * HZ[0][row] * at) + numpy.sin(2 * numpy.pi * HZ[1][column] * at))


def as_tones(text):
    """A packet each 20 ms: 50 ms of each key, 50 ms of silence; a space is 200 ms of it. [[(pt, marker, timestamp,
    payload)]]"""
    parts = []
    for key in text:
        parts += [numpy.zeros(1600)] if key == " " else [tone(key, 400), numpy.zeros(400)]
    octets = ear.encode(numpy.concatenate(parts)).tobytes()
    return [[(0, False, at, octets[at : at + TICK])] for at in range(0, len(octets) - TICK + 1, TICK)]


def as_events(text):
    """The same as RFC 4733 has it: 50 ms, the end three times."""
    ticks = []
    for key in text:
        if key == " ":
            ticks += [[(0, False, TICK * (len(ticks) + n), SILENCE)] for n in range(10)]
            continue
        begin = TICK * len(ticks)
        blocks = [struct.pack("!BBH", KEYS.index(key), 0x8A if end else 0x0A, samples)
                  for samples, end in ((160, False), (320, False), (400, True))]
        ticks += [[(101, True, begin, blocks[0])], [(101, False, begin, blocks[1])], [(101, False, begin, blocks[2])] * 3]
        ticks += [[(0, False, TICK * (len(ticks) + n), SILENCE)] for n in range(2)]
    return ticks


class Presser(threading.Thread):
    """Media of a desk: silence until it is told to press, then every packet but those that are lost."""

    def __init__(self, ticks, seed):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.ticks, self.dice = ticks, random.Random(seed)
        self.to, self.presses, self.done, self.stopped = None, False, False, False
        self.packets, self.n_lost = [], 0
        self.start()

    def run(self):
        sequence = timestamp = n = 0
        next_at = time.monotonic()
        while not self.stopped:
            if select.select([self.socket], [], [], max(0, next_at - time.monotonic()))[0]:
                self.packets.append(ear.Packet(self.socket.recv(2048)))
            if time.monotonic() < next_at:
                continue
            next_at += 0.02
            tick = [(0, False, 0, SILENCE)]
            if self.presses and n < len(self.ticks):
                tick, base, n = self.ticks[n], timestamp - TICK * n, n + 1
                tick = [(pt, marker, base + at - timestamp, payload) for pt, marker, at, payload in tick]
            self.done = n == len(self.ticks)
            for pt, marker, offset, payload in tick if self.to else []:
                sequence += 1
                if self.presses and not self.done and self.dice.random() < LOSS:
                    self.n_lost += 1
                    continue
                self.socket.sendto(struct.pack("!BBHII", 0x80, pt | marker << 7, sequence & 0xFFFF,
                                               (timestamp + offset) & 0xFFFFFFFF, 0x4321) + payload, self.to)
            timestamp += TICK

    def stop(self):
        self.stopped = True
        self.join()
        self.socket.close()


class Events(desks.Desk):
    def describe(self, dialog, direction="sendrecv"):
        return (f"v=0\r\no=- 1 {dialog.version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
                f"m=audio {self.rtp.port} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
                f"a={direction}\r\n")


def events_heard(packets):
    """One key for each timestamp."""
    pressed = dict.fromkeys((p.timestamp, p.payload[0]) for p in packets if p.pt == 101)
    return "".join(KEYS[event] for _, event in pressed)


def tones_heard(packets):
    """Keys in what came, in pieces of 10 ms: one each time a tone begins."""
    speech = sorted((p for p in packets if p.pt == 0), key=lambda p: p.timestamp)
    origin = speech[0].timestamp
    samples = numpy.zeros(speech[-1].timestamp - origin + TICK)
    for p in speech:
        samples[p.timestamp - origin : p.timestamp - origin + len(p.payload)] = ear.ULAW[list(p.payload)]
    pieces = samples[: len(samples) // 80 * 80].reshape(-1, 80)
    waves = numpy.exp(-2j * numpy.pi * numpy.outer(numpy.arange(80), HZ[0] + HZ[1]) / ear.RATE)
    power = numpy.abs(pieces @ waves) ** 2
    heard, last, quiet = "", None, 9
    for piece, found in zip((pieces**2).mean(axis=1), power):
        key = PAD[4 * int(found[:4].argmax()) + int(found[4:].argmax())] if piece > 0.005 else None
        if key and quiet >= 3:
            heard, last = heard + "?", []
        if key:
            last.append(key)
            heard = heard[:-1] + max(set(last), key=last.count)
        quiet = 0 if key else quiet + 1
    return heard


@pytest.mark.busy
def test_a_hundred_strings_each_way(gateways):
    """DTMF-4 DTMF-2: 100 strings of 20 keys, 50 ms down and up, as events to a side without them and as tones to a side
    with them, at 1 % loss: none lost and none doubled"""
    dice = random.Random(4)

    def strings():
        return ["".join(dice.choice(KEYS) for _ in range(N_KEYS)) for _ in range(N_STRINGS)]

    said = [(strings(), strings()) for _ in range(N_CALLS)]
    callers = [Events(rtp=Presser(as_events(" " + " ".join(out) + " "), n)) for n, (out, _) in enumerate(said)]
    called = [desks.Desk(rtp=Presser(as_tones(" " + " ".join(back) + " "), 100 + n)) for n, (_, back) in enumerate(said)]
    try:
        trunks = [{"id": f"{name}-{n}", "role": role, "endpoints": [{"uri": f"sip:127.0.0.1:{each.port}"}],
                   "media": {"codecs": ["PCMU"]}, "health": {"options": {"enabled": False}}}
                  for name, role, peers in (("pbx", "pbx", callers), ("carrier", "carrier", called))
                  for n, each in enumerate(peers)]
        routes = [{"id": f"r-{n}", "match": {"source_trunks": [f"pbx-{n}"]}, "action": {"trunks": [f"carrier-{n}"]}}
                  for n in range(N_CALLS)]
        ports = lab.free_port(span=4 * N_CALLS + 20)
        gateway = gateways(trunks=trunks, routes=routes, media_pools=[
            {"id": "main", "address": "127.0.0.1", "port_min": ports, "port_max": ports + 4 * N_CALLS + 19}])
        for each in callers + called:
            each.gateway = ("127.0.0.1", gateway.sip_port)
        dialogs = [each.dial("4711") for each in callers]
        everyone = [each.rtp for each in callers + called]
        lab.wait_for(lambda: all(len(rtp.packets) > 25 for rtp in everyone), "audio everywhere")
        for rtp in everyone:
            rtp.presses = True
        lab.wait_for(lambda: all(rtp.done for rtp in everyone), "all keys to be pressed", timeout=120)
        before = [len(rtp.packets) for rtp in everyone]
        lab.wait_for(lambda: all(len(rtp.packets) > n + 25 for rtp, n in zip(everyone, before)), "the last to arrive")
        for each, dialog in zip(callers, dialogs):
            each.request(dialog, "BYE")
        records = gateway.wait_cdrs(N_CALLS)
    finally:
        for each in callers + called:
            each.stop()
    wrong = []
    for n, (out, back) in enumerate(said):
        for name, wanted, heard in (("events to tones", "".join(out), tones_heard(called[n].rtp.packets)),
                                    ("tones to events", "".join(back), events_heard(callers[n].rtp.packets))):
            if heard != wanted:
                wrong.append((name, n, wanted, heard))
    n_lost = sum(rtp.n_lost for rtp in everyone)
    print(f"{N_CALLS * N_STRINGS} strings each way, {n_lost} packets lost: {len(wrong)} wrong")
    assert n_lost > 200
    assert not wrong, wrong
    # What is counted is what was pressed (DTMF-5: which keys is not kept).
    assert {record["media"][side]["dtmf_events"] for record in records for side in "ab"} == {N_STRINGS * N_KEYS}
