"""Test reading outcomes that belong to no user: list, export and summary.

They are stored in sixteen partitions.
"""

import json
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from outcomes.calendar import instants
from outcomes.contract.models import NewOutcome
from outcomes.ledger import store as ledger_store
from outcomes.ledger.store import Filters, OutcomeStore
from outcomes.totals import materialized

from functions.export_outcomes import app as export_outcomes
from functions.list_outcomes import app as list_outcomes
from functions.summarize_outcomes import app as summarize_outcomes
from tests.corrections import pages
from tests.events import KEY, proxy_event

NOON = 1_775_044_800_000  # 2026-04-01T12:00:00Z
NOBODY = KEY | {"reads": "none"}

pytestmark = pytest.mark.usefixtures("tables")


def add(count: int, user: int | None = None, **fields: Any) -> list[str]:
    """Record outcomes one second apart, and return their ids, newest first."""
    body = {"outcomeType": "deal_closed", "title": "Closed", "userId": None if user is None else Decimal(user)}
    outcome = NewOutcome.parse(body | fields, session_user=None)
    store = OutcomeStore("OutcomesTable")
    return [store.add(outcome, "key", milliseconds=NOON + index * 1000) for index in range(count)][::-1]


def get(app: Any, **query: Any) -> dict[str, Any]:
    event = proxy_event("GET", authorizer=NOBODY, query={"userId": "none"} | query)
    response: dict[str, Any] = app.handler(event, None)
    return response


def walk(**query: str) -> list[list[str]]:
    found = list(pages(NOBODY, userId="none", **query))
    assert {outcome["user_id"] for page in found for outcome in page} <= {None}
    return [[outcome["id"] for outcome in page] for page in found]


def exported(**query: str) -> list[list[str]]:
    parts: list[list[str]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = get(export_outcomes, format="ndjson", **query, **cursor)
        parts.append([json.loads(line)["id"] for line in answer["body"].splitlines()])
        if "Next-Cursor" not in answer["headers"]:
            return parts
        cursor = {"cursor": answer["headers"]["Next-Cursor"]}


@pytest.mark.parametrize("limit", [1, 7, 50])
def test_pages_list_each_once_newest_first(limit: int) -> None:
    ids = add(45)
    add(3, user=42)
    pages = walk(limit=str(limit))
    assert [id_ for page in pages for id_ in page] == ids
    assert {len(page) for page in pages[:-1]} <= {limit}


def test_pages_of_rare_matches_lose_none() -> None:
    add(300)
    rare = add(5, outcomeType="task_complete")
    pages = walk(limit="2", outcomeType="task_complete")
    assert [id_ for page in pages for id_ in page] == rare


def test_parts_of_an_export_list_each_once_newest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = add(40)
    monkeypatch.setattr(ledger_store, "MAX_RESPONSE_BYTES", 2000)
    parts = exported()
    assert [id_ for part in parts for id_ in part] == ids
    assert len(parts) > 5
    row = get(export_outcomes)["body"].splitlines()[1]
    assert row.startswith(f"{ids[0]},,")


@pytest.mark.parametrize("app", [list_outcomes, export_outcomes, summarize_outcomes])
def test_without_time_for_every_partition_the_answer_is_a_503(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    add(30)
    monkeypatch.setattr(ledger_store, "PAGE_SECONDS", -1)
    monkeypatch.setattr(materialized, "AGGREGATION_SECONDS", -materialized.GRACE_SECONDS - 1)
    assert get(app)["statusCode"] == 503


def test_an_export_has_time_for_every_partition_though_whole_pages_take_a_quarter_of_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    whole_page = 3000  # 1 MB contains this many outcomes of 350 bytes

    def query(_operation: str, query: dict[str, Any]) -> dict[str, Any]:
        nonlocal now
        examined = query.get("Limit", whole_page)
        now += 0.25 * examined / whole_page
        first = int(query.get("ExclusiveStartKey", {"number": {"N": "-1"}})["number"]["N"]) + 1
        items = [
            {"created_at": {"S": f"{instants.text(NOON - number)}#{number}"}, "number": {"N": str(number)}}
            for number in range(first, first + examined)
        ]
        return {"Items": items, "LastEvaluatedKey": items[-1]}

    monkeypatch.setattr(ledger_store, "time", SimpleNamespace(monotonic=lambda: now))
    monkeypatch.setattr(ledger_store, "MAX_RESPONSE_BYTES", 10_000)
    store = OutcomeStore("OutcomesTable")
    monkeypatch.setattr(store, "dynamodb", SimpleNamespace(call=query))
    page = store.page_by_size(None, lambda _: "x" * 100, filters=Filters(by_occurrence=True))
    assert len(page.outcomes) == 100
    assert page.next_cursor
