# SPDX-License-Identifier: Apache-2.0
"""What a newcomer runs first."""

import subprocess
import sys

import lab


def test_the_demo_ends_with_a_record():
    """`./dev demo` places a call with audio both ways, shows its record and leaves nothing running"""
    ended = subprocess.run([sys.executable, lab.TOP / "tests" / "tools" / "demo.py"], capture_output=True, text=True,
                           timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
    assert '"audio": "both"' in ended.stdout and "GET /api/v1/cdrs/" in ended.stdout
