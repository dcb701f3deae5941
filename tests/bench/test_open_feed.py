"""Count what an hour of one open feed requests, and compute its price.

The feed's own modules run in Node with a simulated clock. Our own code reads the summaries from the bench's fake of
DynamoDB. Outcomes are those of the demo data, recorded evenly.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from outcomes.aws.paced_reads import UNITS_PER_SECOND
from outcomes.calendar import instants
from outcomes.ledger.items import outcome_json
from outcomes.totals.summary import Summary

from bench.storage import READ_UNIT_BYTES
from bench.totals import DAY, END, USER, Case, History, period_of, reading
from docs.costs import Call, inputs, parts

NODE = shutil.which("node")
SCRIPT = Path(__file__).with_name("open_feed.mjs")
PAGE = Path(__file__).parents[2] / "docs/costs.md"
HOUR = 3600
BEFORE = 720
"""Seconds of outcomes before the feed opens: a summary reads those of the last ten minutes again at every call."""

pytestmark = pytest.mark.skipif(NODE is None and "CI" not in os.environ, reason="node is not installed")


def requests(**feed: float) -> Any:
    """Return the requests in an hour: six times those of ten minutes, as open_feed.mjs prints them."""
    given = json.dumps(feed | {"from": 60, "to": 60 + HOUR // 6})
    done = subprocess.run([NODE or "node", str(SCRIPT), given], stdout=subprocess.PIPE, text=True, check=True)
    asked = json.loads(done.stdout)
    assert asked["summaries"]  # a poll that fails is silent
    return {"lists": {size: 6 * number for size, number in asked["lists"].items()}, "summaries": 6 * asked["summaries"]}


def summarized(rate: float) -> tuple[float, int, int]:
    """Return a summary's read units, bytes and Fresh-For, while outcomes are recorded at this rate per second."""
    history = History(Case(1, 1, 3))
    history.step = round(1000 / rate)
    history.start, history.now = END - BEFORE * 1000, END
    history.count = BEFORE * 1000 // history.step
    period = period_of(*(instants.text(at)[:10] for at in (END - 29 * DAY, END + DAY)))
    with reading(history) as totals:
        totals.aggregate(USER, [Summary(period)])  # the first call stores totals, so measure the next
        before, summary, previous = history.read_units, Summary(period), Summary(period.previous())
        looked = totals.aggregate(USER, [summary, previous])
    assert summary.totals[0].count == history.count
    body = summary.response(previous, looked.recent)
    return history.read_units - before, len(body.encode()), looked.fresh_seconds


def hourly(asked: Any, summary_units: float, summary_bytes: int) -> float:
    """Return the US dollars for lists and summaries, without X-Ray."""
    figures, demo = inputs(), History(Case(1, 1, 1))
    stored = sum(demo.sizes) / len(demo.sizes)
    sent = sum(len(outcome_json(each, include_ledger=True).encode()) for each in demo.templates) / len(demo.templates)
    milliseconds = max(figures["next_summary_ms"], summary_units / UNITS_PER_SECOND * 1000)
    summary = Call("", milliseconds, figures["summary_memory_gb"], 0, summary_units, 0, summary_bytes)
    calls = [(summary, asked["summaries"])]
    for outcomes, number in ((int(outcomes), number) for outcomes, number in asked["lists"].items()):
        units = -(-(outcomes + 1) * stored // READ_UNIT_BYTES)  # a list reads one outcome more than it returns
        call = Call("", figures["list_ms"], figures["memory_gb"], 0, units, 0, round(outcomes * sent))
        calls.append((call, number))
    return float(sum(sum(parts(call, figures).values()) * number for call, number in calls)) / 1_000_000


@pytest.mark.parametrize(
    ("rate", "most", "said"),
    [
        (100, 0.06, "${:.3f} at 100"),
        (20, 0.02, "${:.3f} at 20 outcomes a second"),
        (1.16, 0.006, "${:.3f} an hour at one outcome a second"),
    ],
)
def test_an_hour_of_an_open_feed_is_cheap_and_costs_what_the_page_says(rate: float, most: float, said: str) -> None:
    units, size, fresh_seconds = summarized(rate)
    dollars = hourly(requests(rate=rate, refresh=5, freshFor=fresh_seconds), units, size)
    assert dollars <= most
    assert said.format(dollars) in PAGE.read_text()


def test_an_hour_is_cheap_only_while_summaries_stay_fresh() -> None:
    asked = requests(rate=1.16, refresh=5, freshFor=51)
    assert hourly(asked, 53, 3000) <= 0.006 < hourly(asked | {"summaries": 720}, 53, 3000)
