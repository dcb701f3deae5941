"""Let watches and a digest tell events of all kinds, without a ledger."""

from decimal import Decimal
from random import Random
from typing import Any

from outcomes.calendar import instants
from outcomes.contract import json_text
from outcomes.contract.events import Event
from outcomes.events.stream import events_of
from outcomes.watches import thresholds
from outcomes.watches.figures import Figure
from outcomes.watches.stored_watches import Digest, Watch, put_states

from tests.watches.in_memory import WatchesInMemory

MADE = "01KN4EMCF80000000000000001"
VALUE: dict[str, Any] = {
    "name": "Deals of <Acme & Sons>",
    "measure": "value",
    "outcome_type": "deal_closed",
    "agent_id": None,
    "every": "month",
    "timezone": "Europe/Berlin",
    "target": Decimal(50_000),
    "at": [Decimal(50), Decimal(100)],
}
COUNTED = VALUE | {"measure": "counted", "outcome_type": None}
COST = VALUE | {
    "name": "Spend",
    "measure": "cost",
    "outcome_type": None,
    "target": Decimal("99.5"),
    "at": [Decimal(100)],
}
ALWAYS = {"every": None, "at": None, "outcome_type": None}
UNREVIEWED = VALUE | ALWAYS | {"name": "Queue", "measure": "unreviewed", "target": Decimal(20)}
SILENCE = VALUE | ALWAYS | {"name": "Quiet", "measure": "silence", "agent_id": Decimal(7), "target": Decimal(3)}
DIGEST = {"timezone": "Europe/Berlin", "day": "monday", "hour": Decimal(8)}
WEEK: dict[str, Any] = {
    "count": Decimal(3),
    "value_usd": Decimal("12500.5"),
    "counted_usd": Decimal(9000),
    "waiting_usd": Decimal(3500),
    "cost_usd": Decimal("80.25"),
    "known_days": Decimal(5),
    "of_days": Decimal(7),
    "net_usd": Decimal("12420.25"),
}
TOLD: dict[str, Any] = {
    "at": "2026-04-06T06:00:00.000Z",
    "from": "2026-03-29T22:00:00.000Z",
    "to": "2026-04-05T22:00:00.000Z",
    "timezone": "Europe/Berlin",
    **WEEK,
    "previous": {**WEEK, "value_usd": Decimal(10_000), "cost_usd": None, "known_days": Decimal(0), "net_usd": None},
    "best_agents": [{"agent_id": Decimal(7), "count": Decimal(3), "value_usd": Decimal("12500.5")}],
    "unreviewed": {"count": Decimal(4), "value_usd": Decimal(3500)},
    "counts_soon": {"count": Decimal(2), "value_usd": Decimal(500)},
    "disputed": {"count": Decimal(1), "value_usd": Decimal(10), "oldest_days": Decimal(12)},
    "cost_gaps": [{"source": "openai", "days": ["2026-04-02"]}],
    "recorded_until": "2026-04-06T06:00:00.000Z",
}


class Rows(WatchesInMemory):
    """A table whose rows tell by the figures that a test gives."""

    def __init__(self) -> None:
        super().__init__(Random(1))  # noqa: S311 - decides nothing here

    def put(self, id_: str, setting: dict[str, Any]) -> None:
        self.store(42, id_, MADE, json_text.exact(setting, 3), put_at="2026-04-01T12:00:00.000Z")

    def evaluate(self, id_: str, instant: str, value: float, **parts: Any) -> None:
        """Evaluate a watch. value: the figure of its oldest period; that of the next one is 10."""
        watch, now = Watch.of(self.rows["WatchesTable", "42", id_]), instants.read(instant)
        oldest, *next_ = [each.name for each in thresholds.periods_of(watch, now)]
        figures = {oldest: Figure(Decimal(str(value)), None, instant, **parts)}
        states = thresholds.evaluate(watch, figures | dict.fromkeys(next_, Figure(Decimal(10), None, instant)), now)
        if states is not None:
            self.call("UpdateItem", put_states("WatchesTable", watch.head, states))

    def send(self, week: str, told: dict[str, Any]) -> None:
        head = Digest.of(self.rows["WatchesTable", "42", "digest"]).head
        self.call("UpdateItem", put_states("WatchesTable", head, {"week": week, "told": told}))

    @property
    def told(self) -> list[Event]:
        return [event for record in self.stream for event in events_of(record, {})]


def events_of_all_kinds() -> list[Event]:
    """Return an event of each type."""
    rows = Rows()
    rows.put("deals", VALUE)
    for amount in (100, 25_000, 24_000):
        rows.evaluate("deals", "2026-04-10T12:00:00.000Z", amount)
    rows.evaluate("deals", "2026-05-01T12:00:00.000Z", 43_100)
    rows.put("spend", COST)
    for value in (10, 99.51):
        rows.evaluate("spend", "2026-04-10T12:00:00.000Z", value)
    rows.put("quiet", SILENCE)
    for days in (0, 3):
        rows.evaluate("quiet", "2026-04-10T12:00:00.000Z", days)
    rows.put("digest", DIGEST)
    rows.send("2026-W14", TOLD)
    return rows.told
