"""Test `occurred_at` and the ledger's fields in the clients and the command."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from outcomes_client import (
    InvalidOutcomeError,
    NewOutcome,
    OutcomesClient,
    OutcomeStatus,
    Total,
)
from outcomes_client._json import encode

from clients.python.tests.conftest import Api, Outcomes, everywhere
from clients.python.tests.test_cli import write

MARCH = datetime(2026, 3, 14, 15, 9, 26, 535897, tzinfo=UTC)
NAIVE = datetime(2026, 3, 14, 15, 9)  # noqa: DTZ001 - the mistake under test
UNKNOWN = datetime.min.replace(tzinfo=timezone(timedelta(hours=1)))  # in UTC, it is before the year 1


# Recording


@everywhere
@pytest.mark.parametrize(
    ("moment", "happened"),
    [
        (MARCH, datetime(2026, 3, 14, 15, 9, 26, 535000, tzinfo=UTC)),
        (
            MARCH.astimezone(timezone(timedelta(hours=5, minutes=30))),
            datetime(2026, 3, 14, 15, 9, 26, 535000, tzinfo=UTC),
        ),
        (date(2026, 3, 14), datetime(2026, 3, 14, tzinfo=UTC)),
        ("2026-03-14T16:09:00+01:00", datetime(2026, 3, 14, 15, 9, tzinfo=UTC)),
    ],
)
def test_an_outcome_counts_when_it_happened(api: Api, client: OutcomesClient, moment: Any, happened: datetime) -> None:
    outcome: dict[str, Any] = {"outcome_type": "deal_closed", "title": "Acme", "user_id": api.user, "value_usd": 5}
    outcome |= {"occurred_at": moment, "idempotency_key": "pi"}
    client.record(**outcome)
    assert [one.status for one in client.record_many([NewOutcome(**outcome)])] == ["replayed"]
    [one] = client.list(ledger=True, status=[OutcomeStatus.RECORDED, "void"]).outcomes
    assert (one.occurred_at, one.status, one.recorded_by, one.version) == (happened, "recorded", "key", 0)
    if api.user != 42:  # the fake has no summaries
        [day] = [each for each in client.summary(start="2026-03-01", end="2026-04-01").by_day if each.count]
        assert (day.date, day.count, day.value_usd) == (date(2026, 3, 14), 1, Decimal(5))


@everywhere
@pytest.mark.parametrize("moment", [NAIVE, UNKNOWN])
def test_a_wrong_time_fails_only_its_item(api: Api, client: OutcomesClient, moment: datetime) -> None:
    outcome: dict[str, Any] = {"outcome_type": "task_complete", "title": "One", "user_id": api.user}
    with pytest.raises(InvalidOutcomeError, match="400 Invalid occurredAt: occurredAt "):
        client.record(**outcome, occurred_at=moment)
    results = client.record_many([NewOutcome(**outcome, occurred_at=moment), NewOutcome(**outcome)])
    assert [one.status for one in results] == ["invalid", "created"]
    assert results[0].error == "Invalid occurredAt"


@everywhere
def test_a_list_may_begin_before_all_times(api: Api, client: OutcomesClient) -> None:
    id_ = client.record("task_complete", "One", user_id=api.user).id
    assert client.list(start=UNKNOWN, limit=1).outcomes[0].id == id_


# The command


@everywhere
def test_the_command_records_when_it_happened(
    api: Api, client: OutcomesClient, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    for title, at in (("Day", "2026-03-14"), ("Instant", "2026-03-14T15:09:26.535Z")):
        recording = ("record", "--type", "deal_closed", "--title", title, "--user", str(api.user), "--at", at)
        assert outcomes(*recording).code == 0
    instant, day = client.list(ledger=True).outcomes
    assert day.occurred_at == datetime(2026, 3, 14, tzinfo=UTC)
    assert instant.occurred_at == datetime(2026, 3, 14, 15, 9, 26, 535000, tzinfo=UTC)
    heading, *rows = outcomes("list", "--ledger").out.splitlines()
    assert heading.split() == ["Id", "When", "Happened", "Status", "Type", "Agent", "Value", "Title"]
    assert [row.split()[5:] for row in rows] == [["recorded", "deal_closed", title] for title in ("Instant", "Day")]
    assert rows[0].split()[3:5] == instant.occurred_at.astimezone().strftime("%Y-%m-%d %H:%M").split()
    assert outcomes("list", "--status", "void").out == "No outcomes.\n"
    page = json.loads(outcomes("list", "--json", "--status", "recorded").out)
    assert [one["occurred_at"] for one in page["outcomes"]] == ["2026-03-14T15:09:26.535Z", "2026-03-14T00:00:00.000Z"]


@pytest.mark.parametrize("api", ["stack"], indirect=True)
def test_the_summary_shows_confirmed_and_disputed_only_if_there_are_any(
    api: Api, client: OutcomesClient, outcomes: Outcomes
) -> None:
    made = {
        value: client.record("deal_closed", f"{value}", value_usd=value, user_id=api.user).id for value in (1, 20, 300)
    }
    for correct, shown in ((lambda: None, (False, False)), (lambda: client.confirm(made[20]), (True, False))):
        correct()
        out = outcomes("summary").out
        assert ("confirmed" in out, "disputed" in out) == shown
    client.dispute(made[300], "Not ours")
    client.void(made[1], "Twice", user_id=api.user)
    assert "$20.00 in 1 outcome\n$20.00 confirmed · $300.00 disputed\n" in outcomes("summary").out
    totals = json.loads(outcomes("summary", "--json").out)
    assert [totals[name]["count"] for name in ("confirmed", "disputed", "voided")] == [1, 1, 1]
    assert totals["voided"]["value_usd"] == 1


# Importing


@everywhere
def test_an_import_keeps_when_it_happened(api: Api, client: OutcomesClient, outcomes: Outcomes, tmp_path: Path) -> None:
    work = {"outcomeType": "task_complete", "title": "One", "userId": api.user}
    stamp = "2026-03-14T15:09:26.535Z"
    lines: list[dict[str, Any]] = [
        {**work, "occurredAt": stamp},
        {**work, "occurred_at": stamp, "title": "Two"},
        {**work, "id": "x", "created_at": stamp},
        {**work, "id": "y", "createdAt": stamp},
        {**work, "id": "z", "created_at": "2026-04-01T12:00:00.000Z", "occurred_at": stamp},
        {**work, "id": "n", "created_at": stamp, "occurredAt": None},
    ]
    file = write(tmp_path / "old.jsonl", *lines)
    run = outcomes("import", file)
    assert (run.code, run.out, run.err) == (0, "6 recorded, 0 already there, 0 refused\n", "")
    assert {one.occurred_at for one in client.iterate(ledger=True)} == {datetime.fromisoformat(stamp)}
    assert outcomes("import", file).out == "0 recorded, 6 already there, 0 refused\n"


@everywhere
@pytest.mark.parametrize("layout", ["jsonl", "csv"])
def test_importing_an_export_records_each_outcome_once_when_it_happened(
    api: Api, client: OutcomesClient, outcomes: Outcomes, tmp_path: Path, layout: str
) -> None:
    more: dict[str, Any] = {"description": 'two\n-lines, "quoted"', "metadata": {"n": [1, 2.5, None], "k": "=x"}}
    more |= {"value_usd": Decimal("-0.10"), "agent_id": 7, "occurred_at": MARCH}
    for _ in range(2):
        client.record("task_complete", "Same", user_id=api.user)
    client.record("deal_closed", "=1+1; @you", user_id=api.user, **more)
    file, counted = (tmp_path / f"{name}.{layout.upper()}" for name in ("out", "counted"))
    assert outcomes("export", "--format", layout, "--output", str(file)).code == 0
    assert outcomes("export", "--format", layout, "--output", str(counted), "--counts").code == 0
    # What an outcome counts for changes as time passes, and is no part of the work.
    for exported, said in ((file, "3 recorded, 0 already there"), (counted, "0 recorded, 3 already there")):
        run = outcomes("import", str(exported))
        assert (run.code, run.out, run.err) == (0, f"{said}, 0 refused\n", "")
    kept = [
        {name: value for name, value in one.as_dict().items() if name not in ("id", "created_at", "recorded_by")}
        for one in client.iterate(ledger=True)
    ]
    assert sorted(kept[:3], key=str) == sorted(kept[3:], key=str)
    if layout == "csv":
        return
    lines = [json.loads(line, parse_float=str) for line in file.read_text().splitlines()]
    assert [one["status"] for one in lines] == ["recorded"] * 3
    # A line's idempotency key depends neither on the order of lines nor on these fields: an older export lacks them,
    # and a confirmation changes them.
    again = [
        {**listed(lines[2]), "value_usd": lines[2]["value_usd"]},
        {**lines[1], "status": "confirmed", "version": 1},
    ]
    run = outcomes("import", write(tmp_path / "b.jsonl", *again))
    assert run.out == "0 recorded, 2 already there, 0 refused\n"


# Older APIs


def listed(outcome: dict[str, Any]) -> dict[str, Any]:
    """Return an outcome without the fields that only `include=ledger` returns."""
    return {n: v for n, v in outcome.items() if n not in ("status", "occurred_at", "recorded_by", "version")}


def test_answers_of_an_older_api_without_the_ledger_are_read(
    api: Api, client: OutcomesClient, outcomes: Outcomes
) -> None:
    client.record("deal_closed", "Acme", user_id=42)
    [recorded] = api.recorded()
    page = encode({"outcomes": [listed(recorded)], "next_cursor": None})
    api.door.upstream = lambda *_: (200, {}, page)
    [outcome] = client.list(ledger=True).outcomes
    assert (outcome.status, outcome.occurred_at, outcome.recorded_by, outcome.version) == (None,) * 4
    assert list(outcome.as_dict()) == list(listed(outcome.as_dict()))
    assert outcomes("list", "--ledger").code == 0
    rows: dict[str, Any] = {"by_type": [], "by_agent": [], "by_day": []}
    totals = encode({"from": "a", "to": "b", "timezone": "UTC", "count": 0, "value_usd": 0, **rows})
    api.door.upstream = lambda *_: (200, {}, totals)
    summary = client.summary()
    assert summary.confirmed == summary.disputed == summary.voided == Total(0, Decimal(0))
