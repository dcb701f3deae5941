"""Test the definition in a statement."""

from typing import Any

import pytest
from outcomes.statements import chain
from outcomes.statements.work import Work

from tests.aws import aws_client
from tests.definitions.service import BERLIN, CLAIMED, delete, put
from tests.people import record
from tests.statements.conftest import Clock
from tests.statements.service import ask, before_call, head, made, verified

POSTS = {"content_published": {"when": "confirmed", "eachUsd": 1e-7, "basis": "estimated", "note": "90 “minutes”"}}
NEVER = {"*": {"when": "never"}}


@pytest.fixture(autouse=True)
def september(clock: Clock) -> Clock:
    """Record an outcome in September, and set the clock to October."""
    clock.at("2026-09-15T12:00:00Z")
    record(valueUsd=10)
    clock.at("2026-10-20T12:00:00Z")
    return clock


def test_a_statement_has_the_definition_in_force_for_its_month(september: Clock) -> None:
    put("2026-11", POSTS | CLAIMED)
    put("2027-01", NEVER, dispute_days=0)
    september.at("2027-03-01T12:00:00Z")

    texts = [made(month) for month in ("2026-10", "2026-11", "2026-12", "2027-01", "2027-02")]

    for before, text in zip([None, *texts], texts, strict=False):
        verified(text, before if before else made("2026-09"))
    definitions = [head(text)["definition"] for text in texts]
    autumn = {
        "from": "2026-11",
        "timezone": BERLIN,
        "dispute_days": 14,
        "types": [
            {
                "outcome_type": "content_published",
                "when": "confirmed",
                "each_usd": "0.0000001",
                "basis": "estimated",
                "note": "90 “minutes”",
            },
            {"outcome_type": "*", "when": "claimed", "each_usd": None, "basis": "stated", "note": None},
        ],
    }
    assert definitions[:3] == [None, autumn, autumn]
    assert [(each["from"], each["dispute_days"]) for each in definitions[3:]] == [("2027-01", 0)] * 2


def test_a_call_whose_time_ends_with_the_last_entry_makes_the_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would store no unfinished work, and the next call might end there again."""
    put("2026-09")
    add_entries = chain._Chain._add_entries

    def add_until_the_end(self: chain._Chain, work: Work) -> None:
        add_entries(self, work)
        self.reads.until = 0

    monkeypatch.setattr(chain._Chain, "_add_entries", add_until_the_end)

    assert head(made("2026-09"))["definition"]["from"] == "2026-09"


def test_a_statement_in_another_time_zone_has_no_definition(september: Clock) -> None:
    put("2026-11")
    september.at("2026-12-20T12:00:00Z")

    assert head(made("2026-11", "Europe/Vienna"))["definition"] is None
    for zone in (BERLIN, "Arctic/Longyearbyen"):  # another name of its zone
        assert head(made("2026-11", zone))["definition"]["timezone"] == BERLIN


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("at", ["Query", "TransactWriteItems"])
@pytest.mark.usefixtures("no_waiting")
def test_a_statement_during_which_the_definition_changes_has_the_new_one(
    is_first: bool, at: str, september: Clock
) -> None:
    if not is_first:
        put("2026-09", POSTS | CLAIMED)
    changed: list[Any] = []

    def change() -> None:
        if not changed:
            changed.append(None)
            changed.append(put("2026-09", NEVER))

    with before_call(1, change, at):
        text = made("2026-09")

    assert changed[1][0] == 200
    assert [each["when"] for each in head(text)["definition"]["types"]] == ["never"]
    assert put("2026-09") == delete("2026-09") == (409, "month")  # a statement has it
    assert september.now


def test_a_statement_waits_for_the_erasure_that_is_deleting_its_definition() -> None:
    put("2026-09", POSTS | CLAIMED)
    version = {"user_id": {"S": "42"}, "id": {"S": "definition#2026-09#000000001"}}
    aws_client("dynamodb").delete_item(TableName="StatementsTable", Key=version)

    assert ask("2026-09") == (503, {"error": "Still adding up"})
