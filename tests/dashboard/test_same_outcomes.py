"""The feed's headline, chart, shares, list and download have the same outcomes: those that happened in the period."""

import csv
import io
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page

from tests.browsers import wait_until
from tests.dashboard.conftest import Open
from tests.dashboard.ledger import Ledger
from tests.dashboard.recorded import NOW

NEW_YORK = ZoneInfo("America/New_York")
TODAY = NOW.astimezone(NEW_YORK).date()
DEAL, TASK = "deal_closed", "task_complete"
VERBS = {"confirmed": "confirm", "disputed": "dispute", "void": "void"}
MIDNIGHT = 6.5  # NOW is noon in New York, 6.5 days after the last seven days begin

# Returns the headline, the rows, and the amounts of the chart and the shares. Clicks "Load more" before.
LOOK = """feed => {
    const root = feed.shadowRoot
    const values = (selector) => [...root.querySelectorAll(selector)].map((amount) => amount.value ?? null)
    const row = (li) => [li.dataset.standing, li.querySelector("strong").textContent, li.querySelector(".amount").value]
    root.querySelector(".more:not([hidden], [aria-disabled=true])")?.click()
    return {
        isBusy: root.querySelector(".feed > .rows").ariaBusy,
        count: root.querySelector(".summary > .caption").textContent,
        total: values(".total data")[0] ?? null,
        rows: [...root.querySelectorAll(".feed > .rows [role=listitem]")].map(row),
        parts: [".daily td .amount", ".parts > :nth-child(1) .amount", ".parts > :nth-child(2) .amount"].map(values),
    }
}"""


class Outcome(NamedTuple):
    """An outcome that happened `days` before NOW, and was recorded `late` days later."""

    title: str
    value: str | None
    days: float
    late: float = 0
    status: str = "recorded"
    outcome_type: str = DEAL
    agent: int | None = 7

    @property
    def happened(self) -> datetime:
        return NOW - timedelta(days=self.days)


class Selection(NamedTuple):
    """Filters, and a period of `days` days. Its last day is `ago` days before today."""

    days: int
    ago: int = 0
    outcome_type: str = ""
    agent: str = ""
    status: str = ""

    @property
    def range(self) -> tuple[date, date]:
        last = TODAY - timedelta(days=self.ago)
        return last - timedelta(days=self.days - 1), last

    @property
    def fragment(self) -> str:
        period = "{}..{}".format(*self.range) if self.ago else str(self.days)
        return urlencode({"period": period, "type": self.outcome_type, "agent": self.agent, "status": self.status})

    @property
    def file(self) -> str:
        words = [
            "outcomes",
            *map(str, self.range),
            self.outcome_type,
            self.agent and f"agent-{self.agent}",
            self.status,
        ]
        return "_".join(filter(None, words)) + ".csv"

    def has(self, outcome: Outcome) -> bool:
        first, last = self.range
        return (
            first <= outcome.happened.astimezone(NEW_YORK).date() <= last
            and self.outcome_type in {"", outcome.outcome_type}
            and self.agent in {"", str(outcome.agent or "none")}
            and self.status in {"", outcome.status}
        )


SELECTIONS = [
    Selection(7),
    Selection(30),
    Selection(90),
    Selection(365),
    Selection(15, ago=20),
    Selection(1, ago=300),
    Selection(30, outcome_type=TASK),
    Selection(30, agent="7"),
    Selection(30, agent="none"),
    *(Selection(90, status=status) for status in ("recorded", *VERBS)),
    Selection(15, ago=20, outcome_type=DEAL, agent="9", status="disputed"),
]
OUTCOMES = [
    *(Outcome(f"On time {number}", f"{number}.05", number + 0.1) for number in range(25)),
    Outcome("At midnight", "0.1", MIDNIGHT, late=2),
    Outcome("Before midnight", "0.2", MIDNIGHT + 1e-8, late=6),
    Outcome("Late", "1000000.000000000001", 5, late=4.5, outcome_type=TASK, agent=None),
    Outcome("Late from the month before", "2e3", 33, late=30, agent=9),
    Outcome("Backfilled", "-17.5", 28, late=27.9, outcome_type=TASK),
    Outcome("Backfilled from last year", "40000", 200, late=199),
    Outcome("Long ago", "5e5", 400),
    Outcome("Without a value", None, 3, agent=None),
    Outcome("Confirmed", "300.25", 8, status="confirmed"),
    Outcome("Confirmed late", "0.0001", 31, late=29, status="confirmed", agent=None),
    Outcome("Disputed", "700", 9, status="disputed", outcome_type=TASK),
    Outcome("Disputed late", "800.5", 25, late=20, status="disputed", agent=9),
    Outcome("Void", "9000", 10, status="void"),
    Outcome("Void late", "90000", 60, late=58, status="void", agent=None),
]


def rows_of(texts: Any) -> list[tuple[str, str, Decimal | None]]:
    """Return rows of status, title and value with their values as numbers."""
    return [(status, title, Decimal(value) if value else None) for status, title, value in texts]


@pytest.mark.at_noon
def test_headline_list_and_file_have_the_same_outcomes(open_feed: Open, page: Page, ledger: Ledger) -> None:
    for one in OUTCOMES:
        id_ = ledger.record(
            one.title,
            created_at=one.happened + timedelta(days=one.late),
            occurred_at=one.happened,
            outcome_type=one.outcome_type,
            agent_id=one.agent,
            value_usd=None if one.value is None else Decimal(one.value),
        )
        if one.status in VERBS:
            ledger.correct(id_, VERBS[one.status])
    open_feed(url_state="", refresh=3600)
    for selection in SELECTIONS:
        selected = sorted(filter(selection.has, OUTCOMES), key=lambda one: one.days)
        rows = rows_of((one.status, one.title, one.value) for one in selected)
        counted = [value or 0 for status, _, value in rows if selection.status or status in {"recorded", "confirmed"}]

        def looks() -> Iterator[object]:
            seen = page.locator("value-delivered").evaluate(LOOK)
            yield seen["isBusy"] == "false"
            yield seen["count"].partition(" outcome")[0] == str(len(counted))  # noqa: B023 - called at once
            yield Decimal(seen["total"] or "NaN") == sum(counted)  # noqa: B023
            yield rows_of(seen["rows"]) == rows  # noqa: B023
            for part in filter(None, seen["parts"]):  # a chart or list of shares is empty without outcomes or agents
                yield sum(map(Decimal, part)) == sum(counted)  # noqa: B023

        page.evaluate("fragment => { location.hash = fragment }", selection.fragment)
        wait_until(page, lambda: all(looks()))
        assert all(looks()), selection
        with page.expect_download() as got:
            page.get_by_role("button", name="Download").press("Enter")
        assert got.value.suggested_filename == selection.file
        lines = csv.DictReader(io.StringIO(Path(got.value.path()).read_bytes().decode("utf-8-sig"), newline=""))
        assert rows_of((line["status"], line["title"], line["value_usd"]) for line in lines) == rows
