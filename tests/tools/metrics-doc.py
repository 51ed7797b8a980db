#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/metrics.md from the .def lists. Without arguments: says whether it is up to date. --write: writes it."""

import pathlib
import re
import sys

PAGE = "docs/metrics.md"
FOLDERS = ["admin", "gateway", "media"]
ENTRY = re.compile(r'^(COUNTER|GAUGE|HISTOGRAM)\(\s*(\w+),\s*"([^"]+)",\s*"((?:[^"\\]|\\.)*)",\s*"((?:[^"\\]|\\.)*)"\s*\)', re.M)
LABEL = re.compile(r'(\w+)(?:=\\"([^"\\]*)\\")?')

HEAD = """# Metrics

`GET /metrics` answers in Prometheus' text format to a token of the role `read`:

```yaml
scrape_configs:
  - job_name: demarc
    authorization:
      credentials_file: /etc/prometheus/demarc-token
    static_configs:
      - targets: ["127.0.0.1:8080"]
```

This page is made from the lists the program counts by (`tests/tools/metrics-doc.py --write`). Labels are bounded: never
a number, a call or an address of a stranger.
"""


class Metric:
    def __init__(self, kind, help_text):
        self.kind = kind
        self.help = help_text
        self.labels = {}

    def add(self, text):
        for name, value in LABEL.findall(text):
            self.labels.setdefault(name, [])
            if value and value not in self.labels[name]:
                self.labels[name].append(value)

    def labels_text(self):
        return "; ".join(
            f"`{name}`" + (f": {', '.join(values)}" if values else "") for name, values in self.labels.items()
        )


def read_list(path):
    metrics = {}
    for kind, _, name, labels, help_text in ENTRY.findall(path.read_text()):
        full = name if name.startswith("process_") else "demarc_" + name
        metric = metrics.setdefault(full, Metric(kind.lower(), help_text))
        metric.add(labels)
    return metrics


def read_lists(top):
    paths = sorted(path for folder in FOLDERS for path in top.glob(f"{folder}/**/*.def"))
    return {path.relative_to(top): read_list(path) for path in paths}


def find_clashes(lists):
    """Two lists with one name would be added up on the page."""
    owners = {}
    for path, metrics in lists.items():
        for name in metrics:
            owners.setdefault(name, []).append(str(path))
    return [f"{name} is in {' and '.join(paths)}" for name, paths in owners.items() if len(paths) > 1]


def make_page(lists):
    parts = [HEAD]
    for path, metrics in lists.items():
        parts.append(f"\n## `{path}`\n\n| Name | Kind | Labels | What |\n|---|---|---|---|\n")
        for name, metric in metrics.items():
            parts.append(f"| `{name}` | {metric.kind} | {metric.labels_text()} | {metric.help} |\n")
    return "".join(parts)


def main():
    top = pathlib.Path.cwd()
    lists = read_lists(top)
    page = make_page(lists)
    file = top / PAGE
    clashes = find_clashes(lists)
    if clashes:
        print("\n".join(clashes))
        return 1
    if sys.argv[1:] == ["--write"]:
        file.write_text(page)
        return 0
    if not file.exists() or file.read_text() != page:
        print(f"{PAGE} is not what the lists say: tests/tools/metrics-doc.py --write")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
