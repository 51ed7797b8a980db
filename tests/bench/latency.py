# SPDX-License-Identifier: Apache-2.0
"""What a relay adds to the way of an RTP packet, microseconds.

A phone of ours on each side of the system, on loopback. Packets go one at a time, at irregular intervals of some
milliseconds, so that the system has gone to sleep before each: what a quiet gateway adds to a call. When a packet arrived
is the kernel's stamp (SO_TIMESTAMPNS), so that it does not count how soon this program wakes up; when it was sent is read
before the system call. The same from socket to socket, without anything in between, is taken off.
"""

import pathlib
import random
import re
import socket
import statistics
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
import desk  # noqa: E402
import lab  # noqa: E402

SO_TIMESTAMPNS = 35
WARM_UP = 50


class Ear:
    """A socket that knows when each packet came."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.settimeout(1)
        self.address = self.socket.getsockname()

    def receive(self):
        """The number in its payload, and when it came, ns."""
        data, ancillary, _, _ = self.socket.recvmsg(2048, 128)
        seconds, ns = struct.unpack("qq", ancillary[0][2])
        return struct.unpack("!Q", data[12:20])[0], seconds * 1_000_000_000 + ns


class Probe(desk.Desk):
    """A desk whose media is an Ear."""

    def __init__(self):
        super().__init__()
        self.rtp.stop()
        self.ear = Ear()
        self.media_port = None  # of the system, for us

    def stop(self):
        self.stopped = True
        self.thread.join()
        self.peer.close()
        self.ear.socket.close()

    def listen_to(self, text):
        port = re.search(r"^m=audio ([1-9]\d*)", text, re.M)
        if port:
            self.media_port = int(port.group(1))

    def describe(self, dialog, direction="sendrecv"):
        return super().describe(dialog, direction).replace(
            f"m=audio {self.rtp.port} RTP/AVP 0 8", f"m=audio {self.ear.address[1]} RTP/AVP 8")


def rtp(number, ssrc=0x5EED):
    """Numbers in the header are the system's on the other side; the one in the payload stays."""
    header = struct.pack("!BBHII", 0x80, 8, number & 0xFFFF, number * 160 & 0xFFFFFFFF, ssrc)
    return header + struct.pack("!Q", number) + bytes(152)


def send_and_wait(sender, to, ear, sequence):
    """ns from sending to arriving; None when it did not arrive."""
    packet = rtp(sequence)
    sent = time.time_ns()
    sender.sendto(packet, to)
    try:
        while True:
            number, arrived = ear.receive()
            if number == sequence:
                return arrived - sent
    except TimeoutError:
        return None


def series(sender, to, ear, n, first=0):
    found = []
    for sequence in range(first, first + n):
        time.sleep(random.uniform(0.002, 0.006))
        found.append(send_and_wait(sender, to, ear, sequence))
    return found


def direct_us(n=500):
    """From socket to socket."""
    a, b = Ear(), Ear()
    try:
        return statistics.median(series(a.socket, b.address, b, n)) / 1000
    finally:
        a.socket.close()
        b.socket.close()


def measure(make_system, n):
    """make_system(pbx port, carrier port): the system. Returns p50 and p99 of what it adds, and packets that were lost."""
    a, b = Probe(), Probe()
    system = None
    try:
        base = direct_us()
        system = make_system(a.port, b.port)
        system.start()
        a.gateway = b.gateway = ("127.0.0.1", system.sip)
        dialog = a.dial("+442079460000")
        assert not isinstance(dialog, str), dialog
        lab.wait_for(lambda: a.media_port and b.media_port, "media on both sides")
        # Both ends are heard before anything is measured.
        for sequence in range(WARM_UP):
            for probe in (a, b):
                probe.ear.socket.sendto(rtp(sequence, ssrc=0x5EED if probe is a else 0xFEED),
                                        ("127.0.0.1", probe.media_port))
            time.sleep(0.02)
        found = series(a.ear.socket, ("127.0.0.1", a.media_port), b.ear, n, first=WARM_UP)
    finally:
        if system:
            system.stop()
        a.stop()
        b.stop()
    arrived = sorted((each / 1000 - base) for each in found if each is not None)
    assert len(arrived) > 0.99 * n, f"{n - len(arrived)} of {n} packets were lost"
    return arrived[len(arrived) // 2], arrived[int(len(arrived) * 0.99)]
