"""`make erase` and `make export-user`: on a deployed stack, on the running local one, and on that of a stopped one."""

import io
import itertools
import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from local import data_request
from local.data import JOURNAL, SEEDED
from local.errors import StackError
from tests.local.stacks import ROOT, Stack

OUTCOME = {"outcomeType": "task_complete", "title": "Something of a person"}
ARNS = {"EraseUserFunctionArn": "arn:erase:live", "ExportUserFunctionArn": "arn:export:live"}


def run(
    monkeypatch: pytest.MonkeyPatch, *arguments: str, sleep: Callable[[float], object] = lambda _seconds: None
) -> int:
    monkeypatch.setattr(sys, "argv", ["data_request", *arguments])
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr("time.sleep", sleep)
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


class TestADeployedStack:
    def test_erases_portion_after_portion_until_it_is_done(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
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

    def test_says_when_somebody_still_records(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        waiting = [progress(wait=900, step="wait", outcomes=number) for number in (1, 2)]
        monkeypatch.setattr(boto3, "client", Aws(*waiting, progress(done=True, outcomes=2)).client)

        assert run(monkeypatch, "--stack", "outcomes-dev", "erase", "--user-id", "42") == 0

        assert "stop whoever records for them" in capsys.readouterr().err

    def test_repeats_what_was_erased_before_from_cursor_to_cursor(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        aws = Aws(progress(cursor="[2, null]", outcomes=3), progress(done=True, outcomes=4))
        monkeypatch.setattr(boto3, "client", aws.client)

        assert run(monkeypatch, "--stack", "outcomes-dev", "erase", "--again") == 0

        assert [event for _, event in aws.asked] == [{"again": True}, {"again": True, "cursor": "[2, null]"}]
        assert capsys.readouterr().out == "All that was erased before is erased again: 7 outcomes.\n"

    def test_writes_what_is_held_into_a_file_for_its_owner_only(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        lines = ['{"record":"outcome","title":"Ünï"}', '{"record":"session"}']
        aws = Aws(
            {"lines": lines[:1], "cursor": "[1, null]", "wait": 0}, {"lines": lines[1:], "cursor": None, "wait": 0}
        )
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
                "PutItem: attempt 3 failed; the same command goes on from here",
            ),
            (
                Aws(ReadTimeoutError(endpoint_url="https://lambda")),
                ["--stack", "outcomes-dev", "erase", "--user-id", "42"],
                "the same command goes on from here",
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
        self,
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

    def test_a_file_that_was_there_stays_when_reading_fails(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(
            boto3, "client", Aws({"lines": ["{}"], "cursor": "x", "wait": 0}, {"errorMessage": "x"}).client
        )
        file = tmp_path / "held.ndjson"
        file.write_text("of last week")
        assert run(monkeypatch, "--stack", "outcomes-dev", "export", "--user-id", "42", "--file", str(file)) == 1
        assert file.read_text() == "of last week"
        assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(("typed", "deletes"), [("42", True), (" 42 ", True), ("41", False), ("y", False), ("", False)])
def test_a_person_types_the_id_again(monkeypatch: pytest.MonkeyPatch, typed: str, deletes: bool) -> None:
    options = data_request.parser().parse_args(["--stack", "outcomes-prod", "erase", "--user-id", "42"])
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

    if deletes:
        data_request.erase(options, invoke)
    else:
        with pytest.raises(StackError, match="nothing was deleted"):
            data_request.erase(options, invoke)
    assert bool(invoked) is deletes
    assert "outcomes-prod" in asked[0]


def test_the_running_stack_gives_and_forgets(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(data_request, "LOCAL_SETTLE_SECONDS", 0)
    headers = {"Authorization": f"Bearer {stack.key}"}
    for user_id in (5151, 5152):
        httpx.post(f"{stack.url}/api/outcomes", json=OUTCOME | {"userId": user_id}, headers=headers).raise_for_status()
    file = tmp_path / "held.ndjson"
    held = ["--data", str(stack.data), "export", "--file", str(file), "--user-id"]

    assert run(monkeypatch, *held, "5151") == 0
    assert json.loads(file.read_text())["title"] == OUTCOME["title"]
    assert run(monkeypatch, "--data", str(stack.data), "erase", "--user-id", "5151") == 0
    assert "User 5151 is erased: 1 outcomes." in capsys.readouterr().out
    assert run(monkeypatch, *held, "5151") == 0
    assert file.read_text() == ""
    assert run(monkeypatch, *held, "5152") == 0
    assert file.read_text()


def test_what_is_recorded_while_the_stack_forgets_goes_too(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By real calls, until the erasure waits for what was on its way."""
    monkeypatch.setattr(data_request, "LOCAL_SETTLE_SECONDS", 1)
    begun, ended = threading.Event(), threading.Event()

    def record() -> None:
        with httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {stack.key}"}, timeout=30) as api:
            for number in itertools.count():
                body = OUTCOME | {"userId": 5153}
                api.post("/api/outcomes", json=body, headers={"Idempotency-Key": f"{number}"}).raise_for_status()
                if number == 3:
                    begun.set()
                if ended.is_set():
                    return

    def wait(_seconds: float) -> None:
        ended.set()
        threading.Event().wait(1)

    with ThreadPoolExecutor() as pool:
        recorded = pool.submit(record)
        assert begun.wait(30)
        assert run(monkeypatch, "--data", str(stack.data), "erase", "--user-id", "5153", sleep=wait) == 0
        recorded.result()
    dynamodb = boto3.client("dynamodb", endpoint_url=stack.aws_url)
    for table in stack.tables.values():
        assert "5153" not in [
            str(*row["user_id"].values()) for row in dynamodb.scan(TableName=table)["Items"] if "user_id" in row
        ], table
    assert "User 5153 is erased" in capsys.readouterr().out


def test_a_stopped_stack_s_files_forget_too(tmp_path: Path) -> None:
    key = {"user_id": {"S": "42"}, "created_at": {"S": "2026-04-01T12:00:00.000Z#01KN4EMCF80000000000000001"}}
    item = key | {"title": {"S": "Something of a person"}, "outcome_type": {"S": "task_complete"}}
    other = {**item, "user_id": {"S": "43"}, "title": {"S": "Of another"}}
    of_other = {"user_id": {"S": "43"}, "created_at": key["created_at"]}
    changes = [["OutcomesTable", key, item], ["OutcomesTable", of_other, other]]
    (tmp_path / JOURNAL).write_text(json.dumps(changes) + "\n")
    (tmp_path / SEEDED).write_text("42 1775044800000\n43 1775044800000\n42 done\n")

    ended = subprocess.run(
        [sys.executable, "-m", "local.data_request", "--data", str(tmp_path), "erase", "--user-id", "42"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": "layers/common"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "User 42 is erased: 1 outcomes."
    kept = (tmp_path / JOURNAL).read_text()
    assert "Something of a person" not in kept
    assert "Of another" in kept
    assert (tmp_path / SEEDED).read_text() == "43 1775044800000\n"


def test_where_nothing_was_kept_is_nothing_to_erase(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--data", str(tmp_path / "none"), "erase", "--user-id", "42") == 1
    assert "nothing was kept there" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
