# SPDX-License-Identifier: Apache-2.0
"""What strangers and mistakes can do: nothing, and they are told where they went wrong."""

import os
import re
import subprocess
import time

import pytest

import lab
import wire


def test_a_bad_file_stops_the_start_with_every_problem(tmp_path):
    """OPS-2: all mistakes at once, each with file, line and place, and what was probably meant"""
    path = tmp_path / "demarc.yaml"
    path.write_text(
        "listeners:\n"
        "  - {id: main, address: 127.0.0.1, port: 99999, transport: udp}\n"
        "trunks:\n"
        "  - id: pbx\n"
        "    rolle: pbx\n"
        "    endpoints: [{uri: 'sip:127.0.0.1:5070'}]\n"
        "routes:\n"
        "  - id: out\n"
        "    action: {trunks: [pbxx]}\n"
    )
    for command in ("check", "run"):
        done = subprocess.run([lab.BINARY, command, "-c", path], capture_output=True, text=True, timeout=30, check=False,
                              cwd=tmp_path)
        assert done.returncode == 3, done.stderr
        for wanted in ("demarc.yaml:2: /listeners/0/port", "demarc.yaml:5: /trunks/0/rolle", "role",
                       "/routes/0/action/trunks/0", "pbx"):
            assert wanted in done.stderr, (wanted, done.stderr)


def test_a_port_that_is_taken_is_named(tmp_path):
    """OPS-1: the start fails with exit code 1 and says which listener and why"""
    document = lab.document()
    other = wire.Peer("127.0.0.1", document["listeners"][0]["port"])
    gateway = lab.Gateway(tmp_path / "g", document)
    gateway.start(ready=False)
    assert gateway.process.wait() == 1
    assert "main" in gateway.log() and "in use" in gateway.log()
    other.close()


def trunk_peer(gateways, **kw):
    """A gateway and a socket that is its PBX."""
    peer = wire.Peer()
    gateway = gateways(pbx=peer.port, **kw)
    return gateway, peer, ("127.0.0.1", gateway.sip_port)


def test_malformed_requests(gateways):
    """SIG-3: each mistake has its answer, or none at all"""
    _, peer, to = trunk_peer(gateways)
    uri = f"sip:100@127.0.0.1:{to[1]}"
    good = wire.message("INVITE", uri, peer, body=wire.sdp(), extra="Content-Type: application/sdp\r\n")
    cases = [
        (good.replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia", 1), 505),
        (good.replace("CSeq: 1 INVITE", "CSeq: 1 BYE"), 400),
        (good.replace("application/sdp", "text/plain"), 415),
        (good.replace("Max-Forwards: 70", "Max-Forwards: 0"), 483),
        (good.replace("Max-Forwards: 70", "Require: nothing-we-know\r\nMax-Forwards: 70"), 420),
        (good.replace(f"INVITE {uri}", "INVITE http://127.0.0.1/x"), 416),
        (good.replace(f"To: <{uri}>", f"To: <{uri}>;tag=unknown"), 481),
        (wire.message("BYE", uri, peer, to_tag="unknown"), 481),
        (wire.message("FROBNICATE", uri, peer), 501),
    ]
    for text, code in cases:
        # A Call-ID and a branch each: none is a retransmission of another.
        call_id = os.urandom(8).hex()
        text = re.sub(r"Call-ID: \S+", "Call-ID: " + call_id, text)
        text = re.sub(r"branch=\w+", "branch=z9hG4bK" + call_id, text)
        peer.send(text, to)
        finals = [c for c in peer.responses(call_id.encode(), 2) if c >= 200]
        assert finals == [code], (code, finals, text.split("\r\n")[0])


def test_an_unreadable_description_has_a_record(gateways):
    """SIG-3: 400 to a session description that is none, and a record that says so"""
    gateway, peer, to = trunk_peer(gateways)
    peer.send(wire.message("INVITE", f"sip:+4420@127.0.0.1:{to[1]}", peer, body="v=nonsense\r\n",
                           extra="Content-Type: application/sdp\r\n"), to)
    assert peer.responses(None, 5)[-1] == 400
    record = gateway.cdr()
    assert record["release"]["code"] == 400 and record["release"]["diagnosis"] == "sdp_unreadable", record
    assert record["release"]["side"] == "gateway" and "cannot be read" in record["release"]["evidence"][0]


def test_a_location_crosses_and_isup_does_not(gateways):
    """SIG-26 SIG-1: SDP, PIDF-LO and ISUP in one body: the location crosses in a body of our own"""
    carrier = wire.Peer()
    _, peer, to = trunk_peer(gateways, carrier=carrier.port)
    parts = [("application/isup;version=itu-t92+", "Content-Disposition: signal;handling=optional\r\n", "\x01\x10"),
             ("application/sdp", "", wire.sdp()),
             ("application/pidf+xml", "Content-ID: <secret@pbx.internal>\r\n", "<presence/>")]
    body = "".join(f"--inner\r\nContent-Type: {t}\r\n{h}\r\n{text}\r\n" for t, h, text in parts) + "--inner--\r\n"
    peer.send(wire.message("INVITE", f"sip:+4420@127.0.0.1:{to[1]}", peer, body=body,
                           extra="Content-Type: multipart/mixed;boundary=inner\r\n"
                                 "Geolocation: <cid:secret@pbx.internal>\r\n"), to)
    request = carrier.receive(5)
    head, sent = request.split(b"\r\n\r\n", 1)
    boundary = re.search(rb"Content-Type: multipart/mixed;boundary=(\S+)", head).group(1)
    assert int(re.search(rb"Content-Length: (\d+)", head).group(1)) == len(sent)
    types = [re.search(rb"Content-Type: (\S+)", part).group(1) for part in sent.split(b"--" + boundary)[1:-1]]
    assert types == [b"application/sdp", b"application/pidf+xml"]
    location = re.search(rb"Geolocation: <cid:(\S+)>", head).group(1)
    assert b"Content-ID: <" + location + b">" in sent and b"<presence/>" in sent
    assert b"secret" not in request and b"inner" not in request and b"isup" not in request


def test_a_part_that_must_be_understood(gateways):
    """SIG-26: handling=required of a part we do not know: 415, with what we do"""
    _, peer, to = trunk_peer(gateways)
    body = (f"--b\r\nContent-Type: application/sdp\r\n\r\n{wire.sdp()}\r\n--b\r\nContent-Type: application/isup\r\n"
            "Content-Disposition: signal;handling=required\r\n\r\nx\r\n--b--\r\n")
    peer.send(wire.message("INVITE", f"sip:+4420@127.0.0.1:{to[1]}", peer, body=body,
                           extra="Content-Type: multipart/mixed;boundary=b\r\n"), to)
    answer = peer.receive(5)
    assert wire.status(answer) == 415 and b"\r\nAccept: application/sdp, multipart/mixed" in answer, answer


def test_strangers_are_not_answered(gateways):
    """SEC-3: silence for unknown sources, counted"""
    gateway, _, to = trunk_peer(gateways)
    # A stranger is another host, not another port of a known one.
    stranger = wire.Peer("127.0.0.99")
    for method in ("INVITE", "OPTIONS", "REGISTER"):
        stranger.send(wire.message(method, f"sip:100@127.0.0.1:{to[1]}", stranger), to)
    assert stranger.receive(0.7) is None
    _, _, text = gateway.api.raw("GET", "/metrics")
    assert b"demarc_blocked_requests_total" in text
    stranger.close()


@pytest.mark.busy
def test_garbage_changes_nothing(gateways):
    """SEC-5 SIG-4: 20 000 datagrams of noise and mutilated SIP; pings are answered, memory stays where it was"""
    gateway, peer, to = trunk_peer(gateways)
    good = wire.message("INVITE", f"sip:100@127.0.0.1:{to[1]}", peer, body=wire.sdp(),
                        extra="Content-Type: application/sdp\r\n").encode()
    noise = os.urandom(1400)

    def flood(n):
        for i in range(n):
            cut = (i * 7919) % len(good)
            peer.send(noise[: i % 1400] if i % 3 == 0 else good[:cut] + bytes([i % 256]) + good[cut + 1 :], to)
            if i % 200 == 0:
                peer.drain()
                time.sleep(0.002)

    flood(2000)
    lab.wait_for(lambda: peer.options(to)[0] == 200, "an answer")
    flood(20000)
    lab.wait_for(lambda: peer.options(to)[0] == 200, "an answer after the flood")
    assert gateway.process.running()


def test_a_name_in_a_via_is_never_resolved(gateways):
    """SIG-4: a request whose Via has a host name is answered at the source; nothing waits for DNS"""
    _, peer, to = trunk_peer(gateways)
    text = wire.message("OPTIONS", f"sip:127.0.0.1:{to[1]}", peer).replace(
        f"SIP/2.0/UDP {peer.host}:{peer.port}", f"SIP/2.0/UDP no-such-host.invalid:{peer.port}")
    started = time.monotonic()
    peer.send(text, to)
    assert peer.responses(None, 2)[-1:] == [200]
    assert time.monotonic() - started < 0.5
