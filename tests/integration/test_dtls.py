# SPDX-License-Identifier: Apache-2.0
"""DTLS-SRTP and ICE through the real gateway: baresip phones with modules of their own for both, and linphone."""

import hashlib
import os
import re
import socket
import ssl
import struct
import subprocess
import threading

import pytest

import desk as desks
import lab
from test_audio import expect_tone, flows, phones  # noqa: F401 (a fixture)
from test_audio_streams import CARRIER_HOST, certificates  # noqa: F401 (a fixture)
from test_linphone import linphones  # noqa: F401 (a fixture)
from test_srtp import CM, MANDATORY, expect_no_key

pytestmark = pytest.mark.skipif(not lab.have("baresip"), reason="baresip is not installed")

DTLS = ";mediaenc=dtls_srtp"
ICE = ";medianat=ice"
MODULES = "module dtls_srtp.so\nmodule ice.so\n"
MUX = "rtcp_mux yes\n"


def trunks(a, b, side, **media):
    """@side has what is asked for, the other one plain RTP."""
    found = lab.document()["trunks"]
    for trunk, each in zip(found, (a, b)):
        trunk["endpoints"][0]["uri"] = f"sip:127.0.0.1:{each.port}"
        trunk["media"] = {"codecs": ["PCMU"]}
    found["ab".index(side)]["media"].update(media)
    return found


def call(gateways, phones, side, extra, settings=MODULES + MUX, **media):  # noqa: F811
    a, b = (phones("pcmu", hz, extra=extra if name == side else "", settings=settings if name == side else "")
            for name, hz in (("a", 1000), ("b", 440)))
    gateway = gateways(trunks=trunks(a, b, side, **media))
    a.dial(f"sip:phone@127.0.0.1:{gateway.sip_port}")
    return gateway, a, b


def talk(gateway, a, b):
    a.wait_established()
    b.wait_established()
    lab.wait_for(lambda: flows(gateway, 250), "five seconds of audio each way")
    a.hang_up()
    b.wait_ended()
    expect_tone(b.heard(), 1000)
    expect_tone(a.heard(), 440)
    expect_no_key(gateway, a, b)
    passwords = re.findall(r"ice-pwd:(\S+)", a.output() + b.output())
    assert not any(password in gateway.log() for password in passwords)
    cdr = gateway.cdr()
    assert cdr["media"]["audio"] == "both"
    return cdr["media"]


@pytest.mark.parametrize("side", "ab")
@pytest.mark.parametrize("policy", ["require", "offer"])
def test_a_tone_crosses_with_keys_from_a_handshake(gateways, phones, side, policy):  # noqa: F811
    """SEC-2: DTLS-SRTP with the caller or the called, plain RTP with the other; the tone arrives both ways"""
    media = talk(*call(gateways, phones, side, DTLS, srtp=policy, srtp_keying="dtls"))
    assert (media[side]["srtp_suite"], media[side]["srtp_keying"]) == (CM, "dtls")
    assert media[side]["srtp_key_exposed"] is False
    assert media["ba".replace(side, "")]["srtp_keying"] is None


@pytest.mark.parametrize("side", "ab")
def test_a_tone_crosses_with_ice_and_a_handshake(gateways, phones, side):  # noqa: F811
    """SEC-2: what WebRTC needs: ICE, rtcp-mux and DTLS-SRTP on one side"""
    media = talk(*call(gateways, phones, side, DTLS + ICE, srtp="require", srtp_keying="dtls", ice="lite"))
    assert (media[side]["srtp_keying"], media[side]["ice"]) == ("dtls", "selected")


@pytest.mark.parametrize("side", "ab")
def test_a_tone_crosses_with_ice_and_keys_from_sdp(gateways, phones, side):  # noqa: F811
    """SEC-2: what Teams has with media bypass: ICE and SDES"""
    media = talk(*call(gateways, phones, side, MANDATORY + ICE, srtp="require", ice="lite"))
    assert (media[side]["srtp_keying"], media[side]["ice"]) == ("sdes", "selected")


def test_a_phone_without_ice_is_heard_all_the_same(gateways, phones):  # noqa: F811
    """RFC 8445, 5.4: ICE offered to a phone that has none, and not missed"""
    media = talk(*call(gateways, phones, "b", DTLS, srtp="require", srtp_keying="dtls", ice="lite"))
    assert (media["b"]["srtp_keying"], media["b"]["ice"]) == ("dtls", None)


def test_a_phone_with_keys_in_sdp_is_not_called_with_a_handshake(gateways, phones):  # noqa: F811
    """SEC-2: a trunk with DTLS-SRTP required refuses a caller that has SDES only, and says why"""
    gateway, _, _ = call(gateways, phones, "a", MANDATORY, srtp="require", srtp_keying="dtls")
    cdr = gateway.cdr()
    assert cdr["release"]["code"] == 488 and cdr["release"]["diagnosis"] == "srtp_mismatch"


def reports(gateway, side):
    """Whether RTCP of that side's peer has been heard, and some been sent to it."""
    calls = gateway.api.get("/calls")["items"]
    return calls and all(calls[0]["media"][side][way] > 0 for way in ("rtcp_in", "rtcp_out"))


@pytest.mark.parametrize("side,extra", [("a", DTLS), ("b", DTLS + ICE)])
def test_rtcp_on_a_port_of_its_own(gateways, phones, side, extra):  # noqa: F811
    """SEC-2 MED-8: baresip without rtcp-mux shakes hands twice, and its RTCP is heard"""
    ice = {"ice": "lite"} if ICE in extra else {}
    gateway, a, b = call(gateways, phones, side, extra, MODULES, srtp="require", srtp_keying="dtls", **ice)
    a.wait_established()
    lab.wait_for(lambda: reports(gateway, side), "RTCP both ways")
    media = talk(gateway, a, b)
    assert (media[side]["srtp_keying"], media[side]["ice"]) == ("dtls", "selected" if ice else None)


@pytest.mark.skipif(not lab.have("linphonec"), reason="linphone is not installed")
@pytest.mark.parametrize("caller,ice,mux", [("linphone", False, False), ("linphone", True, True),
                                            ("baresip", False, True), ("baresip", True, False)])
def test_linphone_shakes_hands(gateways, phones, linphones, caller, ice, mux):  # noqa: F811
    """SEC-2 MED-4 MED-8: linphone with DTLS-SRTP, calling and called, with ICE and without, with rtcp-mux and without
    (as it comes): the tone arrives both ways, and RTCP"""
    a, b = linphones(1000, encryption="dtls", ice=ice, mux=mux), phones("pcmu", 440, host=CARRIER_HOST)
    document = trunks(a, b, "a", srtp="require", srtp_keying="dtls", nat="any", ice="lite" if ice else "off")
    document[1]["endpoints"][0]["uri"] = f"sip:{CARRIER_HOST}:{b.port}"
    gateway = gateways(trunks=document)
    own = "a" if caller == "linphone" else "b"
    (a if own == "a" else b).dial(f"sip:phone@127.0.0.1:{gateway.sip_port}")
    for each in (a, b):
        each.wait_established()
    lab.wait_for(lambda: flows(gateway, 250) and reports(gateway, own), "five seconds of audio each way, and RTCP")
    a.hang_up()
    b.wait_ended()
    a.wait_ended()
    expect_tone(b.heard(), 1000, share=0.9)
    expect_tone(a.heard(), 440, share=0.9)
    media = gateway.cdr()["media"]
    assert (media[own]["srtp_suite"], media[own]["srtp_keying"]) == (CM, "dtls")
    assert media[own]["ice"] == ("selected" if ice else None)
    assert media["audio"] == "both" and media[own]["srtp_auth_failures"] == 0


class Handshaker(desks.Desk):
    """A desk whose media is the handshake of openssl, and then silence."""

    class Port:
        def __init__(self):
            self.port, self.to = lab.free_port(), None

        def stop(self):
            pass

    def __init__(self, files, lies):
        self.files, self.openssl = files, None
        text = ssl.PEM_cert_to_DER_cert(files[0].read_text())
        digest = hashlib.sha512(text).hexdigest() if not lies else "5a" * 64
        self.fingerprint = ":".join(digest[i:i + 2] for i in range(0, len(digest), 2))
        super().__init__(rtp=self.Port())

    def describe(self, dialog, direction="sendrecv"):
        text = super().describe(dialog, direction).replace("RTP/AVP", "UDP/TLS/RTP/SAVP")
        return f"{text}a=rtcp-mux\r\na=setup:active\r\na=fingerprint:SHA-512 {self.fingerprint}\r\n"

    def shake_hands(self, directory):
        port = re.search(r"^m=audio (\d+)", self.described, re.M).group(1)
        self.openssl = lab.Process(
            ["openssl", "s_client", "-dtls1_2", "-use_srtp", "SRTP_AES128_CM_SHA1_80", "-bind", f"127.0.0.1:{self.rtp.port}",
             "-connect", f"127.0.0.1:{port}", "-cert", self.files[0], "-key", self.files[1]],
            directory / "openssl.log", stdin=subprocess.PIPE)

    def stop(self):
        super().stop()
        if self.openssl:
            self.openssl.stop()


@pytest.fixture
def handshake(gateways, certificates, tmp_path):  # noqa: F811
    """Makes a call to a desk that shakes hands: the right way, with another certificate than it says, or not at all."""
    made = []

    def make(lies=False, begins=True):
        caller, called = desks.Desk(), Handshaker(certificates.make("phone"), lies)
        made.extend((caller, called))
        gateway = gateways(trunks=trunks(caller, called, "b", srtp="require", srtp_keying="dtls"))
        caller.gateway = called.gateway = ("127.0.0.1", gateway.sip_port)
        dialog = caller.dial("15550100")
        if begins:
            called.shake_hands(tmp_path)
        return gateway, caller, (dialog, called.answered_call())

    yield make
    for each in made:
        each.stop()


def test_a_handshake_with_openssl(handshake):
    """SEC-2: a peer of our own making, with a fingerprint by SHA-512 in lower case, gets its keys"""
    gateway, caller, dialogs = handshake()

    def keyed():
        media = gateway.api.get("/calls")["items"][0]["media"]
        return media["b"]["srtp_suite"] == CM

    lab.wait_for(keyed, "keys")
    caller.request(dialogs[0], "BYE")
    lab.wait_for(lambda: dialogs[1].ended, "BYE")
    assert gateway.cdr()["release"]["diagnosis"] != "dtls_failed"


def expect_no_keys(gateway, dialogs, why):
    for each in dialogs:
        lab.wait_for(lambda each=each: each.ended, "BYE")
    cdr = gateway.cdr()
    assert cdr["release"]["diagnosis"] == "dtls_failed" and cdr["media"]["b"]["srtp_suite"] is None
    assert why in str(cdr), cdr
    assert "no keys for side B" in gateway.log()


def test_another_certificate_ends_the_call(handshake):
    """SEC-2: who shakes hands with another certificate than it signalled gets no keys; both sides hear BYE, and the record
    says why"""
    gateway, _, dialogs = handshake(lies=True)
    expect_no_keys(gateway, dialogs, "the peer's certificate is not the one it signalled")


def test_a_handshake_that_never_comes(handshake):
    """SEC-2: 15 s after the answer a call without keys ends, and the record says so"""
    gateway, _, dialogs = handshake(begins=False)
    expect_no_keys(gateway, dialogs, "it did not end in time")


class Flood(threading.Thread):
    """A stranger: a first message of DTLS, a check with no password and junk, in turn, to every media port, 5000 a second."""

    def __init__(self, pool):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.9", 0))
        self.socket.setblocking(False)
        self.ports = range(pool["port_min"], pool["port_max"] + 1)
        self.done = threading.Event()
        self.sent = self.n_bytes = self.got = 0

    def datagram(self):
        hello = b"\xfe\xfd" + os.urandom(32) + b"\0\0" + b"\0\x02\xc0\x2b" + b"\x01\0"
        body = struct.pack("!BBHHBBHBBH", 1, 0, len(hello), 0, 0, 0, 0, 0, 0, len(hello)) + hello
        record = struct.pack("!BHHHHHH", 22, 0xFEFD, 0, 0, 0, self.sent & 0xFFFF, len(body)) + body
        check = struct.pack("!HHI", 1, 0, 0x2112A442) + os.urandom(12)
        return (record, check, bytes([20 + self.sent % 44]) + os.urandom(120))[self.sent % 3]

    def run(self):
        while not self.done.wait(0.01):
            for _ in range(50):
                data = self.datagram()
                self.n_bytes += self.socket.sendto(data, ("127.0.0.1", self.ports[self.sent % len(self.ports)]))
                self.sent += 1
            try:
                while True:
                    self.got += len(self.socket.recv(2048))
            except BlockingIOError:
                pass

    def stop(self):
        self.done.set()
        self.join()
        self.socket.close()


@pytest.mark.busy
@pytest.mark.parametrize("extra", [DTLS, DTLS + ICE])
def test_a_flood_from_the_first_moment_on(gateways, phones, extra):  # noqa: F811
    """SEC-2 SEC-3 MED-4: a stranger floods every media port before, during and after the handshake: the tones are whole, and
    the stranger gets no more than it sends"""
    ice = {"ice": "lite"} if ICE in extra else {}
    a, b = phones("pcmu", 1000, extra=extra, settings=MODULES + MUX), phones("pcmu", 440)
    gateway = gateways(trunks=trunks(a, b, "a", srtp="require", srtp_keying="dtls", nat="any", **ice))
    flood = Flood(gateway.document["media_pools"][0])
    flood.start()
    try:
        a.dial(f"sip:phone@127.0.0.1:{gateway.sip_port}")
        media = talk(gateway, a, b)
    finally:
        flood.stop()
    assert media["a"]["srtp_suite"] == CM and media["a"]["lost"] == 0
    assert flood.sent > 1000 and flood.got < flood.n_bytes
