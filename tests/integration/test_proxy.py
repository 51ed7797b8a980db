# SPDX-License-Identifier: Apache-2.0
"""A carrier whose edge is a proxy: Kamailio, which stays in the dialog and rings several phones at once."""

import re

import pytest

import lab
import wire

pytestmark = pytest.mark.skipif(not lab.have("kamailio"), reason="kamailio is not installed")


class Proxy(lab.Process):
    """One number, several phones; what it relays within dialogs goes to its log."""

    def __init__(self, directory, phones):
        directory.mkdir()
        self.port = lab.free_port()
        branches = "\n  ".join(f'append_branch("sip:{p}");' for p in phones[1:])
        text = (lab.HERE / "kamailio-proxy.cfg").read_text()
        text = text.replace("@LISTEN@", f"listen=udp:127.0.0.1:{self.port}\nlisten=tcp:127.0.0.1:{self.port}")
        text = text.replace("@PHONES@", f'$ru = "sip:{phones[0]}";\n  {branches}')
        (directory / "kamailio.cfg").write_text(text)
        super().__init__(["kamailio", "-DD", "-E", "-m", "32", "-f", directory / "kamailio.cfg", "-Y", directory,
                          "-P", directory / "kamailio.pid"], directory / "kamailio.log")
        peer = wire.Peer()
        lab.wait_for(lambda: peer.options(("127.0.0.1", self.port))[0], "the proxy to answer")
        peer.close()

    def in_dialog(self):
        """(method, request URI) of each request with a To tag that came with a route."""
        return re.findall(r"in dialog method=(\S+) to=(\S+)", self.output())


@pytest.fixture
def proxies(tmp_path):
    made = []

    def start(phones):
        made.append(Proxy(tmp_path / f"proxy-{len(made)}", phones))
        return made[-1]

    yield start
    for each in made:
        each.stop()


def call(gateway, sipp, pbx):
    caller = sipp("uac-call", pbx, remote=f"127.0.0.1:{gateway.sip_port}", args=["-s", "+442079460000", "-d", "500"])
    caller.expect_success()
    return caller


@pytest.mark.parametrize("workers", [1, 2])
def test_requests_go_by_the_route_of_the_answer(gateways, sipp, proxies, workers):
    """SIG-5: ACK and BYE go through the proxy that recorded itself, to the phone's own Contact"""
    pbx, phone = lab.free_port(), lab.free_port()
    proxy = proxies([f"127.0.0.1:{phone}"])
    called = sipp("uas-answer", phone)
    gateway = gateways(pbx=pbx, carrier=proxy.port, system={"workers": workers})
    caller = call(gateway, sipp, pbx)
    called.expect_success()
    assert [m for m, _ in proxy.in_dialog()] == ["ACK", "BYE"]
    assert all(uri.startswith(f"sip:bob@127.0.0.1:{phone}") for _, uri in proxy.in_dialog())
    # SIG-1: the caller hears of neither the proxy nor the phone
    assert str(proxy.port) not in "".join(caller.received()) and str(phone) not in "".join(caller.received())


def test_a_change_of_transport_at_the_proxy(gateways, sipp, proxies):
    """SIG-5 SIG-24: a proxy that records itself twice, once for each transport, is passed through by both"""
    pbx, phone = lab.free_port(), lab.free_port()
    proxy = proxies([f"127.0.0.1:{phone};transport=tcp"])
    called = sipp("uas-answer", phone, args=["-t", "t1"])
    gateway = gateways(pbx=pbx, carrier=proxy.port)
    call(gateway, sipp, pbx)
    called.expect_success()
    assert [m for m, _ in proxy.in_dialog()] == ["ACK", "BYE"]


@pytest.mark.parametrize("losers", ["uas-rings", "uas-early-cancelled"])
def test_several_phones_are_one_call(gateways, sipp, proxies, losers):
    """SIG-9 SIG-7: three phones ring, two with media of their own; one answers, and the caller sees one dialog"""
    pbx, *phones = (lab.free_port() for _ in range(4))
    proxy = proxies([f"127.0.0.1:{p}" for p in phones])
    lost = [sipp(losers, p, name=f"{losers}-{p}") for p in phones[:2]]
    called = sipp("uas-early-media", phones[2])
    gateway = gateways(pbx=pbx, carrier=proxy.port)
    caller = call(gateway, sipp, pbx)
    called.expect_success()
    for each in lost:
        each.expect_success()
    answers = [m for m in caller.received() if re.match(r"SIP/2.0 (1[018]|2)", m) and "INVITE" in m]
    tags = {re.search(r"^To:.*;tag=(\S+)", m, re.M).group(1) for m in answers if not m.startswith("SIP/2.0 100")}
    assert len(tags) == 1
    record = gateway.cdr()
    assert record["b"]["final_code"] == 200 and len(record["attempts"]) == 1


def test_all_phones_are_busy(gateways, sipp, proxies):
    """SIG-9 RTE-7: the proxy's choice among three refusals is the one the caller hears"""
    pbx, *phones = (lab.free_port() for _ in range(4))
    proxy = proxies([f"127.0.0.1:{p}" for p in phones])
    for phone in phones:
        sipp("uas-486", phone, name=f"busy-{phone}")
    gateway = gateways(pbx=pbx, carrier=proxy.port)
    sipp("uac-expect-486", pbx, remote=f"127.0.0.1:{gateway.sip_port}",
         args=["-s", "+442079460000"]).expect_success()
    assert gateway.cdr()["release"]["side"] == "b"
