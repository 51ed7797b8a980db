# SPDX-License-Identifier: Apache-2.0
"""Calls over TCP and TLS: SIPp and raw sockets against the real gateway."""

import contextlib
import hashlib
import os
import re
import signal
import socket
import ssl
import time

import pytest

import lab
import streams
import wire


@pytest.fixture
def place(gateways, sipp):
    """Calls from the PBX to the carrier over TCP; returns gateway, caller, called."""

    def run(uac, uas, mode="t1", calls=1, workers=1, uac_args=()):
        pbx, carrier = lab.free_port(), lab.free_port()
        document = streams.config("tcp", pbx, carrier, system={"workers": workers})
        gateway = gateways(**document)
        called = sipp(uas, carrier, calls=calls, args=["-t", "t1"])
        caller = sipp(uac, pbx, remote=f"127.0.0.1:{gateway.sip_port}", calls=calls,
                      args=["-i", streams.PBX_HOST, "-t", mode, "-s", "+442079460000", "-d", "500", *uac_args])
        return gateway, caller, called

    return run


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("mode", ["t1", "tn"])
def test_calls_over_tcp(place, mode, workers):
    """SIG-24: calls over one connection, and over one connection each; with two workers, wherever they land"""
    gateway, caller, called = place("uac-call", "uas-answer", mode, calls=6, workers=workers,
                                    uac_args=["-r", "20", "-max_socket", "100"])
    caller.expect_success()
    called.expect_success()
    records = gateway.wait_cdrs(6)
    assert len(records) == 6
    assert all(c["a"]["transport"] == "tcp" and c["b"]["transport"] == "tcp" for c in records)
    assert streams.metric(gateway, 'sip_datagrams_total{direction="out",transport="udp"}') == 0
    for way in ("in", "out"):
        assert streams.metric(gateway, f'sip_requests_total{{direction="{way}",method="INVITE",transport="tcp"}}') == 6
        assert streams.metric(gateway, f'sip_requests_total{{direction="{way}",method="INVITE",transport="udp"}}') == 0
    assert streams.metric(gateway, 'sip_connections_total{direction="out"}') <= workers


@pytest.mark.parametrize("workers", [1, 2])
def test_the_carrier_hangs_up_over_tcp(place, workers):
    """SIG-24: a BYE from the called side reaches the caller on the caller's connection"""
    gateway, caller, called = place("uac-called-hangs-up", "uas-hangs-up", "t1", calls=5, workers=workers)
    caller.expect_success()
    called.expect_success()
    assert all(c["release"]["side"] == "b" for c in gateway.wait_cdrs(5))


def test_a_carrier_without_tcp_is_told_at_once(gateways, sipp):
    """SIG-22: a refused connection is a transport error, and the caller hears 503 within a second or two"""
    pbx, carrier = lab.free_port(), lab.free_port()
    gateway = gateways(**streams.config("tcp", pbx, carrier))
    caller = sipp("uac-expect-503", pbx, remote=f"127.0.0.1:{gateway.sip_port}",
                  args=["-i", streams.PBX_HOST, "-t", "t1", "-s", "+442079460000"])
    caller.expect_success(timeout=20)
    assert gateway.cdr()["pdd_ms"] is None


@pytest.fixture
def certificates(tmp_path):
    (tmp_path / "certificates").mkdir()
    return streams.Certificates(tmp_path / "certificates")


@pytest.fixture
def tunnels():
    made = []

    def make(*args, **kw):
        made.append(streams.Tunnel(*args, **kw))
        return made[-1]

    yield make
    for each in made:
        each.close()


def tls_gateway(gateways, certificates, pbx, carrier, **more):
    return gateways(**streams.config("tls", pbx, carrier, tls_profiles=[streams.profile(certificates, **more)]))


@pytest.mark.parametrize("workers", [1, 2])
def test_calls_over_tls(gateways, sipp, tunnels, certificates, workers):
    """SEC-1 SIG-24: calls from a PBX to a carrier, TLS on both sides, server certificates verified"""
    pbx, carrier, carrier_tcp, pbx_tls = (lab.free_port() for _ in range(4))
    document = streams.config("tls", pbx, carrier, tls_profiles=[streams.profile(certificates)],
                              system={"workers": workers})
    gateway = gateways(**document)
    tunnels(carrier, ("127.0.0.1", carrier_tcp), server=streams.server_context(certificates, "carrier"))
    tunnels(pbx_tls, ("127.0.0.1", gateway.sip_port), client=streams.client_context(certificates),
            source=streams.PBX_HOST)
    called = sipp("uas-answer", carrier_tcp, calls=5, args=["-t", "t1"])
    caller = sipp("uac-call", pbx, remote=f"{streams.PBX_HOST}:{pbx_tls}", calls=5,
                  args=["-i", streams.PBX_HOST, "-t", "t1", "-s", "+442079460000", "-d", "300"])
    caller.expect_success()
    called.expect_success()
    records = gateway.wait_cdrs(5)
    assert all(c["a"]["transport"] == "tls" and c["b"]["transport"] == "tls" for c in records)
    assert "SIP/2.0/TLS" in "".join(called.received()) and "transport=tls" in "".join(called.received())
    assert 2 <= streams.metric(gateway, "tls_handshakes_total") <= 1 + workers
    left_s = streams.metric(gateway, 'certificate_expiry_timestamp_seconds{profile="main"}') - time.time()
    assert 19 * 86400 < left_s < 21 * 86400


def test_a_carrier_with_a_strange_certificate_gets_no_call(gateways, sipp, tunnels, certificates, tmp_path):
    """SEC-1: what cannot prove its name is treated as unreachable; the reason is counted and logged"""
    (tmp_path / "other").mkdir()
    other = streams.Certificates(tmp_path / "other")
    pbx, carrier, pbx_tls = (lab.free_port() for _ in range(3))
    gateway = tls_gateway(gateways, certificates, pbx, carrier)
    tunnels(carrier, ("127.0.0.1", 9), server=streams.server_context(other, "carrier"))
    tunnels(pbx_tls, ("127.0.0.1", gateway.sip_port), client=streams.client_context(certificates),
            source=streams.PBX_HOST)
    caller = sipp("uac-expect-503", pbx, remote=f"{streams.PBX_HOST}:{pbx_tls}",
                  args=["-i", streams.PBX_HOST, "-t", "t1", "-s", "+442079460000"])
    caller.expect_success(timeout=20)
    assert streams.metric(gateway, 'tls_handshake_failures_total{reason="untrusted"}') >= 1
    assert "unable to get local issuer certificate" in gateway.log() or "self-signed" in gateway.log()


def connect(gateway, context=None):
    """A connection as the PBX."""
    plain = socket.create_connection(("127.0.0.1", gateway.sip_port), timeout=20, source_address=(streams.PBX_HOST, 0))
    return context.wrap_socket(plain, server_hostname="sbc.example.com") if context else plain


def ask(gateway, connection, number, transport="TLS"):
    connection.sendall(streams.options(gateway.sip_port, transport, number))
    answer = b""
    while b"\r\n\r\n" not in answer:
        more = connection.recv(4096)
        assert more, "closed"
        answer += more
    return answer.split(b"\r\n", 1)[0].decode()


def fingerprint(certificates):
    """SHA-256 of what is in the file now."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert((certificates.dir / "sbc.pem").read_text())).hexdigest()


def test_certificates_are_renewed_while_connections_live(gateways, certificates):
    """SEC-1: SIGHUP reads certificates again; a bad one leaves the old in force"""
    gateway = tls_gateway(gateways, certificates, lab.free_port(), lab.free_port())
    context = streams.client_context(certificates)
    old = connect(gateway, context)
    assert ask(gateway, old, 1) == "SIP/2.0 200 OK"
    first = old.getpeercert()["serialNumber"]

    certificates.make("sbc")
    os.kill(gateway.process.pid, signal.SIGHUP)

    def serial():
        with contextlib.closing(connect(gateway, context)) as new:
            return new.getpeercert()["serialNumber"]

    lab.wait_for(lambda: serial() != first, "the new certificate")
    shown = gateway.api.get("/tls-profiles/main/certificate")
    assert shown["subject"] == "CN=sbc" and shown["issuer"] == "CN=Test CA", shown
    assert shown["names"] == ["sbc.example.com"] and shown["fingerprint"] == fingerprint(certificates), shown
    assert ask(gateway, old, 2) == "SIP/2.0 200 OK"

    (certificates.dir / "sbc.pem").write_text("nothing\n")
    os.kill(gateway.process.pid, signal.SIGHUP)
    lab.wait_for(lambda: "certificates not read again" in gateway.log(), "the complaint")
    assert serial() != first
    assert ask(gateway, old, 3) == "SIP/2.0 200 OK"
    old.close()


def test_clients_must_prove_who_they_are(gateways, certificates):
    """SEC-1: mutual TLS"""
    gateway = tls_gateway(gateways, certificates, lab.free_port(), lab.free_port(), verify_client="required")
    context = streams.client_context(certificates)
    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
        ask(gateway, connect(gateway, context), 1)
    assert streams.metric(gateway, 'tls_handshake_failures_total{reason="no_certificate"}') == 1
    context.load_cert_chain(*certificates.make("pbx"))
    with contextlib.closing(connect(gateway, context)) as good:
        assert ask(gateway, good, 2) == "SIP/2.0 200 OK"


LONG_OFFER = {"media": {"codecs": ["opus", "G722", "GSM", "G726-16", "G726-24", "G726-32", "G726-40", "PCMA", "PCMU"]}}


def long_calls(gateways, carrier_port, oversize, mtu=600):
    """A gateway whose INVITEs do not fit, a PBX, and how to call."""
    pbx = wire.Peer()
    document = lab.document(pbx=pbx.port, carrier=carrier_port)
    document["listeners"][0]["udp_mtu"] = mtu
    document["listeners"].append({"id": "tcp", "address": "127.0.0.1", "port": lab.free_port(socket.SOCK_STREAM),
                                  "transport": "tcp"})
    document["trunks"][1] |= LONG_OFFER | {"sip": {"oversize": oversize}}
    del document["admin"]
    gateway = gateways(**document)

    def call():
        pbx.send(wire.message("INVITE", f"sip:+4420@127.0.0.1:{gateway.sip_port}", pbx, body=wire.sdp(),
                              extra="Content-Type: application/sdp\r\n"), ("127.0.0.1", gateway.sip_port))

    return gateway, call


def busy(request):
    """486 to the bytes of a request."""
    head = request.decode().split("\r\n\r\n")[0].split("\r\n")[1:]
    kept = [line for line in head if line.split(":")[0] in
            ("Via", "v", "From", "f", "Call-ID", "i", "CSeq", "To", "t")]
    kept = [line + ";tag=x" if line.startswith(("To", "t:")) else line for line in kept]
    return ("SIP/2.0 486 Busy Here\r\n" + "\r\n".join(kept) + "\r\nContent-Length: 0\r\n\r\n").encode()


def test_a_long_invite_is_made_shorter(gateways):
    """SIG-23: what fits no datagram loses attributes, headers and codecs, and stays UDP"""
    carrier = wire.Peer()
    gateway, call = long_calls(gateways, carrier.port, ["compact", "attributes", "headers", "codecs"], mtu=1000)
    call()
    request = carrier.receive(10)
    assert len(request) <= 800 and b"\r\ni:" in request and b"GSM" not in request, request
    body = request.split(b"\r\n\r\n", 1)[1]
    assert int(re.search(rb"\r\nl: ?(\d+)", request).group(1)) == len(body)
    assert b" RTP/AVP 0 8 101\r\n" in body
    carrier.send(busy(request), ("127.0.0.1", gateway.sip_port))
    assert streams.metric(gateway, 'sip_udp_oversize_total{action="slim"}') == 1
    assert gateway.cdr()["release"]["code"] == 486


def test_a_long_invite_goes_by_tcp(gateways):
    """SIG-23: where the trunk allows it what fits no datagram goes by TCP, whole"""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        gateway, call = long_calls(gateways, server.getsockname()[1], ["tcp"])
        call()
        near, _ = server.accept()
        with near:
            near.settimeout(10)
            request = near.recv(65535)
            assert b"Via: SIP/2.0/TCP" in request and b"GSM" in request, request
            near.sendall(busy(request))
            assert gateway.cdr()["release"]["code"] == 486
    assert streams.metric(gateway, 'sip_udp_oversize_total{action="tcp"}') == 1


def test_a_long_invite_falls_back_to_udp(gateways):
    """SIG-23: a carrier without TCP gets the same by UDP at once; the next call does not try TCP again"""
    carrier = wire.Peer()
    gateway, call = long_calls(gateways, carrier.port, ["compact", "tcp"])
    for n in (1, 2):
        started = time.monotonic()
        call()
        request = carrier.receive(10)
        assert time.monotonic() - started < 2
        assert b"SIP/2.0/UDP" in request and b"SIP/2.0/TCP" not in request, request
        carrier.send(busy(request), ("127.0.0.1", gateway.sip_port))
        gateway.wait_cdrs(n)
        carrier.drain()
    assert streams.metric(gateway, 'sip_udp_oversize_total{action="tcp_failed"}') == 1
    assert streams.metric(gateway, 'sip_udp_oversize_total{action="fragmented"}') == 1
    status = gateway.api.get("/trunks/carrier/status")
    assert [lesson["what"] for lesson in status["endpoints"][0]["learned"]] == ["no_tcp"]
