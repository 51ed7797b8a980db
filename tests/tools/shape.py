#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The shape of the code: how long and how branching its functions are, measured by pmccabe.

Prints the median, the 99th percentile, and the ten longest and ten most branching functions. Fails when a function
passes MAX_LINES, when more than MAX_BRANCHING_SHARE of them pass MAX_COMPLEXITY, or when the median passes MAX_MEDIAN.
"""

import collections
import pathlib
import shutil
import statistics
import subprocess
import sys

FOLDERS = ["gateway", "media", "admin", "config"]
MAX_LINES = 120
MAX_COMPLEXITY = 15
MAX_BRANCHING_SHARE = 0.02
MAX_MEDIAN = 15
SKIPPED = 77  # as meson understands it

Function = collections.namedtuple("Function", "complexity lines where")


def measure(files):
    """One Function for each function in @files."""
    out = subprocess.run(["pmccabe", *files], check=True, capture_output=True, text=True).stdout
    for line in out.splitlines():
        # modified complexity, plain complexity, statements, first line, lines, file(line): name
        fields = line.split(None, 5)
        if len(fields) == 6:
            yield Function(int(fields[0]), int(fields[4]), fields[5])


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def print_top(title, functions, key):
    print(f"\n{title}")
    for f in sorted(functions, key=key, reverse=True)[:10]:
        print(f"  {f.lines:4} lines  complexity {f.complexity:3}  {f.where}")


def complaints(functions):
    """What breaks the bars, as a list of sentences."""
    branching = [f for f in functions if f.complexity > MAX_COMPLEXITY]
    median = statistics.median(f.lines for f in functions)
    found = [f"{f.where} has {f.lines} lines; the bar is {MAX_LINES}" for f in functions if f.lines > MAX_LINES]
    if len(branching) > MAX_BRANCHING_SHARE * len(functions):
        found.append(
            f"{len(branching)} of {len(functions)} functions are above complexity {MAX_COMPLEXITY}; "
            f"the bar is {MAX_BRANCHING_SHARE:.0%}"
        )
    if median > MAX_MEDIAN:
        found.append(f"the median function has {median} lines; the bar is {MAX_MEDIAN}")
    return found


def main():
    if shutil.which("pmccabe") is None:
        print("pmccabe is not installed")
        return SKIPPED
    files = sorted(str(f) for folder in FOLDERS for f in pathlib.Path(folder).rglob("*.c"))
    functions = list(measure(files))
    if not functions:
        print("no functions found; run this at the top of the tree")
        return 1
    lines = [f.lines for f in functions]
    branching = sum(f.complexity > MAX_COMPLEXITY for f in functions)
    print(
        f"{len(functions)} functions: median {statistics.median(lines):g} lines, p99 {percentile(lines, 0.99)}, "
        f"{branching / len(functions):.1%} above complexity {MAX_COMPLEXITY}"
    )
    print_top("longest", functions, lambda f: f.lines)
    print_top("most branching", functions, lambda f: f.complexity)
    found = complaints(functions)
    for complaint in found:
        print(f"\nbroken bar: {complaint}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
