"""Test which changes of rows tell, and the lines for people."""

from decimal import Decimal
from typing import Any

import pytest
from outcomes.contract import json_text
from outcomes.events import webhooks
from outcomes.events.stream import events_of

from tests.watches.telling import (
    COST,
    COUNTED,
    DIGEST,
    MADE,
    SILENCE,
    TOLD,
    UNREVIEWED,
    VALUE,
    Rows,
    events_of_all_kinds,
)

APRIL, MAY = "2026-04-10T12:00:00.000Z", "2026-05-01T12:00:00.000Z"
WAITING: dict[str, Any] = {"counted": Decimal(20_000), "waiting": Decimal(5_000), "estimated_usd": Decimal(75)}


@pytest.mark.parametrize(
    ("setting", "steps", "lines"),
    [
        (
            VALUE,
            [(APRIL, 1, {}), (APRIL, 25_000, {}), (APRIL, 24_499.99, {}), (MAY, 43_100.5, {})],
            [
                "Deals of &lt;Acme &amp; Sons&gt; reached 50 % of $50,000: $25,000 in 2026-04",
                "Deals of &lt;Acme &amp; Sons&gt; is below 50 % of $50,000 again: $24,499.99 in 2026-04",
                "Deals of &lt;Acme &amp; Sons&gt; did not reach 100 % of $50,000: $43,100.50 in 2026-04",
            ],
        ),
        (
            COUNTED,
            [(APRIL, 25_000, WAITING)],
            [
                "Deals of &lt;Acme &amp; Sons&gt; reached 50 % of $50,000 already: $25,000 in 2026-04"
                ", $5,000 of it waits, $75 is estimated"
            ],
        ),
        (COST, [(APRIL, 0, {}), (APRIL, 100, {})], ["Spend is above 100 % of $99.50: $100 in 2026-04"]),
        (COST, [(APRIL, 0, {}), (APRIL, "99.501", {})], ["Spend is above 100 % of $99.50: $99.501 in 2026-04"]),
        (
            COST | {"at": [Decimal(50)]},
            [(APRIL, 0, {}), (APRIL, "49.751", {})],
            ["Spend is above 50 % of $99.50: $49.751 in 2026-04"],
        ),
        (
            UNREVIEWED,
            [(APRIL, 0, {}), (APRIL, 1234, {}), (APRIL, 1, {})],
            [
                "Queue: 1,234 outcomes of the last 90 days wait for review, which are more than 20",
                "Queue: 1 outcome of the last 90 days waits for review, which is not more than 20",
            ],
        ),
        (SILENCE, [(APRIL, 0, {}), (APRIL, 3, {})], ["Quiet: nothing of agent 7 happened for 3 days"]),
        (
            SILENCE | {"name": "Any\nbody", "agent_id": None},
            [(APRIL, 9, {})],
            ["Any body: nothing happened for 9 days"],
        ),
        (
            SILENCE | {"outcome_type": "deal_closed", "target": Decimal(1)},
            [(APRIL, 1, {})],
            ["Quiet: no deal_closed of agent 7 happened for 1 day"],
        ),
    ],
)
def test_each_event_has_one_line_for_people(
    setting: dict[str, Any], steps: list[tuple[str, float, dict[str, Any]]], lines: list[str]
) -> None:
    rows = Rows()
    rows.put("deals", setting)
    for instant, value, parts in steps:
        rows.evaluate("deals", instant, value, **parts)
    assert [json_text.read(event.data)["text"] for event in rows.told] == lines


def test_the_digest_has_one_line_for_people() -> None:
    rows = Rows()
    rows.put("digest", DIGEST)
    rows.send("2026-W14", TOLD)
    less: dict[str, Any] = {
        "counted_usd": None,
        "cost_usd": None,
        "net_usd": None,
        "counts_soon": None,
        "cost_gaps": [],
    }
    nothing = {"count": Decimal(0), "value_usd": Decimal(0), "oldest_days": None}
    rows.send("2026-W15", TOLD | less | {"value_usd": Decimal(-5), "disputed": nothing})
    one = {"count": Decimal(1), "value_usd": Decimal(1), "oldest_days": Decimal(1)}
    rows.send("2026-W16", TOLD | less | {"value_usd": Decimal(0), "disputed": one, "unreviewed": one})
    assert [json_text.read(event.data)["text"] for event in rows.told] == [
        "Week 2026-W14: $12,500.50 claimed ($10,000 the week before); $9,000 counted; $80.25 cost"
        ", known for 5 of 7 days; $12,420.25 net; 4 outcomes of the last 90 days wait for review"
        "; $500 counts by itself in the next 7 days; 1 outcome of the last 90 days disputed, the oldest of 12 days ago"
        "; no costs on some days of openai",
        "Week 2026-W15: -$5 claimed ($10,000 the week before); 4 outcomes of the last 90 days wait for review",
        "Week 2026-W16: $0 claimed ($10,000 the week before); 1 outcome of the last 90 days waits for review"
        "; 1 outcome of the last 90 days disputed, the oldest of 1 day ago",
    ]


def test_ids_are_stable_and_of_the_alphabet_of_webhooks() -> None:
    ids = [event.id for event in events_of_all_kinds()]
    assert ids[0] == f"{MADE}#2026-04#50#1"
    assert ids[-1] == f"{MADE}#2026-W14"
    assert all(map(webhooks.is_id, ids))
    assert ids == [event.id for event in events_of_all_kinds()]


def test_rows_that_were_made_anew_renamed_or_deleted_tell_nothing() -> None:
    rows = Rows()
    rows.put("deals", VALUE)
    rows.evaluate("deals", APRIL, 60_000)
    [record] = rows.stream
    old, new = record["dynamodb"]["OldImage"], record["dynamodb"]["NewImage"]
    changes: list[dict[str, Any]] = [
        {"NewImage": new},
        {"OldImage": old | {"made": {"S": "01KN4EMCF80000000000000002"}}, "NewImage": new},
        {"OldImage": new, "NewImage": new | {"version": {"N": "2"}}},
        {"OldImage": new},
    ]
    for change in changes:
        assert events_of({"eventName": "MODIFY", "dynamodb": {"Keys": record["dynamodb"]["Keys"]} | change}, {}) == []


def test_a_row_may_tell_of_both_periods_at_once() -> None:
    rows = Rows()
    rows.put("deals", VALUE | {"target": Decimal(20)})
    rows.evaluate("deals", APRIL, 1)
    rows.evaluate("deals", "2026-04-30T22:30:00.000Z", 20)
    assert [event.id.split("#", 1)[1] for event in rows.told] == ["2026-04#100#1", "2026-05#50#1"]
