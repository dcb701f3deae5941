"""The feed's headline, chart, shares, list and download have the same outcomes: those that happened in the period."""

import csv
import io
import itertools
import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from tests.browsers import wait_until
from tests.dashboard.conftest import Open, next_poll
from tests.dashboard.ledger import Ledger
from tests.dashboard.recorded import NOW

NEW_YORK = ZoneInfo("America/New_York")
DEAL, TASK = "deal_closed", "task_complete"
COUNTED = {"recorded", "confirmed"}

# Scripts for Playwright and Firefox. LOOK clicks "Load more", and returns the headline, the rows and the amounts of the
# chart and shares. SAVE clicks "Download", and returns the file.
LOOK = """(() => {
    const root = document.querySelector("value-delivered").shadowRoot
    const values = (selector) => [...root.querySelectorAll(selector)].map((amount) => amount.value ?? null)
    const row = (li) => [li.dataset.standing, li.querySelector("strong").textContent, li.querySelector(".amount").value]
    root.querySelector(".more:not([hidden], [aria-disabled=true])")?.click()
    return JSON.stringify({
        count: root.querySelector(".summary > .caption").textContent,
        total: values(".total data")[0] ?? null,
        rows: [...root.querySelectorAll(".feed > .rows [role=listitem]")].map(row),
        parts: [".daily td .amount", ".parts > :nth-child(1) .amount", ".parts > :nth-child(2) .amount"].map(values),
    })
})()"""
SAVE = """(async () => {
    const { createObjectURL } = URL
    const { click } = HTMLAnchorElement.prototype
    let file
    const named = new Promise((resolve) => {
        URL.createObjectURL = (blob) => (file = blob, createObjectURL(blob))
        HTMLAnchorElement.prototype.click = function () { resolve(this.download) }
    })
    const root = document.querySelector("value-delivered").shadowRoot
    const buttons = [...root.querySelectorAll("button")]
    buttons.find(({ textContent }) => textContent === "Download").click()
    const name = await named
    URL.createObjectURL = createObjectURL
    HTMLAnchorElement.prototype.click = click
    return JSON.stringify([name, await file.text()])
})()"""


class Row(NamedTuple):
    status: str
    title: str
    value: Decimal | None


@dataclass
class Outcome:
    """An outcome that happened `days` before the reference time, `anchor`, and was recorded `late` days later."""

    title: str
    value: str | None
    days: float
    late: float = 0
    status: str = "recorded"
    outcome_type: str = DEAL
    agent: int | None = 7
    id: str = ""


@dataclass
class Selection:
    """Filters, and a period of `days` days. Its last day is `ago` days before the day of the reference time."""

    days: int
    ago: int = 0
    outcome_type: str = ""
    agent: str = ""
    status: str = ""

    def last(self, today: date) -> date:
        return today - timedelta(days=self.ago)

    def first(self, today: date) -> date:
        return self.last(today) - timedelta(days=self.days - 1)

    def fragment(self, today: date, *, as_range: bool = False) -> str:
        """Return the fragment of the page's address. as_range: always write the period as a range of dates."""
        period = f"{self.first(today)}..{self.last(today)}" if as_range or self.ago else str(self.days)
        return urlencode({"period": period, "type": self.outcome_type, "agent": self.agent, "status": self.status})

    def file(self, today: date) -> str:
        agent = self.agent and f"agent-{self.agent}"
        words = ["outcomes", str(self.first(today)), str(self.last(today)), self.outcome_type, agent, self.status]
        return "_".join(filter(None, words)) + ".csv"

    def has(self, outcome: Outcome, happened: date, today: date) -> bool:
        return (
            self.first(today) <= happened <= self.last(today)
            and self.outcome_type in {"", outcome.outcome_type}
            and self.agent in {"", str(outcome.agent or "none")}
            and self.status in {"", outcome.status}
        )


MIDNIGHT = 6.5  # The reference time is noon in New York, 6.5 days after the last seven days begin.
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
    Selection(90, status="recorded"),
    Selection(90, status="confirmed"),
    Selection(90, status="disputed"),
    Selection(90, status="void"),
    Selection(15, ago=20, outcome_type=DEAL, agent="9", status="disputed"),
]


def outcomes() -> list[Outcome]:
    return [
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


def record(ledger: Ledger, anchor: datetime) -> list[Outcome]:
    """Record the outcomes, give them their statuses, and return them."""
    recorded = outcomes()
    for one in recorded:
        happened = anchor - timedelta(days=one.days)
        one.id = ledger.record(
            one.title,
            created_at=happened + timedelta(days=one.late),
            occurred_at=happened,
            outcome_type=one.outcome_type,
            agent_id=one.agent,
            value_usd=None if one.value is None else Decimal(one.value),
        )
        verb = {"confirmed": "confirm", "disputed": "dispute", "void": "void"}.get(one.status)
        if verb:
            ledger.correct(one.id, verb)
    return recorded


def listed(recorded: list[Outcome], selection: Selection, anchor: datetime, zone: ZoneInfo) -> list[Row]:
    """Return the rows that the feed must show for a selection."""
    found = []
    for one in recorded:
        happened = anchor - timedelta(days=one.days)
        if selection.has(one, happened.astimezone(zone).date(), anchor.astimezone(zone).date()):
            row = Row(one.status, one.title, None if one.value is None else Decimal(one.value))
            found.append((round(happened.timestamp() * 1000), one.id, row))
    return [row for *_, row in sorted(found, reverse=True)]


def sums(rows: list[Row], status: str) -> tuple[int, Decimal]:
    """Return the number and the total value of the rows that the headline counts."""
    counted = [row for row in rows if status or row.status in COUNTED]
    return len(counted), sum((row.value or Decimal(0) for row in counted), Decimal(0))


def seen(text: str) -> tuple[int, Decimal, list[Row]]:
    """Return the headline's count and value, and the rows, from the result of LOOK."""
    found = json.loads(text)
    count = found["count"].partition(" outcome")[0]
    rows = [Row(status, title, Decimal(value) if value else None) for status, title, value in found["rows"]]
    return int(count) if count.isdecimal() else -1, Decimal(found["total"] or "NaN"), rows


def assert_parts(text: str) -> None:
    """Check that bars, types and agents each add up to the headline."""
    found = json.loads(text)
    for part in found["parts"]:
        if part:  # a chart or list of shares is empty without outcomes or agents
            assert sum(Decimal(value) for value in part) == Decimal(found["total"]), part


def assert_file(text: str, selection: Selection, today: date, rows: list[Row]) -> None:
    name, saved = json.loads(text)
    assert name == selection.file(today)
    lines = csv.DictReader(io.StringIO(saved.removeprefix("\ufeff"), newline=""))
    found = [
        Row(line["status"], line["title"], Decimal(line["value_usd"]) if line["value_usd"] else None) for line in lines
    ]
    assert found == rows


@pytest.mark.at_noon
def test_headline_list_and_file_have_the_same_outcomes(open_feed: Open, page: Page, ledger: Ledger) -> None:
    recorded = record(ledger, NOW)
    open_feed(url_state="", refresh=3600)
    today = NOW.astimezone(NEW_YORK).date()
    for selection in SELECTIONS:
        rows = listed(recorded, selection, NOW, NEW_YORK)
        page.evaluate("fragment => { location.hash = fragment }", selection.fragment(today))
        wait_until(page, lambda: seen(page.evaluate(LOOK)) == (*sums(rows, selection.status), rows))  # noqa: B023
        text = page.evaluate(LOOK)
        assert seen(text) == (*sums(rows, selection.status), rows), selection
        assert_parts(text)
        assert_file(page.evaluate(SAVE), selection, today, rows)


@pytest.mark.at_noon
def test_a_late_outcome_comes_in_its_place_or_only_counts(open_feed: Open, page: Page, ledger: Ledger) -> None:
    minutes = itertools.count(1)

    def late(title: str, hours: float) -> None:
        recorded_at = NOW - timedelta(minutes=60 - next(minutes))
        ledger.record(
            title, created_at=recorded_at, occurred_at=NOW - timedelta(hours=hours), value_usd=Decimal("0.01")
        )

    for hours in range(2, 32):
        ledger.record(f"{hours} hours ago", created_at=NOW - timedelta(hours=hours), value_usd=1)
    open_feed(fast_timers=True, refresh=1, period=7)
    titles = page.locator(".feed > .rows strong")
    shown = [f"{hours} hours ago" for hours in range(2, 22)]
    expect(titles).to_have_text(shown)
    expect(page.locator(".total")).to_have_text("$30.00")
    late("In its place", 5.5)
    late("With the next page", 25.5)
    late("Only counted", 24 * 10)
    late("Just now", 1.5)
    expect(page.locator(".total")).to_have_text("$30.03")
    shown = ["Just now", *shown[:4], "In its place", *shown[4:]]
    expect(titles).to_have_text(shown)
    expect(page.locator(".change")).to_have_text("+300,200% against the 7 days before")
    expect(page.get_by_text("recorded Apr 15")).to_have_count(0)
    next_poll(page)
    expect(titles).to_have_text(shown)
    page.get_by_role("button", name="Load more").press("Enter")
    rest = [f"{hours} hours ago" for hours in range(22, 32)]
    expect(titles).to_have_text([*shown, *rest[:4], "With the next page", *rest[4:]])
    expect(page.get_by_text("recorded Apr 15")).to_have_count(1)
