# SPDX-License-Identifier: Apache-2.0
"""A telephone at a desk, as signalling only: takes and makes calls, puts them on hold, transfers and picks them up. A
thread answers whatever comes in; the test says what goes out and reads what came."""

import re
import select
import socket
import struct
import threading
import time
import urllib.parse
import uuid

import lab
import wire


def header(text, name):
    match = re.search(rf"^{name}: *(.*?)\r$", text, re.M | re.I)
    return match.group(1) if match else ""


def tag(value):
    match = re.search(r";tag=([^;\s]+)", value)
    return match.group(1) if match else ""


class Rtp(threading.Thread):
    """Media of a desk: sends a packet every 20 ms to where the last description said, every byte of it @voice, and keeps
    what arrives."""

    def __init__(self, voice):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.voice = bytes([voice]) * 160
        self.to = None
        self.heard = []  # (seconds, SSRC, sequence, timestamp, voice)
        self.stopped = False
        self.start()

    def run(self):
        sequence, next_at = 0, time.monotonic()
        while not self.stopped:
            ready, _, _ = select.select([self.socket], [], [], max(0, next_at - time.monotonic()))
            if ready:
                self.keep(self.socket.recv(2048))
            if time.monotonic() >= next_at:
                next_at += 0.02
                sequence += 1
                if self.to:
                    head = struct.pack("!BBHII", 0x80, 0, sequence & 0xFFFF, sequence * 160, 0x1234)
                    self.socket.sendto(head + self.payload(sequence), self.to)

    def payload(self, number):
        return self.voice

    def keep(self, data):
        _, _, seq, stamp, ssrc = struct.unpack("!BBHII", data[:12])
        self.heard.append((time.monotonic(), ssrc, seq, stamp, data[12]))

    def stop(self):
        self.stopped = True
        self.join()
        self.socket.close()

    def voices(self):
        return {each[4] for each in self.heard}


class Dialog:
    def __init__(self, call_id, local, remote, target):
        self.call_id, self.local, self.remote, self.target = call_id, local, remote, target
        self.cseq = 0
        self.version = 1
        self.fragments = []
        self.ended = False
        self.referred = []  # REFERs that came
        self.ringing = None  # the INVITE
        self.reason = ""  # of its CANCEL

    def replaces(self):
        """The value that makes someone else's INVITE take this dialog over."""
        return f"{self.call_id};to-tag={tag(self.remote)};from-tag={tag(self.local)}"


class Desk:
    def __init__(self, voice=1, rtp=None):
        self.peer = wire.Peer()
        self.rtp = rtp or Rtp(voice)
        self.dialogs = {}
        self.answers = {}  # (Call-ID, CSeq with method) -> final responses
        self.rings = False  # instead of answering at once; "early": with its voice
        self.stopped = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    @property
    def port(self):
        return self.peer.port

    def stop(self):
        self.stopped = True
        self.thread.join()
        self.rtp.stop()
        self.peer.close()

    def listen_to(self, text):
        """Where its description says."""
        port = re.search(r"^m=audio (\d+)", text, re.M)
        if port:
            self.rtp.to = ("127.0.0.1", int(port.group(1)))
            self.described = text

    # what comes

    def run(self):
        while not self.stopped:
            data = self.peer.receive(0.05)
            if data:
                text = data.decode(errors="replace")
                if text.startswith("SIP/2.0 "):
                    self.take_response(text)
                else:
                    self.take_request(text)

    def take_response(self, text):
        if int(text[8:11]) >= 200:
            self.listen_to(text)
            self.answers.setdefault((header(text, "Call-ID"), header(text, "CSeq")), []).append(text)

    def take_request(self, text):
        method, call_id = text.split(" ", 1)[0], header(text, "Call-ID")
        dialog = self.dialogs.get(call_id)
        if method == "INVITE" and dialog is None:
            local = header(text, "To") + ";tag=" + uuid.uuid4().hex[:8]
            target = header(text, "Contact").strip("<>")
            dialog = self.dialogs[call_id] = Dialog(call_id, local, header(text, "From"), target)
            dialog.ringing = text if self.rings else None
        if dialog and dialog.ringing:
            self.ring(text, method, dialog)
            return
        self.listen_to(text)
        if method == "ACK":
            return
        if method == "NOTIFY" and dialog:
            dialog.fragments.append(text.split("\r\n\r\n", 1)[1].strip())
        if method == "BYE" and dialog:
            dialog.ended = True
        if method == "REFER" and dialog:
            dialog.referred.append(text)
            self.respond(text, dialog, False, "202 Accepted")
            return
        self.respond(text, dialog, with_sdp=method == "INVITE" and "application/sdp" in text)

    def ring(self, text, method, dialog):
        if method == "INVITE" and self.rings == "early":
            self.listen_to(text)
            self.respond(text, dialog, True, "183 Session Progress")
        elif method == "INVITE":
            self.respond(text, dialog, False, "180 Ringing")
        elif method == "CANCEL":
            self.rtp.to = None if self.rings == "early" else self.rtp.to
            dialog.reason = header(text, "Reason")
            dialog.ended = True
            self.respond(text, dialog, False)
            self.respond(dialog.ringing, dialog, False, "487 Request Terminated")

    def respond(self, request, dialog, with_sdp, status="200 OK"):
        vias = re.findall(r"^Via: .*\r\n", request, re.M)
        to = dialog.local if dialog else header(request, "To")
        body = self.describe(dialog) if with_sdp else ""
        status = status if dialog else "481 None"
        kind = "Content-Type: application/sdp\r\n" if body else ""
        routes = "".join(re.findall(r"^Record-Route: .*\r\n", request, re.M))
        self.peer.send(
            f"SIP/2.0 {status}\r\n{''.join(vias)}{routes}From: {header(request, 'From')}\r\nTo: {to}\r\n"
            f"Call-ID: {header(request, 'Call-ID')}\r\nCSeq: {header(request, 'CSeq')}\r\n"
            f"Contact: <sip:{self.user}@{self.peer.host}:{self.port}>\r\n{self.allow}{kind}"
            f"Content-Length: {len(body)}\r\n\r\n{body}",
            self.gateway,
        )

    user = "desk"
    described = ""  # the last message with a description
    allow = ""  # a header, as a whole line
    gateway = ("127.0.0.1", 0)  # where everything goes

    def describe(self, dialog, direction="sendrecv"):
        return (
            f"v=0\r\no=- 1 {dialog.version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {self.rtp.port} RTP/AVP 0 8\r\na={direction}\r\n"
        )

    # what goes

    def request(self, dialog, method, headers="", body="", kind="Content-Type: application/sdp\r\n"):
        """Sends it and returns the final answer."""
        dialog.cseq += method != "ACK"
        kind = kind if body else ""
        self.peer.send(
            f"{method} {dialog.target} SIP/2.0\r\n"
            f"Via: SIP/2.0/UDP {self.peer.host}:{self.port};branch=z9hG4bK{uuid.uuid4().hex};rport\r\n"
            f"From: {dialog.local}\r\nTo: {dialog.remote}\r\nCall-ID: {dialog.call_id}\r\n"
            f"CSeq: {dialog.cseq} {method}\r\nContact: <sip:desk@{self.peer.host}:{self.port}>\r\n"
            f"Max-Forwards: 70\r\n{self.allow}{headers}{kind}Content-Length: {len(body)}\r\n\r\n{body}",
            self.gateway,
        )
        if method == "ACK":
            return None
        key = (dialog.call_id, f"{dialog.cseq} {method}")
        return lab.wait_for(lambda: self.answers.get(key), f"an answer to {method}")[-1]

    def invite(self, dialog, headers="", direction="sendrecv"):
        dialog.version += 1
        answer = self.request(dialog, "INVITE", headers, self.describe(dialog, direction))
        for _ in range(5):
            if not answer.startswith("SIP/2.0 491"):
                break
            time.sleep(0.3)  # RFC 3261, 14.1: offers crossed; later again
            answer = self.request(dialog, "INVITE", headers, self.describe(dialog, direction))
        if answer.startswith("SIP/2.0 2"):
            dialog.remote = header(answer, "To")
            dialog.target = header(answer, "Contact").strip("<>") or dialog.target
            self.request(dialog, "ACK")
        return answer

    def dial(self, number, headers=""):
        """A new call; the dialog when it is answered, else the answer."""
        uri = f"sip:{number}@127.0.0.1:{self.gateway[1]}"
        dialog = Dialog(uuid.uuid4().hex, f"<sip:100@127.0.0.1>;tag={uuid.uuid4().hex[:8]}", f"<{uri}>", uri)
        self.dialogs[dialog.call_id] = dialog
        answer = self.invite(dialog, headers)
        return dialog if answer.startswith("SIP/2.0 200") else answer

    def report(self, dialog, status):
        """How the transfer goes that it was asked for."""
        state = "terminated;reason=noresource" if status >= "200" else "active;expires=60"
        headers = f"Event: refer\r\nSubscription-State: {state}\r\nContent-Type: message/sipfrag\r\n"
        return self.request(dialog, "NOTIFY", headers, f"SIP/2.0 {status}\r\n", kind="")

    def refer(self, dialog, number, replaced=None, headers=""):
        to = f"sip:{number}@127.0.0.1"
        if replaced:
            to += "?Replaces=" + urllib.parse.quote(replaced.replaces(), safe="")
        return self.request(dialog, "REFER", f"Refer-To: <{to}>\r\nReferred-By: <sip:100@127.0.0.1>\r\n{headers}")

    def answered_call(self):
        """The first call that came in."""
        return lab.wait_for(lambda: next(iter(self.dialogs.values()), None), "a call at the desk")
