# SPDX-License-Identifier: Apache-2.0
"""What integration tests run: the real gateway, SIPp and softphones, all on loopback, each stopped by its own pid."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
BINARY = pathlib.Path(os.environ.get("DEMARC", TOP / "build" / "demarc"))
SCENARIOS = HERE / "scenarios"
# Sanitizers and loaded machines are slow: a watchdog, not an expectation.
WATCHDOG_S = 30


def wait_for(condition, what, timeout=WATCHDOG_S):
    """Polls until condition() is true and returns its value."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"timed out waiting for {what}")


# Tests that run in several processes have a share of the ports each.
_N_SHARES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_SHARE = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_FIRST_PORT = 21000 + 8900 // _N_SHARES * _SHARE
_END_PORT = _FIRST_PORT + 8900 // _N_SHARES
_next_port = _FIRST_PORT + (os.getpid() * 37) % (6000 // _N_SHARES)


def free_port(kind=socket.SOCK_DGRAM, span=1):
    """A port on loopback that nobody has, and the span-1 behind it; never the same twice in one run."""
    global _next_port
    while True:
        if _next_port + span > _END_PORT:
            _next_port = _FIRST_PORT
        base, _next_port = _next_port, _next_port + span + (span % 2)
        with contextlib.ExitStack() as stack:
            try:
                for port in range(base, base + span):
                    for each in {kind, socket.SOCK_STREAM} if span == 1 else {kind}:
                        s = stack.enter_context(socket.socket(socket.AF_INET, each))
                        s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return base


class ApiError(Exception):
    def __init__(self, status, headers, body):
        super().__init__(f"{status}: {body}")
        self.status, self.headers, self.body = status, headers, body


class Api:
    def __init__(self, port, token=None):
        self.base, self.token = f"http://127.0.0.1:{port}", token

    def raw(self, method, path, body=None, headers=None, token="own"):
        data = None
        send = dict(headers or {})
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            send.setdefault("Content-Type", "application/json")
        token = self.token if token == "own" else token
        if token:
            send["Authorization"] = "Bearer " + token
        request = urllib.request.Request(self.base + path, data=data, method=method, headers=send)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()

    def __call__(self, method, path, body=None, headers=None):
        status, answer_headers, text = self.raw(method, "/api/v1" + path, body, headers)
        value = json.loads(text) if text and "json" in answer_headers.get("Content-Type", "") else text.decode()
        if status >= 400:
            raise ApiError(status, answer_headers, value)
        return value

    def get(self, path):
        return self("GET", path)


class Process:
    """A child with its output in a file. Stopped by pid."""

    def __init__(self, args, log, env=None, cwd=None, stdin=subprocess.DEVNULL):
        self.log = pathlib.Path(log)
        self.file = open(self.log, "ab")
        self.child = subprocess.Popen(
            [str(a) for a in args], stdout=self.file, stderr=subprocess.STDOUT, stdin=stdin, env=env, cwd=cwd
        )

    @property
    def pid(self):
        return self.child.pid

    def output(self):
        return self.log.read_text(errors="replace")

    def running(self):
        return self.child.poll() is None

    def wait(self, timeout=WATCHDOG_S):
        return self.child.wait(timeout)

    def stop(self, sig=signal.SIGTERM, timeout=20):
        if self.running():
            self.child.send_signal(sig)
            try:
                self.child.wait(timeout)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait(10)
        self.file.close()
        return self.child.returncode


class Gateway:
    """The real binary with a configuration of its own, in a directory of its own."""

    def __init__(self, directory, document):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(parents=True, exist_ok=True)
        self.document = document
        self.file = self.dir / "demarc.yaml"
        self.process = None
        self.api = None
        self.token = None  # printed at the first start only
        self.sip_port = int(document["listeners"][0]["port"])
        self.admin_port = int(document["admin"]["address"].rsplit(":", 1)[1])
        self.write_config()

    def write_config(self):
        self.file.write_text(json.dumps(self.document, indent=1))

    def env(self):
        env = dict(os.environ)
        env.setdefault("ASAN_OPTIONS", "detect_stack_use_after_return=1:strict_string_checks=1")
        env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
        env["G_DEBUG"] = "fatal-criticals"
        env["G_SLICE"] = "always-malloc"  # what GLib keeps for itself, no sanitizer sees
        return env

    def start(self, ready=True):
        self.process = Process([BINARY, "run", "-c", self.file, "-d", self.dir / "data"], self.dir / "demarc.log",
                               env=self.env())
        if ready:
            self.api = Api(self.admin_port)
            wait_for(self.is_ready, "the gateway to be ready")
            self.token = self.token or re.search(r"^ {4}(\S{32,})$", self.log(), re.M).group(1)
            self.api.token = self.token
        return self

    def is_ready(self):
        if not self.process.running():
            raise AssertionError("the gateway stopped:\n" + self.process.output()[-4000:])
        with contextlib.suppress(OSError):
            return self.api.raw("GET", "/readyz", token=None)[0] == 200

    def log(self):
        return self.process.output()

    def kill(self):
        self.process.stop(signal.SIGKILL)

    def stop(self, expect=0):
        code = self.process.stop()
        assert code == expect, f"exit {code}\n" + self.process.output()[-6000:]

    # records

    def cdrs(self, **filters):
        query = "&".join(f"{k}={v}" for k, v in filters.items())
        return self.api.get("/cdrs?limit=1000" + ("&" + query if query else ""))["items"]

    def wait_cdrs(self, n=1, **filters):
        """Records of calls that have ended, once there are n."""

        def ended():
            found = [c for c in self.cdrs(**filters) if c.get("end_at")]
            return found if len(found) >= n else None

        return wait_for(ended, f"{n} records")

    def cdr(self):
        """The only record there is, once it has ended."""

        def ended():
            found = [c for c in self.cdrs() if c.get("end_at")]
            return found if found else None

        found = wait_for(ended, "a record")
        assert len(found) == 1, found
        return found[0]


def document(sip=None, admin=None, media=None, pbx=None, carrier=None, **more):
    """A configuration with one PBX and one carrier on loopback; keyword arguments replace what they name."""
    sip = sip or free_port()
    admin = admin or free_port(socket.SOCK_STREAM)
    media = media or free_port(span=40)
    base = {
        "listeners": [{"id": "main", "address": "127.0.0.1", "port": sip, "transport": "udp"}],
        "media_pools": [
            {"id": "main", "address": "127.0.0.1", "port_min": media, "port_max": media + 39}
        ],
        "trunks": [
            {"id": "pbx", "role": "pbx", "endpoints": [{"uri": f"sip:127.0.0.1:{pbx or free_port()}"}],
             "media": {"codecs": ["PCMU", "PCMA"]}, "health": {"options": {"enabled": False}}},
            {"id": "carrier", "role": "carrier", "endpoints": [{"uri": f"sip:127.0.0.1:{carrier or free_port()}"}],
             "media": {"codecs": ["PCMA", "PCMU"]}, "health": {"options": {"enabled": False}}},
        ],
        "routes": [
            {"id": "out", "match": {"source_trunks": ["pbx"]}, "action": {"trunks": ["carrier"]}},
            {"id": "in", "match": {"source_trunks": ["carrier"]}, "action": {"trunks": ["pbx"]}},
        ],
        "admin": {"address": f"127.0.0.1:{admin}"},
        "log": {"level": "debug"},
    }
    base.update(more)
    return base


class Sipp(Process):
    """One SIPp with one scenario."""

    def __init__(self, directory, scenario, port, remote=None, calls=1, args=(), name=None, host="127.0.0.1"):
        self.name = name or scenario
        self.port = port
        self.dir = pathlib.Path(directory)
        command = ["sipp", "-sf", SCENARIOS / f"{scenario}.xml", "-i", host, "-p", port, "-m", calls, "-nostdin",
                   "-trace_err", "-error_file", self.dir / f"{self.name}.err", "-trace_msg", "-message_file",
                   self.dir / f"{self.name}.msg", "-timeout", "90s", "-timeout_error", *args]
        command += [remote or "127.0.0.1"]
        super().__init__(command, self.dir / f"{self.name}.out", cwd=self.dir)

    def messages(self):
        with contextlib.suppress(FileNotFoundError):
            return (self.dir / f"{self.name}.msg").read_text(errors="replace")
        return ""

    def received(self):
        """Texts of the messages this side got."""
        parts = re.split(r"^-{20,}.*\n", self.messages(), flags=re.M)
        return [p.split("\n\n", 1)[1] for p in parts if re.match(r"\w+ message received", p)]

    def expect_success(self, timeout=90):
        code = self.wait(timeout)
        error = self.dir / f"{self.name}.err"
        detail = error.read_text(errors="replace")[-3000:] if error.exists() else ""
        assert code == 0, f"{self.name} exit {code}\n{detail}\n{self.output()[-1500:]}"


def have(*programs):
    return all(shutil.which(p) for p in programs)
