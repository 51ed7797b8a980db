#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/acceptance-coverage.md: what is shown by which tests, from the ids that tests name.

Without arguments: says whether the page is true: the tests that it names are there and name the id, and nothing is said
to have no test that has one. It may lag behind, it may not claim too much. --write: writes it anew.
"""

import pathlib
import re
import sys

PAGE = "docs/acceptance-coverage.md"

# What each id stands for. Short on purpose: the tests say the rest.
TITLES = {
    "SIG-1": "Nothing of one side is seen by the other",
    "SIG-2": "100 at once, Max-Forwards, loops",
    "SIG-3": "Requests that cannot be served, and how they are refused",
    "SIG-4": "Torture messages of RFC 4475 and RFC 5118",
    "SIG-5": "ACK for 2xx: where to, and again for every repetition; other forks ended",
    "SIG-6": "Our 2xx that is never acknowledged",
    "SIG-7": "CANCEL, and 200 that crosses it; reasons",
    "SIG-8": "Acknowledged provisional answers (RFC 3262), each side by itself",
    "SIG-9": "Several phones that ring are one dialog to the caller",
    "SIG-10": "Early media and ringing",
    "SIG-11": "Offers that come late: in 200, 183, re-INVITE",
    "SIG-12": "UPDATE (RFC 3311)",
    "SIG-13": "Changes that cross: 491, whose turn it is, CSeq",
    "SIG-14": "Changes that fail or change nothing",
    "SIG-15": "Session timers (RFC 4028)",
    "SIG-16": "Hold and resume",
    "SIG-17": "o= line: id and version",
    "SIG-18": "REFER: transfer by us, passed on, refused",
    "SIG-19": "INVITE with Replaces",
    "SIG-20": "3xx: followed, told, refused",
    "SIG-21": "OPTIONS",
    "SIG-22": "Where a name leads: NAPTR, SRV, A, AAAA (RFC 3263)",
    "SIG-23": "Requests too long for a datagram",
    "SIG-24": "SIP over streams: framing, keepalive, reconnect",
    "SIG-25": "rport and received (RFC 3581)",
    "SIG-26": "Bodies of several parts",
    "REG-1": "Contact of a registration, expiry, refresh",
    "REG-2": "When a registration fails: how soon again",
    "REG-3": "Registrations that move or end",
    "REG-4": "439: without outbound",
    "REG-5": "Registration for many numbers (RFC 6140)",
    "AUTH-1": "Digest as a client",
    "AUTH-2": "Digest as a server",
    "AUTH-3": "Whose request it is",
    "AUTH-4": "Credentials that are refused never loop",
    "MED-1": "Payload types, packet lengths and directions of each side",
    "MED-2": "Transcoding only where it must be; 488 with the reason",
    "MED-3": "One stream toward a peer, whatever changes behind it",
    "MED-4": "Where a peer's media come from, and strangers",
    "MED-5": "Which way audio flowed",
    "MED-6": "Silence that ends a call",
    "MED-7": "Jitter buffer and concealment; what a relay adds",
    "MED-8": "RTCP and quality",
    "MED-9": "Comfort noise",
    "MED-10": "Media ports",
    "MED-11": "Media lines we do not know",
    "DTMF-1": "Digits as events (RFC 4733)",
    "DTMF-2": "Digits as tones, where a side has no events",
    "DTMF-3": "Digits in INFO",
    "DTMF-4": "Digits under loss",
    "DTMF-5": "Digits that nobody shall read",
    "FAX-1": "A fax is noticed, and who asks for T.38",
    "FAX-2": "T.38 in descriptions",
    "FAX-3": "Between T.38 and modem tones",
    "FAX-4": "T.38 refused: the call goes on",
    "FAX-5": "T.38 on both sides is relayed",
    "FAX-6": "Fax in the record",
    "SEC-2": "SRTP",
}

HEAD = """# What is tested

Each line is one thing a tester with SIPp, a packet capture and telephones would check, with the tests that show it. The
page is made from the ids that tests name in their summaries (`tests/tools/acceptance-table.py --write`); a test of its own
holds it to be true. How to run them: [testing](testing.md).
"""

ID = re.compile(r"\b(?:SIG|REG|AUTH|MED|DTMF|FAX|SEC)-\d+\b")
FUNCTION = re.compile(r"^(?:async )?(?:def )?(test_\w+)\(|^(\w+)\(|^def (\w+)\(|^\}")


def tests_of(path):
    """(id, name of the test) of everything named in one file; name "" when it is said of the whole file."""
    name = ""
    for line in path.read_text().splitlines():
        start = FUNCTION.match(line)
        if start:
            name = start.group(1) or ""
        for found in ID.findall(line):
            yield found, name


def read_tests(top):
    found = {}
    for path in sorted([*top.glob("tests/**/*.c"), *top.glob("tests/**/test_*.py")]):
        for acceptance_id, name in tests_of(path):
            names = found.setdefault(acceptance_id, {}).setdefault(str(path.relative_to(top)), [])
            if name and name not in names:
                names.append(name)
    return found


def cell(files):
    """Files with the names of their tests; those only mentioned in a file's head come without."""
    parts = []
    for file, names in files.items():
        shown = ", ".join(name.removeprefix("test_").replace("_", " ") for name in names)
        parts.append(f"`{file}`" + (f": {shown}" if shown else ""))
    return "<br>".join(parts) or "**none**"


def make_page(found):
    rows = [f"| {key} | {title} | {cell(found.get(key, {}))} |\n" for key, title in TITLES.items()]
    missing = [key for key in TITLES if not found.get(key)]
    last = f"\nWithout a test: {', '.join(missing)}.\n" if missing else "\nEach has a test, which is not to say that every word of it is met.\n"
    return HEAD + "\n| Id | What | Tests |\n|---|---|---|\n" + "".join(rows) + last


def read_page(text):
    """The claims of a page: id -> file -> names."""
    claims = {}
    for line in text.splitlines():
        row = re.match(r"\| (\w+-\d+) \| .* \| (.*) \|$", line)
        if not row:
            continue
        files = claims.setdefault(row.group(1), {})
        for part in row.group(2).split("<br>"):
            claim = re.match(r"`([^`]+)`(?:: (.*))?$", part)
            if claim:
                files[claim.group(1)] = claim.group(2).split(", ") if claim.group(2) else []
    return claims


def find_lies(claims, found):
    for key in TITLES:
        if key not in claims:
            yield f"{key} is not on the page"
        elif not claims[key] and found.get(key):
            yield f"{key} has tests, and the page says it has none"
    for key, files in claims.items():
        for file, names in files.items():
            real = found.get(key, {}).get(file)
            if real is None:
                yield f"{file} does not name {key}"
                continue
            known = [name.removeprefix("test_").replace("_", " ") for name in real]
            yield from (f"{file} has no test '{name}' that names {key}" for name in names if name not in known)


def main():
    top = pathlib.Path.cwd()
    found = read_tests(top)
    file = top / PAGE
    if "--write" in sys.argv[1:]:
        file.write_text(make_page(found))
        return 0
    lies = list(find_lies(read_page(file.read_text()) if file.exists() else {}, found))
    if lies:
        print("\n".join(lies))
        print(f"{PAGE} is not true; tests/tools/acceptance-table.py --write makes it so")
    return 1 if lies else 0


if __name__ == "__main__":
    sys.exit(main())
