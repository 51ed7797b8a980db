# SPDX-License-Identifier: Apache-2.0
"""Two peers made of sockets and one call between them: every packet is made here and every one that arrives is kept."""

import random
import re
import select
import socket
import struct
import time
import uuid

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

    formats, extra = "0", ""  # of its description

    def __init__(self, mark=b"-"):
        self.sip = wire.Peer()
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtp.bind(("127.0.0.1", 0))
        self.rtp.setblocking(False)
        self.mark, self.ssrc, self.number = mark, random.getrandbits(32), 0
        self.to = None
        self.heard = []

    def sdp(self):
        return wire.sdp(port=self.rtp.getsockname()[1], formats=self.formats, extra=self.extra)

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

    def say(self, payload, pt=0, samples=160):
        """A packet of any type and length."""
        head = struct.pack("!BBHII", 0x80, pt, self.number & 0xFFFF, self.number * samples & 0xFFFFFFFF, self.ssrc)
        self.rtp.sendto(head + payload, ("127.0.0.1", self.to))
        self.number += 1

    def listen(self):
        while select.select([self.rtp], [], [], 0)[0]:
            data, source = self.rtp.recvfrom(2048)
            self.heard.append((source[1], data[12:]))

    def close(self):
        self.sip.close()
        self.rtp.close()


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
    b.invite = invite
    answer(b, invite, gateway, b.sdp())
    b.to = media_port(invite)
    ok = a.message("SIP/2.0 200")
    a.ok = ok
    a.to = media_port(ok)
    tag = re.search(r"tag=([^;\r]+)", header(ok, "To")).group(1)
    contact = re.search(r"<(.*?)>", header(ok, "Contact")).group(1)
    a.sip.send(wire.message("ACK", contact, a.sip, call_id, to_tag=tag).replace(f"To: <{contact}>", f"To: <{uri}>"), to)
    b.message("ACK ")
    return lambda: a.sip.send(
        wire.message("BYE", contact, a.sip, call_id, cseq=2, to_tag=tag).replace(f"To: <{contact}>", f"To: <{uri}>"), to)


def hang_up(gateway, a, b, end):
    """The record of the call that connect() made."""
    end()
    a.message("SIP/2.0 200")
    answer(b, b.message("BYE "), gateway)
    return gateway.cdr()
