"""Test `make run`, `make session`, `make seed`, `make reset` and `make aws`."""

import json
import logging
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import boto3
import httpx
import pytest

from local.__main__ import main
from local.data import STACK
from tests.conftest import RunMain
from tests.local.stacks import STACK_SECRET, WITHOUT_EVENTS, Stack, local, running

ODD = """
Resources:
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Body: {paths: [1]}}}
  Stage: {Type: AWS::ApiGateway::Stage, Properties: {RestApiId: !Ref Api, StageName: v1}}
"""
OUTCOME = {"outcomeType": "task_complete", "title": "Checked"}
# Logs each time that a process turns garbage collection off or on. The stack and its functions share the log.
LOG_GARBAGE_COLLECTION = """
import gc, os, threading, time
def watch(collects=True):
    while True:
        if gc.isenabled() != collects:
            collects = not collects
            os.write(2, f"{os.getpid()} collects: {collects}\\n".encode())
        time.sleep(0.005)
threading.Thread(target=watch, daemon=True).start()
"""


def logical_ids(template: Any, type_: str) -> set[str]:
    return {name for name, resource in template["Resources"].items() if resource["Type"] == type_}


def _children(process_id: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(process_id)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def _is_gone(process_id: int) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        found = subprocess.run(
            ["ps", "-o", "stat=", "-p", str(process_id)], capture_output=True, text=True, check=False
        )
        if not found.stdout.strip() or found.stdout.startswith("Z"):
            return True
        time.sleep(0.1)
    return False


def _list(stack: Stack, user_id: int, **query: int) -> list[dict[str, object]]:
    response = httpx.get(f"{stack.url}/api/outcomes", params=query, headers={"Cookie": stack.cookie(user_id)})
    assert response.status_code == 200, response.text
    outcomes: list[dict[str, object]] = response.json()["outcomes"]
    return outcomes


def test_the_printed_calls_work(stack: Stack) -> None:
    def paste(command: str) -> str:
        return subprocess.run(command, shell=True, capture_output=True, text=True, check=True).stdout.splitlines()[-1]  # noqa: S602

    banner = stack.output_file.read_text()
    assert f"make reset DATA={stack.data} deletes them." in banner
    assert f"(make seed DATA={stack.data} fills it)" in banner
    record, read, make_key = re.findall(r"^curl .*$", banner, re.MULTILINE)
    assert paste(record) == paste(record) == '{"ok":true}'
    assert [each["title"] in record for each in json.loads(paste(read))["outcomes"]].count(True) == 1
    made = json.loads(paste(make_key))
    assert (made["user_id"], made["agent_id"]) == (42, 7)
    assert paste(record.replace(stack.key, made["key"])) == '{"ok":true}'
    newest = json.loads(paste(read))["outcomes"][0]
    assert (newest["user_id"], newest["agent_id"]) == (42, 7)
    # Delete the agent key, because other tests use the page of the same user.
    httpx.delete(f"{stack.url}/api/keys/{made['id']}", headers={"Cookie": stack.cookie(42)}).raise_for_status()


def test_seed_records_about_a_hundred_outcomes_of_75_days(stack: Stack) -> None:
    printed = stack.command("seed", "--user-id", "4242")
    assert printed.returncode == 0, printed.stderr
    count = int(printed.stdout.splitlines()[-1].split()[4])
    assert 90 <= count <= 125
    assert f"\n80 of {count}\n100 of {count}\n" in printed.stdout
    outcomes = _list(stack, 4242, limit=50)
    assert len({outcome["outcome_type"] for outcome in outcomes}) == 6
    assert len({outcome["agent_id"] for outcome in outcomes}) > 3
    assert all(one["title"] != next_["title"] for one, next_ in pairwise(outcomes))
    now = datetime.fromisoformat(str(outcomes[0]["created_at"]))
    query = {"from": (now - timedelta(days=76)).isoformat(), "to": (now + timedelta(days=1)).isoformat()}
    headers = {"Cookie": stack.cookie(4242)}
    summary = httpx.get(f"{stack.url}/api/outcomes/summary", params=query, headers=headers).json()
    assert sum(sums["count"] for sums in (summary, summary["disputed"], summary["voided"])) == count
    assert summary["value_usd"] > 10_000
    month = {"from": f"{now - timedelta(days=30):%F}", "to": f"{now:%F}"}
    spent = httpx.get(f"{stack.url}/api/costs", params=month, headers=headers).json()
    assert (spent["known_days"], spent["of_days"]) == (29, 30)
    assert len(spent["by_agent"]) == 7


def test_concurrent_seeds_of_a_user_record_once(stack: Stack) -> None:
    with ThreadPoolExecutor() as pool:
        ended = list(pool.map(lambda user: stack.command("seed", "--user-id", user), ["4243", "4243"]))
    assert [each.stderr for each in ended] == ["", ""]
    made, again = sorted(each.stdout.splitlines()[-1] for each in ended)
    query, headers = {"from": (datetime.now(UTC) - timedelta(days=80)).isoformat()}, {"Cookie": stack.cookie(4243)}
    summary = httpx.get(f"{stack.url}/api/outcomes/summary", params=query, headers=headers).json()
    count = summary["count"] + summary["disputed"]["count"] + summary["voided"]["count"]
    assert made == f"User 4243 now has {count} more outcomes of the last 75 days."
    assert again == "User 4243 was seeded before: nothing was added."


def test_tables_have_the_templates_keys_and_expiry(echo_stack: Stack) -> None:
    dynamodb = boto3.client("dynamodb", endpoint_url=echo_stack.aws_url, region_name="us-east-1")
    table = dynamodb.describe_table(TableName=echo_stack.tables["VisitsTable"])["Table"]
    assert table["KeySchema"] == [{"AttributeName": "page", "KeyType": "HASH"}]
    time_to_live = dynamodb.describe_time_to_live(TableName="visits-of-all-pages")["TimeToLiveDescription"]
    assert time_to_live == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}
    dynamodb.close()


def test_a_stack_is_configured_by_the_environment_and_enables_garbage_collection(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(LOG_GARBAGE_COLLECTION)
    environment = {
        "PYTHONPATH": str(tmp_path),
        "HOME": os.devnull,
        "INTERNAL_API_KEY": "it's a key",
        "SESSION_SECRET": "a secret of ours",
        "LOCAL_AWS_SECRET": "",
        "DASHBOARD_ORIGINS": "https://dash.example.com",
        "ALLOWED_HOSTS": "dashboard.example.com, API.example.com",
        "AWS_PROFILE": "no-such-profile",
        "HTTP_PROXY": "http://127.0.0.1:9",
    }
    hosts = {"dashboard.example.com:3000": 200, "api.example.com": 200, "127.0.0.1": 200, "example.com": 421}
    with (
        running(tmp_path, *WITHOUT_EVENTS, environment=environment, is_forked=False) as stack,
        httpx.Client(base_url=stack.url, trust_env=False, timeout=30) as client,
    ):
        recorded = client.post("/api/outcomes", json=OUTCOME, headers={"Authorization": "Bearer it's a key"})
        assert recorded.status_code == 200
        assert stack.session_secret == "a secret of ours"
        assert _list(stack, 1) == []
        assert client.get("/nowhere").headers["Access-Control-Allow-Origin"] == "https://dash.example.com"
        assert {host: client.get("/", headers={"Host": host}).status_code for host in hosts} == hosts
        collects = re.findall(f"^{stack.process.pid} collects: (.*)$", stack.log, re.MULTILINE)
        assert collects == ["False", "True"]  # garbage collection is off while the stack starts

        assert len(json.loads((stack.data / STACK).read_text())["aws_secret"]) == 64
        assert httpx.post(stack.aws_url, headers={"X-Amz-Security-Token": STACK_SECRET}).status_code == 403
        session = stack.command("session", "--kind", "stored").stdout.strip().removeprefix("Cookie: ")
        assert client.get("/api/outcomes", headers={"Cookie": session}).status_code == 200


def _workers(stack: Stack) -> list[int]:
    """Record an outcome, and return the ids of the called functions' processes."""
    assert _children(stack.process.pid) == []  # the stack starts workers only when events arrive
    response = httpx.post(f"{stack.url}/api/outcomes", json=OUTCOME, headers={"Authorization": f"Bearer {stack.key}"})
    assert response.status_code == 200
    workers = _children(stack.process.pid)
    assert len(workers) == len(["AuthorizerFunction", "RecordOutcomeFunction"])
    return workers


def test_sigterm_ends_the_stack_and_its_workers(tmp_path: Path) -> None:
    with running(tmp_path, *WITHOUT_EVENTS) as stack:
        workers = _workers(stack)
        assert stack.stop() == 0
        assert all(map(_is_gone, workers))
        assert "Traceback" not in stack.log
        assert not (stack.data / STACK).exists()


def test_a_hanging_worker_of_a_killed_stack_ends(project: Path, tmp_path: Path) -> None:
    with running(tmp_path, "--template", str(project / "template.yaml")) as stack:
        assert httpx.get(f"{stack.url}/hang?how=print", timeout=30).text == "fine"
        workers = _children(stack.process.pid)
        assert workers
        assert stat.S_IMODE((stack.data / STACK).stat().st_mode) == 0o600
        with suppress(httpx.ReadTimeout):
            httpx.get(f"{stack.url}/hang?how=hang", timeout=0.2)
        stack.stop(signal.SIGKILL)
        assert all(map(_is_gone, workers))
        gone = stack.command("session")
        assert gone.returncode == 1
        assert "no longer runs; start one with: make run" in gone.stderr
        assert gone.stderr.count("\n") == 1


type Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_main: RunMain) -> Command:
    """Run `python -m local` in this process with arguments and a new data folder."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        for variable, text in ({"PORT": "0"} | environment).items():
            monkeypatch.setenv(variable, text)
        monkeypatch.setattr(sys, "path", sys.path.copy())
        for name, value in {"handlers": [], "level": logging.NOTSET, "propagate": True}.items():
            monkeypatch.setattr(logging.getLogger("local"), name, value)
        return run_main(main, "--data", str(tmp_path / "data"), *arguments)

    return run


def assert_one_line(ended: "subprocess.CompletedProcess[str]", error: str) -> None:
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("error: ")
    assert error in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert_one_line(local(tmp_path, environment={"PORT": str(port)}), f"port {port} is in use; choose another")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Resources: [", "while parsing a flow node"),
        ("just text", "no Resources in it"),
        ("Resources: {Api: {Type: AWS::Serverless::Api, Properties: {}}}", "Missing required property 'StageName'"),
        ("Resources: {}", "'Resources' section is required"),
        (
            "Resources: {Api: {Type: AWS::ApiGateway::RestApi, Properties: {Body: {paths: [1]}}}}",
            "exactly one stage of Api",
        ),
        (ODD, "template.yaml: the local stack cannot read it"),
    ],
)
def test_a_broken_template_is_one_line(tmp_path: Path, command: Command, text: str, complaint: str) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(text)
    assert_one_line(command("--template", str(template)), complaint)


NO_EVENTS_URL = "EVENTS_URL must be a URL such as http://127.0.0.1:8000/events"


@pytest.mark.parametrize(
    ("arguments", "environment", "error"),
    [
        (["--template", "/nowhere.yaml"], {}, "/nowhere.yaml: no such file"),
        (["--parameter", "Speed"], {}, "a parameter is given as NAME=VALUE, not Speed"),
        (["--parameter", "Speed=9"], {}, "the template has no parameter Speed"),
        (["--parameter", "AcceptPlainCookies=maybe"], {}, "parameter AcceptPlainCookies must be one of true, false"),
        (["session", "--kind", "paper"], {}, "KIND: invalid choice: 'paper'"),
        ([], {"INTERNAL_API_KEY": "a\nb"}, "INTERNAL_API_KEY must be printable ASCII"),
        ([], {"INTERNAL_API_KEY": "k3y "}, "INTERNAL_API_KEY must be printable ASCII without spaces around it"),
        ([], {"OIDC_ISSUER": "http://127.0.0.1:8080"}, "OIDC_ISSUER needs OIDC_AUDIENCE"),
        (
            [],
            {"OIDC_ISSUER": "http://a.example.com", "OIDC_AUDIENCE": "a"},
            "parameter OidcIssuer must be an https URL",
        ),
        ([], {"PORT": "x"}, "PORT must be a number from 0 to 65535, not 'x'"),
        ([], {"EVENTS_URL": "127.0.0.1:8000"}, NO_EVENTS_URL),
        ([], {"EVENTS_URL": "ftp://127.0.0.1"}, NO_EVENTS_URL),
        ([], {"EVENTS_URL": "http://[::1"}, NO_EVENTS_URL),
        ([], {"EVENTS_URL": "http://127.0.0.1:80000"}, NO_EVENTS_URL),
    ],
)
def test_a_wrong_option_or_variable_is_one_line(
    command: Command, arguments: list[str], environment: dict[str, str], error: str
) -> None:
    assert_one_line(command(*arguments, **environment), error)


@pytest.mark.parametrize("command_name", ["seed", "session"])
@pytest.mark.parametrize("text", ["", "0", "-7", "7x", "1.5", "٣", "7 8", "9007199254740992", "7'"])
def test_an_invalid_user_id_is_one_line(command: Command, command_name: str, text: str) -> None:
    ended = command(command_name, f"--user-id={text}")
    assert_one_line(ended, f"USER_ID must be a whole number from 1 to 9007199254740991, not {text!r}")


def test_a_missing_package_is_one_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    assert_one_line(command("seed"), "httpx is not installed; make run installs what is missing")


def test_ctrl_c_ends_a_command_without_a_traceback(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.data.empty", Mock(side_effect=KeyboardInterrupt))
    ended = command("reset")
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_a_command_without_a_stack_names_its_folder_in_one_line(command: Command, tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert_one_line(command("seed"), f"no local stack is running on {data}; start one with: make run DATA={data}\n")


def test_a_damaged_state_file_is_one_line(command: Command, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / STACK).write_text("{}")
    assert_one_line(command("seed"), "cannot be read; remove it and start the stack with: make run")


def test_a_stack_without_a_sessions_table_is_one_line(command: Command, echo_stack: Stack, tmp_path: Path) -> None:
    shutil.copytree(echo_stack.data, tmp_path / "data")
    assert_one_line(command("session", "--kind", "stored"), "the running stack has no SessionsTable")


def test_aws_alone_serves_the_tables_for_functions_in_containers(tmp_path: Path, template: Any) -> None:
    with running(tmp_path, "aws", "--port", "0", "--bind", "127.0.0.2") as stack:
        printed = stack.output_file.read_text()
        assert "AwsEndpointUrl=http://host.docker.internal:" in printed
        assert "sam local start-api --port" in printed
        assert "Served only on 127.0.0.1 and 127.0.0.2, " in printed
        port = int(stack.aws_url.rpartition(":")[2])
        for address in ("127.0.0.1", "127.0.0.2"):
            socket.create_connection((address, port)).close()
        with pytest.raises(ConnectionRefusedError):  # nothing listens at other addresses of this machine
            socket.create_connection(("127.0.0.3", port))
        assert set(stack.tables) == logical_ids(template, "AWS::DynamoDB::Table")
        assert_one_line(stack.command("seed"), f"{stack.url} does not answer")
        assert stack.command("session", "--kind", "stored").returncode == 0
        assert stack.stop(signal.SIGINT) == 0
