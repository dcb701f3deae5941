"""`make erase` and `make export-user` on a deployed stack."""

import io
import json
import stat
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from ops import data_request
from ops.errors import StackError

ARNS = {"EraseUserFunctionArn": "arn:erase:live", "ExportUserFunctionArn": "arn:export:live"}


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["data_request", *arguments])
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    return data_request.main()


class Aws:
    """CloudFormation with one stack, and Lambda, whose functions answer what they are told to, one after another."""

    def __init__(self, *answers: Any, outputs: dict[str, str] = ARNS) -> None:
        self.answers = iter(answers)
        self.outputs = outputs
        self.asked: list[tuple[str, Any]] = []

    def client(self, _service: str, **_settings: Any) -> Any:
        return self

    def describe_stacks(self, StackName: str) -> Any:  # noqa: N803 (as AWS has it)
        if StackName != "outcomes-dev":
            raise ClientError({"Error": {"Code": "ValidationError", "Message": "no such stack"}}, "DescribeStacks")
        listed = [{"OutputKey": name, "OutputValue": value} for name, value in self.outputs.items()]
        return {"Stacks": [{"Outputs": listed}]}

    def invoke(self, FunctionName: str, Payload: bytes) -> Any:  # noqa: N803
        self.asked.append((FunctionName, json.loads(Payload)))
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        failed = {"FunctionError": "Unhandled"} if "errorMessage" in answer else {}
        return failed | {"Payload": io.BytesIO(json.dumps(answer).encode())}


def progress(
    done: bool = False, wait: int = 0, step: str = "sessions", cursor: str | None = None, **erased: int
) -> Any:
    return {
        "done": done,
        "wait": wait,
        "step": step,
        "begun_at": "2026-04-01T12:00:00.000Z",
        "erased": {"outcomes": 0, "agent_keys": 0} | erased,
        "cursor": cursor,
    }


def test_erases_portion_after_portion_until_it_is_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    aws = Aws(
        progress(agent_keys=1, outcomes=10),
        progress(wait=900, step="wait", agent_keys=1, outcomes=20),
        progress(done=True, step="end", agent_keys=1, outcomes=20),
    )
    monkeypatch.setattr(boto3, "client", aws.client)

    assert run(monkeypatch, "--stack", "outcomes-dev", "erase", "--user-id", "42") == 0

    assert aws.asked == [("arn:erase:live", {"user_id": 42})] * 3
    assert capsys.readouterr().out.splitlines()[-1] == "User 42 is erased: 20 outcomes, 1 agent keys."


def test_says_when_somebody_still_records(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = [progress(wait=900, step="wait", outcomes=number) for number in (1, 2)]
    monkeypatch.setattr(boto3, "client", Aws(*waiting, progress(done=True, outcomes=2)).client)

    assert run(monkeypatch, "--stack", "outcomes-dev", "erase", "--user-id", "42") == 0

    assert "stop whoever records for them" in capsys.readouterr().err


def test_repeats_what_was_erased_before_from_cursor_to_cursor(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    aws = Aws(progress(cursor="[2, null]", outcomes=3), progress(done=True, outcomes=4))
    monkeypatch.setattr(boto3, "client", aws.client)

    assert run(monkeypatch, "--stack", "outcomes-dev", "erase", "--again") == 0

    assert [event for _, event in aws.asked] == [{"again": True}, {"again": True, "cursor": "[2, null]"}]
    assert capsys.readouterr().out == "All that was erased before is erased again: 7 outcomes.\n"


def test_writes_what_is_held_into_a_file_for_its_owner_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = ['{"record":"outcome","title":"Ünï"}', '{"record":"session"}']
    aws = Aws({"lines": lines[:1], "cursor": "[1, null]", "wait": 0}, {"lines": lines[1:], "cursor": None, "wait": 0})
    monkeypatch.setattr(boto3, "client", aws.client)
    file = tmp_path / "held.ndjson"

    assert run(monkeypatch, "--stack", "outcomes-dev", "export", "--user-id", "42", "--file", str(file)) == 0

    assert file.read_text() == "".join(f"{line}\n" for line in lines)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert aws.asked[1] == ("arn:export:live", {"user_id": 42, "cursor": "[1, null]"})


@pytest.mark.parametrize(
    ("aws", "arguments", "says"),
    [
        (Aws(), ["--stack", "outcomes-prod", "erase", "--user-id", "42"], "no such stack"),
        (Aws(outputs={}), ["--stack", "outcomes-dev", "erase", "--user-id", "42"], "deploy it first"),
        (
            Aws({"errorMessage": "PutItem: attempt 3 failed"}),
            ["--stack", "outcomes-dev", "erase", "--user-id", "42"],
            "PutItem: attempt 3 failed; run the same command to continue",
        ),
        (
            Aws(ReadTimeoutError(endpoint_url="https://lambda")),
            ["--stack", "outcomes-dev", "erase", "--user-id", "42"],
            "run the same command to continue",
        ),
        (Aws({"error": "Invalid cursor"}), ["--stack", "outcomes-dev", "erase", "--again"], "Invalid cursor"),
        (Aws(), ["--stack", "outcomes-dev", "erase"], "say either USER_ID=42 or AGAIN=1"),
        (Aws(), ["--stack", "outcomes-dev", "erase", "--user-id", ""], "say whose, as USER_ID=42"),
        (Aws(), ["--stack", "outcomes-dev", "erase", "--again", "--user-id", "42"], "say either"),
        (Aws(), ["--stack", "outcomes-dev", "export", "--user-id", "4x"], "USER_ID must be a whole number"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_fails_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    aws: Aws,
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.setattr(boto3, "client", aws.client)
    assert run(monkeypatch, *arguments) == 1
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_a_file_that_was_there_stays_when_reading_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(boto3, "client", Aws({"lines": ["{}"], "cursor": "x", "wait": 0}, {"errorMessage": "x"}).client)
    file = tmp_path / "held.ndjson"
    file.write_text("of last week")
    assert run(monkeypatch, "--stack", "outcomes-dev", "export", "--user-id", "42", "--file", str(file)) == 1
    assert file.read_text() == "of last week"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(("typed", "deletes"), [("42", True), (" 42 ", True), ("41", False), ("y", False), ("", False)])
def test_a_person_types_the_id_again(monkeypatch: pytest.MonkeyPatch, typed: str, deletes: bool) -> None:
    asked: list[str] = []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)

    def answer(text: str) -> str:
        asked.append(text)
        return typed

    monkeypatch.setattr("builtins.input", answer)
    invoked: list[Any] = []

    def invoke(event: dict[str, Any]) -> dict[str, Any]:
        invoked.append(event)
        done: dict[str, Any] = progress(done=True)
        return done

    options = Namespace(user_id=42, again=False)
    holder = data_request.Holder("outcomes-prod", invoke)
    if deletes:
        data_request.erase(options, holder)
    else:
        with pytest.raises(StackError, match="nothing was deleted"):
            data_request.erase(options, holder)
    assert bool(invoked) is deletes
    assert "outcomes-prod" in asked[0]
