# SPDX-License-Identifier: Apache-2.0
"""Real faxes through the real gateway, in real time: SpanDSP fax machines with a modem in G.711 or with T.38."""

import itertools
import json
import os
import re
import subprocess
import threading
import time

import numpy
import pytest

import desk
import ear
import lab

MACHINE = lab.BINARY.parent / "tests" / "lib" / "fax-machine"
# A page of 400 rows takes some ten seconds; ./dev faxes sends 20.
PAGES = int(os.environ.get("DEMARC_FAX_PAGES", "2"))
ROWS = 400
FAX_S = 90 + 20 * PAGES
SESSION_S = 90  # the shortest there is; the gateway refreshes at half of it

pytestmark = pytest.mark.skipif(not MACHINE.exists(), reason="the fax machine is not built")

T38 = (
    "m=audio 0 RTP/AVP 8\r\nm=image {port} udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400\r\n"
    "a=T38FaxRateManagement:transferredTCF\r\na=T38FaxMaxBuffer:1024\r\na=T38FaxMaxDatagram:400\r\n"
    "a=T38FaxUdpEC:{ec}\r\n"
)


class FaxDesk(desk.Desk):
    """A desk with a fax machine on it, whose port is in its descriptions."""

    def __init__(self, directory, name, law, has_t38=True, **options):
        super().__init__()
        self.rtp.stop()
        self.fax_port = lab.free_port()
        self.law, self.has_t38 = law, has_t38
        self.ec = "t38UDPFEC" if options.get("sums") else "t38UDPRedundancy"
        self.n_asked = 0  # offers of the gateway within the call
        self.is_fax = False  # T.38 is agreed on
        self.remote = None  # the gateway's port, as said last
        args = [MACHINE, "--port", self.fax_port, "--law", law]
        for key, value in options.items():
            if value is False:
                continue
            args += [f"--{key}"] if value is True else [f"--{key}", value]
        self.machine = lab.Process(args, directory / f"{name}.json", stdin=subprocess.PIPE)
        lab.wait_for(self.machine.running, "the fax machine")

    def stop(self):
        self.stopped = True
        self.thread.join()
        self.rtp.stop()
        self.peer.close()
        self.machine.child.stdin.close()
        self.machine.stop()

    @property
    def allow(self):
        """The gateway refreshes the session: answers, which the desk's own thread sends, make it so, and requests."""
        role = "uac" if threading.current_thread() is self.thread else "uas"
        return f"Supported: timer\r\nSession-Expires: {SESSION_S};refresher={role}\r\n"

    def listen_to(self, text):
        for port in re.findall(r"^m=(?:audio|image) ([1-9]\d*)", text, re.M):
            self.remote = int(port)

    def describe(self, dialog, direction="sendrecv"):
        dialog.version += 1
        head = f"v=0\r\no=- 1 {dialog.version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        if self.is_fax:
            return head + T38.format(port=self.fax_port, ec=self.ec)
        image = "m=image 0 udptl t38\r\n" if dialog.version > 3 and self.has_t38 else ""
        return head + f"m=audio {self.fax_port} RTP/AVP {self.law}\r\n{image}"

    def respond(self, request, dialog, with_sdp):
        self.n_asked += with_sdp and bool(desk.tag(desk.header(request, "To")))
        if re.search(r"^m=image [1-9]", request, re.M):
            if not self.has_t38:
                self.refuse(request, dialog)
                return
            self.is_fax = True
        elif with_sdp and re.search(r"^m=audio [1-9]", request, re.M):
            self.is_fax = False
        super().respond(request, dialog, with_sdp)

    def refuse(self, request, dialog):
        vias = "".join(re.findall(r"^Via: .*\r\n", request, re.M))
        self.peer.send(
            f"SIP/2.0 488 Not Acceptable Here\r\n{vias}From: {desk.header(request, 'From')}\r\nTo: {dialog.local}\r\n"
            f"Call-ID: {dialog.call_id}\r\nCSeq: {desk.header(request, 'CSeq')}\r\nContent-Length: 0\r\n\r\n",
            self.gateway,
        )

    def ask_for_t38(self, dialog):
        self.is_fax = True
        answer = self.invite(dialog)
        self.is_fax = answer.startswith("SIP/2.0 200")
        return answer

    def update(self, dialog):
        """A refresh with what was said before."""
        dialog.version += 1
        return self.request(dialog, "UPDATE", "", self.describe(dialog))

    def talk(self, dialog, voice):
        """After the fax: speech again, from another port."""
        self.is_fax = False
        self.law = 0
        self.rtp = desk.Rtp(voice)
        self.fax_port = self.rtp.port
        answer = self.invite(dialog)
        assert answer.startswith("SIP/2.0 200") and re.search(r"^m=audio [1-9]", answer, re.M), answer
        self.rtp.to = ("127.0.0.1", self.remote)

    def begin(self):
        kind = "t38" if self.is_fax else "audio"
        self.machine.child.stdin.write(f"{kind} {self.remote}\n".encode())
        self.machine.child.stdin.flush()

    def result(self):
        assert self.machine.wait(FAX_S) == 0
        return json.loads(self.machine.output())


@pytest.fixture
def office(gateways, tmp_path):
    """Makes a gateway with a fax machine at the PBX and one at the carrier; the PBX's calls, and sends unless told."""
    made = []

    def make(pbx_fax=None, carrier_fax=None, pbx=None, carrier=None, ecm=True, pbx_sends=True, pages=PAGES):
        sent, received = tmp_path / "sent.tif", tmp_path / "received.tif"
        subprocess.run([MACHINE, "write", sent, str(pages), str(ROWS)], check=True)
        more = {"ecm": True} if ecm else {}
        page = [{"send": sent}, {"receive": received}]
        a = FaxDesk(tmp_path, "pbx", 0, caller=pbx_sends, **page[not pbx_sends], **more, **(pbx or {}))
        b = FaxDesk(tmp_path, "carrier", 8, caller=not pbx_sends, **page[pbx_sends], **more, **(carrier or {}))
        made.extend([a, b])
        document = lab.document(pbx=a.port, carrier=b.port)
        for trunk, settings in zip(document["trunks"], (pbx_fax, carrier_fax)):
            trunk["media"]["fax"] = settings or {}
        gateway = gateways(trunks=document["trunks"])
        a.gateway = b.gateway = ("127.0.0.1", gateway.sip_port)
        return gateway, a, b, (sent, received)

    yield make
    for each in made:
        each.stop()


def expect_equal_pages(a, b, files, pages=PAGES):
    for each in (a.result(), b.result()):
        assert each["result"] == 0 and each["pages"] == pages, each
    equal = subprocess.run([MACHINE, "compare", *files], check=True, capture_output=True, text=True)
    assert int(equal.stdout) == pages


def expect_pages(gateway, a, b, files, dialog):
    expect_equal_pages(a, b, files)
    a.request(dialog, "BYE")
    return gateway.cdr()


@pytest.mark.parametrize("ecm", [True, False])
def test_modem_to_t38(office, ecm):
    """FAX-3 FAX-6: a modem at the PBX, T.38 at the carrier, 1 % of its datagrams lost; every dot arrives"""
    gateway, a, b, files = office(pbx_fax={"mode": "gateway"}, carrier={"loss": "0.01"}, ecm=ecm)
    dialog = a.dial("4420")
    a.begin()
    answer = b.ask_for_t38(b.answered_call())
    assert answer.startswith("SIP/2.0 200") and "m=image 0" not in answer
    b.begin()
    cdr = expect_pages(gateway, a, b, files, dialog)
    t38 = cdr["media"]["t38"]
    assert cdr["media"]["fax"] and t38["mode"] == "gateway" and t38["result"] == "complete", cdr["media"]
    assert t38["pages"] == PAGES and t38["ecm"] == ecm and t38["bit_rate"] == 14400, t38
    assert cdr["release"]["diagnosis"] is None


@pytest.mark.parametrize("ecm", [True, False])
def test_t38_to_modem(office, ecm):
    """FAX-3 FAX-6: the way back, from T.38 at the carrier to a modem at the PBX, 1 % of its datagrams lost"""
    gateway, a, b, files = office(pbx_fax={"mode": "gateway"}, carrier={"loss": "0.01"}, ecm=ecm, pbx_sends=False)
    dialog = a.dial("4420")
    a.begin()
    answer = b.ask_for_t38(b.answered_call())
    assert answer.startswith("SIP/2.0 200")
    b.begin()
    t38 = expect_pages(gateway, a, b, files, dialog)["media"]["t38"]
    assert t38["mode"] == "gateway" and t38["pages"] == PAGES and t38["ecm"] == ecm, t38


def test_sums_make_good_losses(office):
    """FAX-2 FAX-3: a carrier with FEC loses 3 % of its datagrams; without ECM every dot arrives all the same"""
    gateway, a, b, files = office(
        pbx_fax={"mode": "gateway"}, carrier={"loss": "0.03", "sums": True}, ecm=False, pbx_sends=False
    )
    dialog = a.dial("4420")
    a.begin()
    answer = b.ask_for_t38(b.answered_call())
    assert answer.startswith("SIP/2.0 200")
    b.begin()
    t38 = expect_pages(gateway, a, b, files, dialog)["media"]["t38"]
    assert t38["pages"] == PAGES and t38["recovered"] > 0, t38


@pytest.mark.parametrize("ecm", [True, False])
def test_t38_is_relayed(office, ecm):
    """FAX-5 FAX-6: T.38 on both sides, datagrams lost on both; the record counts the pages all the same"""
    gateway, a, b, files = office(pbx={"loss": "0.01"}, carrier={"loss": "0.01"}, ecm=ecm)
    dialog = a.dial("4420")
    answer = b.ask_for_t38(b.answered_call())
    assert answer.startswith("SIP/2.0 200") and a.is_fax
    b.begin()
    a.begin()
    cdr = expect_pages(gateway, a, b, files, dialog)
    t38 = cdr["media"]["t38"]
    assert t38["mode"] == "relay" and t38["result"] == "complete" and t38["pages"] == PAGES, t38
    assert t38["bit_rate"] == 14400 and t38["ecm"] == ecm, t38


def test_gateway_asks_for_t38(office):
    """FAX-1: the carrier has T.38 and never asks; the gateway hears its machine answer, and asks it"""
    gateway, a, b, files = office(pbx_fax={"mode": "gateway"}, carrier_fax={"owner": "gateway"})
    dialog = a.dial("4420")
    b.answered_call()
    b.begin()
    a.begin()
    lab.wait_for(lambda: b.is_fax, "T.38 to be asked for")
    b.begin()
    cdr = expect_pages(gateway, a, b, files, dialog)
    assert cdr["media"]["t38"]["mode"] == "gateway" and cdr["media"]["t38"]["pages"] == PAGES, cdr["media"]


def test_calling_tone_asks_for_t38(office):
    """FAX-1: nothing is heard of the called side, which waits for T.38; the caller's CNG has the gateway ask for it"""
    gateway, a, b, files = office(
        pbx_fax={"mode": "gateway"}, carrier_fax={"owner": "gateway", "signs": ["v21", "cng"]}
    )
    dialog = a.dial("4420")
    b.answered_call()
    a.begin()
    lab.wait_for(lambda: b.is_fax, "T.38 to be asked for")
    assert b.machine.running()
    b.begin()
    cdr = expect_pages(gateway, a, b, files, dialog)
    assert "a fax machine is heard on side a" in gateway.log()
    assert cdr["media"]["t38"]["mode"] == "gateway" and cdr["media"]["t38"]["pages"] == PAGES, cdr["media"]


def test_answer_tone_asks_for_t38(office):
    """FAX-1: the PBX has T.38 and waits for it; the carrier's modem answers, and its CED is enough, V.21 is not waited for"""
    gateway, a, b, files = office(pbx_fax={"owner": "gateway", "signs": ["ced"]}, carrier_fax={"mode": "gateway"})
    dialog = a.dial("4420")
    b.answered_call()
    b.begin()
    lab.wait_for(lambda: a.is_fax, "T.38 to be asked for")
    a.begin()
    cdr = expect_pages(gateway, a, b, files, dialog)
    assert "a fax machine is heard on side b" in gateway.log()
    assert cdr["media"]["t38"]["mode"] == "gateway" and cdr["media"]["t38"]["pages"] == PAGES, cdr["media"]


class Sound(desk.Rtp):
    """Media of a desk that plays samples over and over."""

    def __init__(self, samples):
        self.frames = itertools.cycle(frame.tobytes() for frame in ear.encode(samples).reshape(-1, 160))
        super().__init__(0)

    voice = property(lambda self: next(self.frames), lambda self, value: None)


def test_other_modems_are_left_alone(gateways):
    """FAX-1: an old calling tone (1300 Hz) and ANSam of V.8 (2100 Hz, modulated, its phase turned) start no T.38"""
    seconds = numpy.arange(9 * 4 * 400) / 8000  # nine turns of phase in four calls of the other
    calling = 0.3 * numpy.sin(2 * numpy.pi * 1300 * seconds) * (seconds % 0.9 < 0.5)
    turned = numpy.where(seconds // 0.45 % 2, -1, 1)
    answer = 0.3 * numpy.sin(2 * numpy.pi * 2100 * seconds) * turned * (1 + 0.2 * numpy.sin(2 * numpy.pi * 15 * seconds))
    desks = [desk.Desk(), desk.Desk()]
    try:
        for each, samples in zip(desks, (calling, answer)):
            each.rtp.stop()
            each.rtp = Sound(samples)
        a, b = desks
        document = lab.document(pbx=a.port, carrier=b.port)
        for trunk in document["trunks"]:
            trunk["media"]["fax"] = {"owner": "gateway", "signs": ["v21", "ced", "cng"]}
        gateway = gateways(trunks=document["trunks"])
        a.gateway = b.gateway = ("127.0.0.1", gateway.sip_port)
        dialog = a.dial("4420")
        lab.wait_for(lambda: min(len(a.rtp.heard), len(b.rtp.heard)) > 6 * 50, "six seconds of tones each way")
        a.request(dialog, "BYE")
        cdr = gateway.cdr()
        assert not cdr["media"]["fax"] and cdr["media"]["t38"] is None
        assert "is asked for T.38" not in gateway.log()
    finally:
        for each in desks:
            each.stop()


def pages_so_far(gateway):
    """Of the only call there is; the API wants to be asked less often than anything else here."""
    time.sleep(0.5)
    call = gateway.api.get("/calls")["items"][0]
    return (gateway.api.get(f"/calls/{call['id']}")["media"]["t38"] or {"pages": 0})["pages"]


@pytest.mark.parametrize("mode", ["gateway", "t38"])
def test_refreshes_and_speech_again(office, mode):
    """FAX-3 FAX-5 SIG-15: each side refreshes the session in the middle of a fax, by re-INVITE and by UPDATE, and so does
    the gateway, with T.38; no page hears of it. After the fax the call is speech once more, both ways."""
    pages = max(PAGES, 8)
    gateway, a, b, files = office(pbx_fax={"mode": mode}, pages=pages)
    dialog = a.dial("4420")
    a.begin()
    other = b.answered_call()
    assert b.ask_for_t38(other).startswith("SIP/2.0 200")
    b.begin()
    if mode == "t38":
        a.begin()
    lab.wait_for(lambda: pages_so_far(gateway) > 0, "a page", FAX_S)
    asked = a.n_asked, b.n_asked
    for each, its in ((a, dialog), (b, other)):
        kind = "image" if each.is_fax else "audio"
        for answer in (each.invite(its), each.update(its)):
            assert answer.startswith("SIP/2.0 200") and re.search(rf"^m={kind} {each.remote} ", answer, re.M), answer
    assert (a.n_asked, b.n_asked) == asked
    lab.wait_for(lambda: a.n_asked > asked[0] and b.n_asked > asked[1], "refreshes by the gateway", SESSION_S)
    assert pages_so_far(gateway) < pages, "the fax was over too soon"
    expect_equal_pages(a, b, files, pages)
    b.talk(other, voice=0x11)
    a.talk(dialog, voice=0x22)
    lab.wait_for(lambda: len(a.rtp.heard) > 25 and len(b.rtp.heard) > 25, "speech after the fax")
    assert 0x11 in a.rtp.voices() and 0x22 in b.rtp.voices()
    a.request(dialog, "BYE")
    t38 = gateway.cdr()["media"]["t38"]
    assert t38["result"] == "complete" and t38["pages"] == pages, t38


def test_refused_t38_stays_in_g711(office):
    """FAX-4: the PBX answers 488; the fax gets through in G.711, mu-law to A-law, and the record says why"""
    gateway, a, b, files = office(pbx={"has_t38": False})
    dialog = a.dial("4420")
    answer = b.ask_for_t38(b.answered_call())
    assert answer.startswith("SIP/2.0 488")
    again = b.invite(b.answered_call())
    assert again.startswith("SIP/2.0 200") and re.search(r"^m=audio [1-9]", again, re.M)
    b.begin()
    a.begin()
    cdr = expect_pages(gateway, a, b, files, dialog)
    assert cdr["media"]["fax"] and cdr["media"]["t38"] is None
    assert cdr["release"]["diagnosis"] == "t38_rejected"
