#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adds up test results: meson's testlog.json (by TAP subtest where there are any) and JUnit files of pytest.

Prints "N passed, N failed, N skipped" and fails when something failed or nothing ran. A file that is named and is not
there counts as one failure: whoever should have written it did not get that far. Before the count, what failed is said
again with the last lines of its output: whoever reads only the end of a log must not have to guess.
"""

import argparse
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

TAP_LINE = re.compile(r"^(not )?ok\b(.*)$", re.MULTILINE)
GOOD = {"OK", "EXPECTEDFAIL"}
TAIL_LINES = 25


def count_tap(stdout):
    """(passed, failed, skipped) of the subtests in a TAP stream."""
    passed = failed = skipped = 0
    for bad, rest in TAP_LINE.findall(stdout):
        if "# skip" in rest.lower():
            skipped += 1
        elif bad:
            failed += 1
        else:
            passed += 1
    return passed, failed, skipped


def count_meson_test(test):
    passed, failed, skipped = count_tap(test.get("stdout") or "")
    if test["result"] == "SKIP":
        return 0, 0, max(skipped, 1)
    if test["result"] in GOOD:
        return (passed if passed + skipped > 0 else 1), failed, skipped
    # Whatever its subtests said, the program as a whole did not make it.
    return passed, max(failed, 1), skipped


def read_meson(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def fault_of(case):
    """The element that says why a case of JUnit failed, or None."""
    found = case.find("failure")
    return found if found is not None else case.find("error")


def count_junit(path):
    for case in ElementTree.parse(path).iter("testcase"):
        if fault_of(case) is not None:
            yield 0, 1, 0
        elif case.find("skipped") is not None:
            yield 0, 0, 1
        else:
            yield 1, 0, 0


def count(path):
    if not path.is_file():
        print(f"{path}: not written", file=sys.stderr)
        return [(0, 1, 0)]
    return [count_meson_test(test) for test in read_meson(path)] if path.suffix == ".json" else list(count_junit(path))


def tail(text):
    return "\n".join(f"    {line[:300]}" for line in (text or "").splitlines()[-TAIL_LINES:])


def meson_failures(path):
    for test in read_meson(path):
        if count_meson_test(test)[1] > 0:
            yield f"{test['name']}: {test['result']}", tail(test.get("stdout")) + "\n" + tail(test.get("stderr"))


def junit_failures(path):
    for case in ElementTree.parse(path).iter("testcase"):
        fault = fault_of(case)
        if fault is not None:
            yield f"{case.get('classname')}.{case.get('name')}", tail(fault.text)


def failures(path):
    """(name, last lines) of everything in the file that failed."""
    if not path.is_file():
        return []
    return list(meson_failures(path) if path.suffix == ".json" else junit_failures(path))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--failed", type=int, default=0, help="failures seen elsewhere, to be added")
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    args = parser.parse_args()
    results = [result for path in args.files for result in count(path)]
    for name, lines in (failure for path in args.files for failure in failures(path)):
        print(f"FAILED: {name}\n{lines.rstrip()}")
    passed, failed, skipped = (sum(column) for column in zip((0, args.failed, 0), *results))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed > 0 or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
