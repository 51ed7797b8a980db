#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may include whom: the table of the layers, held against every #include in the tree.

Prints each include that breaks a rule, as file:line: reason, and each cycle of includes.
"""

import argparse
import pathlib
import re
import sys

BASE = "gateway/base/"
MEDIA_PUBLIC = ["media/media.h", "media/session.h", "media/sound.h", "media/spec.h", "media/stats.h", "media/stats.def"]

# media/spec.h is plain values without a function: what a codec or a direction is called, everywhere.
# Folder or file -> the prefixes it may include, besides itself. The longest match on the left counts.
LAYERS = {
    "gateway/base/": [],
    "config/": ["media/spec.h", "media/tones.def", BASE],
    "media/": [BASE],
    "gateway/route/": ["config/", BASE],
    "gateway/trunk/": ["config/", BASE],
    "gateway/sdp/": ["media/spec.h", BASE],
    "gateway/store/": [BASE],
    "gateway/cdr/": ["gateway/store/", "media/spec.h", BASE],
    "gateway/cluster/": ["gateway/call/snapshot.h", "config/", BASE],
    "gateway/call/": [
        "gateway/route/",
        "gateway/sdp/",
        "gateway/trunk/",
        "gateway/cdr/",
        "config/",
        "media/spec.h",
        BASE,
    ],
    "gateway/sip/": ["gateway/call/leg-ops.h", "gateway/sdp/", "gateway/trunk/", "config/", BASE],
    "gateway/": ["gateway/", "config/", *MEDIA_PUBLIC],
    "gateway/main.c": [""],
    "gateway/run.c": [""],  # what main.c starts and stops
    "admin/": [
        "gateway/gateway.h",
        "gateway/settings.h",  # the configuration in force, and the way to change it
        "gateway/route/policy.h",  # a pure function; route-tests show what it says
        "gateway/cdr/query.h",
        "gateway/store/",
        "config/",
        BASE,
    ],
    "tests/": [""],
}

# Headers of libraries -> the only places that may include them (tests may include anything). The first match counts.
LIBRARIES = [
    (r"sofia-sip/sdp", ["gateway/sdp/"]),
    (r"sofia-sip/su", ["gateway/sip/", "gateway/sdp/"]),
    (r"sofia-sip/", ["gateway/sip/"]),
    (r"openssl/", ["gateway/sip/", "gateway/store/", "media/srtp/", "media/stun/", "media/dtls/"]),
    (r"ares", ["gateway/sip/"]),
    (r"netdb\.h", ["gateway/sip/"]),
    (r"srtp2/", ["media/srtp/"]),
    (r"spandsp|tiff", ["media/dsp/", "media/fax/"]),
    (r"opus/|bcg729/", ["media/dsp/"]),
    (r"bpf/|linux/bpf", ["media/bpf/"]),
    (r"microhttpd", ["admin/"]),
    (r"sqlite3|libpq|postgresql/", ["gateway/store/"]),
    (r"hiredis/", ["gateway/cluster/"]),
    (r"yaml\.h", ["config/"]),
    (r"jansson", ["config/", "admin/", "gateway/"]),
    (r"curl/", ["gateway/cdr/", "gateway/gateway.c"]),
]

# Allowed in much of gateway/, and not in its base.
SHARED_LIBRARIES = ["jansson.h"]

# Made by the build, and not in the tree.
GENERATED = "-resources.h"

# Decisions in the middle, I/O at the edge: no socket and no clock in here.
PURE = ["gateway/call/", "gateway/route/", "gateway/sdp/", "gateway/trunk/"]
IMPURE = re.compile(r"sys/(socket|epoll|eventfd|timerfd|time|select)\.h|netinet/|arpa/|poll\.h|time\.h|unistd\.h")

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')


def longest_match(path, prefixes):
    return max((p for p in prefixes if path.startswith(p)), key=len, default=None)


def is_under(path, prefixes):
    return any(path.startswith(p) for p in prefixes)


def folder(path):
    return path.rsplit("/", 1)[0] + "/"


def check_ours(root, path, target):
    """The reason why @path may not include our header @target, or None."""
    if not (root / target).is_file() and not target.endswith(GENERATED):
        return f'"{target}" is not in the tree; include from the top of it'
    if path.startswith("tests/"):
        return None
    if target.endswith("-priv.h") and not path.startswith(folder(target)):
        return f'"{target}" is private to its folder, those below, and tests'
    layer = longest_match(path, LAYERS)
    if layer is None:
        return "this folder is not in the table of layers"
    # "Itself" is the whole layer, but a file at the top of gateway/ is not one with the folders below it.
    if target.startswith(layer) or is_under(target, LAYERS[layer]):
        return None
    return f'{layer} may not include "{target}"'


def check_library(path, target):
    """The reason why @path may not include the library header @target, or None."""
    if path.startswith("tests/"):
        return None
    if is_under(path, PURE) and IMPURE.match(target):
        return f"<{target}> brings I/O or a clock into a folder of pure decisions"
    if path == "gateway/main.c":
        return None
    if path.startswith(BASE) and target in SHARED_LIBRARIES:
        return f"<{target}>: base knows GLib and nothing else"
    for pattern, places in LIBRARIES:
        if re.match(pattern, target):
            allowed = is_under(path, places)
            return None if allowed else f"<{target}> is for {', '.join(places)} only"
    return None


def includes_of(file):
    for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1) == '"', match.group(2)


def find_cycle(graph):
    """A cycle as a list of files, or None."""
    done, on_path = set(), []

    def visit(node):
        if node in done:
            return None
        if node in on_path:
            return on_path[on_path.index(node) :] + [node]
        on_path.append(node)
        for target in graph.get(node, []):
            cycle = visit(target)
            if cycle:
                return cycle
        on_path.pop()
        done.add(node)
        return None

    return next(filter(None, (visit(node) for node in sorted(graph))), None)


def check_tree(root):
    """The list of what is wrong under @root."""
    problems, graph = [], {}
    for top in ["gateway", "media", "admin", "config", "tests"]:
        for file in sorted((root / top).rglob("*.[ch]")):
            path = file.relative_to(root).as_posix()
            graph[path] = []
            for number, ours, target in includes_of(file):
                reason = check_ours(root, path, target) if ours else check_library(path, target)
                if reason:
                    problems.append(f"{path}:{number}: {reason}")
                if ours:
                    graph[path].append(target)
    cycle = find_cycle(graph)
    if cycle:
        problems.append("includes go round in a circle: " + " -> ".join(cycle))
    return problems, len(graph)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", nargs="?", default=".", type=pathlib.Path)
    problems, n_files = check_tree(parser.parse_args().root)
    for problem in problems:
        print(problem)
    print(f"{n_files} files, {len(problems)} includes against the layers")
    return 1 if problems or n_files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
