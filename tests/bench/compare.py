#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""CPU per call and per relayed packet, beside Kamailio + rtpengine on the same load in the same run.

Both do the same work on loopback: INVITE to BYE through the box with its media anchored; then calls that stay up with
RTP both ways. CPU is what the kernel counted for the threads of the system under test (/proc/PID/task/*/schedstat), so
SIPp's own appetite does not matter; the systems take turns, and the median of the rounds is printed with the ratio.
Packets are counted by the kernel's UDP counters, memory as resident pages and the kernel's objects behind each socket.
Then what a relay adds to the delay of a packet (latency.py), and what a fax through the T.38 gateway costs (fax.py).
docs/performance.md says how to read the figures.
"""

import argparse
import contextlib
import csv
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))
import lab  # noqa: E402
import latency  # noqa: E402

SCENARIOS = HERE / "scenarios"
CALLED = "+442079460000"
# Ports rest for 30 s after a call: as many as the calls of one run need, and more than Linux gives out by itself.
RTP_PORTS = (30000, 65499)
# What the kernel keeps for one UDP socket in an epoll set.
SOCKET_OBJECTS = ("UDP", "sock_inode_cache", "dentry", "filp", "eventpoll_epi", "eventpoll_pwq")


# What the called side speaks when the caller speaks PCMA, and under which payload type: the first dynamic one is what
# both systems offer.
CODECS = {"PCMA": "8", "PCMU": "0", "G722": "9", "opus": "96"}
RTPMAPS = {"G722": "G722/8000", "opus": "opus/48000/2"}


class Failed(Exception):
    """The load did not go through, so there is nothing to compare."""


def say(text):
    print(f"# {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


# ---- what the kernel counts


def cpu_ns(pids):
    """CPU so far by thread name; threads that ended are not in it, and the systems here end none under load."""
    total = {}
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            name = (task / "comm").read_text().strip()
            total[name] = total.get(name, 0) + int((task / "schedstat").read_text().split()[0])
    return total


def cpu_since(before, pids, n):
    """Nanoseconds for each of n things, by thread name; only what is worth a line."""
    used = {name: (ns - before.get(name, 0)) / n for name, ns in cpu_ns(pids).items()}
    return {name: ns for name, ns in sorted(used.items(), key=lambda u: -u[1]) if ns >= 0.005 * sum(used.values())}


def children(pid):
    found = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += children(int(child))
    return found


def udp_sent():
    lines = [l.split() for l in pathlib.Path("/proc/net/snmp").read_text().splitlines() if l.startswith("Udp:")]
    return int(lines[1][lines[0].index("OutDatagrams")])


def socket_kb():
    """What one socket costs in the kernel; 0 when we may not know (slabinfo is root's)."""
    with contextlib.suppress(OSError):
        lines = (l.split() for l in pathlib.Path("/proc/slabinfo").read_text().splitlines()[2:])
        sizes = {l[0]: int(l[3]) for l in lines}
        return sum(sizes.get(name, 0) for name in SOCKET_OBJECTS) / 1024
    return 0


def memory_kb(pids):
    """Resident pages, a page shared by several processes once, and sockets."""
    pages = sockets = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                pages += int(line.split()[1])
        sockets += len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))
    return pages + sockets * socket_kb()


def listens(port):
    return f"0100007F:{port:04X}" in pathlib.Path("/proc/net/udp").read_text()


# ---- the systems


class Demarc:
    name = "demarc"
    top_rate = 100000

    def __init__(self, directory, pbx, carrier, codec="PCMA"):
        document = lab.document(pbx=pbx, carrier=carrier, media=RTP_PORTS[0])
        document["media_pools"][0]["port_max"] = RTP_PORTS[1]
        document["log"] = {"level": "warning"}
        for trunk in document["trunks"]:
            trunk["media"]["codecs"] = ["PCMA", "PCMU"]
        if codec != "PCMA":
            document["trunks"][0]["media"]["codecs"] = ["PCMA"]
            document["trunks"][1]["media"]["codecs"] = [codec]
        self.gateway = lab.Gateway(directory, document)
        self.sip = self.gateway.sip_port

    def start(self):
        self.gateway.start()

    def pids(self):
        return [self.gateway.process.pid]

    def stop(self):
        if self.gateway.process:
            self.gateway.process.stop()


class KamailioRtpengine:
    name = "kamailio+rtpengine"
    # Beyond it there is no core left for SIPp on a machine with two.
    top_rate = 600

    def __init__(self, directory, pbx, carrier, codec="PCMA"):
        del pbx  # it answers whoever calls
        directory.mkdir()
        self.sip, self.ng, cli = lab.free_port(), lab.free_port(), lab.free_port()
        text = (HERE / "kamailio.cfg").read_text()
        flags = "" if codec == "PCMA" else f"codec-mask-PCMA codec-transcode-{codec}"
        for mark, value in (("@SIP@", self.sip), ("@NG@", self.ng), ("@CARRIER@", carrier), ("@CODEC@", flags)):
            text = text.replace(mark, str(value))
        (directory / "kamailio.cfg").write_text(text)
        self.commands = {
            "rtpengine": ["rtpengine", "--foreground", "--log-stderr", "--table=-1", "--interface=127.0.0.1",
                          f"--listen-ng=127.0.0.1:{self.ng}", f"--listen-cli=127.0.0.1:{cli}",
                          f"--port-min={RTP_PORTS[0]}", f"--port-max={RTP_PORTS[1]}",
                          "--log-level=3", "--num-threads=2", f"--pidfile={directory / 'rtpengine.pid'}"],
            "kamailio": ["kamailio", "-DD", "-E", "-m", "256", "-f", directory / "kamailio.cfg",
                         "-Y", directory, "-P", directory / "kamailio.pid"],
        }
        self.directory = directory
        self.processes = []

    def start(self):
        for name, command in self.commands.items():
            self.processes.append(lab.Process(command, self.directory / f"{name}.log"))
        lab.wait_for(lambda: listens(self.sip) and listens(self.ng), "Kamailio and rtpengine to listen")
        time.sleep(1)  # Kamailio asks rtpengine whether it is there; nothing tells us when it has

    def pids(self):
        return [pid for process in self.processes for pid in children(process.pid)]

    def stop(self):
        for process in reversed(self.processes):
            process.stop()


KINDS = {kind.name: kind for kind in (Demarc, KamailioRtpengine)}


# ---- the load


class Load:
    """SIPp on both sides of a system. Whatever happens, nothing of it is left running."""

    def __init__(self, system, directory, ports, codec="PCMA"):
        self.system, self.directory, self.ports = system, directory, ports
        self.codec = ["-key", "pt", CODECS[codec],
                      "-key", "codec", RTPMAPS.get(codec, f"{codec}/8000")]
        self.called = self.caller = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (self.caller, self.called):
            if process and process.running():
                process.child.kill()
            if process:
                process.stop()

    def sipp(self, scenario, port, *args):
        for old in self.directory.glob(f"{scenario}_*"):
            old.unlink()
        return lab.Process(
            ["sipp", "-sf", SCENARIOS / f"{scenario}.xml", "-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", port,
             "-nostdin", "-buff_size", "4000000", "-trace_err", *args], self.directory / f"{scenario}.out",
            cwd=self.directory)

    def call(self, scenario, calls, rate, hold_ms, *called_args):
        self.called = self.sipp("uas", self.ports[1], "-m", calls, *self.codec, *called_args, "127.0.0.1")
        lab.wait_for(lambda: listens(self.ports[1]), "the called side to listen")
        self.caller = self.sipp(scenario, self.ports[0], "-m", calls, "-r", rate, "-d", hold_ms, "-s", CALLED,
                                "-l", 100000, "-trace_rtt", "-rtt_freq", calls, f"127.0.0.1:{self.system.sip}")

    def finish(self, expected_s):
        try:
            code = self.caller.wait(expected_s + 60)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.system.name}: SIPp was not done {expected_s + 60} s after it began") from None
        if code != 0:
            raise Failed(f"{self.system.name}: SIPp ended with {code} ({self.complaint()})")

    def complaint(self):
        for path in self.directory.glob("*_errors.log"):
            for line in path.read_text(errors="replace").splitlines():
                if "Aborting" in line or "unexpected" in line:
                    return line[-200:]
        return "it says nothing about why"

    def answer_ms(self):
        """INVITE to 200, as the caller sees it: half of the calls, and all but one in a hundred."""
        times = []
        for path in self.directory.glob("uac_*_rtt.csv"):
            with path.open() as rows:
                times += [float(row["response_time_ms"]) for row in csv.DictReader(rows, delimiter=";")]
        cuts = statistics.quantiles(times, n=100)
        return cuts[49], cuts[98]


def signalling(load, calls, rate):
    """CPU per call, INVITE to BYE, media anchored, no RTP."""
    pids = load.system.pids()
    before = cpu_ns(pids)
    load.call("uac", calls, rate, 200)
    load.finish(calls / rate)
    time.sleep(0.5)  # the last record is written, the last media session closed
    used = cpu_since(before, pids, calls)
    p50, p99 = load.answer_ms()
    return {"us": sum(used.values()) / 1000, "answer_p50_ms": p50, "answer_p99_ms": p99,
            "threads": {name: round(ns / 1000, 1) for name, ns in used.items()}}


def relay(load, sessions, seconds):
    """CPU per forwarded packet with all calls up, and memory per call."""
    pids, rate = load.system.pids(), 50
    memory = memory_kb(pids)
    load.call("uac-rtp", sessions, rate, int((seconds + sessions / rate + 6) * 1000), "-rtp_echo")
    time.sleep(sessions / rate + 3)
    memory = (memory_kb(pids) - memory) / sessions
    before, packets = cpu_ns(pids), udp_sent()
    time.sleep(seconds)
    packets = udp_sent() - packets
    # A packet through the box is sent twice: by its peer, and by the box. (Received is no measure: the calling SIPp
    # never reads what comes back to it.)
    used = cpu_since(before, pids, packets / 2)
    load.finish(sessions / rate + 6)
    expected = 4 * sessions * seconds * 50  # both directions, 50 a second
    if not 0.9 * expected < packets < 1.2 * expected:
        raise Failed(f"{load.system.name}: {packets} packets sent instead of {expected}; "
                     "either they were lost or something else on this machine sends datagrams")
    return {"ns": sum(used.values()), "memory_kb": memory, "threads": {n: round(ns) for n, ns in used.items()}}


def write_audio(path):
    """Two seconds of quiet G.711 A-law noise, what rtp_stream repeats."""
    path.write_bytes(bytes(0xD5 ^ (i * 7 % 13) for i in range(16000)))


def run_round(kind, directory, options):
    """Figures of one system by name; the record of its threads goes to the log."""
    figures = {}
    ports = (lab.free_port(), lab.free_port())
    system = kind(directory, *ports)
    traffic = directory / "load"
    traffic.mkdir(parents=True)
    write_audio(traffic / "audio.al")
    try:
        system.start()
        for rate in (r for r in options.rates if r <= kind.top_rate):
            with Load(system, traffic, ports) as load:
                found = signalling(load, min(options.calls, int(rate * options.call_seconds)), rate)
            say(f"{kind.name}, {rate} calls/s: {found['us']:.0f} us a call, {found['threads']}")
            for name, key in (("cpu_per_call", "us"), ("answer_p50", "answer_p50_ms"), ("answer_p99", "answer_p99_ms")):
                figures[f"{name}_{rate}cps", key.rsplit("_", maxsplit=1)[-1]] = found[key]
        if options.sessions:
            with Load(system, traffic, ports) as load:
                found = relay(load, options.sessions, options.seconds)
            say(f"{kind.name}, {options.sessions} calls up: {found['ns']:.0f} ns a packet, {found['threads']}")
            figures["cpu_per_packet", "ns"] = found["ns"]
            figures["memory_per_call", "kB"] = found["memory_kb"]
    finally:
        system.stop()
    return figures


def run_transcoding(kind, directory, codec, options):
    """Like the relay, with a called side that speaks another codec than the caller; a system of its own."""
    ports = (lab.free_port(), lab.free_port())
    system = kind(directory, *ports, codec=codec)
    traffic = directory / "load"
    traffic.mkdir(parents=True)
    write_audio(traffic / "audio.al")
    try:
        system.start()
        with Load(system, traffic, ports, codec) as load:
            found = relay(load, options.transcoded, options.seconds)
    finally:
        system.stop()
    say(f"{kind.name}, {options.transcoded} calls PCMA to {codec}: {found['ns']:.0f} ns a packet, {found['threads']}")
    return {(f"cpu_per_packet_pcma_{codec.lower()}", "ns"): found["ns"]}


def run_latency(kind, directory, options):
    """What a relay adds to the way of a packet; a system of its own, with one call."""
    p50, p99 = latency.measure(lambda pbx, carrier: kind(directory, pbx, carrier), options.latency)
    say(f"{kind.name}: a packet takes {p50:.0f} us more at the median, {p99:.0f} us at p99")
    return {("added_latency_p50", "us"): p50, ("added_latency_p99", "us"): p99}


def run_fax(kind, directory, options):
    """CPU of T.38 gateway calls, ours only: modems in G.711 at the PBX, T.38 at the carrier, in real time."""
    if kind is not Demarc or not options.faxes:
        return {}
    import fax

    us = fax.measure(directory, options.faxes, cpu_ns)
    say(f"{kind.name}: {us:.0f} us a second of fax, with {options.faxes} at once")
    return {("cpu_per_fax_second", "us"): us}


def report(results):
    """name value unit, a line each; then ours over theirs, for what both did."""
    medians = {}
    for name, rounds in results.items():
        for key in rounds[0]:
            medians[name, key] = statistics.median(r[key] for r in rounds)
            print(f"{name}_{key[0]} {medians[name, key]:.1f} {key[1]}")
    other = KamailioRtpengine.name
    for (name, key), value in medians.items():
        if name == Demarc.name and (other, key) in medians and key[0].startswith("cpu"):
            print(f"ratio_{key[0]} {value / medians[other, key]:.3f} of-{other}")


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rates", type=lambda text: [int(r) for r in text.split(",")], default=[300, 1600],
                        help="calls a second, one run each; the comparison is left out where the other cannot follow")
    parser.add_argument("--calls", type=int, default=3000, help="at most so many in one run")
    parser.add_argument("--call-seconds", type=float, default=8, help="at most so long is one run")
    parser.add_argument("--sessions", type=int, default=200, help="calls up at once for the relay; 0 leaves it out")
    parser.add_argument("--transcoded", type=int, default=50, help="calls up at once for each pair of codecs; 0: none")
    parser.add_argument("--codecs", type=lambda text: text.split(","), default=["PCMU", "G722", "opus"],
                        help="what the called side speaks when the caller speaks PCMA")
    parser.add_argument("--seconds", type=int, default=10, help="of relaying")
    parser.add_argument("--latency", type=int, default=2000, help="packets whose delay is measured; 0: none")
    parser.add_argument("--faxes", type=int, default=10, help="T.38 gateway calls at once; 0: none")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=KINDS)
    parser.add_argument("--json", type=pathlib.Path, help="also write every round's figures here")
    return parser.parse_args()


def main():
    options = parse_options()
    kinds = [k for k in KINDS.values() if options.only in (None, k.name)]
    missing = [p for p in ("sipp", "kamailio", "rtpengine") if not shutil.which(p)]
    if missing and (options.only != Demarc.name or "sipp" in missing):
        raise SystemExit(f"not installed: {', '.join(missing)} (./dev shell-deps bench --install)")
    work = pathlib.Path(tempfile.mkdtemp(prefix="demarc-bench-"))
    results = {k.name: [] for k in kinds}
    try:
        for number in range(options.rounds):
            for kind in kinds:
                say(f"round {number + 1} of {options.rounds}: {kind.name}")
                figures = run_round(kind, work / f"{kind.name}-{number}", options)
                for codec in options.codecs if options.transcoded else []:
                    figures |= run_transcoding(kind, work / f"{kind.name}-{number}-{codec}", codec, options)
                if options.latency:
                    figures |= run_latency(kind, work / f"{kind.name}-{number}-latency", options)
                figures |= run_fax(kind, work / f"{kind.name}-{number}-fax", options)
                results[kind.name].append(figures)
    except (Failed, AssertionError) as error:
        raise SystemExit(f"{error}\nLogs and SIPp's output are in {work}") from None
    report(results)
    if options.json:
        rounds = {name: [{f"{k[0]}_{k[1]}": v for k, v in r.items()} for r in rs] for name, rs in results.items()}
        options.json.write_text(json.dumps(rounds, indent=1) + "\n")
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
