# SPDX-License-Identifier: Apache-2.0
"""What tests of TCP and TLS share: certificates by openssl, and gateways with such listeners."""

import subprocess

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

    def make(self, name, names="DNS:sbc.example.com,IP:127.0.0.1,IP:127.0.0.2", days=20):
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
