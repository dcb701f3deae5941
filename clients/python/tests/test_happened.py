"""Test `occurred_at` and the ledger's fields in the clients and the command."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from outcomes_client import (
    AsyncOutcomesClient,
    InvalidOutcomeError,
    NewOutcome,
    OutcomesClient,
    OutcomeStatus,
    Total,
)
from outcomes_client._json import encode

from clients.python.tests.conftest import Api, Outcomes, everywhere

MARCH = datetime(2026, 3, 14, 15, 9, 26, 535897, tzinfo=UTC)
NAIVE = datetime(2026, 3, 14, 15, 9)  # noqa: DTZ001 - the mistake under test


def write(path: Path, *lines: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


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
async def test_an_outcome_counts_when_it_happened(
    api: Api, client: OutcomesClient, moment: Any, happened: datetime
) -> None:
    outcome: dict[str, Any] = {"outcome_type": "deal_closed", "title": "Acme", "user_id": api.user, "value_usd": 5}
    outcome |= {"occurred_at": moment, "idempotency_key": "pi"}
    first = client.record(**outcome)
    assert [one.status for one in client.record_many([NewOutcome(**outcome)])] == ["replayed"]
    async with AsyncOutcomesClient(**api.settings) as awaiting:
        again = await awaiting.record(**outcome)
        assert (again.id, again.replayed) == (first.id, True)
        assert [one.id async for one in awaiting.iterate(status="recorded", ledger=True)] == [first.id]
        page = await awaiting.list(ledger=True, status=[OutcomeStatus.RECORDED, "void"])
    assert page == client.list(ledger=True, status=[OutcomeStatus.RECORDED, "void"])
    [one] = page.outcomes
    assert (one.occurred_at, one.status, one.recorded_by, one.version) == (happened, "recorded", "key", 0)
    [day] = [each for each in client.summary(start="2026-03-01", end="2026-04-01").by_day if each.count]
    assert (day.date, day.count, day.value_usd) == (date(2026, 3, 14), 1, Decimal(5))


@everywhere
def test_a_time_without_zone_fails_only_its_item(api: Api, client: OutcomesClient) -> None:
    outcome: dict[str, Any] = {"outcome_type": "task_complete", "title": "One", "user_id": api.user}
    with pytest.raises(InvalidOutcomeError, match="400 Invalid occurredAt: occurredAt "):
        client.record(**outcome, occurred_at=NAIVE)
    results = client.record_many([NewOutcome(**outcome, occurred_at=NAIVE), NewOutcome(**outcome)])
    assert [one.status for one in results] == ["invalid", "created"]
    assert results[0].error == "Invalid occurredAt"


@pytest.mark.parametrize("api", ["stack"], indirect=True)
def test_a_session_learns_the_earliest_accepted_time(api: Api) -> None:
    now = datetime.now(UTC)
    with OutcomesClient(**{**api.settings, "api_key": None}) as session:
        assert session.record("task_complete", "Lately", occurred_at=now - timedelta(days=33)).id
        with pytest.raises(InvalidOutcomeError, match=r"occurredAt .*20\d\d-\d\d-\d\dT"):
            session.record("task_complete", "Long ago", occurred_at=now - timedelta(days=36))


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
    refused = outcomes("record", "--type", "deal_closed", "--title", "x", "--user", str(api.user), "--at", "yesterday")
    assert refused.code == 1
    assert "Invalid --at" in refused.err


def correct(client: OutcomesClient, id_: str, status: str) -> None:
    """Correct an outcome so that it has this status."""
    match status:
        case "confirmed":
            client.confirm(id_)
        case "disputed":
            client.dispute(id_, "Not ours")
        case "void":
            client.void(id_, "Twice", user_id=42)


def test_the_summary_shows_confirmed_and_disputed_only_if_there_are_any(
    client: OutcomesClient, outcomes: Outcomes
) -> None:
    for status, value in (("recorded", 1), ("confirmed", 20), ("confirmed", 300), ("disputed", 4000), ("void", 50000)):
        correct(client, client.record("deal_closed", status, value_usd=value, user_id=42).id, status)
        period = ("--from", "2026-04-01", "--to", "2026-04-03")
        run = outcomes("summary", *period)
        assert ("confirmed" in run.out, "disputed" in run.out) == (value > 1, value > 300)
    assert "$321.00 in 3 outcomes\n$320.00 confirmed · $4,000.00 disputed\n" in run.out
    totals = json.loads(outcomes("summary", *period, "--json").out)
    assert [totals[name]["count"] for name in ("confirmed", "disputed", "voided")] == [2, 1, 1]
    assert totals["voided"]["value_usd"] == 50000


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
def test_an_imported_export_keeps_when_it_happened(
    api: Api, client: OutcomesClient, outcomes: Outcomes, tmp_path: Path
) -> None:
    client.record("task_complete", "Now", user_id=api.user)
    client.record("task_complete", "March", user_id=api.user, occurred_at=MARCH)
    run = outcomes("export")
    exported = [json.loads(line) for line in run.out.splitlines()]
    assert [one["status"] for one in exported] == ["recorded"] * 2
    assert outcomes("import", write(tmp_path / "a.jsonl", *exported)).out.startswith("2 recorded")
    # The line's idempotency key does not depend on these fields: an older export lacks them, and a confirmation changes
    # them.
    again = [listed(exported[1]), {**exported[0], "status": "confirmed", "version": 1}]
    run = outcomes("import", write(tmp_path / "b.jsonl", *again))
    assert run.out == "0 recorded, 2 already there, 0 refused\n"
    times = [(one.title, one.occurred_at) for one in client.iterate(ledger=True)]
    assert sorted(times[:2], key=str) == sorted(times[2:], key=str)


def test_a_csv_export_has_the_status_and_omits_void_outcomes(client: OutcomesClient, outcomes: Outcomes) -> None:
    for status in ("recorded", "void", "disputed"):
        recorded = client.record("deal_closed", status, user_id=42, occurred_at=date(2026, 3, 14))
        correct(client, recorded.id, status)
    rows = list(csv.DictReader(io.StringIO(outcomes("export", "--format", "csv").out)))
    assert [(one["title"], one["status"]) for one in rows] == [("disputed", "disputed"), ("recorded", "recorded")]
    assert {one["occurred_at"] for one in rows} == {"2026-03-14T00:00:00.000Z"}


# Older APIs


def listed(outcome: dict[str, Any]) -> dict[str, Any]:
    """Return an outcome without the fields that only `include=ledger` returns."""
    return {n: v for n, v in outcome.items() if n not in ("status", "occurred_at", "recorded_by", "version")}


def test_answers_of_an_older_api_without_the_ledger_are_read(
    api: Api, client: OutcomesClient, outcomes: Outcomes
) -> None:
    client.record("deal_closed", "Acme", user_id=42)
    current = api.door.upstream

    def older(*asked: Any) -> Any:
        status, headers, body = current(*asked)
        answer = json.loads(body)
        for name in ("confirmed", "disputed", "voided"):
            answer.pop(name, None)
        return status, headers, encode({**answer, "outcomes": [listed(one) for one in answer.get("outcomes", [])]})

    api.door.upstream = older
    [outcome] = client.list(ledger=True).outcomes
    assert (outcome.status, outcome.occurred_at, outcome.recorded_by, outcome.version) == (None,) * 4
    assert list(outcome.as_dict()) == list(listed(outcome.as_dict()))
    summary = client.summary(start="2026-04-01", end="2026-04-03")
    assert summary.confirmed == summary.disputed == summary.voided == Total(0, Decimal(0))
    assert outcomes("list", "--ledger").code == 0
