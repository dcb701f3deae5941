"""A page that takes too long to fill is returned partly filled."""

from typing import Any

import pytest
from outcomes.contract import instants
from outcomes.ledger import ulid
from outcomes.ledger.store import PAGE_SECONDS, Filters, OutcomeStore


class SlowTable:
    """A fake table. Each query returns an empty page with a cursor, so paging never ends."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.now = 0.0
        self.queries = 0

    def call(self, _operation: str, _request: Any) -> dict[str, Any]:
        self.queries += 1
        self.now += self.seconds
        instant = 1_000_000 - self.queries
        key = {"user_id": {"S": "42"}, "created_at": {"S": f"{instants.text(instant)}#{ulid.new(instant)}"}}
        return {"Items": [], "LastEvaluatedKey": key}


@pytest.mark.parametrize(("seconds", "queries"), [(PAGE_SECONDS + 1, 1), (PAGE_SECONDS / 2 + 1, 2)])
def test_no_query_begins_when_time_is_up(monkeypatch: pytest.MonkeyPatch, seconds: float, queries: int) -> None:
    table = SlowTable(seconds)
    store = OutcomeStore("OutcomesTable")
    store.dynamodb = table  # type: ignore[assignment]  # the one call of it that matters here
    monkeypatch.setattr("outcomes.ledger.store.time.monotonic", lambda: table.now)

    page = store.page(42, 20, filters=Filters(agent_id=7))

    assert table.queries == queries
    assert page.outcomes == []
    assert page.next_cursor is not None
