# SPDX-License-Identifier: Apache-2.0
"""SIG-4: the messages of RFC 4475 and RFC 5118 against the real binary."""

import csv
import os
import pathlib
import re

import pytest

import lab
import wire

FOLDER = pathlib.Path(os.environ.get("DEMARC_TORTURE", lab.TOP.parent / "shared" / "torture"))
CASES = []
if (FOLDER / "expected.tsv").exists():
    with open(FOLDER / "expected.tsv", encoding="utf-8") as table:
        CASES = list(csv.DictReader(table, delimiter="\t"))

# Alone: ports that messages name are fixed, and nobody else shall be blamed for a gateway that is deaf.
pytestmark = [
    pytest.mark.busy,
    pytest.mark.skipif(not CASES, reason="the torture messages are not on this machine"),
]

# A source of its own, so that answers to odd Via ports come back: 127.0.0.0/8 is all ours.
SOURCE = "127.0.0.77"
DEAF_S = 0.1


@pytest.fixture(scope="module")
def lively(tmp_path_factory):
    """One gateway for all messages: it has to survive them in a row."""
    ports = {5060} | {port for case in CASES for port in via_ports(text_of(case))}
    peer = wire.Peer(SOURCE, 5060, sorted(ports - {5060}))
    document = lab.document(pbx=5060)
    document["trunks"][0]["acl"] = [SOURCE + "/32"]
    # No trunk limits the rate of a whole book of messages.
    gateway = lab.Gateway(tmp_path_factory.mktemp("torture"), document).start()
    yield gateway, peer
    peer.close()
    gateway.stop()
    log = gateway.log()
    assert "AddressSanitizer" not in log and "runtime error:" not in log, log[-6000:]


def text_of(case):
    return next(FOLDER.glob(f"*/{case['name']}.sip")).read_bytes()


def via_ports(data):
    """Ports of the topmost Via, where an answer may go."""
    match = re.search(rb"^(?:via|v)\s*:\s*SIP\s*/\s*2\.0\s*/\s*\w+\s+[^;,\s:]+\s*:\s*(\d+)", data, re.I | re.M)
    return {int(match.group(1))} if match and 1024 <= int(match.group(1)) <= 65535 else set()


def is_deaf(peer, to):
    """Three pings, so that a machine that is busy elsewhere does not count."""
    return all(not (code == 200 and took < DEAF_S) for code, took in (peer.options(to, 1) for _ in range(3)))


def codes_for(peer, to, data):
    """Status codes of answers to this message: answers to earlier ones are still being repeated."""
    call_id = re.search(rb"^(?:call-id|i)[ \t]*:\s*(\S+)", data, re.I | re.M)
    peer.drain()
    peer.send(data, to)
    return peer.responses(call_id and call_id.group(1), 0.6)


@pytest.mark.parametrize("case", CASES, ids=[c["name"] for c in CASES])
def test_message(lively, case):
    """SIG-4: answered or ignored as the RFC says, and never deaf afterwards"""
    gateway, peer = lively
    to = ("127.0.0.1", gateway.sip_port)
    codes = codes_for(peer, to, text_of(case))
    final = [c for c in codes if c >= 200]
    assert gateway.process.running(), gateway.log()[-4000:]
    preferred = {int(c) for c in case["preferred codes"].split("/")} if case["preferred codes"] != "-" else set()
    kind = case["class"]
    if kind.startswith("must be ignored"):
        assert not codes, codes
    elif kind.startswith("must be rejected"):
        # What cannot be answered (no Via, no Call-ID) may be dropped instead.
        assert not final or final[0] in preferred or (400 <= final[0] < 500 and 400 in preferred), final
        assert all(c >= 400 for c in final), final
    elif kind == "valid" and preferred:
        assert final and final[0] in preferred, codes
    elif kind == "valid":
        assert 400 not in final and 500 not in final, final
    assert not is_deaf(peer, to), "deaf for more than 100 ms"
