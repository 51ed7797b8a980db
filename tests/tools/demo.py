#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A gateway, a PBX and a carrier on loopback: one real call with audio both ways, seen live in the API and then as a
record. Everything is stopped and removed at the end."""

import json
import math
import pathlib
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))
import lab  # noqa: E402

SCENARIOS = HERE.parent / "bench" / "scenarios"
NUMBER = "02079460000"
TALK_S = 7


def say(text):
    print(f"\n==> {text}", flush=True)


def show(value):
    print(json.dumps(value, indent=2), flush=True)


def alaw(sample):
    """One 13-bit sample as G.711 A-law (ITU-T G.711, table 1a)."""
    sign, magnitude = (0x80, sample) if sample >= 0 else (0, -sample - 1)
    magnitude = min(magnitude, 4095)
    segment = max(0, magnitude.bit_length() - 5)
    mantissa = (magnitude >> (1 if segment < 2 else segment)) & 0x0F
    return (sign | segment << 4 | mantissa) ^ 0x55


def write_tone(path, hz=440):
    """A second of tone, which SIPp plays again and again."""
    path.write_bytes(bytes(alaw(int(1500 * math.sin(2 * math.pi * hz * n / 8000))) for n in range(8000)))


def document(pbx, carrier):
    config = lab.document(pbx=pbx, carrier=carrier)
    config["trunks"][0]["numbering"] = {"country": "44"}
    config["trunks"][1]["numbering"] = {"country": "44"}
    config["trunks"][1]["identity"] = {"number_format": "e164_plus"}
    config["log"] = {"level": "notice"}
    return config


def peer(directory, scenario, port, *args):
    command = ["sipp", "-sf", SCENARIOS / f"{scenario}.xml", "-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", port, "-m", 1,
               "-nostdin", *args]
    return lab.Process(command, directory / f"{scenario}.out", cwd=directory)


def live(gateway):
    calls = gateway.api.get("/calls")["items"]
    sides = calls[0].get("media") if calls else None
    return calls[0] if sides and all(sides[s]["pkts_in"] > 100 for s in "ab") else None


def run(directory):
    pbx, carrier = lab.free_port(), lab.free_port()
    gateway = lab.Gateway(directory / "gateway", document(pbx, carrier))
    actors = []
    say(f"Starting the gateway: SIP on 127.0.0.1:{gateway.sip_port}, API on 127.0.0.1:{gateway.admin_port}")
    try:
        gateway.start()
        write_tone(directory / "audio.al")
        say(f"A carrier listens on 127.0.0.1:{carrier} and sends back whatever it hears")
        actors.append(peer(directory, "uas", carrier, "-rtp_echo", "-key", "pt", 8, "-key", "codec", "PCMA/8000"))
        time.sleep(0.5)
        say(f"A PBX on 127.0.0.1:{pbx} calls {NUMBER} and plays a tone")
        actors.append(peer(directory, "uac-rtp", pbx, "-s", NUMBER, "-d", TALK_S * 1000,
                           f"127.0.0.1:{gateway.sip_port}"))
        call = lab.wait_for(lambda: live(gateway), "audio both ways", 20)
        say(f"GET /api/v1/calls/{call['id']}   (the call, live)")
        show(call)
        say("The PBX hangs up; the record follows")
        record = gateway.cdr()
        say(f"GET /api/v1/cdrs/{record['id']}")
        show(record)
        media = record["media"]
        say(f"{record['from_in']} called {record['to_in']}; the carrier was asked for {record['ruri_out']}. "
            f"{record['duration_ms'] / 1000:.1f} s, audio: {media['audio']}, "
            f"{media['a']['pkts_in']} packets from the PBX and {media['b']['pkts_in']} from the carrier.")
        return media["audio"] == "both"
    finally:
        for actor in actors:
            actor.stop()
        if gateway.process is not None:
            gateway.process.stop()


def main():
    with tempfile.TemporaryDirectory(prefix="demarc-demo-") as directory:
        fine = run(pathlib.Path(directory))
    say("That was all; nothing is left running." if fine else "The call did not carry audio both ways.")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
