"""Lists, exports and summaries with any combination of filters equal those of a simple oracle.

If an export selects outcomes by the time when they happened, the sums of its rows equal the summary's sums.
"""

import csv
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import StringIO
from itertools import chain, product
from random import Random
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outcomes.calendar import instants
from outcomes.contract import json_text

from functions.export_outcomes import app as export_outcomes
from functions.summarize_outcomes import app as summarize_outcomes
from smoke.model import Choice, State, added_up, said, shown
from tests.conftest import template_tables
from tests.corrections import BODIES, OWNER, correct, pages
from tests.events import KEY, proxy_event
from tests.people import record

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
BEGIN = 1_774_656_000_000  # 2026-03-28T00:00:00Z; Europe's clocks change on the next day
TYPES = ("deal_closed", "task_complete", "content_published")
VALUES = (None, 0, 1, 2.5, -4, 0.1, 999_999_999_999_999)
AGENTS = (None, 7, 8)
STATUSES = ("recorded", "confirmed", "disputed", "void")
ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns")
BECOMES: dict[str, list[str]] = {
    "recorded": [],
    "amended": ["amend"],
    "confirmed": ["confirm"],
    "disputed": ["dispute"],
    "upheld": ["dispute", "uphold"],
    "void": ["void"],
}


@pytest.fixture(scope="module")
def ledger(template: Any) -> Iterator[list[State]]:
    """Record outcomes of every type, agent and status within four days, and list them all."""
    draw = Random(20)  # noqa: S311 - the same ones each time
    with ExitStack() as stack:
        stack.enter_context(template_tables(template))
        at = BEGIN
        stack.enter_context(patch.object(instants, "now", lambda: at))
        every = list(product(TYPES, AGENTS, BECOMES))
        draw.shuffle(every)
        for type_, of, becomes in every:
            at += draw.choice((1, 40 * MINUTE, 3 * HOUR + 1))
            fields: Any = {"outcomeType": type_, "agentId": of, "valueUsd": draw.choice(VALUES)}
            if draw.random() < 0.5:
                fields["occurredAt"] = instants.text(at - draw.choice((0, 1, 7 * HOUR, DAY)))
            id_ = record(42, title='Number "=1"', **fields)
            for correction in BECOMES[becomes]:
                body = dict(BODIES[correction])
                if correction == "amend":
                    body["changes"] = {"outcomeType": draw.choice(TYPES), "valueUsd": 17.25, "title": "Amended"}
                    # With null, `occurred_at` becomes the time of recording.
                    body["changes"] |= {"occurredAt": draw.choice((None, instants.text(at - 5 * HOUR)))}
                by = OWNER if correction in {"confirm", "dispute"} else KEY
                status, answer, _ = correct(id_, by, body)
                assert status == 200, answer
        record(43)
        at = BEGIN + 10 * DAY
        yield list(chain.from_iterable(pages(limit="50", include="ledger")))


class Asked(NamedTuple):
    """The parameters of a request for a list, an export or a summary."""

    choice: Choice
    time: str
    ledger: bool
    limit: int
    zone: str
    by: str


def asked(outcomes: list[State]) -> st.SearchStrategy[Asked]:
    """Draw parameters. The period often begins or ends exactly at an outcome's instant, or 1 ms from it."""
    told = [instants.read(each[name]) for each in outcomes for name in ("created_at", "occurred_at")]
    midnights = [BEGIN + day * DAY - hours * HOUR for day in range(5) for hours in (0, 1, 2)]
    moments = st.builds(int.__add__, st.sampled_from([*told, *midnights]), st.sampled_from([-1, 0, 1]))

    def ask(first: int, second: int, **drawn: Any) -> Asked:
        since, until = sorted((first, second + (first == second)))
        also = {name: drawn.pop(name) for name in ("types", "agent", "statuses")}
        return Asked(Choice(since=instants.text(since), until=instants.text(until), **also), **drawn)

    def some(names: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
        return st.lists(st.sampled_from(names), max_size=3, unique=True).map(tuple)

    return st.builds(
        ask,
        moments,
        moments,
        types=some(TYPES),
        agent=st.sampled_from((None, None, 7, 8, 9, "none")),
        statuses=some(STATUSES),
        time=st.sampled_from(("recorded", "occurred")),
        ledger=st.booleans(),
        limit=st.sampled_from((1, 3, 50)),
        zone=st.sampled_from(ZONES),
        by=st.sampled_from(("day", "week", "month")),
    )


def test_lists_exports_and_summaries_equal_the_oracle_for_any_filters(ledger: list[State]) -> None:
    assert {(each["status"], each["agent_id"]) for each in ledger} == {(s, a) for s in STATUSES for a in AGENTS}

    @settings(max_examples=90)
    @given(asked(ledger))
    def show(asked: Asked) -> None:
        choice = asked.choice
        query: dict[str, Any] = {"from": choice.since, "to": choice.until, "outcomeType": [*choice.types]}
        query |= {} if choice.agent is None else {"agentId": str(choice.agent)}
        query = {name: value for name, value in query.items() if value}

        also: dict[str, Any] = {"status": [*choice.statuses]} if choice.statuses else {}
        also |= {} if asked.time == "recorded" else {"time": asked.time}
        by = {"recorded": "created_at", "occurred": "occurred_at"}[asked.time]
        of_list: dict[str, Any] = {"limit": str(asked.limit)} | ({"include": "ledger"} if asked.ledger else {})
        expected = shown(ledger, choice, with_void=asked.ledger or bool(choice.statuses), by=by)
        assert ids(chain.from_iterable(pages(**query | also | of_list))) == ids(expected)

        expected = shown(ledger, choice, with_void=bool(choice.statuses), by=by)
        assert ids(exported(**query | also)) == ids(expected)
        rows = csv.DictReader(StringIO(get(export_outcomes.handler, query | also | {"format": "csv"}), newline=""))
        assert ids(rows) == ids(expected)

        of_summary = query | ({"status": [*choice.statuses]} if choice.statuses else {})
        of_summary |= {"timezone": asked.zone, "by": asked.by}
        totals = said(json_text.read(get(summarize_outcomes.handler, of_summary)), asked.by)
        assert totals == added_up(ledger, choice, asked.zone, asked.by)
        file = exported(**query | {"time": "occurred", "status": [*STATUSES]})
        of_file = Choice(since=choice.since, statuses=choice.statuses)
        assert totals == added_up(file, of_file, asked.zone, asked.by)

    show()


def exported(**query: Any) -> list[State]:
    return [json_text.read(line) for line in get(export_outcomes.handler, query | {"format": "ndjson"}).splitlines()]


def get(handler: Callable[[Any, None], Any], query: dict[str, Any]) -> str:
    response = handler(proxy_event("GET", authorizer=OWNER, query=query), None)
    assert response["statusCode"] == 200, response
    body: str = response["body"]
    return body


def ids(outcomes: Any) -> list[str]:
    return [each["id"] for each in outcomes]
