#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""CPU per call and per relayed packet, beside Kamailio + rtpengine on the same load in the same run.

Both do the same work on loopback: INVITE to BYE through the box with its media anchored; then calls that stay up with
RTP both ways. CPU is what the kernel counted for the threads of the system under test (/proc/PID/task/*/schedstat), so
SIPp's own appetite does not matter; the systems take turns, and the median of the rounds is printed with the ratio.
Packets are counted by the kernel's UDP counters.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))
import lab  # noqa: E402

SCENARIOS = HERE / "scenarios"
RTP_PORTS = (40000, 49999)


def cpu_ns(pids):
    total = 0
    for pid in pids:
        for stat in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
            total += int(stat.read_text().split()[0])
    return total


def children(pid):
    found = [pid]
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += children(int(child))
    return found


def udp_received():
    lines = [l.split() for l in pathlib.Path("/proc/net/snmp").read_text().splitlines() if l.startswith("Udp:")]
    return int(lines[1][lines[0].index("InDatagrams")])


def rss_kb(pids):
    total = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                total += int(line.split()[1])
    return total


class Demarc:
    name = "demarc"

    def __init__(self, directory, pbx, carrier):
        document = lab.document(pbx=pbx, carrier=carrier, media=RTP_PORTS[0])
        document["media_pools"][0]["port_max"] = RTP_PORTS[1]
        document["log"] = {"level": "warning"}
        for trunk in document["trunks"]:
            trunk["media"]["codecs"] = ["PCMA", "PCMU"]
        self.gateway = lab.Gateway(directory, document).start()
        self.sip = self.gateway.sip_port

    def pids(self):
        return [self.gateway.process.pid]

    def stop(self):
        self.gateway.stop()


class KamailioRtpengine:
    name = "kamailio+rtpengine"

    def __init__(self, directory, pbx, carrier):
        directory.mkdir()
        self.sip, ng, cli = lab.free_port(), lab.free_port(), lab.free_port()
        text = (HERE / "kamailio.cfg").read_text()
        for mark, value in (("@SIP@", self.sip), ("@NG@", ng), ("@CARRIER@", carrier)):
            text = text.replace(mark, str(value))
        (directory / "kamailio.cfg").write_text(text)
        self.rtpengine = lab.Process(
            ["rtpengine", "--foreground", "--log-stderr", "--table=-1", "--interface=127.0.0.1",
             f"--listen-ng=127.0.0.1:{ng}", f"--listen-cli=127.0.0.1:{cli}",
             f"--port-min={RTP_PORTS[0]}", f"--port-max={RTP_PORTS[1]}",
             "--log-level=3", "--num-threads=2", "--pidfile=" + str(directory / "rtpengine.pid")],
            directory / "rtpengine.log")
        self.kamailio = lab.Process(
            ["kamailio", "-DD", "-E", "-m", "256", "-f", directory / "kamailio.cfg",
             "-Y", directory, "-P", directory / "kamailio.pid"], directory / "kamailio.log")
        lab.wait_for(lambda: listens(self.sip) and listens(ng), "Kamailio and rtpengine to listen")
        time.sleep(1)

    def pids(self):
        return children(self.kamailio.pid) + children(self.rtpengine.pid)

    def stop(self):
        self.kamailio.stop()
        self.rtpengine.stop()


def listens(port):
    return f"0100007F:{port:04X}" in pathlib.Path("/proc/net/udp").read_text()


def sipp(directory, scenario, port, media_port, remote=None, args=()):
    name = f"{scenario}-{port}"
    command = ["sipp", "-sf", SCENARIOS / f"{scenario}.xml", "-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", port,
               "-nostdin", "-buff_size", "4000000", *args, remote or "127.0.0.1"]
    return lab.Process(command, directory / f"{name}.out", cwd=directory)


def signalling(system, directory, ports, calls, rate):
    """CPU per call, INVITE to BYE, media anchored, no RTP. Microseconds."""
    called = sipp(directory, "uas", ports[1], 0, args=["-m", calls])
    lab.wait_for(lambda: listens(ports[1]), "the called side")
    before = cpu_ns(system.pids())
    caller = sipp(directory, "uac", ports[0], 0, f"127.0.0.1:{system.sip}",
                  ["-m", calls, "-r", rate, "-d", "200", "-s", "+442079460000", "-l", "100000"])
    code = caller.wait(600)
    time.sleep(0.5)
    used = cpu_ns(system.pids()) - before
    called.stop()
    caller.stop()
    if code != 0:
        raise SystemExit(f"{system.name}: SIPp ended with {code}; its output is in {directory}")
    return used / calls / 1000


def relay(system, directory, ports, sessions, seconds):
    """CPU per forwarded packet with all calls up. Nanoseconds; and memory per call in kB."""
    called = sipp(directory, "uas", ports[1], 0, args=["-m", sessions, "-rtp_echo"])
    lab.wait_for(lambda: listens(ports[1]), "the called side")
    memory = rss_kb(system.pids())
    caller = sipp(directory, "uac-rtp", ports[0], 0, f"127.0.0.1:{system.sip}",
                  ["-m", sessions, "-r", "50", "-d", str(int((seconds + sessions / 50 + 6) * 1000)),
                   "-s", "+442079460000", "-l", "100000"])
    time.sleep(sessions / 50 + 3)
    before, packets = cpu_ns(system.pids()), udp_received()
    memory = (rss_kb(system.pids()) - memory) / sessions
    time.sleep(seconds)
    used, packets = cpu_ns(system.pids()) - before, udp_received() - packets
    code = caller.wait(600)
    called.stop()
    caller.stop()
    # Every packet is received by the box and by the echoing peer, and so is its echo.
    if code != 0 or packets < 0.9 * 4 * sessions * seconds * 50:
        raise SystemExit(f"{system.name}: {packets} packets, SIPp {code}; its output is in {directory}")
    # A packet through the box is received twice: by the box, and by the peer.
    return used / (packets / 2), memory


def write_audio(path):
    """Two seconds of quiet G.711 A-law noise, what rtp_stream repeats."""
    path.write_bytes(bytes(0xD5 ^ (i * 7 % 13) for i in range(16000)))


def run_round(kind, work, number, options):
    ports = (lab.free_port(), lab.free_port())
    directory = pathlib.Path(work) / f"{kind.name}-{number}"
    system = kind(directory, *ports)
    load = directory / "load"
    try:
        load.mkdir()
        write_audio(load / "audio.al")
        call_us = signalling(system, load, ports, options.calls, options.rate)
        packet_ns, memory_kb = relay(system, load, ports, options.sessions, options.seconds)
    finally:
        system.stop()
    return {"call_us": call_us, "packet_ns": packet_ns, "memory_kb": memory_kb}


UNITS = {"call_us": ("cpu_per_call", "us"), "packet_ns": ("cpu_per_packet", "ns"), "memory_kb": ("memory_per_call", "kB")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--rate", type=int, default=300, help="calls a second")
    parser.add_argument("--sessions", type=int, default=200, help="calls up at once for the relay")
    parser.add_argument("--seconds", type=int, default=10, help="of relaying")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["demarc", "kamailio+rtpengine"])
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    kinds = [k for k in (Demarc, KamailioRtpengine) if options.only in (None, k.name)]
    work = tempfile.mkdtemp(prefix="demarc-bench-")
    results = {k.name: [] for k in kinds}
    for number in range(options.rounds):
        for kind in kinds:
            results[kind.name].append(run_round(kind, work, number, options))
            print(f"# round {number + 1} {kind.name}: {results[kind.name][-1]}", flush=True)
    medians = {n: {k: statistics.median(r[k] for r in rs) for k in UNITS} for n, rs in results.items()}
    for name, values in medians.items():
        for key, value in values.items():
            print(f"{name}_{UNITS[key][0]} {value:.1f} {UNITS[key][1]}")
    if len(medians) == 2:
        for key in ("call_us", "packet_ns"):
            ratio = medians["demarc"][key] / medians["kamailio+rtpengine"][key]
            print(f"ratio_{UNITS[key][0]} {ratio:.3f} of-kamailio+rtpengine")
    if options.json:
        options.json.write_text(json.dumps({"rounds": results, "medians": medians}, indent=1))
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
