# SPDX-License-Identifier: Apache-2.0
"""Strangers on the media ports of a call (MED-4): they are not heard, they hear nothing, and those who talk do not notice.

Two peers made of sockets talk in numbered packets, so that every one that arrives is told from every other. A stranger
who knows the port, the payload type, the SSRC and the sequence number sends at 1, 10 and 50 times their rate: before the
first of them has spoken, while the gateway may still learn where they are, and after that.
"""

import select
import socket
import struct
import threading
import time

import pytest

from talker import FRAME_S, Talker, connect, hang_up, packet


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
    end = connect(gateway, a, b)
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
    record = hang_up(gateway, a, b, end)
    for side in "ab":
        assert record["media"][side]["foreign_source"] > 0
        assert not record["media"][side]["latched"]
    assert record["media"]["audio"] == "both"
