# SPDX-License-Identifier: Apache-2.0
"""What tests of TCP and TLS share: certificates by openssl, and gateways with such listeners."""

import contextlib
import socket
import ssl
import subprocess
import threading

import lab

PBX_HOST = "127.0.0.2"  # trunks are told apart by address: a connection's port tells nothing


def openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


class Certificates:
    """An authority, and what it signs, as PEM files in a directory."""

    def __init__(self, directory):
        self.dir = directory
        self.ca = directory / "ca.pem"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 30,
                "-subj", "/CN=Test CA", "-keyout", directory / "ca.key", "-out", self.ca)

    def make(self, name, names="DNS:sbc.example.com,IP:127.0.0.1,IP:127.0.0.2,IP:127.0.0.22,IP:127.0.0.23", days=20):
        """Writes NAME.pem and NAME.key."""
        key, csr, pem = (self.dir / f"{name}.{suffix}" for suffix in ("key", "csr", "pem"))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", key, "-out", csr)
        extensions = self.dir / f"{name}.ext"
        extensions.write_text(f"subjectAltName={names}\n")
        openssl("x509", "-req", "-in", csr, "-CA", self.ca, "-CAkey", self.dir / "ca.key", "-CAcreateserial", "-days",
                days, "-extfile", extensions, "-out", pem)
        return pem, key


def profile(certificates, name="sbc", **more):
    pem, key = certificates.make(name)
    return {"id": "main", "cert": str(pem), "key": str(key), "ca": str(certificates.ca), **more}


def config(transport, pbx, carrier, **more):
    """One listener of this transport, and both trunks over it."""
    document = lab.document(pbx=pbx, carrier=carrier, **more)
    document["listeners"][0]["transport"] = transport
    if transport == "tls":
        document["listeners"][0]["tls_profile"] = "main"
    for trunk, host, port in zip(document["trunks"], (PBX_HOST, "127.0.0.1"), (pbx, carrier)):
        trunk["endpoints"] = [{"uri": f"sip:{host}:{port};transport={transport}"}]
    del document["admin"]  # the fixture chooses its port
    return document


def metric(gateway, name):
    """A sample of the metrics page, 0 when it is not there."""
    page = gateway.api.raw("GET", "/metrics")[2].decode()
    for line in page.splitlines():
        if line.rsplit(" ", 1)[0] == "demarc_" + name:
            return float(line.rsplit(" ", 1)[1])
    return 0.0


class Tunnel:
    """TLS on one side, TCP on the other, for peers that speak no TLS (SIPp): a thread a direction."""

    def __init__(self, port, target, server=None, client=None, source="127.0.0.1"):
        self.target, self.server, self.client, self.source = target, server, client, source
        self.listener = socket.create_server((source, port))
        self.sockets = [self.listener]
        self.start(self.accept)

    def start(self, func, *args):
        threading.Thread(target=func, args=args, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                self.start(self.join, self.listener.accept()[0])

    def join(self, near):
        with contextlib.suppress(OSError):
            if self.server:
                near = self.server.wrap_socket(near, server_side=True)
            far = socket.create_connection(self.target, source_address=(self.source, 0))
            if self.client:
                far = self.client.wrap_socket(far, server_hostname="sbc.example.com")
            self.sockets += [near, far]
            self.start(self.pump, near, far)
            self.pump(far, near)

    @staticmethod
    def pump(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def close(self):
        for each in self.sockets:
            with contextlib.suppress(OSError):
                each.close()


def client_context(certificates):
    return ssl.create_default_context(cafile=certificates.ca)


def server_context(certificates, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificates.make(name))
    return context


def options(port, transport="TLS", number=1):
    return (f"OPTIONS sip:127.0.0.1:{port} SIP/2.0\r\nVia: SIP/2.0/{transport} {PBX_HOST}:5061;branch=z9hG4bKo{number}\r\n"
            f"From: <sip:pbx@{PBX_HOST}>;tag=o{number}\r\nTo: <sip:127.0.0.1>\r\nCall-ID: o{number}@{PBX_HOST}\r\n"
            f"CSeq: {number} OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n").encode()
