# SPDX-License-Identifier: Apache-2.0
"""PBXs that register with the gateway: a peer of our own that says what it is told, and baresip."""

import hashlib
import re
import signal
import socket
import time
import uuid

import pytest

import lab
import streams
import wire
from phone import Phone

USER, PASSWORD, REALM = "office", "a-secret", "demarc"


def pbx_trunk(gateway):
    return gateway.document["trunks"][0]


def registrar_gateway(gateways, transport="udp", certificates=None, start=True, **more):
    """A gateway whose PBX registers; the carrier is at its address."""
    gateway = gateways(start=False, **more)
    trunk = pbx_trunk(gateway)
    trunk["endpoints"] = []
    trunk["auth"] = {"mode": "register_in", "inbound_user": USER, "inbound_password": PASSWORD}
    if transport != "udp":
        listener = {"id": "pbx-side", "address": "127.0.0.1", "port": lab.free_port(socket.SOCK_STREAM),
                    "transport": transport}
        if transport == "tls":
            listener["tls_profile"] = "main"
            gateway.document["tls_profiles"] = [streams.profile(certificates)]
        gateway.document["listeners"].append(listener)
        gateway.registrar_port = listener["port"]
    else:
        gateway.registrar_port = gateway.sip_port
    gateway.write_config()
    return gateway.start() if start else gateway


def contacts(gateway):
    return gateway.api.get("/trunks/pbx/status")["contacts"]


def wait_contacts(gateway, n):
    return lab.wait_for(lambda: (lambda c: (c or [None]) if len(c) == n else None)(contacts(gateway)), f"{n} contacts")


def digest(challenge, method, uri, password=PASSWORD, nc=1):
    """The Authorization for a WWW-Authenticate with qop=auth."""
    get = lambda name: re.search(rf'{name}="?([^",\r]+)', challenge).group(1)  # noqa: E731
    algorithm = get("algorithm")
    h = lambda text: hashlib.new(algorithm.replace("-", "").lower(), text.encode()).hexdigest()  # noqa: E731
    a1, a2, cnonce = h(f"{USER}:{get('realm')}:{password}"), h(f"{method}:{uri}"), uuid.uuid4().hex
    response = h(f"{a1}:{get('nonce')}:{nc:08x}:{cnonce}:auth:{a2}")
    return (f'Authorization: Digest username="{USER}", realm="{get("realm")}", nonce="{get("nonce")}", uri="{uri}", '
            f'algorithm={algorithm}, qop=auth, nc={nc:08x}, cnonce="{cnonce}", response="{response}"\r\n')


class Pbx(wire.Peer):
    """Registers by one UDP socket."""

    cseq = 0

    def exchange(self, gateway, text):
        self.send(text, ("127.0.0.1", gateway.sip_port))
        answer = self.receive(5)
        assert answer, "no answer"
        return answer.decode()

    def request(self, gateway, method, uri, extra, body=""):
        self.cseq += 1
        to = f"sip:{USER}@127.0.0.1"
        text = wire.message(method, to, self, cseq=self.cseq, extra=extra, body=body)
        return text.replace(f"{method} {to} ", f"{method} {uri} ", 1)

    def register(self, gateway, extra="Expires: 600\r\n", password=PASSWORD):
        uri = "sip:127.0.0.1"
        answer = self.exchange(gateway, self.request(gateway, "REGISTER", uri, extra))
        if " 401 " in answer.split("\r\n")[0]:
            credentials = digest(answer, "REGISTER", uri, password)
            answer = self.exchange(gateway, self.request(gateway, "REGISTER", uri, extra + credentials))
        return answer


    def called(self, gateway):
        """Takes the next INVITE and is busy."""
        invite = lab.wait_for(lambda: self.receive(5), "the INVITE").decode()
        copied = "".join(line + "\r\n" for line in invite.split("\r\n")
                         if re.match(r"(Via|From|To|Call-ID|CSeq):", line))
        copied = re.sub(r"(To: [^\r]*)", r"\1;tag=busy", copied)
        self.send(f"SIP/2.0 486 Busy Here\r\n{copied}Content-Length: 0\r\n\r\n", ("127.0.0.1", gateway.sip_port))
        return invite


@pytest.fixture
def pbx():
    peer = Pbx()
    yield peer
    peer.close()


def test_registers_and_is_called(gateways, sipp, pbx):
    """REG-5 AUTH-2: no address is configured; the carrier's call goes where the PBX registered from"""
    gateway = registrar_gateway(gateways)
    assert gateway.api.get("/trunks/pbx/status")["state"] == "down"
    assert pbx.register(gateway).startswith("SIP/2.0 200")
    [contact] = wait_contacts(gateway, 1)
    assert contact["uri"] == f"sip:100@127.0.0.1:{pbx.port}" and contact["source"] == f"127.0.0.1:{pbx.port}"
    assert 590 < contact["expires_in_s"] <= 600 and gateway.api.get("/trunks/pbx/status")["state"] == "up"
    assert 'demarc_registered_contacts{trunk="pbx"} 1' in gateway.api.raw("GET", "/metrics")[2].decode()
    carrier = gateway.document["trunks"][1]["endpoints"][0]["uri"].rsplit(":", 1)[1]
    caller = sipp("uac-expect-486", int(carrier), remote=f"127.0.0.1:{gateway.sip_port}",
                  args=["-s", "+442079460000"])
    invite = pbx.called(gateway)
    caller.expect_success()
    assert invite.startswith(f"INVITE sip:100@127.0.0.1:{pbx.port} ") and "To: <sip:+442079460000@" in invite


def test_wrong_password(gateways, pbx):
    """AUTH-2: a wrong password binds nothing, whatever is tried"""
    gateway = registrar_gateway(gateways)
    assert pbx.register(gateway, password="guess").startswith("SIP/2.0 401")
    assert not contacts(gateway)


def test_stored_hash(gateways, pbx):
    """AUTH-2: a hash in the place of the password; the algorithm it is of, and no other, is offered"""
    gateway = registrar_gateway(gateways, start=False)
    auth = pbx_trunk(gateway)["auth"]
    del auth["inbound_password"]
    auth["inbound_ha1"] = "SHA-256:" + hashlib.sha256(f"{USER}:{REALM}:{PASSWORD}".encode()).hexdigest()
    gateway.write_config()
    gateway.start()
    first = pbx.exchange(gateway, pbx.request(gateway, "REGISTER", "sip:127.0.0.1", ""))
    assert "algorithm=SHA-256" in first and "MD5" not in first
    assert pbx.register(gateway).startswith("SIP/2.0 200")


def test_replayed_credentials(gateways, pbx):
    """AUTH-2: what was answered once is stale the next time, from wherever it comes"""
    gateway = registrar_gateway(gateways)
    challenge = pbx.exchange(gateway, pbx.request(gateway, "REGISTER", "sip:127.0.0.1", ""))
    credentials = digest(challenge, "REGISTER", "sip:127.0.0.1")
    assert pbx.exchange(gateway, pbx.request(gateway, "REGISTER", "sip:127.0.0.1", credentials)).startswith(
        "SIP/2.0 200")
    again = pbx.exchange(gateway, pbx.request(gateway, "REGISTER", "sip:127.0.0.1", credentials))
    assert again.startswith("SIP/2.0 401") and "stale=true" in again


@pytest.mark.parametrize("workers", [1, 2])
def test_contacts_survive_kill(gateways, sipp, pbx, workers):
    """OPS-3 REG-5: 2 s after kill -9 and a start the PBX is called, though it has not registered again"""
    gateway = registrar_gateway(gateways, system={"workers": workers})
    pbx.register(gateway)
    [before] = wait_contacts(gateway, 1)
    time.sleep(0.3)  # the write follows the answer
    gateway.kill()
    gateway.start()
    began = time.monotonic()
    [after] = contacts(gateway)
    assert after["source"] == before["source"] and after["expires_in_s"] <= before["expires_in_s"]
    carrier = gateway.document["trunks"][1]["endpoints"][0]["uri"].rsplit(":", 1)[1]
    caller = sipp("uac-expect-486", int(carrier), remote=f"127.0.0.1:{gateway.sip_port}",
                  args=["-s", "+442079460000"])
    assert pbx.called(gateway).startswith("INVITE ")
    assert time.monotonic() - began < 2
    caller.expect_success()


def test_taken_back(gateways, pbx):
    """REG-5: Expires 0, and an operator's unregister, end it; the store knows too"""
    gateway = registrar_gateway(gateways)
    pbx.register(gateway)
    wait_contacts(gateway, 1)
    assert pbx.register(gateway, "Expires: 0\r\n").startswith("SIP/2.0 200")
    wait_contacts(gateway, 0)
    pbx.register(gateway)
    wait_contacts(gateway, 1)
    gateway.api("POST", "/trunks/pbx/actions/unregister")
    wait_contacts(gateway, 0)
    time.sleep(0.3)
    gateway.kill()
    gateway.start()
    assert not contacts(gateway)


def test_new_password_ends_it(gateways, pbx):
    """AUTH-2: who came in by the old password is out with it"""
    gateway = registrar_gateway(gateways)
    pbx.register(gateway)
    wait_contacts(gateway, 1)
    pbx_trunk(gateway)["auth"]["inbound_password"] = "another"
    gateway.write_config()
    gateway.process.child.send_signal(signal.SIGHUP)
    wait_contacts(gateway, 0)
    assert pbx.register(gateway).startswith("SIP/2.0 401")


def baresip_pbx(directory, gateway, transport, extra=""):
    settings = "sip_verify_server no\n" if transport == "tls" else ""
    return Phone(directory, "PCMU", 440, settings=settings,
                 aor=f"sip:{USER}@127.0.0.1:{gateway.registrar_port};transport={transport}",
                 extra=f";auth_user={USER};auth_pass={PASSWORD}{extra}")


@pytest.mark.skipif(not lab.have("baresip"), reason="baresip is not installed")
@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_baresip_both_ways(gateways, sipp, tmp_path, transport):
    """REG-5 AUTH-3: baresip registers as a PBX by each transport, is called by its flow, and calls"""
    certificates = streams.Certificates(tmp_path) if transport == "tls" else None
    gateway = registrar_gateway(gateways, transport, certificates, system={"workers": 2})
    carrier = int(gateway.document["trunks"][1]["endpoints"][0]["uri"].rsplit(":", 1)[1])
    phone = baresip_pbx(tmp_path / "phone", gateway, transport)
    try:
        [contact] = wait_contacts(gateway, 1)
        assert contact["transport"] == transport and "baresip" in contact["user_agent"]
        sipp("uac-call", carrier, name="carrier-calls", remote=f"127.0.0.1:{gateway.sip_port}",
             args=["-s", "+442079460000", "-d", "300"]).expect_success()
        called = sipp("uas-answer", carrier, name="carrier-answers")
        phone.dial(f"sip:+442079460001@127.0.0.1:{gateway.registrar_port};transport={transport}")
        lab.wait_for(lambda: len(re.findall("Call established", phone.output())) >= 2, "the second call to be up")
        phone.hang_up()
        called.expect_success()
        records = gateway.wait_cdrs(2)
        assert {c["a"]["trunk"] for c in records} == {"pbx", "carrier"}
        [out] = [c for c in records if c["a"]["trunk"] == "pbx"]
        assert out["a"]["auth"] == ("digest" if transport == "udp" else "reg")
    finally:
        phone.stop()
    # it takes its registration back when it ends
    wait_contacts(gateway, 0)


class StreamPbx(Pbx):
    """The same by one TCP connection."""

    def __init__(self, gateway):
        stream = socket.create_connection(("127.0.0.1", gateway.registrar_port))
        self.sockets = [stream]
        self.host, self.port = stream.getsockname()

    def send(self, data, to):
        self.sockets[0].sendall(data.replace("SIP/2.0/UDP", "SIP/2.0/TCP").encode())

    def receive(self, timeout):
        self.sockets[0].settimeout(timeout)
        try:
            return self.sockets[0].recv(65535)
        except TimeoutError:
            return None


def test_flow_that_ends(gateways):
    """REG-5: with its connection goes a flow (RFC 5626): calls do not wait for somebody who is gone"""
    gateway = registrar_gateway(gateways, "tcp", system={"workers": 2})
    pbx = StreamPbx(gateway)
    flow = (f"Supported: path, outbound\r\nContact: <sip:{USER}@127.0.0.1:{pbx.port};transport=tcp;ob>;reg-id=1;"
            '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"\r\n')
    uri = "sip:127.0.0.1"
    ask = lambda extra: re.sub(r"Contact: <sip:100@[^\r]*\r\n", "",  # noqa: E731
                               pbx.request(gateway, "REGISTER", uri, flow + extra), count=1)
    challenge = pbx.exchange(gateway, ask(""))
    answer = pbx.exchange(gateway, ask(digest(challenge, "REGISTER", uri)))
    assert answer.startswith("SIP/2.0 200") and "Require: outbound" in answer and "Flow-Timer: " in answer
    wait_contacts(gateway, 1)
    pbx.close()
    wait_contacts(gateway, 0)


def certified(gateway, certificates, name, names):
    """A TLS connection from an address of nobody's, with a certificate for these names."""
    context = streams.client_context(certificates)
    pem, key = certificates.make(name, names=names)
    context.load_cert_chain(pem, key)
    stream = socket.create_connection(("127.0.0.1", gateway.registrar_port), source_address=("127.0.0.9", 0))
    pbx = StreamPbx.__new__(StreamPbx)
    pbx.sockets = [context.wrap_socket(stream, server_hostname="sbc.example.com")]
    pbx.host, pbx.port = pbx.sockets[0].getsockname()
    return pbx


def test_known_by_certificate(gateways, tmp_path, sipp):
    """AUTH-3: a certificate says whose a call is, from any address and without a challenge; another's does not"""
    certificates = streams.Certificates(tmp_path)
    gateway = registrar_gateway(gateways, "tls", certificates, start=False)
    gateway.document["tls_profiles"][0]["verify_client"] = "optional"
    pbx_trunk(gateway)["auth"] = {"certificate_names": ["pbx.example"]}
    gateway.write_config()
    gateway.start()
    carrier = int(gateway.document["trunks"][1]["endpoints"][0]["uri"].rsplit(":", 1)[1])
    sipp("uas-486", carrier)
    body = "Content-Type: application/sdp\r\n"
    uri = "sip:+442079460000@127.0.0.1"
    known = certified(gateway, certificates, "pbx", "DNS:pbx.example")
    assert known.exchange(gateway, known.request(gateway, "INVITE", uri, body, wire.sdp())).startswith("SIP/2.0 100")
    record = gateway.cdr()
    assert record["a"]["trunk"] == "pbx" and record["a"]["auth"] == "mtls"
    stranger = certified(gateway, certificates, "other", "DNS:other.example")
    stranger.send(stranger.request(gateway, "INVITE", uri, body, wire.sdp()), None)
    assert stranger.receive(1) is None and len(gateway.cdrs()) == 1
    known.close()
    stranger.close()
