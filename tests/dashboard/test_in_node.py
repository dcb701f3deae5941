"""Test in Node the parts of the elements that need no browser: numbers, periods, merging, charts and the watcher."""

import os
import re
import shutil
import subprocess

import pytest

from tests.dashboard.conftest import ROOT

DASHBOARD = ROOT / "dashboard"


@pytest.mark.skipif(shutil.which("node") is None and "CI" not in os.environ, reason="node is not installed")
def test_the_node_tests_pass() -> None:
    tests = sorted((DASHBOARD / "tests").glob("*.test.js"))
    english = {"PATH": os.environ["PATH"], "LC_ALL": "en_US.UTF-8"}
    done = subprocess.run(
        ["node", "--test", "--test-reporter=tap", *map(str, tests)], env=english, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [passed] = re.findall(r"^# pass (\d+)$", done.stdout, re.MULTILINE)
    assert int(passed) == sum(len(re.findall(r"^test\(", test.read_text(), re.MULTILINE)) for test in tests) > 20
