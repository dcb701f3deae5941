"""Compare the sums of a file with those of the API, by user and month in UTC, from 2000 until now."""

import time
from collections.abc import Iterable
from datetime import UTC
from functools import partial

from outcomes.calendar import instants
from outcomes.calendar.period import Period
from outcomes.contract import json_text
from outcomes.contract.sums import Sum
from outcomes.errors import StillAddingUp
from outcomes.limits import MAX_YEARS
from outcomes.totals.materialized import Totals
from outcomes.totals.summary import Summary

from ops.patience import patiently


def compare(totals: Totals, users: Iterable[tuple[int | None, dict[str, Sum]]]) -> bool:
    """Print the sums of each month that has any. Return whether there are differences.

    users: each user of the file (None: no user), with the file's sums by month.
    """
    print(f"{'user':>16}  {'month':7}  {'in file':>9} {'in API':>9}  value_usd in file, in API")
    equal = differ = 0
    for user_id, in_file in users:
        in_api = _months(totals, user_id)
        for month in sorted(in_file.keys() | in_api.keys()):
            here, there = in_file.get(month, Sum()), in_api.get(month, Sum())
            differs = (here.count, here.value) != (there.count, there.value)
            differ += differs
            equal += not differs
            print(
                f"{user_id or 'nobody':>16}  {month}  {here.count:>9,} {there.count:>9,}  "
                f"{here.exact:f}, {there.exact:f}{'  differs' if differs else ''}"
            )
    print(f"{equal:,} months are equal, {differ:,} differ.")
    return differ > 0


def _months(totals: Totals, user_id: int | None) -> dict[str, Sum]:
    """Return a user's sums by month, as summaries of the API do, without months that have none."""
    while True:
        try:
            summaries = patiently(partial(_aggregate, totals, user_id))
            break
        except StillAddingUp:  # the next call continues
            time.sleep(1)
    rows = [row for each in summaries for row in json_text.read(each.response())["by_month"]]
    return {row["date"][:7]: Sum(int(row["count"]), row["value_usd"]) for row in rows if row["count"]}


def _aggregate(totals: Totals, user_id: int | None) -> list[Summary]:
    summaries = [Summary(period, lists_agents=False) for period in _periods()]
    totals.aggregate(user_id, summaries)
    return summaries


def _periods() -> list[Period]:
    """Divide the time from 2000 until next year into periods of the greatest length that a summary allows."""
    now = instants.local(instants.now(), UTC)
    return [
        Period.from_query(f"{year}-01-01", f"{year + MAX_YEARS}-01-01", "UTC", "month", now=now)
        for year in range(2000, now.year + 2, MAX_YEARS)
    ]
