"""An import and its undo go on after they were killed, and wait while calls of DynamoDB fail."""

import itertools
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from outcomes.aws.connection import Connection

from history import undo, writer
from history.tests.imports import dying_at, import_all, undo_all
from ops import patience
from ops.errors import StackError
from tests.aws import scan
from tests.faults import THROTTLED, Fault, Killed, Request, answered, error, lost, vanished
from tests.people import restore, snapshot, two_shards

pytestmark = pytest.mark.usefixtures("tables", "no_waiting")


class Work(NamedTuple):
    """A command that may be killed. is_done: whether it had its effect on each row exactly once."""

    run: Callable[[], object]
    is_done: Callable[[], bool]


@pytest.fixture(params=["import", "undo"])
def work(request: pytest.FixtureRequest, file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    monkeypatch.setattr(writer, "OUTCOMES_PER_BATCH", 2)
    monkeypatch.setattr(undo, "ROWS_PER_TRANSACTION", 2)
    empty = snapshot()
    with two_shards():
        import_all(file)
        if request.param == "undo":
            yield Work(lambda: undo_all(file), all_void_once)
        else:
            whole = sorted(scan(), key=repr)
            restore(empty)
            yield Work(lambda: import_all(file), lambda: sorted(scan(), key=repr) == whole)


def all_void_once() -> bool:
    """Check that each outcome is void by exactly one entry."""
    items = scan()
    outcomes = {item["created_at"]["S"][-26:]: item for item in items if "title" in item}
    entries = [item["outcome"]["S"] for item in items if "outcome" in item]
    assert all(item["version"] == {"N": "1"} and item["standing"] == {"S": "void"} for item in outcomes.values())
    return sorted(entries) == sorted(outcomes)


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_was_killed_goes_on(work: Work, when: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = snapshot()
    for call in itertools.count(1):
        restore(before)
        try:
            with patch.object(Connection, "post", dying_at(call, when)):
                work.run()
            break
        except Killed:
            capsys.readouterr()
            work.run()
            says = capsys.readouterr().out.splitlines()[-1].split(", ")  # so many now, so many before
            assert sum(int(each.split()[0]) for each in says[:2]) == 9
        assert work.is_done()
    assert call > 15


@pytest.mark.parametrize("fault", [lost, vanished, error(THROTTLED), error("InternalServerError", status=500)])
def test_faults_are_waited_for(work: Work, fault: Fault, capsys: pytest.CaptureFixture[str]) -> None:
    """Fail two thirds of all attempts at random, so that some calls exhaust their attempts."""
    post, draw = Connection.post, Random(7)  # noqa: S311 - repeatable

    def faulty_post(connection: Connection, headers: Any, body: bytes, until: float, **more: Any) -> Any:
        send = partial(post, connection, headers, body, until, **more)
        request = Request(headers["x-amz-target"].rpartition(".")[2], json.loads(body))
        return send() if draw.random() < 1 / 3 else fault(request, send)

    capsys.readouterr()
    with patch.object(Connection, "post", faulty_post):
        work.run()
    assert work.is_done()
    assert capsys.readouterr().out.splitlines()[-1].startswith("9 outcomes were ")


def test_without_an_answer_it_ends(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0)
    monkeypatch.setattr(Connection, "post", lambda *_, **__: vanished(Request("", {}), lambda: answered(200, {})))
    with pytest.raises(StackError, match="run the same command to go on"):
        work.run()
