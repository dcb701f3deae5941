"""Test that what counts by statements and their entries is what the API said at the last cut."""

import json
import random
from decimal import Decimal
from typing import Any

import pytest
from outcomes.calendar import instants
from outcomes_client import _cli_statements
from outcomes_client.statements import StatementError, VerifiedMonths, verify_months
from outcomes_client.statements._entries import Counted, Entry
from outcomes_client.statements._what_counts import Month, by_rule

from functions.summarize_outcomes import app as summarize_outcomes
from tests.corrections import OWNER, correct
from tests.definitions.service import BERLIN, put
from tests.events import KEY, proxy_event
from tests.people import record
from tests.statements.conftest import Clock
from tests.statements.service import entries, keys, made

MONTHS = ["2026-09", "2026-10", "2026-11", "2026-12"]
CUTS = ["2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z", "2026-11-30T23:00:00Z", "2026-12-31T23:00:00Z"]
TYPES = {
    "content_published": {"when": "confirmed", "eachUsd": 75.10, "basis": "estimated"},
    "task_complete": {"when": "never"},
    "broadcast_complete": {"when": "claimed", "eachUsd": 3},
    "*": {"when": "unless_disputed"},
}
LATER = {"content_published": {"when": "unless_disputed"}, "*": {"when": "unless_disputed", "eachUsd": 2.5}}
SAID: list[dict[str, Any]] = [
    {"type": "amend", "reason": "A typo", "changes": {"title": "Closed the deal"}},
    {"type": "amend", "reason": "Less", "changes": {"valueUsd": 4.25, "outcomeType": "deal_closed"}},
    *({"type": type_, "reason": "So it is"} for type_ in ("confirm", "dispute", "uphold", "void")),
]


def verified() -> VerifiedMonths:
    """Verify the statements of all months, with their entries."""
    texts = {f"{month}@{BERLIN}": made(month).encode() for month in MONTHS}
    lists = [entries(id_).encode() for id_ in texts]
    return verify_months([*texts.values()], keys=keys().encode(), entries=lists)


def said_at(clock: Clock, cut: str) -> Any:
    """Return `by_rule` of all months, as the API says it at an instant."""
    clock.at(cut)
    query: dict[str, Any] = {
        "from": "2026-09-01",
        "to": "2027-01-01",
        "timezone": BERLIN,
        "by": "month",
        "include": "definition",
    }
    response = summarize_outcomes.handler(proxy_event("GET", authorizer=OWNER, query=query), None)
    assert response["statusCode"] == 200, response
    return json.loads(response["body"], parse_float=Decimal)["by_rule"]


def numbers(part: Any) -> Any:
    """Return a part with its amounts as Decimal."""
    if isinstance(part, dict):
        return {name: numbers(each) for name, each in part.items()}
    if isinstance(part, list):
        return [numbers(each) for each in part]
    return part if isinstance(part, str) and part[4:5] == "-" else Decimal(part)


@pytest.mark.parametrize("seed", range(3))
def test_it_is_what_the_api_said_at_the_last_cut(seed: int, clock: Clock) -> None:
    chance = random.Random(seed)  # noqa: S311 - no secret
    clock.at("2026-09-10T12:00:00Z")
    put("2026-10", TYPES, dispute_days=14)
    put("2026-12", LATER, dispute_days=[0, 30, 31][seed])
    begin, end = map(instants.read, ("2026-09-12T00:00:00Z", CUTS[-1]))
    at_cuts = [instants.read(cut) + apart for cut in CUTS[:-1] for apart in (-1, 0, 1)]
    ids: list[str] = []
    for at in sorted([*at_cuts, *(chance.randrange(begin, end) for _ in range(50))]):
        clock.at(instants.text(at))
        if ids and at not in at_cuts and chance.random() < 0.5:
            id_, body = chance.choice(ids), chance.choice(SAID)
            correct(id_, OWNER if body["type"] in ("confirm", "dispute") else KEY, body)
        else:
            happened = instants.text(at - (1 if at in at_cuts else chance.randrange(34 * 86_400_000)))
            value = chance.choice([None, 10, 0.1, -2.25])
            ids.append(
                record(outcomeType=chance.choice([*[*TYPES][:3], "deal_closed"]), valueUsd=value, occurredAt=happened)
            )
    said = said_at(clock, CUTS[-1])
    del said["by_type"]
    record(valueUsd=99)  # in the first instants of the month after
    clock.at("2027-01-02T12:00:00Z")

    found = dict(verified().by_rule or {})

    assert found.pop("as_of") == instants.text(instants.read(CUTS[-1]))
    earlier = found.pop("no_rule_known")
    assert numbers(found) == numbers(said)
    assert sum(found[part]["count"] for part in found) + earlier["count"] < len(ids)
    assert all(found[part]["count"] for part in found), found


def test_the_command_says_it_in_lines(clock: Clock) -> None:
    clock.at("2026-09-10T12:00:00Z")
    put("2026-10", TYPES)
    record(valueUsd=9000, occurredAt="2026-08-10T12:00:00Z")  # of a month without a statement
    record(valueUsd=800)
    clock.at("2026-11-20T12:00:00Z")
    record(valueUsd=2)
    amended = record(valueUsd=7)
    clock.at("2026-12-15T12:00:00Z")
    record(valueUsd=10)
    correct(amended, KEY, SAID[0])  # it changes words only, but waits anew
    correct(record(outcomeType="content_published"), OWNER, {"type": "confirm"})
    clock.at("2027-01-02T12:00:00Z")

    assert [*_cli_statements._parts(verified().by_rule)] == [
        "By the payer's rules, as of 2026-12-31T23:00:00.000Z:",
        "  counted: 2 outcomes, $77.10, $75.10 of it estimated",
        "  waiting: 2 outcomes, $17.00, $17.00 on 2027-01-15",
        "  unconfirmed: 0 outcomes, $0.00",
        "  not counted: 0 outcomes, $0.00",
        "  before rules: 1 outcome, $800.00",
        "  no rule known: 1 outcome, $9,000.00",
    ]


@pytest.mark.parametrize(("period", "days"), [("2026-10", 10**9), ("2026-10", -(10**15)), ("9999-12", 0)])
def test_days_outside_the_calendar_are_refused(period: str, days: int) -> None:
    rule = {"outcome_type": "*", "when": "unless_disputed", "each_usd": None, "basis": "stated", "note": None}
    counted = Counted("recorded", Decimal(1), "deal_closed", None, "2026-10-20T12:00:00.000Z")
    head = {"period": period, "from": "2026-10-01T00:00:00.000Z", "cut": "2026-11-01T00:00:00.000Z"}
    month = Month(head, {"dispute_days": days, "types": [rule]}, [Entry({"id": "1"}, None, counted)])
    with pytest.raises(StatementError, match=r"^definition: "):
        by_rule([month])
