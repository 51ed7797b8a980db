# SPDX-License-Identifier: Apache-2.0
"""Offers that come late, ringing where a carrier is silent, and several phones: SIPp signals, sockets are the media."""

import re
import socket
import struct
import time

import pytest

import lab

SILENCE = {0x7F, 0xFF, 0x7E, 0xFE}  # the smallest steps of mu-law


class Ear:
    """A media port of its own: counts what comes, and can speak."""

    def __init__(self):
        self.port = lab.free_port(span=2)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", self.port))
        self.socket.setblocking(False)
        self.heard = []

    def listen(self):
        """Payloads of all RTP so far."""
        while True:
            try:
                self.heard.append(self.socket.recv(2048)[12:])
            except BlockingIOError:
                return self.heard

    def loud(self):
        """Packets that are no silence."""
        return [p for p in self.listen() if len(p) == 160 and sum(b not in SILENCE for b in p) > 80]

    def speak(self, port, packets, fill):
        """PCMA of one value, 20 ms apart."""
        for n in range(packets):
            header = struct.pack("!BBHII", 0x80, 8, n, n * 160, 0x1234 + self.port)
            self.socket.sendto(header + bytes([fill, fill ^ 0x80] * 80), ("127.0.0.1", port))
            time.sleep(0.02)


def ports(message):
    """Media ports of a description."""
    return [int(p) for p in re.findall(r"^m=audio (\d+)", message, re.M)]


def place(gateways, sipp, uac, uas, carrier_sip=None, keys=()):
    """One call; the caller's media are at its Ear."""
    ear, pbx, carrier = Ear(), lab.free_port(), lab.free_port()
    document = lab.document(pbx=pbx, carrier=carrier)
    document["trunks"][1]["sip"] = carrier_sip or {}
    del document["admin"]
    gateway = gateways(**document)
    called = sipp(uas, carrier, args=[a for k, v in keys for a in ("-key", k, v)])
    caller = sipp(uac, pbx, remote=f"127.0.0.1:{gateway.sip_port}",
                  args=["-s", "+442079460000", "-d", "1000", "-key", "rtp", ear.port])
    return gateway, caller, called, ear


def first(actor, start):
    return lab.wait_for(lambda: next((m for m in actor.received() if m.startswith(start)), None), start)


def test_a_delayed_offer_becomes_an_early_one(gateways, sipp):
    """SIG-11: a caller without an offer is offered ours in 200, and its answer in ACK counts; the carrier is offered its
    codecs at once"""
    gateway, caller, called, ear = place(gateways, sipp, "uac-delayed-offer", "uas-answer")
    caller.expect_success()
    called.expect_success()
    assert ports(first(called, "INVITE ")) and not ports(first(called, "ACK "))
    assert ports(first(caller, "SIP/2.0 200"))
    record = gateway.cdr()
    assert record["media"]["a"]["remote_port"] == ear.port and record["media"]["a"]["codec"] == "PCMU", record["media"]
    assert record["media"]["b"]["codec"] == "PCMA"


def test_a_delayed_offer_stays_one(gateways, sipp):
    """SIG-11: where the trunk is transparent the carrier offers in 200, and has the caller's answer in its ACK"""
    gateway, caller, called, ear = place(gateways, sipp, "uac-delayed-offer", "uas-offers",
                                         {"delayed_offer": "transparent"})
    caller.expect_success()
    called.expect_success()
    assert not ports(first(called, "INVITE ")) and ports(first(called, "ACK "))
    assert gateway.cdr()["media"]["a"]["remote_port"] == ear.port


@pytest.mark.parametrize("policy,rings", [("local_ringback_if_no_rtp", True), ("relay_180", False), ("keep", False)])
def test_ringing_where_a_carrier_is_silent(gateways, sipp, policy, rings):
    """SIG-10: 183 with media, 180, and no audio: our ringing is heard after half a second, unless the trunk says
    otherwise"""
    gateway, caller, called, ear = place(gateways, sipp, "uac-listens", "uas-silent-early-media", {"early_media": policy})
    caller.expect_success()
    called.expect_success()
    assert (len(ear.loud()) > 25) == rings, (len(ear.loud()), len(ear.heard))
    evidence = " ".join(gateway.cdr()["release"].get("evidence") or [])
    assert ("the caller heard ours" in evidence) == rings, evidence


def test_of_several_phones_the_one_that_speaks_is_heard(gateways, sipp):
    """SIG-9: two phones describe themselves; the second alone sends audio, and is heard before it answers"""
    one, two = Ear(), Ear()
    gateway, caller, called, ear = place(gateways, sipp, "uac-listens", "uas-forks", {"forking": "rtp_active"},
                                         keys=[("rtp_one", one.port), ("rtp_two", two.port)])
    at = ports(first(called, "INVITE "))[0]
    first(caller, "SIP/2.0 183")
    two.speak(at, 60, 0x2A)
    before = len(ear.loud())
    assert before > 30, (before, len(ear.heard))
    caller.expect_success()
    called.expect_success()
    tags = {re.search(r"^To:.*;tag=(\S+)", m, re.M).group(1) for m in caller.received()
            if re.match(r"SIP/2.0 (18|200)", m)}
    assert len(tags) == 1
    assert gateway.cdr()["media"]["b"]["remote_port"] == two.port
