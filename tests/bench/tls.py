#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What TLS costs: CPU per handshake, whole and resumed, and CPU per call over UDP, TCP and TLS in the same run.

CPU is the gateway's own, from /proc/PID/task/*/schedstat, so it does not matter that SIPp's TLS is a tunnel of ours. A
call is INVITE to BYE with its media anchored, as in compare.py. Handshakes are TLS 1.3 with P-256 certificates on both
ends, the client's address known to the gateway; one connection after another, so their number a second is what one
core could do, computed from CPU and not from the clock.
"""

import argparse
import contextlib
import pathlib
import shutil
import socket
import ssl
import statistics
import sys
import tempfile
import time

import compare

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
import lab  # noqa: E402
import streams  # noqa: E402

TRANSPORTS = ("udp", "tcp", "tls")


def make_gateway(directory, transport, ports, certificates):
    pbx, carrier = ports
    profiles = {"tls_profiles": [streams.profile(certificates)]} if transport == "tls" else {}
    document = lab.document(pbx=pbx, carrier=carrier, media=compare.RTP_PORTS[0], **profiles)
    document["media_pools"][0]["port_max"] = compare.RTP_PORTS[1]
    document["log"] = {"level": "warning"}
    document["listeners"][0]["transport"] = transport
    if transport == "tls":
        document["listeners"][0]["tls_profile"] = "main"
    for trunk, host, port in zip(document["trunks"], (streams.PBX_HOST, "127.0.0.1"), ports):
        trunk["endpoints"] = [{"uri": f"sip:{host}:{port};transport={transport}"}]
        trunk["media"]["codecs"] = ["PCMA", "PCMU"]
    return lab.Gateway(directory, document)


class Load:
    """SIPp on both sides, with a tunnel beside each where it is to be TLS."""

    def __init__(self, directory, gateway, transport, ports, certificates):
        self.directory, self.gateway, self.transport = directory, gateway, transport
        self.pbx, self.carrier = ports
        self.certificates = certificates
        self.stack = contextlib.ExitStack()

    def sipp(self, scenario, host, port, *args):
        mode = ["-t", "u1" if self.transport == "udp" else "t1"]
        process = lab.Process(
            ["sipp", "-sf", compare.SCENARIOS / f"{scenario}.xml", "-i", host, "-mi", host, "-p", port, "-nostdin",
             "-buff_size", "4000000", "-trace_err", *mode, *args], self.directory / f"{scenario}.out",
            cwd=self.directory)
        self.stack.callback(process.stop)
        return process

    def tunnels(self):
        """Ports SIPp is to use: where it calls, and where it is called."""
        if self.transport != "tls":
            return self.gateway.sip_port, self.carrier
        near, far = lab.free_port(), lab.free_port()
        out = streams.Tunnel(near, ("127.0.0.1", self.gateway.sip_port), source=streams.PBX_HOST,
                             client=streams.client_context(self.certificates))
        into = streams.Tunnel(self.carrier, ("127.0.0.1", far),
                              server=streams.server_context(self.certificates, "carrier"))
        self.stack.callback(out.close)
        self.stack.callback(into.close)
        return near, far

    def run(self, calls, rate):
        target, listen = self.tunnels()
        host = streams.PBX_HOST if self.transport == "tls" else "127.0.0.1"
        self.sipp("uas", "127.0.0.1", listen, "-m", calls, "-key", "pt", 8, "-key", "codec", "PCMA/8000", "127.0.0.1")
        time.sleep(1)
        caller = self.sipp("uac", streams.PBX_HOST, self.pbx, "-m", calls, "-r", rate, "-d", 200, "-s", compare.CALLED,
                           f"{host}:{target}")
        code = caller.wait(calls / rate + 60)
        if code != 0:
            raise compare.Failed(f"{self.transport}: SIPp ended with {code}; see {self.directory}")


def per_call(directory, transport, certificates, calls, rate):
    ports = lab.free_port(), lab.free_port()
    gateway = make_gateway(directory, transport, ports, certificates)
    traffic = directory / "load"
    traffic.mkdir()
    gateway.start()
    load = Load(traffic, gateway, transport, ports, certificates)
    try:
        before = compare.cpu_ns([gateway.process.pid])
        with load.stack:
            load.run(calls, rate)
            time.sleep(0.5)
        used = compare.cpu_since(before, [gateway.process.pid], calls)
    finally:
        gateway.process.stop()
    compare.say(f"{transport}: {sum(used.values()) / 1000:.0f} us a call, "
                f"{ {name: round(ns / 1000, 1) for name, ns in used.items()} }")
    return sum(used.values()) / 1000


def connect(context, port, session):
    with socket.create_connection(("127.0.0.1", port), source_address=(streams.PBX_HOST, 0)) as plain:
        with context.wrap_socket(plain, server_hostname="sbc.example.com", session=session) as tls:
            tls.sendall(streams.options(port))
            tls.recv(4096)  # the ticket comes with the first data
            return tls.session, tls.session_reused


def per_handshake(directory, certificates, number, resume):
    gateway = make_gateway(directory, "tls", (lab.free_port(), lab.free_port()), certificates)
    gateway.start()
    context = streams.client_context(certificates)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    session, reused = None, 0
    try:
        session, _ = connect(context, gateway.sip_port, None)
        before = compare.cpu_ns([gateway.process.pid])
        for _ in range(number):
            new, was = connect(context, gateway.sip_port, session if resume else None)
            session, reused = new, reused + was
        used = compare.cpu_since(before, [gateway.process.pid], number)
    finally:
        gateway.process.stop()
    if reused != (number if resume else 0):
        raise compare.Failed(f"{reused} of {number} handshakes were resumed")
    return sum(used.values()) / 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rate", type=int, default=100, help="calls a second")
    parser.add_argument("--calls", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3, help="of calls; the median counts")
    parser.add_argument("--handshakes", type=int, default=500)
    options = parser.parse_args()
    work = pathlib.Path(tempfile.mkdtemp(prefix="demarc-bench-"))
    (work / "certificates").mkdir()
    certificates = streams.Certificates(work / "certificates")
    try:
        rounds = [{t: per_call(work / f"{t}-{i}", t, certificates, options.calls, options.rate) for t in TRANSPORTS}
                  for i in range(options.rounds)]
        shakes = {name: per_handshake(work / name, certificates, options.handshakes, resume)
                  for name, resume in (("whole", False), ("resumed", True))}
    except (compare.Failed, AssertionError) as error:
        raise SystemExit(f"{error}\nLogs are in {work}") from None
    figures = {t: statistics.median(r[t] for r in rounds) for t in TRANSPORTS}
    for transport, us in figures.items():
        print(f"cpu_per_call_{transport} {us:.1f} us")
    for transport in ("tcp", "tls"):
        print(f"ratio_call_{transport} {figures[transport] / figures['udp']:.3f} of-udp")
    for name, us in shakes.items():
        print(f"cpu_per_handshake_{name} {us:.1f} us")
        print(f"handshakes_per_core_second_{name} {1e6 / us:.0f} computed")
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
