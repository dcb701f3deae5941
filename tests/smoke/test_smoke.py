"""The smoke test against the local stack: it passes, leaves nothing behind, and names what does not hold."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from smoke.__main__ import main
from tests.local.stacks import ROOT, Stack, running

NAME = "outcomes-smoke"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("smoke")) as stack:
        _describe(stack)
        yield stack


def _describe(stack: Stack) -> None:
    """Let CloudFormation describe the local stack as it would a deployed one."""
    outputs = {
        "ApiUrl": f"{stack.url}/api/outcomes",
        "OutcomesTableName": stack.tables["OutcomesTable"],
        "IdempotencyTableName": stack.tables["IdempotencyTable"],
        "SessionsTableName": stack.tables["SessionsTable"],
        "KeysTableName": stack.tables["KeysTable"],
    }
    lines = ["Parameters: {DashboardOrigins: {Type: String}}", "Conditions: {Never: !Equals [a, b]}", "Resources:"]
    lines += ["  Nothing: {Type: AWS::SNS::Topic, Condition: Never}", "Outputs:"]
    lines += [f"  {name}: {{Value: '{value}'}}" for name, value in outputs.items()]
    client: Any = boto3.client("cloudformation", endpoint_url=stack.aws_url)
    origins = [{"ParameterKey": "DashboardOrigins", "ParameterValue": f"{stack.url},https://beta.example.com"}]
    client.create_stack(StackName=NAME, TemplateBody="\n".join(lines), Parameters=origins)


@dataclass(frozen=True)
class Done:
    """A run that has ended."""

    returncode: int
    stdout: str
    stderr: str


Smoke = Callable[..., Done]


@pytest.fixture
def smoke(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Smoke:
    """Run `python -m smoke` in this process."""

    def run(*arguments: str, **environment: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["smoke", *arguments])
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        code = main()
        said = capsys.readouterr()
        return Done(code, said.out, said.err)

    return run


def process(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run it as people do."""
    return subprocess.run(
        [sys.executable, "-m", "smoke", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def everything(stack: Stack) -> dict[str, list[Any]]:
    client: Any = boto3.client("dynamodb", endpoint_url=stack.aws_url)
    return {name: client.scan(TableName=name)["Items"] for name in stack.tables.values()}


def test_the_whole_contract_holds_and_nothing_is_left_behind(stack: Stack) -> None:
    done = process("--stack", NAME, AWS_ENDPOINT_URL=stack.aws_url, INTERNAL_API_KEY=stack.key)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout
    assert "skip" not in done.stdout
    assert "25 held, 0 failed, over HTTP/1.1" in done.stdout
    assert "ok    nothing is left behind" in done.stdout
    assert everything(stack) == {name: [] for name in stack.tables.values()}


@pytest.mark.parametrize("path", ["", "/", "/api/outcomes", "/api/outcomes/"])
def test_a_url_alone_stores_nothing_and_says_what_it_did_not_see(stack: Stack, path: str, smoke: Smoke) -> None:
    done = smoke("--url", stack.url + path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "skip  a key's calls: no KEY" in done.stdout
    assert "skip  whatever records: no STACK, whose tables it could be deleted from" in done.stdout
    assert "skip  a session's calls: no COOKIE and no STACK" in done.stdout
    assert everything(stack) == {name: [] for name in stack.tables.values()}


def test_a_key_and_a_cookie_without_aws_rights_store_nothing(stack: Stack, smoke: Smoke) -> None:
    done = smoke("--url", f"{stack.url}/api/outcomes", f"--key={stack.key}", f"--cookie={stack.cookie(7)}")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "14 held, 0 failed" in done.stdout
    assert everything(stack) == {name: [] for name in stack.tables.values()}


def test_what_does_not_hold_is_named_and_nothing_is_left_behind_all_the_same(stack: Stack, smoke: Smoke) -> None:
    done = smoke("--stack", NAME, "--key", "not the key", AWS_ENDPOINT_URL=stack.aws_url)

    assert done.returncode == 1
    assert "FAIL  a repeat is the first answer again: AssertionError expected 200, got 401" in done.stdout
    assert "ok    nobody is unauthorized" in done.stdout
    assert everything(stack) == {name: [] for name in stack.tables.values()}


def test_a_stack_that_is_not_there_is_said_in_one_line(stack: Stack) -> None:
    done = process("--stack", "another", AWS_ENDPOINT_URL=stack.aws_url)

    assert done.returncode == 2
    assert done.stderr.startswith("error: ClientError: ")
    assert len(done.stderr.splitlines()) == 1


def test_an_api_that_is_not_there_fails_every_check(smoke: Smoke) -> None:
    done = smoke("--url", "http://127.0.0.1:9/api/outcomes")

    assert done.returncode == 1
    assert done.stdout.endswith("0 held, 7 failed, without an answer\n")


@pytest.mark.parametrize(
    ("url", "complaint"),
    [("", "--url or --stack is needed"), ("api.example.com/v1", "--url must begin with https:// (or http://)")],
)
def test_a_url_that_is_none_is_wrong_usage(
    url: str, complaint: str, smoke: Smoke, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        smoke("--url", url)
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    "altered",
    [
        # What the template says, what it says instead, and the check that must fail, with its reason.
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
                "more than lambda takes is too large: AssertionError expected 413, got 400",
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
def test_what_the_template_no_longer_says_is_noticed(
    tmp_path: Path, altered: list[tuple[str, str, str]], smoke: Smoke
) -> None:
    text = (ROOT / "template.yaml").read_text()
    for said, says, _ in altered:
        assert said in text
        text = text.replace(said, says)
    template = tmp_path / "template.yaml"
    template.write_text(text)
    for folder in ("functions", "layers"):
        (tmp_path / folder).symlink_to(ROOT / folder)

    with running(tmp_path, "--template", str(template)) as stack:
        done = smoke("--url", f"{stack.url}/api/outcomes", f"--key={stack.key}")

    assert done.returncode == 1, done.stdout
    for _, _, noticed in altered:
        assert f"FAIL  {noticed}" in done.stdout
