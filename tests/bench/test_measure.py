"""Test how the bench measures and reports, and that RESULTS.md is within its bars (limits)."""

import os
import re
import sys

import pytest

from bench.__main__ import CALLS, COMMAND_BARS, RESULTS, START_BARS, STARTED, WARM_BARS
from bench.measure import KNOWN_WHEN_DEPLOYED, ROOT, check
from bench.report import Report, Row, Times
from bench.runtime_api import life
from ops.template import parse_yaml

TEXT = RESULTS.read_text()
ROWS = [line.strip("| ").split(" | ") for line in TEXT.splitlines() if line.startswith("|")]
BARS: dict[str, dict[str, float]] = {"start": START_BARS, "warm": WARM_BARS, "run": COMMAND_BARS}
TEMPLATE = parse_yaml((ROOT / "template.yaml").read_text())
UNREAD = {"AWS_ENDPOINT_URL", "CONFIGURATION", "OIDC_AUDIENCE", "OIDC_COOKIE", "OIDC_USER_CLAIM"}
"""Variables that functions do not read without an endpoint or an issuer."""
# A minimal Lambda runtime: get an event, answer it, repeat.
ECHO = """
import os
from urllib.request import Request, urlopen
url = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"
while True:
    with urlopen(f"{url}/next") as event:
        said, path = event.read(), event.headers["Lambda-Runtime-Aws-Request-Id"] + "/response"
    urlopen(Request(f"{url}/{path}", said)).close()
"""


@pytest.mark.parametrize(
    ("limit", "measured", "cells"),
    [
        (0.35, 0.3, ["0.3 s", "", "0.35", "met"]),
        (0.35, 0.35, ["0.35 s", "", "0.35", "met"]),
        (0.35, 0.3501, ["0.35 s", "", "0.35", "**MISSED**"]),
        (0, 0, ["0 s", "", "0", "met"]),
        (0, 1, ["1 s", "", "0", "**MISSED**"]),
        (None, 1234.5, ["1,234 s", "", "", ""]),
    ],
)
def test_a_bar_is_met_up_to_its_limit(limit: float | None, measured: float, cells: list[str]) -> None:
    row = Row("record", measured, "s", "", limit)
    assert (row.cells(), row.is_missed) == (["record", *cells], "MISSED" in cells[-1])


def test_times_are_compared_with_those_of_the_base() -> None:
    report = Report()
    report.times("start", {"Python": Times(0.01, 0.02), "list": Times(0.046, 0.1)}, "Python", {"list": 4.5}, "Pythons")
    assert report.table().splitlines()[-1] == (
        "| start: list | 4.6 Pythons | 46 ms; 5.00 by wall time | 4.5 | **MISSED** |"
    )
    assert [row.name for row in report.missed] == ["start: list"]


@pytest.mark.parametrize("result", [{"statusCode": 500}, {}, {"ResponseMetadata": {"HTTPStatusCode": 400}}])
def test_a_failed_call_is_not_measured(result: dict[str, object]) -> None:
    with pytest.raises(RuntimeError, match="record failed"):
        check("record", result)


def test_a_process_is_measured_until_its_answer() -> None:
    taken, answer = life([sys.executable, "-c", ECHO], dict(os.environ), {"said": "1"})
    assert answer == {"said": "1"}
    assert (taken.cpu > 0, taken.wall > 0) == (True, True)


def test_a_process_that_reports_an_error_is_a_failure() -> None:
    with pytest.raises(RuntimeError, match=r"the measured process failed: \{\}"):
        life([sys.executable, "-c", ECHO.replace("/response", "/error")], dict(os.environ), {})


@pytest.mark.parametrize(
    "name", sorted({*(function for function, _ in STARTED.values()), *(call.function for call in CALLS.values())})
)
def test_every_variable_of_a_measured_function_has_a_value(name: str) -> None:
    variables = (
        TEMPLATE["Globals"]["Function"].get("Environment", {}).get("Variables", {})
        | TEMPLATE["Resources"][f"{name}Function"]["Properties"]["Environment"]["Variables"]
    )
    computed = {variable for variable, value in variables.items() if not isinstance(value, str)}
    assert computed - UNREAD <= KNOWN_WHEN_DEPLOYED.keys()


def test_the_results_name_their_commit() -> None:
    assert re.search(r"^Commit: `[0-9a-f]{7,40}\+?`$", TEXT, re.M)


@pytest.mark.parametrize(
    ("name", "limit"), [(f"{what}: {name}", limit) for what, bars in BARS.items() for name, limit in bars.items()]
)
def test_a_bar_is_met_in_the_results(name: str, limit: float) -> None:
    assert [row[-2:] for row in ROWS if row[0] == name] == [[f"{limit:g}", "met"]]


def test_no_bar_is_missed_in_the_results() -> None:
    assert "missed" not in TEXT.lower()


def test_the_results_are_one_table_of_at_most_120_lines() -> None:
    assert len(TEXT.splitlines()) <= 120
    assert len([row for row in ROWS if set("".join(row)) <= set("-:")]) == 1
