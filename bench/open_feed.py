"""Compute the cost per hour of an open feed at each rate of new outcomes, and how many requests a quiet feed sends.

The feed's own modules run in Node with a simulated clock, without a DOM. Our own code reads the summaries from a fake
DynamoDB. The prices of summaries and lists are the same as in docs/costs.md.
"""

import json
import shutil
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from outcomes.aws.paced_reads import UNITS_PER_SECOND
from outcomes.calendar import instants
from outcomes.calendar.period import Period
from outcomes.ledger.items import outcome_json
from outcomes.ledger.store import OutcomeStore
from outcomes.totals.materialized import Totals
from outcomes.totals.summary import Summary

from bench.cost import Call, inputs, parts
from bench.report import Report
from bench.storage import READ_UNIT_BYTES
from bench.totals import DAY, END, USER, Case, History

NODE = shutil.which("node")
SCRIPT = Path(__file__).with_suffix(".mjs")
DOLLARS = {100: 0.06, 20: 0.02, 1.16: 0.006}
"""Maximum US dollars an hour, by outcomes a second."""
REFRESH, QUIET_REFRESH = 5, 15
QUIET_REQUESTS = 80
"""Maximum requests in an hour that begins after ten minutes without news."""
HOUR = 3600
QUIET_AFTER = 600
HISTORY_SECONDS = 1200
"""Seconds of outcomes before the feed opens: twice the time that a summary reads again at every call."""


def open_feed(report: Report, rates: Iterable[float] = DOLLARS) -> None:
    """Report the cost of an open feed and the requests of a quiet one."""
    if NODE is None:
        report.text("The cost of an open feed was not measured: node is not installed.")
        return
    rows = []
    for rate in rates:
        units, answer_bytes, fresh_seconds = summarized(rate)
        asked = requests(rate=rate, refresh=REFRESH, freshFor=fresh_seconds)
        dollars = hourly(asked, units, answer_bytes)
        cells = [f"{units:,.0f}", f"{fresh_seconds}", f"{asked['summaries']}", f"{sum(asked['lists'].values()):,}"]
        rows.append(
            [
                f"{rate:g}",
                *cells,
                f"{dollars:.4f}",
                *report.bar(f"open feed, {rate:g} a second", DOLLARS[rate], dollars),
            ]
        )
    report.text(
        f'## An hour of one open feed with `refresh="{REFRESH}"`\n\nOutcomes are those of the demo data, recorded '
        "evenly. Prices are those of docs/costs.md, without X-Ray."
    )
    columns = ["outcomes a second", "read units of a summary", "`Fresh-For`", "summaries", "lists", "US dollars"]
    report.table([*columns, "bar", "verdict"], rows)
    asked = requests(rate=0, refresh=QUIET_REFRESH, freshFor=5, start=QUIET_AFTER)
    number = sum(asked["lists"].values()) + asked["summaries"]
    _, verdict = report.bar("requests of a quiet feed", QUIET_REQUESTS, number)
    report.text(
        f'After ten minutes without news, a feed with `refresh="{QUIET_REFRESH}"` sends {number} requests an hour (bar '
        f"{QUIET_REQUESTS}): {verdict}."
    )


def requests(*, start: int = 0, **feed: float) -> Any:
    """Return the requests in an hour from `start`, as open_feed.mjs prints them."""
    given = json.dumps(feed | {"from": start, "to": start + HOUR})
    done = subprocess.run([NODE or "node", str(SCRIPT), given], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def hourly(asked: Any, summary_units: float, summary_bytes: int) -> float:
    """Return the US dollars for lists and summaries."""
    prices, assumed = inputs()
    demo = History(Case(1, 1, 1))
    stored = sum(demo.sizes) / len(demo.sizes)
    sent = sum(len(outcome_json(each, include_ledger=True).encode()) for each in demo.templates) / len(demo.templates)
    calls = {
        Call(
            "list",
            assumed["list_ms"],
            assumed["memory_gb"],
            0,
            -(-(int(outcomes) + 1) * stored // READ_UNIT_BYTES),  # a list reads one outcome more than it returns
            0,
            round(int(outcomes) * sent),
        ): number
        for outcomes, number in asked["lists"].items()
    }
    milliseconds = max(assumed["next_summary_ms"], summary_units / UNITS_PER_SECOND * 1000)
    summary = Call("summary", milliseconds, assumed["summary_memory_gb"], 0, summary_units, 0, summary_bytes)
    calls[summary] = asked["summaries"]
    dollars = {call: sum(parts(call, prices, assumed).values()) for call in calls}  # per million
    return sum(dollars[call] * int(number) for call, number in calls.items()) / 1_000_000


def summarized(rate: float) -> tuple[float, int, int]:
    """Return a summary's read units, bytes and Fresh-For, while outcomes are recorded at this rate per second."""
    history = History(Case(1, 1, 3))
    history.step = round(1000 / rate)
    history.start, history.now = END - HISTORY_SECONDS * 1000, END
    history.count = HISTORY_SECONDS * 1000 // history.step
    store = OutcomeStore("outcomes")
    with patch.object(store.dynamodb, "call", history.call), patch("time.sleep"):
        totals = Totals(store, "totals", "1")
        since, until = (instants.text(at)[:10] for at in (END - 29 * DAY, END + DAY))
        period = Period.from_query(since, until, "UTC", "day", now=datetime.fromtimestamp(END / 1000, UTC))
        totals.aggregate(USER, [Summary(period)])  # the first call stores totals, so measure the next
        before, summary, previous = history.read_units, Summary(period), Summary(period.previous())
        reading = totals.aggregate(USER, [summary, previous])
    if summary.totals[0].count != history.count:
        raise SystemExit(f"A summary counts {summary.totals[0].count} instead of {history.count}")
    body = summary.response(previous, reading.recent)
    return history.read_units - before, len(body.encode()), reading.fresh_seconds
