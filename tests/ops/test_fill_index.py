"""Test the command that adds the outcomes of earlier versions to the index."""

import os
from itertools import chain
from typing import Any

import pytest
from outcomes.aws.services import DynamoDB
from outcomes.calendar import instants
from outcomes.contract.models import NewOutcome

from functions.list_outcomes import app as list_outcomes
from ops.fill_index import main
from tests.aws import PARAMETERS, STACKS, aws_client, scan
from tests.conftest import RunMain
from tests.corrections import BODIES, OWNER, correct, pages
from tests.events import KEY

REGION = os.environ["AWS_DEFAULT_REGION"]
NOON = 1_775_044_800_000  # 2026-04-01T12:00:00Z
HOUR = 60 * 60 * 1000

pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.fixture
def stack(tables: dict[str, str]) -> str:
    STACKS[REGION, "outcomes-prod"] = {"OutcomesTableName": tables["OutcomesTable"]}
    PARAMETERS[REGION, "outcomes-prod"] = {"MaxReadUnits": "4000", "MaxWriteUnits": "4000"}
    return "outcomes-prod"


def add(hours: int | None) -> str:
    """Record an outcome that happened `hours` hours before noon, or for None, at the time of recording."""
    body = {"outcomeType": "deal_closed", "title": "Closed"}
    body |= {} if hours is None else {"occurredAt": instants.text(NOON - hours * HOUR)}
    outcome = NewOutcome.parse(body, session_user=42)
    return list_outcomes.store.add(outcome, "key", milliseconds=NOON)


def as_before(update: str = "REMOVE happened", **values: Any) -> None:
    """Change all stored outcomes to the format of an earlier version."""
    for item in scan():
        key = {name: item[name] for name in ("user_id", "created_at")}
        more = {"ExpressionAttributeValues": values} if values else {}
        aws_client("dynamodb").update_item(TableName="OutcomesTable", Key=key, UpdateExpression=update, **more)


def by_occurrence() -> list[str]:
    return [each["id"] for each in chain.from_iterable(pages(time="occurred"))]


def test_late_outcomes_of_an_earlier_version_are_then_listed_by_when_they_happened(
    stack: str, run_main: RunMain
) -> None:
    ids = [add(hours) for hours in (None, 1, 3, 2)]
    correct(ids[1], OWNER, BODIES["dispute"])
    before = scan()
    as_before()
    assert by_occurrence() != [ids[0], ids[1], ids[3], ids[2]]
    done = run_main(main, stack)
    assert (done.returncode, done.stdout) == (
        0,
        "Looked at 3 outcomes that have a time of their own, and changed 3.\n",
    )
    assert scan() == before
    assert by_occurrence() == [ids[0], ids[1], ids[3], ids[2]]
    assert "changed 0." in run_main(main, stack).stdout


@pytest.mark.parametrize("amended", [{"occurredAt": None}, {"occurredAt": instants.text(NOON)}])
def test_an_attribute_that_an_earlier_version_left_is_removed(
    stack: str, run_main: RunMain, amended: dict[str, Any]
) -> None:
    id_ = add(1)
    correct(id_, KEY, {"type": "amend", "reason": "A typo", "changes": amended})
    as_before("SET happened = :old", **{":old": {"S": f"{instants.text(NOON - HOUR)}#{id_}"}})
    run_main(main, stack)
    assert "happened" not in scan()[0]


def test_an_outcome_that_changed_meanwhile_is_left_alone(
    stack: str, run_main: RunMain, monkeypatch: pytest.MonkeyPatch
) -> None:
    amended, erased = add(1), add(2)
    as_before()
    call = DynamoDB.call

    def late(self: DynamoDB, operation: str, request: Any, **more: Any) -> Any:
        answer = call(self, operation, request, **more)
        if operation == "Scan":
            monkeypatch.setattr(DynamoDB, "call", call)
            changes = {"occurredAt": instants.text(NOON - 5 * HOUR)}
            correct(amended, KEY, {"type": "amend", "reason": "A typo", "changes": changes})
            for item in scan():
                key = {name: item[name] for name in ("user_id", "created_at")}
                if item["created_at"]["S"].endswith(erased):
                    aws_client("dynamodb").delete_item(TableName="OutcomesTable", Key=key)
        return answer

    monkeypatch.setattr(DynamoDB, "call", late)
    assert "changed 0." in run_main(main, stack).stdout
    [item] = [item for item in scan() if item["created_at"]["S"][0] != "~"]
    assert item["happened"]["S"] == f"{instants.text(NOON - 5 * HOUR)}#{amended}"


def test_an_unknown_stack_is_an_error(tables: dict[str, str], run_main: RunMain) -> None:  # noqa: ARG001
    assert run_main(main, "").stderr.startswith("error: STACK is missing")
    done = run_main(main, "outcomes-prod")
    assert (done.returncode, done.stderr.startswith("error: outcomes-prod: ")) == (1, True)
