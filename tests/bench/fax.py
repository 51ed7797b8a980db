# SPDX-License-Identifier: Apache-2.0
"""CPU of faxes through the T.38 gateway: SpanDSP's machines in real time, a modem in G.711 at the PBX, T.38 at the carrier
(tests/lib/fax-machine). What counts is the gateway's CPU while pages are on their way, per fax and second."""

import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
import lab  # noqa: E402
import test_fax  # noqa: E402

PAGES, ROWS = 2, 800
SETTLED_S, MEASURED_S = 8, 12  # past the handshakes, and within the pages


def place(directory, number):
    """One fax on its way; the two desks."""
    sent = directory / "sent.tif"
    a = test_fax.FaxDesk(directory, f"pbx-{number}", 0, caller=True, send=sent, ecm=True)
    b = test_fax.FaxDesk(directory, f"carrier-{number}", 8, receive=directory / f"received-{number}.tif", ecm=True)
    return a, b


def start(gateway, a, b):
    a.gateway = b.gateway = ("127.0.0.1", gateway.sip_port)
    a.dial("4420")
    a.begin()
    assert b.ask_for_t38(b.answered_call()).startswith("SIP/2.0 200")
    b.begin()


def measure(directory, n, cpu_ns):
    """Microseconds of CPU a fax takes a second, with @n at once."""
    directory.mkdir(parents=True)
    subprocess.run([test_fax.MACHINE, "write", directory / "sent.tif", str(PAGES), str(ROWS)], check=True)
    pairs = [place(directory, i) for i in range(n)]
    document = lab.document(media=lab.free_port(span=8 * n))
    document["media_pools"][0]["port_max"] = document["media_pools"][0]["port_min"] + 8 * n - 1
    document["log"] = {"level": "warning"}
    document["trunks"], document["routes"] = [], []
    for i, (a, b) in enumerate(pairs):
        for name, each, role, fax in (("pbx", a, "pbx", {"mode": "gateway"}), ("carrier", b, "carrier", {})):
            document["trunks"].append({
                "id": f"{name}-{i}", "role": role, "endpoints": [{"uri": f"sip:127.0.0.1:{each.port}"}],
                "media": {"codecs": ["PCMU", "PCMA"], "fax": fax}, "health": {"options": {"enabled": False}}})
        document["routes"].append({"id": f"out-{i}", "match": {"source_trunks": [f"pbx-{i}"]},
                                   "action": {"trunks": [f"carrier-{i}"]}})
    gateway = lab.Gateway(directory / "gateway", document)
    try:
        gateway.start()
        for a, b in pairs:
            start(gateway, a, b)
        time.sleep(SETTLED_S)
        pids = [gateway.process.pid]
        before, began = sum(cpu_ns(pids).values()), time.monotonic()
        time.sleep(MEASURED_S)
        used = sum(cpu_ns(pids).values()) - before
        seconds = time.monotonic() - began
        for a, b in pairs:
            for each in (a, b):
                assert each.result()["result"] == 0, each.result()
    finally:
        if gateway.process:
            gateway.process.stop()
        for pair in pairs:
            for each in pair:
                each.stop()
    return used / 1000 / n / seconds
