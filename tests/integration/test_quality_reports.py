# SPDX-License-Identifier: Apache-2.0
"""Quality reports of calls, as a collector gets them from the real gateway (RFC 6035)."""

import hashlib
import re
import struct
import threading

import pytest

import desk as desks
import lab
import wire
from desk import header

# RFC 6035, 4.6.1: what each line may be.
PARTY = r"<sip:[^<> ]+>"
ADDRESS = r"IP=[\d.]+ PORT=\d{1,5} SSRC=0x[0-9a-f]{1,8}"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
SHARE = r"\d{1,3}(\.\d{1,2})?"
SESSION = [
    ("VQSessionReport", " CallTerm"), ("CallID", r" \S+"), ("LocalID", " " + PARTY), ("RemoteID", " " + PARTY),
    ("OrigID", " " + PARTY), ("LocalAddr", " " + ADDRESS), ("RemoteAddr", " " + ADDRESS), ("LocalGroup", r" \S+"),
    ("RemoteGroup", r" \S+"),
]
METRICS = [
    ("Timestamps", f" START={TIME} STOP={TIME}"),
    ("SessionDesc", r" PT=\d{1,3} PD=\w+ SR=\d{1,6} PPS=\d{1,5} FD=\d{1,4} FPP=\d{1,2} PLC=[0-3] SSUP=(on|off)"),
    ("JitterBuffer", r" JBA=[0-3] JBR=\d{1,2} JBN=\d{1,5} JBM=\d{1,5} JBX=\d{1,5}"),
    ("PacketLoss", f" NLR={SHARE} JDR={SHARE}"),
    ("BurstGapLoss", rf" BLD={SHARE} BD=\d{{1,7}} GLD={SHARE} GD=\d{{1,7}} GMIN=\d{{1,3}}"),
    ("Delay", r"( RTD=\d{1,5})?( ESD=\d{1,5})? IAJ=\d{1,5}"),
    ("Signal", r" SL=-?\d{1,2}( NL=-?\d{1,2})?( RERL=\d{1,3})?"),
    ("QualityEst", r"( RCQ=\d{1,3})?( EXTRI=\d{1,3})?( MOSLQ=\d\.\d)?( MOSCQ=\d\.\d)?( QoEEstAlg=[\w.]+)?"),
]


def parse(body, first="VQSessionReport"):
    """{"": session, "LocalMetrics": metrics, "RemoteMetrics": metrics}; fails on any line that is not as it must be,
    or not in its place."""
    lines = body.split("\r\n")
    assert lines.pop() == "", "the last line is not ended"
    found, section, left = {"": {}}, "", list(SESSION)
    if first != "VQSessionReport":
        assert lines.pop(0) == first
        left.pop(0)
    for line in lines:
        name, _, value = line.partition(":")
        if name in ("LocalMetrics", "RemoteMetrics"):
            assert value == "" and (name == "LocalMetrics") == (section == "")
            section, left = name, list(METRICS)
            found[section] = {}
            continue
        while left and left[0][0] != name:
            assert section, f"{left[0][0]} is missing before: {line}"
            left.pop(0)  # figures may be missing
        assert left, f"no such line, or not here: {line}"
        assert re.fullmatch(left.pop(0)[1], value), line
        found[section][name] = value.strip()
    assert "LocalMetrics" in found
    return found


def digest_response(fields, method, password):
    def md5(text):
        return hashlib.md5(text.encode()).hexdigest()

    ha1 = md5(f"{fields['username']}:{fields['realm']}:{password}")
    ha2 = md5(f"{method}:{fields['uri']}")
    return md5(f"{ha1}:{fields['nonce']}:{fields['nc']}:{fields['cnonce']}:{fields['qop']}:{ha2}")


COMPACT = {"v": "Via", "f": "From", "t": "To", "i": "Call-ID", "m": "Contact", "c": "Content-Type", "o": "Event",
           "l": "Content-Length"}


def spelled_out(text):
    """A report is longer than a datagram likes: then names are short (RFC 3261, 7.3.3)."""
    head, _, body = text.partition("\r\n\r\n")
    head = re.sub(r"^(\w): *", lambda found: COMPACT[found.group(1)] + ": ", head, flags=re.M)
    return head + "\r\n\r\n" + body


class Collector(threading.Thread):
    """Takes PUBLISH by UDP, with a password when it is given one."""

    def __init__(self, password=None):
        super().__init__(daemon=True)
        self.peer, self.password = wire.Peer(), password
        self.requests, self.bodies, self.challenges, self.stopped = [], [], 0, False
        self.start()

    def run(self):
        while not self.stopped:
            data = self.peer.receive(0.05)
            if data and data.startswith(b"PUBLISH "):
                self.take(spelled_out(data.decode()))

    def take(self, text):
        fields = dict(re.findall(r'(\w+)="?([^",]*)"?', header(text, "Authorization").partition(" ")[2]))
        if self.password and not fields:
            self.challenges += 1
            self.respond(text, "401 Who?", 'WWW-Authenticate: Digest realm="vq", nonce="n1", qop="auth"\r\n')
            return
        if self.password and digest_response(fields, "PUBLISH", self.password) != fields["response"]:
            self.respond(text, "403 Wrong")
            return
        if header(text, "Call-ID") not in [header(each, "Call-ID") for each in self.requests]:
            self.requests.append(text)
            self.bodies.append(text.split("\r\n\r\n", 1)[1])
        self.respond(text, "200 OK", "SIP-ETag: e1\r\nExpires: 3600\r\n")

    def respond(self, request, status, headers=""):
        vias = "".join(re.findall(r"^Via: .*\r\n", request, re.M))
        port = int(re.search(r"Via: SIP/2.0/UDP [\d.]+:(\d+)", vias).group(1))
        self.peer.send(
            f"SIP/2.0 {status}\r\n{vias}From: {header(request, 'From')}\r\nTo: {header(request, 'To')};tag=c\r\n"
            f"Call-ID: {header(request, 'Call-ID')}\r\nCSeq: {header(request, 'CSeq')}\r\n{headers}"
            "Content-Length: 0\r\n\r\n", ("127.0.0.1", port))

    def wait(self, n):
        lab.wait_for(lambda: len(self.bodies) >= n, f"{n} reports")
        return self.bodies

    def stop(self):
        self.stopped = True
        self.join()
        self.peer.close()


@pytest.fixture
def actors():
    made = []

    def keep(actor):
        made.append(actor)
        return actor

    yield keep
    for each in made:
        each.stop()


def connect(gateways, caller, callee, collector, auth=None, **reports):
    config = lab.document(pbx=caller.port, carrier=callee.port)
    vq = {"id": "vq", "role": "carrier", "endpoints": [{"uri": f"sip:127.0.0.1:{collector.peer.port}"}],
          "direction": "outbound", "health": {"options": {"enabled": False}}, **(auth or {})}
    for trunk in config["trunks"]:
        trunk["media"] = {"codecs": ["PCMU"], "rtcp_xr": True}
    gateway = gateways(trunks=config["trunks"] + [vq],
                       quality={"reports": {"collector": "vq", "user": "reports", **reports}})
    caller.gateway = callee.gateway = ("127.0.0.1", gateway.sip_port)
    return gateway


def voip_metrics(rtp, loss):
    """RR without a block, SDES, and the VoIP metrics of RFC 3611, 4.7, about what the gateway sends."""
    rr = struct.pack("!BBHI", 0x80, 201, 1, 0x1234)
    sdes = struct.pack("!BBHI", 0x81, 202, 2, 0x1234) + b"\x01\x01x\x00"
    block = struct.pack("!BBHIBBBBHHHHbbBBBBBBBBHHH", 7, 0, 8, rtp.heard[-1][1], loss, 0, 0, 0, 0, 0, 40, 20,
                        -18, -55, 127, 16, 85, 127, 41, 40, 0x30, 0, 40, 60, 120)
    return rr + sdes + struct.pack("!BBHI", 0x80, 207, 1 + len(block) // 4, 0x1234) + block


def test_each_leg_is_reported(gateways, actors):
    """MED-8, RFC 6035: one report a leg after the call, authenticated, every line by the grammar; what the callee told
    by RTCP-XR is in its RemoteMetrics"""
    caller, callee, collector = actors(desks.Desk(1)), actors(desks.Desk(2)), actors(Collector("secret"))
    offers, listen_to = [], callee.listen_to
    callee.listen_to = lambda text: (offers.append(text), listen_to(text))
    gateway = connect(gateways, caller, callee, collector,
                      {"auth": {"mode": "digest", "user": "gw", "password": "secret"}})
    dialog = caller.dial("4711")
    assert "a=rtcp-xr:voip-metrics\r\n" in offers[0]
    rtp = callee.rtp
    lab.wait_for(lambda: len(rtp.heard) > 60 and len(caller.rtp.heard) > 60, "audio")
    rtp.socket.sendto(voip_metrics(rtp, 26), (rtp.to[0], rtp.to[1] + 1))
    call = gateway.api.get("/calls")["items"][0]["id"]
    lab.wait_for(lambda: gateway.api.get("/calls/" + call)["media"]["b"]["mos_peer"] == 4.0, "the metrics")
    caller.request(dialog, "BYE")
    reports = {parsed[""]["RemoteGroup"]: parsed for parsed in map(parse, collector.wait(2))}
    assert set(reports) == {"pbx", "carrier"} and collector.challenges == 2
    cdr = gateway.cdr()
    for name, side in (("pbx", "a"), ("carrier", "b")):
        assert reports[name][""]["CallID"] == cdr[side]["call_id"]
        local = reports[name]["LocalMetrics"]
        assert local["PacketLoss"] == "NLR=0.0 JDR=0.0"
        assert local["SessionDesc"].startswith("PT=0 PD=PCMU SR=8000 PPS=50 FD=20 FPP=1 ")
        assert 4 < float(re.search(r"MOSCQ=(\S+)", local["QualityEst"]).group(1)) <= 4.5
    assert f"PORT={rtp.port} " in reports["carrier"][""]["RemoteAddr"]
    assert f"PORT={rtp.to[1]} " in reports["carrier"][""]["LocalAddr"]
    assert reports["carrier"][""]["RemoteAddr"].endswith("SSRC=0x00001234")
    assert "RemoteMetrics" not in reports["pbx"]
    told = reports["carrier"]["RemoteMetrics"]
    assert told["PacketLoss"] == "NLR=10.2 JDR=0.0" and told["Signal"] == "SL=-18 NL=-55"
    assert told["JitterBuffer"] == "JBA=3 JBR=0 JBN=40 JBM=60 JBX=120"
    assert told["QualityEst"] == "RCQ=85 MOSLQ=4.1 MOSCQ=4.0"
    request = collector.requests[0]
    assert request.startswith("PUBLISH sip:reports@127.0.0.1 SIP/2.0") and header(request, "Event") == "vq-rtcpxr"
    assert header(request, "Content-Type") == "application/vq-rtcpxr"
    metrics = gateway.api.raw("GET", "/metrics")[2].decode()
    assert 'demarc_quality_reports_total{result="accepted"} 2' in metrics


def test_reports_in_the_middle(gateways, actors):
    """RFC 6035, 4.6: interval reports while the call lives, of the trunks that are named only"""
    caller, callee, collector = actors(desks.Desk(1)), actors(desks.Desk(2)), actors(Collector())
    gateway = connect(gateways, caller, callee, collector, interval_s=1, trunks=["carrier"])
    dialog = caller.dial("4711")
    interval = [parse(body, "VQIntervalReport") for body in collector.wait(2)[:2]]
    assert {each[""]["RemoteGroup"] for each in interval} == {"carrier"}
    caller.request(dialog, "BYE")
    gateway.cdr()
    lab.wait_for(lambda: any(b.startswith("VQSessionReport: CallTerm") for b in collector.bodies), "the last report")
    assert parse(collector.bodies[-1])[""]["RemoteGroup"] == "carrier"


def test_no_collector_holds_nothing_up(gateways, actors):
    """A collector that never answers costs its reports and a line of the log; calls and their records go on"""
    caller, callee, collector = actors(desks.Desk(1)), actors(desks.Desk(2)), actors(Collector())
    gateway = connect(gateways, caller, callee, collector)
    collector.stop()
    for _ in range(3):
        dialog = caller.dial("4711")
        assert caller.request(dialog, "BYE").startswith("SIP/2.0 200")
    assert len(gateway.wait_cdrs(3)) == 3
    lab.wait_for(lambda: "quality report was not accepted" in gateway.log(), "the line")
