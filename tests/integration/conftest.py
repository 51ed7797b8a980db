# SPDX-License-Identifier: Apache-2.0
import pytest

import lab

SANITIZERS = ("ERROR: AddressSanitizer", "WARNING: ThreadSanitizer", "runtime error:")


def pytest_configure(config):
    config.addinivalue_line("markers", "busy: takes all the processor there is: not beside tests in real time")


def pytest_collection_modifyitems(items):
    """The longest first, so that nothing waits for them at the end: faxes take their time."""
    items.sort(key=lambda item: "test_fax" not in item.nodeid and "missing_ack" not in item.nodeid)


@pytest.fixture
def gateways(tmp_path):
    """Makes gateways; stops what still runs, and fails when one ended badly or a sanitizer spoke."""
    made = []

    def make(start=True, **kw):
        gateway = lab.Gateway(tmp_path / f"gateway-{len(made)}", lab.document(**kw))
        made.append(gateway)
        return gateway.start() if start else gateway

    yield make
    for gateway in made:
        if gateway.process is None:
            continue
        if gateway.process.running():
            gateway.stop()
        log = gateway.log()
        assert not any(words in log for words in SANITIZERS), log[-6000:]


@pytest.fixture
def sipp(tmp_path):
    """Starts SIPp actors and stops what is left."""
    made = []

    def start(scenario, port, **kw):
        actor = lab.Sipp(tmp_path, scenario, port, **kw)
        made.append(actor)
        if scenario.startswith("uas"):
            lab.wait_for(lambda: actor.running() and lab_bound(port), f"{scenario} to listen")
        return actor

    yield start
    for actor in made:
        actor.stop()


def lab_bound(port):
    """Whether a UDP or TCP socket is bound to this loopback port, on any address of it."""
    wanted = (f"00007F:{port:04X} ", f":{port:04X} 00000000000000000000000000000000:0000 ")
    for name in ("udp", "udp6", "tcp", "tcp6"):
        with open(f"/proc/net/{name}", encoding="ascii") as table:
            if any(each in line[:100] for line in table for each in wanted):
                return True
    return False
