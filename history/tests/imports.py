"""Run imports in this process, and make files for them."""

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from outcomes.aws.connection import Connection
from outcomes.calendar import instants

from history.__main__ import main
from history.files import RowFile
from history.run import Import, Target
from local.environment import REGION
from tests.aws import PARAMETERS, STACKS, aws_client
from tests.conftest import RunMain
from tests.corrections import ledger
from tests.faults import Killed
from tests.outcome_types import TYPES
from tests.statements.service import imports

SECRET = b"a secret of the stack"
TARGET = Target("OutcomesTable", "TotalsTable", "StatementsTable", "ErasuresTable", SECRET, TYPES, float("inf"))


DAY = 86_400_000

type Command = Callable[..., CompletedProcess[str]]


def old_row(number: int, milliseconds: int, user_id: int | None = 42, **fields: Any) -> dict[str, Any]:
    """Return a row in the format of a platform's existing table."""
    row = {"id": number, "user_id": user_id, "agent_id": 7, "outcome_type": "deal_closed", "title": f"Deal {number}"}
    return row | {"value_usd": 0.1, "created_at": instants.text(milliseconds)} | fields


def write_ndjson(file: Path, rows: list[dict[str, Any]]) -> Path:
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return file


@contextmanager
def planned(file: Path, target: Target = TARGET, mapping: Any = None, last_round: int = 1) -> Iterator[Import]:
    """Plan the import of a file, and yield the plan."""
    with RowFile(file) as rows, Import(rows, mapping or {}, target, last_round) as plan:
        plan.read()
        plan.refuse_users()
        yield plan


def import_all(file: Path, target: Target = TARGET, mapping: Any = None, last_round: int = 1) -> int:
    """Import a file. Return the number of rows that were refused."""
    with planned(file, target, mapping, last_round) as plan:
        plan.write()
        return plan.refused


def undo_all(file: Path, *, force: bool = False, last_round: int = 1, target: Target = TARGET) -> None:
    """Undo the import of a file."""
    with RowFile(file) as rows, Import(rows, {}, target, last_round, finds_only=True) as plan:
        plan.read()
        plan.undo(force=force, is_real=True)


def dying_at(call: int, when: str) -> Callable[..., Any]:
    """Return a replacement for `Connection.post` that raises Killed before or after the call with this number."""
    post, calls = Connection.post, itertools.count(1)

    def die(*args: Any, **more: Any) -> Any:
        if next(calls) != call:
            return post(*args, **more)
        if when == "after":
            post(*args, **more)
        raise Killed

    return die


def deployed_command(run_main: RunMain) -> Command:
    """Return a function that runs the command for a deployed stack, with the file as first argument."""
    secret = aws_client("secretsmanager").create_secret(Name="ErasureSecret", SecretString="x")["ARN"]
    outputs = {f"{name}TableName": f"{name}Table" for name in ("Outcomes", "Totals", "Statements", "Erasures")}
    STACKS[REGION, "outcomes-prod"] = outputs | {"ErasureSecretArn": secret}
    PARAMETERS[REGION, "outcomes-prod"] = {
        "DataRequests": "On",
        "MaxWriteUnits": "4000",
        "OutcomeTypes": ",".join(TYPES),
        "TotalsEdition": "1",
    }
    return partial(run_main, main, "--stack", "outcomes-prod", "--file")


def days_ago(days: int) -> int:
    return instants.now() - days * DAY


def statuses() -> list[str]:
    """Return the statuses of user 42's outcomes, oldest first."""
    return [each["status"] for each in reversed(ledger())]


def end_statement(days: int) -> str:
    """Store the end of a statement of user 42, as many days ago, and return it."""
    cut = instants.text(days_ago(days))
    imports(imports()._replace(cut=cut))
    return cut
