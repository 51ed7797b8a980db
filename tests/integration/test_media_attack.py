# SPDX-License-Identifier: Apache-2.0
"""Strangers on the media ports of a call (MED-4): they are not heard, they hear nothing, and those who talk do not notice.

Two peers made of sockets talk in numbered packets, so that every one that arrives is told from every other. A stranger
who knows the port, the payload type, the SSRC and the sequence number sends at 1, 10 and 50 times their rate: before the
first of them has spoken, while the gateway may still learn where they are, and after that.
"""

import random
import re
import select
import socket
import struct
import threading
import time
import uuid

import pytest

import wire

FRAME_S = 0.02


def packet(ssrc, number, payload):
    return struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, number * 160 & 0xFFFFFFFF, ssrc) + payload


def header(message, name):
    found = re.search(rf"^{name}: *(.*?)\r$", message, re.M | re.I)
    return found.group(1) if found else None


def media_port(message):
    return int(re.search(r"^m=audio (\d+) ", message, re.M).group(1))


class Talker:
    """One side: a SIP socket and an RTP socket."""

    def __init__(self, mark):
        self.sip = wire.Peer()
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtp.bind(("127.0.0.1", 0))
        self.rtp.setblocking(False)
        self.mark, self.ssrc, self.number = mark, random.getrandbits(32), 0
        self.to = None
        self.heard = []

    def sdp(self):
        return wire.sdp(port=self.rtp.getsockname()[1], formats="0")

    def message(self, what):
        """The next one that begins so; everything else is repetition."""
        until = time.monotonic() + 10
        while time.monotonic() < until:
            text = (self.sip.receive(max(0, until - time.monotonic())) or b"").decode()
            if text.startswith(what):
                return text
        raise AssertionError(f"no {what} came")

    def speak(self):
        payload = struct.pack("!cI", self.mark, self.number) * 32
        self.rtp.sendto(packet(self.ssrc, self.number, payload), ("127.0.0.1", self.to))
        self.number += 1

    def listen(self):
        while select.select([self.rtp], [], [], 0)[0]:
            data, source = self.rtp.recvfrom(2048)
            self.heard.append((source[1], data[12:]))

    def close(self):
        self.sip.close()
        self.rtp.close()


class Stranger(threading.Thread):
    """Sends to one port at a rate until it is stopped; keeps what it gets."""

    def __init__(self, host, victim, port, times):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.setblocking(False)
        self.victim, self.port, self.times = victim, port, times
        self.done = threading.Event()
        self.sent = 0
        self.got = 0

    def run(self):
        goodbye = struct.pack("!BBHI", 0x80, 201, 1, self.victim.ssrc) + struct.pack("!BBHI", 0x81, 203, 1, self.victim.ssrc)
        while not self.done.wait(FRAME_S):
            for _ in range(self.times):
                data = packet(self.victim.ssrc, self.victim.number + self.sent % 3, b"\x00" * 160)
                self.socket.sendto(data, ("127.0.0.1", self.port))
                self.sent += 1
            self.socket.sendto(goodbye, ("127.0.0.1", self.port + 1))
            while select.select([self.socket], [], [], 0)[0]:
                self.socket.recv(2048)
                self.got += 1

    def stop(self):
        self.done.set()
        self.join()
        self.socket.close()


@pytest.fixture
def talkers():
    made = [Talker(b"A"), Talker(b"B")]
    yield made
    for each in made:
        each.close()


def answer(b, request, gateway, body=""):
    vias = "".join(f"Via: {v}\r\n" for v in re.findall(r"^Via: *(.*?)\r$", request, re.M | re.I))
    to = header(request, "To")
    b.sip.send(f"SIP/2.0 200 OK\r\n{vias}From: {header(request, 'From')}\r\n"
               f"To: {to}{'' if 'tag=' in to else ';tag=b'}\r\n"
               f"Call-ID: {header(request, 'Call-ID')}\r\nCSeq: {header(request, 'CSeq')}\r\n"
               f"Contact: <sip:b@127.0.0.1:{b.sip.port}>\r\n"
               f"{'Content-Type: application/sdp' + chr(13) + chr(10) if body else ''}"
               f"Content-Length: {len(body)}\r\n\r\n{body}", ("127.0.0.1", gateway.sip_port))


def connect(gateway, a, b):
    """A call up; returns what ends it."""
    to, call_id = ("127.0.0.1", gateway.sip_port), uuid.uuid4().hex
    uri = f"sip:+442079460000@127.0.0.1:{gateway.sip_port}"
    a.sip.send(wire.message("INVITE", uri, a.sip, call_id, extra="Content-Type: application/sdp\r\n", body=a.sdp()), to)
    invite = b.message("INVITE ")
    answer(b, invite, gateway, b.sdp())
    b.to = media_port(invite)
    ok = a.message("SIP/2.0 200")
    a.to = media_port(ok)
    tag = re.search(r"tag=([^;\r]+)", header(ok, "To")).group(1)
    contact = re.search(r"<(.*?)>", header(ok, "Contact")).group(1)
    a.sip.send(wire.message("ACK", contact, a.sip, call_id, to_tag=tag).replace(f"To: <{contact}>", f"To: <{uri}>"), to)
    b.message("ACK ")
    return lambda: a.sip.send(
        wire.message("BYE", contact, a.sip, call_id, cseq=2, to_tag=tag).replace(f"To: <{contact}>", f"To: <{uri}>"), to)


def talk(a, b, seconds):
    for _ in range(int(seconds / FRAME_S)):
        for each in a, b:
            each.speak()
        time.sleep(FRAME_S)
        for each in a, b:
            each.listen()


def expect_untouched(talker, other):
    """All of what the other said, in order, from where it was agreed, and nothing else."""
    time.sleep(0.2)
    talker.listen()
    assert {port for port, _ in talker.heard} == {talker.to}
    wanted = [struct.pack("!cI", other.mark, n) * 32 for n in range(other.number)]
    assert [payload for _, payload in talker.heard] == wanted


@pytest.mark.parametrize("times", [1, 10, pytest.param(50, marks=pytest.mark.busy)])
@pytest.mark.parametrize("host", ["127.0.5.66", "127.0.0.1"], ids=["wrong-address", "wrong-port"])
def test_strangers_are_not_heard_and_hear_nothing(gateways, talkers, host, times):
    """MED-4: before, during and after latching, RTP and RTCP, from another address and from another port"""
    a, b = talkers
    gateway = gateways(pbx=a.sip.port, carrier=b.sip.port, routes=[
        {"id": "out", "match": {"source_trunks": ["pbx"]}, "action": {"trunks": ["carrier"]}}])
    hang_up = connect(gateway, a, b)
    strangers = [Stranger(host, a, a.to, times), Stranger(host, b, b.to, times)]
    for stranger in strangers:
        stranger.start()
    time.sleep(0.5)  # before either has spoken
    a.listen()
    b.listen()
    assert a.heard == b.heard == []
    talk(a, b, 2)  # while the window is open
    talk(a, b, 2.5)  # and after it has closed
    for stranger in strangers:
        stranger.stop()
    expect_untouched(a, b)
    expect_untouched(b, a)
    assert [s.got for s in strangers] == [0, 0]
    hang_up()
    a.message("SIP/2.0 200")
    answer(b, b.message("BYE "), gateway)
    record = gateway.cdr()
    for side in "ab":
        assert record["media"][side]["foreign_source"] > 0
        assert not record["media"][side]["latched"]
    assert record["media"]["audio"] == "both"
