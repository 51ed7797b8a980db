# SPDX-License-Identifier: Apache-2.0
"""baresip over TCP and TLS, both sides: what a softphone does there, with audio to prove it."""

import pytest

import lab
import phone
import streams
from test_audio import expect_tone, flows, phones  # noqa: F401  (a fixture)

pytestmark = pytest.mark.skipif(not lab.have("baresip"), reason="baresip is not installed")

# baresip connects from 127.0.0.1 whatever address it listens on, and trunks are told apart by address.
CARRIER_HOST = "127.0.0.2"
TRANSFER_HOSTS = ("127.0.0.22", "127.0.0.23")


@pytest.fixture
def certificates(tmp_path):
    (tmp_path / "certificates").mkdir()
    return streams.Certificates(tmp_path / "certificates")


def tls_lines(certificates, name):
    """baresip wants its key behind its certificate; it checks whom it calls."""
    pem, key = certificates.make(name)
    both = certificates.dir / f"{name}-both.pem"
    both.write_text(pem.read_text() + key.read_text())
    return f"sip_certificate {both}\nsip_cafile {certificates.ca}\nsip_verify_server yes\n"


def talk(gateways, phones, certificates, transport):  # noqa: F811
    more = [tls_lines(certificates, name) if transport == "tls" else "" for name in ("pbx", "carrier")]
    a = phones("pcmu", 1000, settings=more[0])
    b = phones("pcma", 440, host=CARRIER_HOST, settings=more[1])
    # baresip takes the port above its SIP port for TLS
    above = 1 if transport == "tls" else 0
    profiles = {"tls_profiles": [streams.profile(certificates)]} if transport == "tls" else {}
    document = streams.config(transport, a.port + above, b.port + above, **profiles)
    for trunk, host, port in zip(document["trunks"], ("127.0.0.1", CARRIER_HOST), (a.port, b.port)):
        trunk["endpoints"] = [{"uri": f"sip:{host}:{port + above};transport={transport}"}]
    gateway = gateways(**document)
    a.dial(f"sip:phone@127.0.0.1:{gateway.sip_port};transport={transport}")
    a.wait_established()
    b.wait_established()
    return gateway, a, b


@pytest.mark.parametrize("transport", ["tcp", "tls"])
@pytest.mark.parametrize("ends", ["caller", "called"])
def test_a_call_of_two_softphones(gateways, phones, certificates, transport, ends):  # noqa: F811
    """SIG-24 SEC-1 SIG-5: audio both ways, and either side can hang up"""
    gateway, a, b = talk(gateways, phones, certificates, transport)
    lab.wait_for(lambda: flows(gateway, 150), "three seconds of audio each way")
    (a if ends == "caller" else b).hang_up()
    (b if ends == "caller" else a).wait_ended()
    expect_tone(b.heard(), 1000)
    expect_tone(a.heard(), 440)
    record = gateway.cdr()
    assert record["a"]["transport"] == record["b"]["transport"] == transport
    assert record["media"]["audio"] == "both" and record["release"]["side"] == ("a" if ends == "caller" else "b")


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_hold_and_resume(gateways, phones, certificates, transport):  # noqa: F811
    """SIG-16 SIG-17: a softphone's hold over a connection, and the tone is back after it"""
    gateway, a, b = talk(gateways, phones, certificates, transport)
    lab.wait_for(lambda: flows(gateway, 50), "a second of audio each way")
    a.command("hold")
    lab.wait_for(lambda: "hold" in b.output().lower(), "the hold to arrive")
    a.command("resume")
    before = gateway.api.get("/calls")["items"][0]["media"]
    lab.wait_for(lambda: flows(gateway, before["b"]["pkts_in"] + 150), "three seconds of audio after it")
    a.hang_up()
    b.wait_ended()
    assert abs(phone.loudest_hz(b.heard()[-phone.SAMPLE_RATE:])[0] - 1000) < 5


def three_trunks(document, transport, ports):
    """The first calls the second, whose transfers reach the third; apart by address, for connections have any port."""
    hosts = ("127.0.0.1", *TRANSFER_HOSTS)
    document["trunks"] = [
        {"id": name, "role": role, "endpoints": [{"uri": f"sip:{host}:{port};transport={transport}"}],
         "media": {"codecs": ["PCMU"]}, "health": {"options": {"enabled": False}}}
        for name, role, host, port in zip(("left", "pbx", "right"), ("carrier", "pbx", "carrier"), hosts, ports)
    ]
    document["routes"] = [
        {"id": "in", "match": {"source_trunks": ["left"]}, "action": {"trunks": ["pbx"]}},
        {"id": "out", "match": {"source_trunks": ["pbx"]}, "action": {"trunks": ["right"]}},
    ]
    return document


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_softphone_transfers(gateways, phones, certificates, transport):  # noqa: F811
    """SIG-18 SIG-24: REFER over a connection: the caller hears the third phone, and is heard there"""
    above = 1 if transport == "tls" else 0
    lines = [tls_lines(certificates, name) if above else "" for name in ("left", "pbx", "right")]
    a = phones("pcmu", 1000, settings=lines[0])
    b, c = (phones("pcmu", hz, host=host, settings=each)
            for hz, host, each in zip((300, 440), TRANSFER_HOSTS, lines[1:]))
    profiles = {"tls_profiles": [streams.profile(certificates)]} if above else {}
    document = streams.config(transport, a.port, b.port, **profiles)
    gateway = gateways(**three_trunks(document, transport, [each.port + above for each in (a, b, c)]))
    a.dial(f"sip:phone@127.0.0.1:{gateway.sip_port};transport={transport}")
    a.wait_established()
    b.wait_established()
    b.command("transfer", f"sip:phone@127.0.0.1:{gateway.sip_port};transport={transport}")
    c.wait_established()
    lab.wait_for(lambda: flows(gateway, 200), "four seconds of audio after the transfer")
    a.hang_up()
    c.wait_ended()
    for each, hz in ((a, 440), (c, 1000)):
        assert abs(phone.loudest_hz(each.heard()[-phone.SAMPLE_RATE:-phone.SAMPLE_RATE // 4])[0] - hz) < 5
    first, second = sorted(gateway.wait_cdrs(2), key=lambda cdr: cdr["start_at"])
    assert (first["b"]["transport"], second["b"]["transport"]) == (transport, transport)
    assert second["b"]["trunk"] == "right"
