# SPDX-License-Identifier: Apache-2.0
"""A SIP peer made of one UDP socket: sends what it is told, byte for byte, and shows what comes back."""

import re
import select
import socket
import time
import uuid


class Peer:
    def __init__(self, host="127.0.0.1", port=0, more_ports=()):
        """Listens on further ports too: RFC 3261, 18.2.2 sends answers to the Via's port, not the source's."""
        self.sockets = []
        for each in (port, *more_ports):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((host, each))
            self.sockets.append(s)
        self.host, self.port = self.sockets[0].getsockname()

    def close(self):
        for s in self.sockets:
            s.close()

    def send(self, data, to):
        self.sockets[0].sendto(data if isinstance(data, bytes) else data.encode(), to)

    def receive(self, timeout):
        """The next message, or None."""
        ready, _, _ = select.select(self.sockets, [], [], timeout)
        return ready[0].recv(65535) if ready else None

    def drain(self):
        while self.receive(0):
            pass

    def responses(self, call_id, timeout):
        """Status codes that come back for one Call-ID, until a final one or the time is over."""
        until = time.monotonic() + timeout
        codes = []
        while time.monotonic() < until:
            data = self.receive(max(0, until - time.monotonic()))
            if data is None:
                break
            code = status(data)
            if code and (call_id is None or call_id in data):
                codes.append(code)
                if code >= 200:
                    break
        return codes

    def options(self, to, timeout=0.5):
        """Pings; returns the code and the seconds it took, or (None, timeout)."""
        call_id = uuid.uuid4().hex
        request = message("OPTIONS", f"sip:{to[0]}:{to[1]}", self, call_id)
        started = time.monotonic()
        self.send(request, to)
        codes = self.responses(call_id.encode(), timeout)
        return (codes[0] if codes else None), time.monotonic() - started


def status(data):
    match = re.match(rb"SIP/2\.0 (\d{3}) ", data)
    return int(match.group(1)) if match else None


def message(method, uri, peer, call_id=None, cseq=1, branch=None, extra="", body="", to_tag=None):
    call_id = call_id or uuid.uuid4().hex
    branch = branch or "z9hG4bK" + uuid.uuid4().hex
    tag = f";tag={to_tag}" if to_tag else ""
    return (
        f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {peer.host}:{peer.port};branch={branch};rport\r\n"
        f"From: <sip:100@{peer.host}>;tag=from{call_id[:8]}\r\nTo: <{uri}>{tag}\r\nCall-ID: {call_id}\r\n"
        f"CSeq: {cseq} {method}\r\nContact: <sip:100@{peer.host}:{peer.port}>\r\nMax-Forwards: 70\r\n{extra}"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )


def sdp(port=49170, host="127.0.0.1", formats="0 8", extra=""):
    return (
        f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP {formats}\r\n{extra}"
    )
