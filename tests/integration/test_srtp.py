# SPDX-License-Identifier: Apache-2.0
"""SRTP through the real gateway: baresip phones with keys in SDP, SIPp for what trunks insist on."""

import re

import pytest

import lab
import streams
from test_audio import expect_tone, flows, phones  # noqa: F401 (a fixture)
from test_audio_streams import CARRIER_HOST, certificates, tls_lines  # noqa: F401 (a fixture)

baresip = pytest.mark.skipif(not lab.have("baresip"), reason="baresip is not installed")
sipp_only = pytest.mark.skipif(not lab.have("sipp"), reason="SIPp is not installed")

# A phone that insists on RTP/SAVP, and one that puts keys into an offer of RTP/AVP.
MANDATORY, OPTIONAL = ";mediaenc=srtp-mand", ";mediaenc=srtp"


def trunks(a, b, pbx="off", carrier="off", **media):
    found = lab.document()["trunks"]
    for trunk, each, policy in zip(found, (a, b), (pbx, carrier)):
        trunk["endpoints"][0]["uri"] = f"sip:127.0.0.1:{each.port}"
        trunk["media"] = {"codecs": ["PCMU"], "srtp": policy, **media}
    return found


def call(gateways, a, b, **policies):
    gateway = gateways(trunks=trunks(a, b, **policies))
    a.dial(f"sip:phone@127.0.0.1:{gateway.sip_port}")
    a.wait_established()
    b.wait_established()
    return gateway


def expect_no_key(gateway, *phones_):
    """SEC-2: keys are in no log, no record, no call and no answer of the API."""
    seen = set()
    for each in phones_:
        seen |= set(re.findall(r"inline:([A-Za-z0-9+/=]{30,})", each.output()))
    shown = [gateway.log(), str(gateway.cdrs()), str(gateway.api.get("/calls")), str(gateway.api.get("/trunks"))]
    for text in shown:
        assert "inline:" not in text
        assert not any(key in text for key in seen)


def both_ways(gateway, a, b, suites):
    lab.wait_for(lambda: flows(gateway, 250), "five seconds of audio each way")
    a.hang_up()
    b.wait_ended()
    expect_tone(b.heard(), 1000)
    expect_tone(a.heard(), 440)
    expect_no_key(gateway, a, b)
    cdr = gateway.cdr()
    assert (cdr["media"]["a"]["srtp_suite"], cdr["media"]["b"]["srtp_suite"]) == suites
    assert cdr["media"]["audio"] == "both"
    for side in "ab":
        # baresip sends the first and the last of its RTCP unprotected (docs/interop/baresip.md).
        assert cdr["media"][side]["srtp_auth_failures"] <= 2
        assert cdr["media"][side]["srtp_key_exposed"] == (cdr["media"][side]["srtp_suite"] is not None)
    return cdr


CM = "AES_CM_128_HMAC_SHA1_80"


@baresip
@pytest.mark.parametrize(
    "enc_a,enc_b,pbx,carrier,suites",
    [
        (MANDATORY, "", "require", "off", (CM, None)),
        ("", MANDATORY, "off", "require", (None, CM)),
        (MANDATORY, MANDATORY, "require", "offer", (CM, CM)),
        (OPTIONAL, OPTIONAL, "opportunistic", "opportunistic", (CM, CM)),
    ],
)
def test_a_tone_crosses_protected(gateways, phones, enc_a, enc_b, pbx, carrier, suites):  # noqa: F811
    """SEC-2: SRTP on one side and RTP on the other, and both with keys of their own; the tone arrives"""
    a, b = phones("pcmu", 1000, extra=enc_a), phones("pcmu", 440, extra=enc_b)
    gateway = call(gateways, a, b, pbx=pbx, carrier=carrier)
    both_ways(gateway, a, b, suites)


@baresip
@pytest.mark.parametrize("codec_a,codec_b", [("G722", "pcma"), ("pcmu", "gsm")])
def test_a_tone_is_transcoded_protected(gateways, phones, codec_a, codec_b):  # noqa: F811
    """SEC-2 MED-2: keys on both sides and no codec in common; the tone arrives, and no packet fails its key"""
    a, b = phones(codec_a, 1000, extra=MANDATORY), phones(codec_b, 440, extra=MANDATORY)
    names = {"G722": "G722", "pcma": "PCMA", "pcmu": "PCMU", "gsm": "GSM"}
    found = trunks(a, b, pbx="require", carrier="require")
    for trunk, codec in zip(found, (codec_a, codec_b)):
        trunk["media"]["codecs"] = [names[codec]]
    gateway = gateways(trunks=found)
    a.dial(f"sip:phone@127.0.0.1:{gateway.sip_port}")
    a.wait_established()
    b.wait_established()
    assert both_ways(gateway, a, b, (CM, CM))["media"]["transcoded"]


def packets(gateway):
    media = gateway.api.get("/calls")["items"][0]["media"]
    return min(media[side]["pkts_in"] for side in "ab")


@baresip
def test_hold_and_resume_keep_the_keys(gateways, phones):  # noqa: F811
    """SEC-2 SIG-16: held and resumed twice from each side, every packet still authenticates both ways"""
    a, b = phones("pcmu", 1000, extra=MANDATORY), phones("pcmu", 440, extra=MANDATORY)
    gateway = call(gateways, a, b, pbx="require", carrier="require")
    lab.wait_for(lambda: flows(gateway, 50), "audio")
    for n, each in enumerate((a, b, a, b)):
        each.command("hold")
        lab.wait_for(lambda n=n: gateway.log().count("passed across") > 2 * n, "the hold to cross")
        each.command("resume")
        lab.wait_for(lambda n=n: gateway.log().count("passed across") > 2 * n + 1, "the resume to cross")
        before = packets(gateway)
        lab.wait_for(lambda before=before: packets(gateway) > before + 150, "audio after a hold")
    a.hang_up()
    b.wait_ended()
    # baresip records no further than to the first hold; but it says so when a packet does not fit its key.
    for each in (a, b):
        assert each.output().count("SRTP is Enabled") >= 5
        assert "failed to decrypt RTP" not in each.output()
    expect_no_key(gateway, a, b)
    media = gateway.cdr()["media"]
    for side in "ab":
        assert media[side]["srtp_suite"] == CM and media[side]["srtp_auth_failures"] <= 2


@baresip
def test_a_phone_without_srtp_is_called_without(gateways, phones):  # noqa: F811
    """SEC-2 RTE-6: offered RTP/SAVP, refused with 488, offered RTP/AVP once and answered"""
    a, b = phones("pcmu", 1000), phones("pcmu", 440)
    gateway = call(gateways, a, b, carrier="offer")
    lab.wait_for(lambda: flows(gateway, 100), "audio")
    a.hang_up()
    b.wait_ended()
    cdr = gateway.cdr()
    assert cdr["media"]["b"]["srtp_suite"] is None
    assert cdr["media"]["audio"] == "both"


@baresip
def test_required_and_plain_is_refused(gateways, phones):  # noqa: F811
    """SEC-2: a phone that offers plain RTP to a trunk that requires SRTP hears 488"""
    a, b = phones("pcmu", 1000), phones("pcmu", 440)
    gateway = gateways(trunks=trunks(a, b, pbx="require"))
    a.dial(f"sip:phone@127.0.0.1:{gateway.sip_port}")
    cdr = gateway.cdr()
    assert cdr["release"]["code"] == 488 and cdr["release"]["diagnosis"] == "srtp_mismatch"
    assert any("no SRTP suite" in each for each in cdr["release"]["evidence"])


@baresip
def test_keys_over_tls_are_not_exposed(gateways, phones, certificates):  # noqa: F811
    """SEC-1 SEC-2: TLS and SRTP on both sides, as carriers that insist on them have it"""
    a = phones("pcmu", 1000, extra=MANDATORY, settings=tls_lines(certificates, "pbx"))
    b = phones("pcmu", 440, extra=MANDATORY, host=CARRIER_HOST, settings=tls_lines(certificates, "carrier"))
    # baresip takes the port above its SIP port for TLS
    document = streams.config("tls", a.port + 1, b.port + 1, tls_profiles=[streams.profile(certificates)])
    for trunk, host, port in zip(document["trunks"], ("127.0.0.1", CARRIER_HOST), (a.port, b.port)):
        trunk["endpoints"] = [{"uri": f"sip:{host}:{port + 1};transport=tls"}]
        trunk["media"].update(codecs=["PCMU"], srtp="require")
    gateway = gateways(**document)
    a.dial(f"sip:phone@127.0.0.1:{gateway.sip_port};transport=tls")
    a.wait_established()
    b.wait_established()
    lab.wait_for(lambda: flows(gateway, 250), "five seconds of audio each way")
    a.hang_up()
    b.wait_ended()
    expect_tone(b.heard(), 1000)
    expect_tone(a.heard(), 440)
    expect_no_key(gateway, a, b)
    media = gateway.cdr()["media"]
    for side in "ab":
        assert media[side]["srtp_suite"] == CM and media[side]["srtp_key_exposed"] is False


@sipp_only
def test_a_trunk_that_requires_srtp_says_so(gateways, sipp):
    """SEC-2: plain RTP where SRTP is required gets 488 with a Warning that says why"""
    pbx = lab.free_port()
    document = lab.document(pbx=pbx)
    document["trunks"][0]["media"]["srtp"] = "require"
    gateway = gateways(trunks=document["trunks"])
    caller = sipp("uac-expect-488", pbx, remote=f"127.0.0.1:{gateway.sip_port}", args=("-s", "+442079461111"))
    caller.expect_success()
    assert "SRTP is required" in caller.messages()
    assert gateway.cdr()["release"]["diagnosis"] == "srtp_mismatch"


@sipp_only
def test_a_carrier_that_refuses_keys_is_offered_none(gateways, sipp):
    """SEC-2 RTE-6: 488 to RTP/SAVP, one more INVITE with RTP/AVP, and the call is up; the caller hears nothing of it"""
    pbx, carrier = lab.free_port(), lab.free_port()
    document = lab.document(pbx=pbx, carrier=carrier)
    document["trunks"][1]["media"]["srtp"] = "offer"
    gateway = gateways(trunks=document["trunks"])
    called = sipp("uas-refuses-srtp", carrier, calls=2)
    caller = sipp("uac-call", pbx, remote=f"127.0.0.1:{gateway.sip_port}", args=("-s", "+442079461111", "-d", "500"))
    caller.expect_success()
    called.expect_success()
    invites = [m for m in called.received() if m.startswith("INVITE")]
    assert ["RTP/SAVP" in m for m in invites] == [True, False]
    cdr = gateway.cdr()
    assert cdr["release"]["code"] == 200
    assert [attempt["code"] for attempt in cdr["attempts"]] == [488, 200]
