# SPDX-License-Identifier: Apache-2.0
"""Trunks that register, against Kamailio as the carrier's registrar."""

import re
import signal
import time

import pytest

import lab
import wire

pytestmark = pytest.mark.skipif(not lab.have("kamailio"), reason="kamailio is not installed")
AOR = "442079460001"


class Registrar(lab.Process):
    def __init__(self, directory, expires):
        directory.mkdir()
        self.port = lab.free_port()
        text = (lab.HERE / "kamailio-registrar.cfg").read_text()
        text = text.replace("@SIP@", str(self.port)).replace("@EXPIRES@", str(expires))
        (directory / "kamailio.cfg").write_text(text)
        super().__init__(["kamailio", "-DD", "-E", "-m", "32", "-f", directory / "kamailio.cfg", "-Y", directory,
                          "-P", directory / "kamailio.pid"], directory / "kamailio.log")
        peer = wire.Peer()
        lab.wait_for(lambda: peer.options(("127.0.0.1", self.port))[0], "the registrar to answer")
        peer.close()

    def accepted(self):
        """(Expires asked for, Contact) of each REGISTER that had the right password."""
        return re.findall(r"accepted user=\S+ expires=(\d+) contact=(\S+)", self.output())

    def challenged(self):
        return len(re.findall(r"challenge cs=", self.output()))


@pytest.fixture
def registrar(tmp_path):
    made = []

    def start(expires=3600):
        made.append(Registrar(tmp_path / "registrar", expires))
        return made[-1]

    yield start
    for each in made:
        each.stop()


def registering_gateway(gateways, registrar, password="secret", **more):
    gateway = gateways(start=False, carrier=registrar.port, **more)
    trunk = gateway.document["trunks"][1]
    trunk["domain"] = "carrier.test"
    trunk["auth"] = {"mode": "register", "user": AOR, "password": password}
    gateway.write_config()
    return gateway.start()


def registration(gateway):
    return gateway.api.get("/trunks/carrier/status")["registration"]


def wait_state(gateway, state):
    return lab.wait_for(lambda: (lambda r: r if r["state"] == state else None)(registration(gateway)),
                        f"registration to be {state}")


def test_registers_with_a_password_and_leaves(gateways, registrar):
    """REG-1 REG-3 AUTH-1: one challenge, one binding, its Contact a token; taken back at the end"""
    carrier = registrar()
    gateway = registering_gateway(gateways, carrier)
    status = wait_state(gateway, "registered")
    assert status["expires_at"] and status["last_code"] == 200
    [(asked, contact)] = carrier.accepted()
    assert asked == "3600" and carrier.challenged() == 1
    assert AOR not in contact and re.search(rf"sip:[0-9a-z]{{16,}}@127\.0\.0\.1:{gateway.sip_port}", contact)
    gateway.stop()
    lab.wait_for(lambda: len(carrier.accepted()) == 2, "the registration to be taken back")
    assert carrier.accepted()[1] == ("0", contact)


def test_refreshes_by_what_was_granted(gateways, registrar):
    """REG-1: the registrar grants 4 s of the 3600 asked for; the same Contact comes back before they are over"""
    carrier = registrar(expires=4)
    gateway = registering_gateway(gateways, carrier)
    wait_state(gateway, "registered")
    began = time.monotonic()
    lab.wait_for(lambda: len(carrier.accepted()) >= 4, "three refreshes")
    # not earlier than half of what was granted, not later than all of it
    assert 3 * 1.9 <= time.monotonic() - began + 0.5 and time.monotonic() - began < 3 * 4
    assert len({contact for _, contact in carrier.accepted()}) == 1
    assert registration(gateway)["state"] == "registered"


def test_wrong_password_is_said_and_not_repeated(gateways, registrar):
    """REG-2 AUTH-4: two REGISTERs, then auth_failed and minutes of silence; a new password is tried at once"""
    carrier = registrar()
    gateway = registering_gateway(gateways, carrier, password="wrong-one")
    status = wait_state(gateway, "auth_failed")
    assert status["last_code"] == 401
    time.sleep(1.5)  # a loop would show
    assert carrier.challenged() == 2 and not carrier.accepted()
    gateway.document["trunks"][1]["auth"]["password"] = "secret"
    gateway.write_config()
    gateway.process.child.send_signal(signal.SIGHUP)
    wait_state(gateway, "registered")
    assert "wrong-one" not in gateway.log() and '"secret"' not in gateway.log()


def test_call_by_the_registered_contact(gateways, registrar, sipp):
    """REG-1 AUTH-3: the registrar's calls to our Contact are the trunk's, and so are those from elsewhere"""
    carrier, pbx = registrar(), lab.free_port()
    gateway = registering_gateway(gateways, carrier, pbx=pbx)
    wait_state(gateway, "registered")
    called = sipp("uas-answer", pbx, calls=2)
    sipp("uac-call", lab.free_port(), name="by-registrar", remote=f"127.0.0.1:{carrier.port}",
         args=["-s", AOR, "-d", "300"]).expect_success()
    token = re.search(r"sip:([^@]+)@", carrier.accepted()[0][1]).group(1)
    # another node of the carrier, at an address nobody has configured
    sipp("uac-call", lab.free_port(), name="elsewhere", remote=f"127.0.0.1:{gateway.sip_port}",
         args=["-i", "127.0.0.9", "-s", token, "-d", "300"]).expect_success()
    called.expect_success()
    records = gateway.wait_cdrs(2)
    assert [(c["a"]["trunk"], c["a"]["auth"]) for c in records] == [("carrier", "reg")] * 2
    assert {c["a"]["remote_ip"] for c in records} == {"127.0.0.1", "127.0.0.9"}


def test_stranger_is_not_let_in_by_the_number(gateways, registrar):
    """REG-1 SEC-3: who knows the number that is registered, but not the Contact, gets nothing"""
    carrier = registrar()
    gateway = registering_gateway(gateways, carrier)
    wait_state(gateway, "registered")
    gateway.document["trunks"][1]["registration"] = {"contact_user": AOR}
    gateway.write_config()
    gateway.process.child.send_signal(signal.SIGHUP)
    lab.wait_for(lambda: len(carrier.accepted()) >= 2, "the other Contact to be registered")
    stranger = wire.Peer(host="127.0.0.9")
    stranger.send(wire.message("INVITE", f"sip:{AOR}@127.0.0.1:{gateway.sip_port}", stranger,
                               extra="Content-Type: application/sdp\r\n", body=wire.sdp()),
                  ("127.0.0.1", gateway.sip_port))
    assert stranger.responses(None, 1) in ([], [403])
    assert not gateway.api.get("/calls")["items"]
    stranger.close()
