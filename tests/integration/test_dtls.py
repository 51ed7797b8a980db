# SPDX-License-Identifier: Apache-2.0
"""DTLS-SRTP and ICE through the real gateway: baresip phones with modules of their own for both, and linphone."""

import re

import pytest

import lab
from test_audio import expect_tone, flows, phones  # noqa: F401 (a fixture)
from test_audio_streams import CARRIER_HOST
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
