# SPDX-License-Identifier: Apache-2.0
"""Calls over TCP and TLS: SIPp and raw sockets against the real gateway."""

import contextlib
import os
import signal
import socket
import ssl

import pytest

import lab
import streams


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
