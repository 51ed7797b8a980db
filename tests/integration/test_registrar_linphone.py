# SPDX-License-Identifier: Apache-2.0
"""linphone as a PBX that registers: belle-sip's way with digest, Contact and transports."""

import socket
import subprocess

import pytest

import lab
import streams
from test_registrar import PASSWORD, USER, contacts, registrar_gateway, wait_contacts

pytestmark = pytest.mark.skipif(not lab.have("linphonec"), reason="linphonec is not installed")

RC = """\
[sip]
sip_port={port}
sip_tcp_port={port}
sip_tls_port={port}
bind_address=127.0.0.1
use_ipv6=0
guess_hostname=0
contact=sip:{user}@127.0.0.1
root_ca={ca}
verify_server_certs=1
verify_server_cn=0
[proxy_0]
reg_proxy=<sip:127.0.0.1:{registrar};transport={transport}>
reg_identity=sip:{user}@127.0.0.1
reg_expires=600
reg_sendregister=1
[auth_info_0]
username={user}
passwd={password}
realm=demarc
[sound]
playback_dev_id=
[misc]
uuid=00000000-0000-1000-8000-000a95a0e128
"""


class Linphone(lab.Process):
    def __init__(self, directory, gateway, transport, ca):
        (directory / ".local/share/linphone").mkdir(parents=True)
        rc = directory / "linphonerc"
        rc.write_text(RC.format(port=lab.free_port(socket.SOCK_STREAM), user=USER, password=PASSWORD, ca=ca or "",
                                registrar=gateway.registrar_port, transport=transport))
        env = {"HOME": str(directory), "PATH": "/usr/bin:/bin", "DISPLAY": ""}
        super().__init__(["linphonec", "-c", rc, "-d", "6", "-l", directory / "debug.log"], directory / "out.log", env=env,
                         stdin=subprocess.PIPE)

    def quit(self):
        self.child.stdin.write(b"quit\n")
        self.child.stdin.flush()
        self.wait()


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_linphone_registers(gateways, tmp_path, transport):
    """REG-5 AUTH-2: linphone registers by each transport, is listed as a contact, and takes itself back at its end"""
    certificates = streams.Certificates(tmp_path) if transport == "tls" else None
    gateway = registrar_gateway(gateways, transport, certificates)
    phone = Linphone(tmp_path / "linphone", gateway, transport, certificates and certificates.ca)
    try:
        [contact] = wait_contacts(gateway, 1)
        assert contact["transport"] == transport and "inphone" in contact["user_agent"]
        assert 0 < contact["expires_in_s"] <= 600
        phone.quit()
        lab.wait_for(lambda: not contacts(gateway), "the registration to be taken back")
    finally:
        phone.stop()


def test_linphone_with_several_algorithms(gateways, tmp_path):
    """AUTH-2: offered SHA-256 and MD5, linphone answers one of them"""
    gateway = registrar_gateway(gateways, start=False)
    gateway.document["trunks"][0]["auth"]["inbound_algorithms"] = ["SHA-256", "MD5"]
    gateway.write_config()
    gateway.start()
    phone = Linphone(tmp_path / "linphone", gateway, "udp", None)
    try:
        wait_contacts(gateway, 1)
    finally:
        phone.stop()
