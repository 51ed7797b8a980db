# SPDX-License-Identifier: Apache-2.0
"""linphone as the PBX's phone, baresip as the carrier's: tones both ways over each transport."""

import pytest

import lab
import linphone
import phone
import streams
from test_audio import expect_tone, flows, phones  # noqa: F401  (a fixture)
from test_audio_streams import CARRIER_HOST, TRANSFER_HOSTS, certificates, tls_lines  # noqa: F401  (a fixture)

pytestmark = pytest.mark.skipif(not lab.have("linphonec", "baresip"), reason="linphone or baresip is not installed")


@pytest.fixture
def linphones(tmp_path):
    made = []

    def make(*args, **kw):
        made.append(linphone.Linphone(tmp_path / f"linphone-{len(made)}", *args, **kw))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def call(gateways, linphones, phones, certificates, transport):  # noqa: F811
    """linphone describes itself by the address of the machine and sends from loopback: as behind a NAT."""
    above = 1 if transport == "tls" else 0
    a = linphones(1000, transport=transport, ca=certificates.ca)
    b = phones("pcma", 440, host=CARRIER_HOST, settings=tls_lines(certificates, "carrier") if above else "")
    profiles = {"tls_profiles": [streams.profile(certificates)]} if above else {}
    document = streams.config(transport, a.port, b.port + above, **profiles)
    for trunk, host, port in zip(document["trunks"], ("127.0.0.1", CARRIER_HOST), (a.port, b.port + above)):
        trunk["endpoints"] = [{"uri": f"sip:{host}:{port};transport={transport}"}]
    document["trunks"][0]["media"]["nat"] = "any"
    gateway = gateways(**document)
    a.dial(f"sip:phone@127.0.0.1:{gateway.sip_port};transport={transport}")
    a.wait_established()
    b.wait_established()
    return gateway, a, b


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_a_call_with_hold(gateways, linphones, phones, certificates, transport):  # noqa: F811
    """SIG-24 SIG-16 MED-4 SEC-1: a call from linphone, held and taken up again, with tones both ways"""
    gateway, a, b = call(gateways, linphones, phones, certificates, transport)
    lab.wait_for(lambda: flows(gateway, 100), "two seconds of audio each way")
    a.say("pause")
    lab.wait_for(lambda: "paused" in a.output(), "linphone to hold")
    held = gateway.api.get("/calls")["items"][0]["media"]
    a.say("resume")
    lab.wait_for(lambda: flows(gateway, max(held["a"]["pkts_in"], held["b"]["pkts_in"]) + 150),
                 "three seconds of audio after the hold")
    a.hang_up()
    b.wait_ended()
    a.wait_ended()
    assert abs(phone.loudest_hz(b.heard()[-phone.SAMPLE_RATE:])[0] - 1000) < 5
    assert abs(phone.loudest_hz(a.heard()[-phone.SAMPLE_RATE:])[0] - 440) < 5
    record = gateway.cdr()
    assert record["a"]["transport"] == record["b"]["transport"] == transport
    assert record["media"]["audio"] == "both" and record["media"]["a"]["latched"]
    assert "Linphonec" in record["a"]["user_agent"]


def test_the_called_side_hangs_up(gateways, linphones, phones, certificates):  # noqa: F811
    """SIG-5: BYE finds linphone; the tone it heard was whole"""
    gateway, a, b = call(gateways, linphones, phones, certificates, "udp")
    lab.wait_for(lambda: flows(gateway, 150), "three seconds of audio each way")
    b.hang_up()
    a.wait_ended()
    expect_tone(a.heard(), 440, share=0.9)
    assert gateway.cdr()["release"]["side"] == "b"


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_linphone_transfers(gateways, linphones, phones, certificates, transport):  # noqa: F811
    """SIG-18 SIG-24: linphone sends whom it called on to another phone by REFER; those two hear each other"""
    above = 1 if transport == "tls" else 0
    a = linphones(1000, transport=transport, ca=certificates.ca)
    hosts = (CARRIER_HOST, TRANSFER_HOSTS[0])
    b, c = (phones("pcmu", hz, host=host, settings=tls_lines(certificates, name) if above else "")
            for hz, host, name in zip((440, 700), hosts, ("first", "second")))
    profiles = {"tls_profiles": [streams.profile(certificates)]} if above else {}
    document = streams.config(transport, a.port, b.port + above, **profiles)
    document["trunks"][0]["endpoints"] = [{"uri": f"sip:127.0.0.1:{a.port};transport={transport}"}]
    document["trunks"][0]["media"]["nat"] = "any"
    document["trunks"][1:] = [
        {"id": name, "role": "carrier", "endpoints": [{"uri": f"sip:{host}:{each.port + above};transport={transport}"}],
         "media": {"codecs": ["PCMU"]}, "health": {"options": {"enabled": False}}, "limits": {"concurrent_total": 1}}
        for name, host, each in zip(("first", "second"), hosts, (b, c))
    ]
    # The first is taken while the call stands, so that the transfer reaches the second.
    document["routes"] = [{"id": "out", "match": {"source_trunks": ["pbx"]}, "action": {"trunks": ["first", "second"]}}]
    gateway = gateways(**document)
    a.dial(f"sip:phone@127.0.0.1:{gateway.sip_port};transport={transport}")
    a.wait_established()
    b.wait_established()
    lab.wait_for(lambda: flows(gateway, 50), "a second of audio each way")
    a.say(f"transfer 1 sip:phone@127.0.0.1:{gateway.sip_port};transport={transport}")
    c.wait_established()
    a.wait_ended()
    lab.wait_for(lambda: flows(gateway, 250), "audio after the transfer")
    b.hang_up()
    c.wait_ended()
    for each, hz in ((b, 700), (c, 440)):
        assert abs(phone.loudest_hz(each.heard()[-phone.SAMPLE_RATE:-phone.SAMPLE_RATE // 4])[0] - hz) < 5
    assert {cdr["b"]["trunk"] for cdr in gateway.wait_cdrs(2)} == {"first", "second"}
