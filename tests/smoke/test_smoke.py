"""The smoke test passes on the local stack, leaves no data behind, and names failed checks."""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from smoke.__main__ import main
from smoke.aws import CAPABILITIES, TABLES, visiting
from smoke.aws import Stack as Deployed
from smoke.checker import Checker
from smoke.judge import Call
from smoke.report import RESOURCES
from tests.aws import IN_PLACE_OF_MOTO, PARAMETERS, STACKS, Given, answering, aws_client, mock_aws
from tests.canaries import leaks
from tests.conftest import RunMain
from tests.local.stacks import ROOT, Stack, running

NAME = "outcomes-smoke"
LOG_GROUP = "AccessLogs"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("smoke")) as stack:
        yield stack


def deployed(stack: Stack, **parameters: str) -> dict[str, str]:
    """Let CloudFormation describe the local stack, and create its log group. Return where its tables are."""
    tables = {f"{name}Name": table for name, table in stack.tables.items()}
    STACKS["us-east-1", NAME] = {"ApiUrl": f"{stack.url}/api/outcomes", **tables}
    origins = {"DashboardOrigins": f"{stack.url},https://beta.example.com"}
    PARAMETERS["us-east-1", NAME] = {"Watches": "Off"} | parameters | origins  # as by default
    aws_client("logs").create_log_group(logGroupName=LOG_GROUP)
    return {"AWS_ENDPOINT_URL_DYNAMODB": stack.aws_url}


type Smoke = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def smoke(monkeypatch: pytest.MonkeyPatch, run_main: RunMain, tmp_path: Path) -> Iterator[Smoke]:
    """Yield a function that runs `python -m smoke` in this process.

    Keyword arguments of the function are environment variables, such as the address of the stack's tables. If there are
    any, the function also writes the access log that API Gateway would write.
    """
    monkeypatch.setattr("smoke.checker.MOST_PER_SECOND", 1000)
    run_checker, answer = Checker.run, IN_PLACE_OF_MOTO["cloudformation"]

    def described(given: Given) -> Given:
        if given["operation"] != "DescribeStackResource":
            return answer(given)
        assert (given["StackName"], given["LogicalResourceId"]) == (NAME, "AccessLogs")
        return {"StackResourceDetail": {"PhysicalResourceId": LOG_GROUP}}

    def run_and_log(checker: Checker) -> None:
        try:
            run_checker(checker)
        finally:
            _log(checker.calls)

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        if environment:
            monkeypatch.setattr(Checker, "run", run_and_log)
        return run_main(main, "--calls=10", "--seed=1", f"--reports={tmp_path}", *arguments)

    with mock_aws(), answering("cloudformation", described):
        yield run


def _log(calls: list[Call]) -> None:
    lines = [
        {
            "requestId": call.request_id,
            "status": str(call.status),
            "caller": call.by,
            "method": method,
            "resource": path,
        }
        for call in calls
        for method, path in [RESOURCES[call.name]]
    ]
    events = [{"timestamp": int(time.time() * 1000), "message": json.dumps(line)} for line in lines]
    logs, stream = aws_client("logs"), secrets.token_hex(4)
    logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName=stream)
    logs.put_log_events(logGroupName=LOG_GROUP, logStreamName=stream, logEvents=events)


def everything(stack: Stack) -> dict[str, list[Any]]:
    client: Any = boto3.client("dynamodb", endpoint_url=stack.aws_url)
    return {name: client.scan(TableName=name)["Items"] for name in stack.tables.values()}


def test_all_checks_pass_and_nothing_is_left_behind(stack: Stack, smoke: Smoke, tmp_path: Path) -> None:
    environment = deployed(stack)
    done = smoke("--stack", NAME, "--calls=20", "--seed=4711", INTERNAL_API_KEY=stack.key, **environment)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout
    assert "skip" not in done.stdout
    assert "ok    the answers to many calls at once fit the model, SEED=4711" in done.stdout
    assert "ok    the access log says the same" in done.stdout
    assert "28 passed, 0 failed, over HTTP/1.1" in done.stdout
    assert "ok    nothing is left behind" in done.stdout
    assert everything(stack) == {name: [] for name in stack.tables.values()}
    [report] = tmp_path.iterdir()
    assert f"report for an issue: {report}" in done.stdout
    text = report.read_text()
    assert "## Faults\n\nNone." in text
    assert leaks(text, [stack.key, stack.session_secret, stack.url, "127.0.0.1"]) == set()


def test_the_url_of_the_local_stack_is_enough_to_check_it(
    stack: Stack, smoke: Smoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smoke.aws.LOCAL", stack.data)
    with monkeypatch.context() as without_aws:
        without_aws.setenv("AWS_CONFIG_FILE", os.devnull)
        for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
            without_aws.delenv(name, raising=False)
        done = smoke("--url", stack.url)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "27 passed, 0 failed" in done.stdout
    assert "skip  the access log: the local stack has none" in done.stdout
    assert everything(stack) == {name: [] for name in stack.tables.values()}


def test_the_core_passes_and_skips_checks_of_capabilities_that_are_off(core_stack: Stack, smoke: Smoke) -> None:
    before = everything(core_stack)
    environment = deployed(core_stack, **dict.fromkeys(CAPABILITIES, "Off"))
    done = smoke("--stack", NAME, INTERNAL_API_KEY=core_stack.key, **environment)
    by_session = smoke("--url", core_stack.url, f"--key={core_stack.key}", f"--cookie={core_stack.cookie(7)}")
    by_key = smoke("--url", core_stack.url, f"--key={core_stack.key}")
    assert everything(core_stack) == before

    assert (done.returncode, by_session.returncode, by_key.returncode) == (0, 0, 0), done.stdout
    assert "21 passed, 0 failed" in done.stdout
    assert {line.rpartition(": ")[2] for line in done.stdout.splitlines() if line.startswith("skip")} == {
        f"{name} is Off" for name in ("Batch", "Export", "AgentKeys", "Totals", "Corrections")
    }
    for each in (by_session, by_key):
        assert "skip  a batch may be 1 mib: Batch is Off" in each.stdout


def test_failed_checks_are_named_and_nothing_is_left_behind(core_stack: Stack, smoke: Smoke) -> None:
    before = everything(core_stack)
    environment = deployed(core_stack, **dict.fromkeys(CAPABILITIES, "Off") | {"Totals": "On"})
    done = smoke("--stack", NAME, "--key", "not the key", **environment)

    assert done.returncode == 1
    assert "FAIL  a retry gets the first answer again: AssertionError expected 200, got 401" in done.stdout
    assert "FAIL  a session reads" in done.stdout
    assert "FAIL  the summary is exact: AssertionError expected 200, got 404" in done.stdout
    assert "ok    nobody is unauthorized" in done.stdout
    assert everything(core_stack) == before


@pytest.mark.parametrize("path", ["/", "/api/outcomes"])
def test_a_url_alone_stores_nothing_and_names_the_skipped_checks(stack: Stack, path: str, smoke: Smoke) -> None:
    done = smoke("--url", stack.url + path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "skip  calls with a key: no KEY" in done.stdout
    assert "skip  calls that record: no STACK to delete from afterwards" in done.stdout
    assert "skip  calls with a session: no COOKIE and no STACK" in done.stdout
    assert everything(stack) == {name: [] for name in stack.tables.values()}


def test_a_missing_stack_is_one_line(stack: Stack, smoke: Smoke) -> None:
    done = smoke("--stack", "outcomes-other", **deployed(stack))

    assert done.returncode == 2
    assert done.stderr.startswith("error: An error occurred (ValidationError) when calling the DescribeStacks")
    assert len(done.stderr.splitlines()) == 1


def test_an_unreachable_api_fails_every_check() -> None:
    """This test alone starts a process, which finds the layer by itself."""
    command = [sys.executable, "-m", "smoke", "--url", "http://127.0.0.1:9/api/outcomes"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 1
    assert done.stdout.endswith("0 passed, 8 failed, without an answer\n")


@pytest.mark.parametrize(
    ("url", "complaint"),
    [("", "URL or STACK is missing"), ("api.example.com/v1", "URL must begin with https:// (or http://)")],
)
def test_an_invalid_url_is_a_usage_error(url: str, complaint: str, smoke: Smoke) -> None:
    done = smoke("--url", url)
    assert (done.returncode, complaint in done.stderr) == (2, True)


@pytest.mark.parametrize(
    "altered",
    [
        # Each row has a part of the template, its replacement, and the check that must fail because of it.
        [
            (
                "        MISSING_AUTHENTICATION_TOKEN: &not-found\n          StatusCode: 404",
                "        MISSING_AUTHENTICATION_TOKEN: &not-found\n          StatusCode: 403",
                "an unknown path is not found: AssertionError expected 404, got 403",
            ),
            (
                "        UNAUTHORIZED:\n          StatusCode: 401",
                "        UNAUTHORIZED:\n          StatusCode: 403",
                "nobody is unauthorized: AssertionError expected 401, got 403",
            ),
            (
                "        REQUEST_TOO_LARGE:\n          StatusCode: 413",
                "        REQUEST_TOO_LARGE:\n          StatusCode: 400",
                "more than lambdas limit is too large: AssertionError expected 413, got 400",
            ),
            (
                "#if($allowed.contains($origin))",
                "#if(true)",
                "a preflight names our origin only: AssertionError any page may call",
            ),
        ],
        [
            (
                "              X-Content-Type-Options: \"'nosniff'\"",
                "              X-Content-Type-Options: \"'sniff'\"",
                "nobody is unauthorized: AssertionError no X-Content-Type-Options: nosniff",
            ),
        ],
    ],
    ids=["statuses and origins", "headers"],
)
def test_a_changed_template_fails_its_checks(tmp_path: Path, altered: list[tuple[str, str, str]], smoke: Smoke) -> None:
    text = (ROOT / "template.yaml").read_text()
    for old, new, _ in altered:
        assert old in text
        text = text.replace(old, new)
    template = tmp_path / "template.yaml"
    template.write_text(text)
    for folder in ("functions", "layers"):
        (tmp_path / folder).symlink_to(ROOT / folder)

    with running(tmp_path, "--template", str(template)) as stack:
        done = smoke("--url", f"{stack.url}/api/outcomes", f"--key={stack.key}")

    assert done.returncode == 1, done.stdout
    for _, _, failure in altered:
        assert f"FAIL  {failure}" in done.stdout


def test_the_data_of_a_visit_is_deleted_from_tables_that_cloudformation_named() -> None:
    """The local stack's tables have the names that template.yaml gives them."""
    tables = {name: f"{NAME}-{name}-1A2B3C" for name in TABLES}
    used = []

    class Client:
        def put_item(self, **given: Any) -> None:
            used.append(given["TableName"])

        delete_item = put_item

        def get_item(self, **given: Any) -> dict[str, Any]:
            used.append(given["TableName"])
            return {}

        def get_paginator(self, _: str) -> "Client":
            return self

        def paginate(self, **given: Any) -> list[Any]:
            used.append(given["TableName"])
            return []

    with visiting(Deployed("https://api.example.com", tables, client=lambda _: Client())) as visit:
        visit.new_key(visit.users[0])

    assert used.count(tables["SessionsTable"]) == 4
    assert {*used} == {*tables.values()}
