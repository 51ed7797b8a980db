#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Memory of a further call: anonymous pages and sockets, from the difference between two numbers of calls.

What belongs to no call (SQLite's page cache, what libraries keep) is taken once, so it is in a call's share and not in a
further one's. Calls are the relay's of compare.py, with RTP both ways, from a fresh start; pages are counted 2 s after the
last came up, while its transactions are still there, and again later where that is asked for.

For calls with keys the gateway stands between two others, which speak RTP with SIPp and SRTP with it, on both its sides.
"""

import argparse
import collections
import pathlib
import shutil
import sys
import tempfile
import time

import compare

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
import lab  # noqa: E402

BAR_KB = 24
RATE = 100
SETTLED_S, LATE_S = 2, 40
Found = collections.namedtuple("Found", "pages_kb sockets")


def anonymous_kb(pid):
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Anonymous:"))


def look(pid):
    return Found(anonymous_kb(pid), len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir())))


def make_gateway(directory, pbx, carrier, media, keys=(None, None), codec="PCMA"):
    """@keys: how each side of it comes to them; None: plain RTP."""
    document = lab.document(pbx=pbx, carrier=carrier, media=media[0])
    document["media_pools"][0]["port_max"] = media[1]
    document["log"] = {"level": "warning"}
    for trunk, keying, codecs in zip(document["trunks"], keys, (["PCMA"], [codec])):
        trunk["media"]["codecs"] = codecs
        if keying:
            trunk["media"].update(srtp="require", srtp_keying=keying)
    return lab.Gateway(directory, document)


class System:
    """The gateway that is measured, with its neighbours where it has any."""

    name = "demarc"

    def __init__(self, directory, ports, kind):
        pbx, carrier = ports
        keying = kind if kind in ("sdes", "dtls") else None
        self.gateways = []
        if not keying:
            self.measured = self.add(directory / "gateway", pbx, carrier, 0, codec="G722" if kind == "g722" else "PCMA")
            self.sip = self.measured.sip_port
            return
        # Two that do not know each other yet: the first is told of the others' port when they have one.
        far = self.add(directory / "far", lab.free_port(), carrier, 2, keys=(keying, None))
        self.measured = self.add(directory / "gateway", lab.free_port(), far.sip_port, 1, keys=(keying, keying))
        near = self.add(directory / "near", pbx, self.measured.sip_port, 0, keys=(None, keying))
        for gateway, before in ((far, self.measured), (self.measured, near)):
            gateway.document["trunks"][0]["endpoints"] = [{"uri": f"sip:127.0.0.1:{before.sip_port}"}]
            gateway.write_config()
        self.sip = near.sip_port

    def add(self, directory, pbx, carrier, number, **how):
        low, high = compare.RTP_PORTS
        third = (high + 1 - low) // 3 & ~1
        media = low + number * third, low + (number + 1) * third - 1
        self.gateways.append(make_gateway(directory, pbx, carrier, media, **how))
        return self.gateways[-1]

    def start(self):
        for gateway in self.gateways:
            gateway.start()

    def pids(self):
        return [self.measured.process.pid]

    def stop(self):
        """At once: calls are up, and an orderly stop waits for them."""
        for gateway in self.gateways:
            if gateway.process:
                gateway.kill()


def measure(directory, calls, options):
    """What @calls take, 2 s after the last came up, and later."""
    ports = lab.free_port(), lab.free_port()
    system = System(directory, ports, options.kind)
    traffic = directory / "load"
    traffic.mkdir()
    compare.write_audio(traffic / "audio.al")
    try:
        system.start()
        pid = system.pids()[0]
        before = look(pid)
        codec = "G722" if options.kind == "g722" else "PCMA"
        with compare.Load(system, traffic, ports, codec) as load:
            load.call("uac-rtp", calls, options.rate, 600000, "-rtp_echo")
            wait_for_calls(system.measured, calls, options.rate)
            time.sleep(SETTLED_S)
            found = {"new": look(pid)}
            if options.late:
                time.sleep(LATE_S)
                found["standing"] = look(pid)
    finally:
        system.stop()
    return {moment: Found(f.pages_kb - before.pages_kb, f.sockets - before.sockets) for moment, f in found.items()}


def wait_for_calls(gateway, calls, rate):
    time.sleep(calls / rate)
    sockets = 4 * calls
    lab.wait_for(lambda: look(gateway.process.pid).sockets >= sockets, f"{calls} calls to be up")


def report(calls, found, kind):
    few, many = calls
    for moment in found[few]:
        for n in calls:
            print(f"memory_{kind}_{moment}_call_of_{n} {found[n][moment].pages_kb / n:.1f} kB")
        ours = (found[many][moment].pages_kb - found[few][moment].pages_kb) / (many - few)
        sockets = (found[many][moment].sockets - found[few][moment].sockets) / (many - few)
        kernel = sockets * compare.socket_kb()
        print(f"memory_{kind}_{moment}_further_call {ours:.1f} kB")
        print(f"memory_{kind}_{moment}_sockets {kernel:.1f} kB ({sockets:.2f} of {compare.socket_kb():.2f})")
        print(f"memory_{kind}_{moment}_further_call_with_sockets {ours + kernel:.1f} kB (bar of a relay: {BAR_KB})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--calls", type=lambda text: [int(n) for n in text.split(",")], default=[800, 1600],
                        help="the two numbers of calls")
    parser.add_argument("--rate", type=int, default=RATE, help="calls a second")
    parser.add_argument("--kind", choices=("relay", "g722", "sdes", "dtls"), default="relay",
                        help="PCMA on both sides; PCMA to G.722; SRTP on both sides with keys from SDP, or from DTLS")
    parser.add_argument("--late", action="store_true", help="once more 40 s later, when transactions are gone")
    options = parser.parse_args()
    if len(options.calls) != 2 or options.calls[0] >= options.calls[1]:
        parser.error("--calls: two numbers, the smaller one first")
    if not shutil.which("sipp"):
        raise SystemExit("not installed: sipp (./dev shell-deps bench --install)")
    work = pathlib.Path(tempfile.mkdtemp(prefix="demarc-bench-"))
    found = {}
    try:
        for calls in options.calls:
            compare.say(f"{calls} calls up")
            found[calls] = measure(work / str(calls), calls, options)
    except (compare.Failed, AssertionError) as error:
        raise SystemExit(f"{error}\nLogs are in {work}") from None
    report(options.calls, found, options.kind)
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
