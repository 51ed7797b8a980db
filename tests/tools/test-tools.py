#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The tools that judge the tree, judged: each must see what it is there to see."""

import importlib.util
import json
import pathlib
import subprocess
import tempfile
import unittest

HERE = pathlib.Path(__file__).parent


def load(name):
    spec = importlib.util.spec_from_file_location(name.replace("-", "_"), HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


acceptance = load("acceptance-table")
check_layers = load("check-layers")
count_results = load("count-results")
shape = load("shape")


class Acceptance(unittest.TestCase):
    SOURCE = """/* Fax (FAX-1). */
static void
test_hold_and_resume(void)
{
    g_test_summary("SIG-16: hold; MED-3 as well");
}

static void
helper(void)
{
    /* SIG-8 */
}
"""

    def found(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "tests/unit/test-call.c")
            file.parent.mkdir(parents=True)
            file.write_text(self.SOURCE)
            return acceptance.read_tests(pathlib.Path(folder))

    def test_ids_belong_to_the_test_that_names_them(self):
        file = "tests/unit/test-call.c"
        self.assertEqual(
            {
                "FAX-1": {file: []},
                "SIG-16": {file: ["test_hold_and_resume"]},
                "MED-3": {file: ["test_hold_and_resume"]},
                "SIG-8": {file: []},
            },
            self.found(),
        )

    def test_a_true_page_passes_and_a_false_one_does_not(self):
        found = self.found()
        page = acceptance.make_page(found)
        self.assertEqual([], list(acceptance.find_lies(acceptance.read_page(page), found)))
        self.assertIn("Without a test: SIG-1,", page)
        for old, new in {
            "hold and resume": "hold for ever",
            "test-call.c": "test-gone.c",
            "| SIG-16 |": "| SIG-1 |",
            "`tests/unit/test-call.c`: hold and resume": "**none**",
        }.items():
            lies = list(acceptance.find_lies(acceptance.read_page(page.replace(old, new)), found))
            self.assertNotEqual([], lies, new)

    def test_the_page_may_lag_behind(self):
        found = self.found()
        page = acceptance.make_page(found)
        found["SIG-16"]["tests/unit/test-new.c"] = ["test_more"]
        self.assertEqual([], list(acceptance.find_lies(acceptance.read_page(page), found)))


class Layers(unittest.TestCase):
    def problems(self, files):
        with tempfile.TemporaryDirectory() as folder:
            for path, text in files.items():
                file = pathlib.Path(folder, path)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            return check_layers.check_tree(pathlib.Path(folder))[0]

    def test_what_is_allowed_passes(self):
        self.assertEqual(
            [],
            self.problems(
                {
                    "gateway/base/log.h": "#include <glib.h>\n",
                    "gateway/sip/leg.c": '#include "gateway/base/log.h"\n#include <sofia-sip/sip.h>\n',
                    "gateway/sip/leg-priv.h": "",
                    "tests/unit/test-leg.c": '#include "gateway/sip/leg-priv.h"\n#include <sofia-sip/sip.h>\n',
                }
            ),
        )

    def test_each_rule_is_seen(self):
        for path, include in {
            "gateway/base/log.c": '"gateway/call/call.h"',
            "media/media.c": '"gateway/call/call.h"',
            "gateway/sip/leg.c": '"gateway/call/call.h"',
            "gateway/call/call.c": '"gateway/sip/leg.h"',
            "admin/trunks.c": '"gateway/sip/leg.h"',
            "gateway/gateway.c": '"media/rtp/packet.h"',
            "gateway/cdr/writer.c": "<sqlite3.h>",
            "gateway/trunk/pool.c": "<sofia-sip/url.h>",
            "gateway/route/policy.c": "<sys/socket.h>",
            "gateway/base/clock.c": "<jansson.h>",
            "config/trunk.c": '"load.h"',
            "admin/server.c": '"gateway/base/loop-priv.h"',
        }.items():
            with self.subTest(path):
                files = {
                    "gateway/base/loop-priv.h": "",
                    "gateway/call/call.h": "",
                    "gateway/sip/leg.h": "",
                    "media/rtp/packet.h": "",
                    "config/load.h": "",
                    path: f"#include {include}\n",
                }
                found = self.problems(files)
                self.assertEqual(1, len(found), found)
                self.assertTrue(found[0].startswith(f"{path}:1: "), found)

    def test_a_circle_is_seen(self):
        found = self.problems(
            {
                "gateway/base/a.h": '#include "gateway/base/b.h"\n',
                "gateway/base/b.h": '#include "gateway/base/a.h"\n',
            }
        )
        self.assertEqual(1, len(found))
        self.assertIn("circle", found[0])


class Results(unittest.TestCase):
    def run_tool(self, *args):
        done = subprocess.run([HERE / "count-results.py", *args], capture_output=True, text=True, check=False)
        return done.stdout.strip(), done.returncode

    def test_subtests_are_counted(self):
        tap = "1..4\nok 1 /a\nok 2 /b # SKIP no IPv6\nnot ok 3 /c\n# ok this is not\n"
        self.assertEqual((1, 1, 1), count_results.count_meson_test({"result": "FAIL", "stdout": tap}))

    def test_a_crash_after_good_subtests_is_a_failure(self):
        self.assertEqual((1, 1, 0), count_results.count_meson_test({"result": "ERROR", "stdout": "1..2\nok 1 /a\n"}))

    def test_programs_without_subtests_count_as_one(self):
        self.assertEqual((1, 0, 0), count_results.count_meson_test({"result": "OK", "stdout": "12 inputs\n"}))
        self.assertEqual((0, 0, 1), count_results.count_meson_test({"result": "SKIP", "stdout": ""}))
        self.assertEqual((0, 1, 0), count_results.count_meson_test({"result": "TIMEOUT", "stdout": ""}))

    def test_nothing_run_is_not_success(self):
        self.assertEqual(("0 passed, 0 failed, 0 skipped", 1), self.run_tool())

    def test_a_result_file_that_is_missing_is_a_failure(self):
        self.assertEqual(("0 passed, 1 failed, 0 skipped", 1), self.run_tool("/nonexistent/testlog.json"))

    def test_what_failed_is_named_before_the_count(self):
        test = {"name": "demarc:sim / sim-call", "result": "ERROR", "stdout": "1..2\nok 1 /a\n# seed 7\nBail out!\n"}
        with tempfile.TemporaryDirectory() as folder:
            meson = pathlib.Path(folder, "testlog.json")
            meson.write_text(json.dumps(test) + "\n")
            junit = pathlib.Path(folder, "results.xml")
            junit.write_text(
                '<testsuite><testcase classname="test_fax" name="test_page"><failure>a dot is gone</failure></testcase>'
                "</testsuite>"
            )
            printed, status = self.run_tool(str(meson), str(junit))
        self.assertEqual(1, status)
        self.assertIn("FAILED: demarc:sim / sim-call: ERROR", printed)
        self.assertIn("# seed 7", printed)
        self.assertIn("FAILED: test_fax.test_page\n    a dot is gone", printed)
        self.assertEqual("1 passed, 2 failed, 0 skipped", printed.splitlines()[-1])

    def test_junit(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "results.xml")
            file.write_text(
                "<testsuites><testsuite><testcase/><testcase/><testcase><skipped/></testcase></testsuite></testsuites>"
            )
            self.assertEqual(("2 passed, 0 failed, 1 skipped", 0), self.run_tool(file))
            file.write_text("<testsuites><testsuite><testcase><error/></testcase></testsuite></testsuites>")
            printed, status = self.run_tool(file)
        self.assertEqual(("0 passed, 1 failed, 0 skipped", 1), (printed.splitlines()[-1], status))


class Shape(unittest.TestCase):
    def test_bars(self):
        good = [shape.Function(3, 10, "a.c: f")] * 100
        self.assertEqual([], shape.complaints(good))
        self.assertEqual(1, len(shape.complaints(good + [shape.Function(3, 121, "a.c: g")])))
        self.assertEqual(1, len(shape.complaints(good + [shape.Function(16, 10, "a.c: g")] * 3)))
        self.assertEqual([], shape.complaints(good + [shape.Function(16, 10, "a.c: g")] * 2))
        self.assertEqual(1, len(shape.complaints([shape.Function(3, 16, "a.c: f")] * 10)))


if __name__ == "__main__":
    unittest.main()
