"""Test `make erase` and `make export-user` on a deployed stack."""

import io
import json
import stat
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from local.environment import REGION
from ops import data_request
from ops.errors import StackError
from tests.aws import STACKS, Given, answering, mock_aws
from tests.conftest import RunMain

ARNS = {"EraseUserFunctionArn": "arn:erase:live", "ExportUserFunctionArn": "arn:export:live"}
ERASE = ("--stack", "outcomes-dev", "erase")
EXPORT = ("--stack", "outcomes-dev", "export", "--user-id", "42", "--file")


class Lambda:
    """The functions of the stack `outcomes-dev`, which return the given answers in turn."""

    def __init__(self, *answers: Any, outputs: dict[str, str] = ARNS) -> None:
        self.answers = iter(answers)
        self.outputs = outputs
        self.invoked: list[tuple[str, Any]] = []

    def invoke(self, given: Given) -> Given:
        self.invoked.append((given["FunctionName"], json.loads(given["Payload"])))
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        failed = {"FunctionError": "Unhandled"} if "errorMessage" in answer else {}
        return failed | {"Payload": io.BytesIO(json.dumps(answer).encode())}


type Run = Callable[..., CompletedProcess[str]]


@pytest.fixture
def run(run_main: RunMain, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs the command in an AWS account, and skips its waits."""
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr("time.sleep", lambda _seconds: None)

    def run(functions: Lambda, *arguments: str) -> CompletedProcess[str]:
        with mock_aws(), answering("lambda.Invoke", functions.invoke):
            STACKS[REGION, "outcomes-dev"] = functions.outputs
            return run_main(data_request.main, *arguments)

    return run


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


def test_erase_calls_the_function_until_it_is_done(run: Run) -> None:
    functions = Lambda(
        progress(agent_keys=1, outcomes=10),
        progress(wait=900, step="wait", agent_keys=1, outcomes=20),
        progress(done=True, step="end", agent_keys=1, outcomes=20),
    )
    done = run(functions, *ERASE, "--user-id", "42")

    assert done.returncode == 0
    assert functions.invoked == [("arn:erase:live", {"user_id": 42})] * 3
    assert done.stdout.splitlines()[-1] == "User 42 is erased: 20 outcomes, 1 agent keys."


def test_erase_warns_when_new_data_arrives(run: Run) -> None:
    waiting = [progress(wait=900, step="wait", outcomes=number) for number in (1, 2)]
    done = run(Lambda(*waiting, progress(done=True, outcomes=2)), *ERASE, "--user-id", "42")

    assert done.returncode == 0
    assert "stop what records for them" in done.stderr


def test_erase_again_follows_the_cursor(run: Run) -> None:
    functions = Lambda(progress(cursor="[2, null]", outcomes=3), progress(done=True, outcomes=4))
    done = run(functions, *ERASE, "--again")

    assert (done.returncode, done.stdout) == (0, "All earlier erased users are erased again: 7 outcomes.\n")
    assert [event for _, event in functions.invoked] == [{"again": True}, {"again": True, "cursor": "[2, null]"}]


def test_export_writes_a_file_that_only_its_owner_can_read(run: Run, tmp_path: Path) -> None:
    lines = ['{"record":"outcome","title":"Ünï"}', '{"record":"session"}']
    functions = Lambda(
        {"lines": lines[:1], "cursor": "[1, null]", "wait": 0}, {"lines": lines[1:], "cursor": None, "wait": 0}
    )
    file = tmp_path / "held.ndjson"

    assert run(functions, *EXPORT, str(file)).returncode == 0
    assert file.read_text() == "".join(f"{line}\n" for line in lines)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert functions.invoked[1] == ("arn:export:live", {"user_id": 42, "cursor": "[1, null]"})


@pytest.mark.parametrize(
    ("functions", "arguments", "says"),
    [
        (Lambda(), ["--stack", "outcomes-prod", "erase", "--user-id", "42"], "does not exist"),
        (Lambda(outputs={}), [*ERASE, "--user-id", "42"], "deploy it with DataRequests=On"),
        (
            Lambda({"errorMessage": "PutItem: attempt 3 failed"}),
            [*ERASE, "--user-id", "42"],
            "PutItem: attempt 3 failed; run the same command to continue",
        ),
        (
            Lambda(ReadTimeoutError(endpoint_url="https://lambda")),
            [*ERASE, "--user-id", "42"],
            "run the same command to continue",
        ),
        (Lambda({"error": "Invalid cursor"}), [*ERASE, "--again"], "Invalid cursor"),
        (Lambda(), ERASE, "give either USER_ID=42 or AGAIN=1"),
        (Lambda(), [*ERASE, "--user-id", ""], "USER_ID is missing, such as USER_ID=42"),
        (Lambda(), [*ERASE, "--again", "--user-id", "42"], "give either"),
        (Lambda(), ["--stack", "outcomes-dev", "export", "--user-id", "4x"], "USER_ID must be a whole number"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_failure_is_one_line(run: Run, functions: Lambda, arguments: list[str], says: str) -> None:
    done = run(functions, *arguments)
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_failed_export_leaves_no_file(run: Run, tmp_path: Path) -> None:
    functions = Lambda({"lines": ["{}"], "cursor": "x", "wait": 0}, {"errorMessage": "x"})
    assert run(functions, *EXPORT, str(tmp_path / "held.ndjson")).returncode == 1
    assert list(tmp_path.iterdir()) == []


def test_an_export_never_replaces_a_file(run: Run, tmp_path: Path) -> None:
    """After an erasure, the file of before may be all that is left of the person's data."""
    file = tmp_path / "held.ndjson"
    file.write_text("of before the erasure")
    done = run(Lambda({"lines": [], "cursor": None, "wait": 0}), *EXPORT, str(file))
    assert (done.returncode, done.stderr) == (1, f"error: {file} exists: give another FILE, or move it away\n")
    assert file.read_text() == "of before the erasure"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(("typed", "deletes"), [("42", True), (" 42 ", True), ("41", False), ("y", False), ("", False)])
def test_on_a_terminal_erase_asks_for_the_id_again(monkeypatch: pytest.MonkeyPatch, typed: str, deletes: bool) -> None:
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
