# SPDX-License-Identifier: Apache-2.0
"""Connections that come to nothing, by the thousand: memory and descriptors end where they began."""

import contextlib
import os
import socket
import ssl
import struct
import time

import pytest

import lab
import streams

pytestmark = pytest.mark.busy

N = int(os.environ.get("DEMARC_ABUSE", "10000"))
WARM_UP = 1000
DEADLINE_S = 240
GROWTH_KB = 4096  # of the resident set, which is not exact to the page
RESET = struct.pack("ii", 1, 0)


def connect(port):
    s = socket.socket()
    s.settimeout(20)
    s.connect(("127.0.0.1", port))
    return s


def close_at_once(port, context):
    connect(port).close()


def reset(port, context):
    s = connect(port)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    s.close()


def garbage(port, context):
    with contextlib.suppress(OSError), contextlib.closing(connect(port)) as s:
        s.sendall(b"\x16\x03\x01\x00\x05hello" + bytes(range(256)))


def half_handshake(port, context):
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context.wrap_bio(incoming, outgoing, server_hostname="sbc.example.com")
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    with contextlib.suppress(OSError), contextlib.closing(connect(port)) as s:
        s.sendall(outgoing.read())


def whole_handshake(port, context):
    with contextlib.suppress(OSError):
        plain = connect(port)
        context.wrap_socket(plain, server_hostname="sbc.example.com").close()


def resident_kb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def settle(gateway, most=None):
    """Until no connection is left; descriptors (those of the API come and go) and memory then."""
    lab.wait_for(lambda: streams.metric(gateway, "sip_connections_active") == 0, "connections to be gone")
    count = lambda: len(os.listdir(f"/proc/{gateway.process.pid}/fd"))
    if most is not None:
        lab.wait_for(lambda: count() <= most, "descriptors to be closed")
    return count(), resident_kb(gateway.process.pid)


@pytest.mark.parametrize("act", [close_at_once, reset, garbage, half_handshake, whole_handshake])
def test_aborted_connections_leave_nothing(gateways, tmp_path, monkeypatch, act):
    """SIG-24 SEC-1: 10 000 connections that end too early, of each kind, on TCP and TLS"""
    monkeypatch.setenv("ASAN_OPTIONS", "quarantine_size_mb=1:thread_local_quarantine_size_kb=64")
    certificates = streams.Certificates(tmp_path)
    document = streams.config("tls", lab.free_port(), lab.free_port(), tls_profiles=[streams.profile(certificates)])
    tcp = lab.free_port()
    document["listeners"].append({"id": "tcp", "address": "127.0.0.1", "port": tcp, "transport": "tcp"})
    document["log"] = {"level": "error"}
    gateway = gateways(**document)
    context = streams.client_context(certificates)
    both = act not in (half_handshake, whole_handshake)

    def run(n):
        until = time.monotonic() + DEADLINE_S
        for i in range(n):
            act(tcp if both and i % 2 else gateway.sip_port, context)
            assert time.monotonic() < until, f"only {i} of {n} in {DEADLINE_S} s"

    run(WARM_UP)
    fds, kb = settle(gateway)
    run(N)
    _, kb_after = settle(gateway, most=fds)
    assert kb_after - kb < GROWTH_KB, f"{kb} kB before, {kb_after} after"
    with contextlib.closing(connect(gateway.sip_port)) as last:
        assert context.wrap_socket(last, server_hostname="sbc.example.com").version() == "TLSv1.3"


def test_slow_peers_and_crowds(gateways):
    """SIG-24: one stranger holds at most its share, and dribbling a byte now and then holds nothing for long"""
    document = streams.config("tcp", lab.free_port(), lab.free_port(),
                              security={"max_connections_per_source": 5, "first_message_s": 1})
    document["trunks"][1]["endpoints"] = [{"uri": "sip:127.0.0.3:5060;transport=tcp"}]
    gateway = gateways(**document)
    crowd = [connect(gateway.sip_port) for _ in range(20)]
    lab.wait_for(lambda: streams.metric(gateway, 'sip_connections_refused_total{reason="source"}') == 15, "refusals")
    assert streams.metric(gateway, "sip_connections_active") == 5

    def dribble():
        for s in crowd:
            with contextlib.suppress(OSError):
                s.send(b"A")
        return streams.metric(gateway, "sip_connections_active") == 0

    lab.wait_for(dribble, "the dribblers to be closed", timeout=10)
    assert streams.metric(gateway, "sip_connection_timeouts_total") == 5
    for s in crowd:
        s.close()
