"""Test the bench of an open feed: its requests in an hour, and their price."""

import os

import pytest

from bench.open_feed import DOLLARS, NODE, QUIET_AFTER, QUIET_REQUESTS, hourly, requests

pytestmark = pytest.mark.skipif(NODE is None and "CI" not in os.environ, reason="node is not installed")


def test_a_quiet_feed_asks_once_a_minute() -> None:
    asked = requests(rate=0, refresh=15, freshFor=5, start=QUIET_AFTER)
    assert (asked["summaries"], 59 < sum(asked["lists"].values()) <= QUIET_REQUESTS) == (0, True)


def test_an_hour_is_cheap_only_while_summaries_stay_fresh() -> None:
    asked = requests(rate=1.16, refresh=5, freshFor=51)
    assert hourly(asked, 53, 3000) <= DOLLARS[1.16] < hourly(asked | {"summaries": 720}, 53, 3000)
