"""Compute the expected lists, exports and summaries with a simple reference implementation (oracle).

Its input is the list of all outcomes, in the format of the API.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from tests.corrections import TALLIES

type Outcome = dict[str, Any]

_add = Context(prec=400).add


class Choice(NamedTuple):
    """The filters of a request. None and an empty tuple match everything.

    The agent "none" matches outcomes without an agent. since and until are instants as text; they match
    since <= instant < until.
    """

    types: tuple[str, ...] = ()
    agent: int | Literal["none"] | None = None
    statuses: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None

    def takes(self, outcome: Outcome, at: str) -> bool:
        """Return whether an outcome matches. at: the name of the compared time field, created_at or occurred_at."""
        return (
            (not self.types or outcome["outcome_type"] in self.types)
            and (self.agent is None or outcome["agent_id"] == (None if self.agent == "none" else self.agent))
            and (not self.statuses or outcome["status"] in self.statuses)
            and (self.since is None or self.since <= outcome[at])
            and (self.until is None or outcome[at] < self.until)
        )


def shown(outcomes: Iterable[Outcome], choice: Choice, *, with_void: bool, by: str = "created_at") -> list[Outcome]:
    """Return the matching outcomes, newest first.

    with_void: whether void outcomes are included. by: the field to which the range applies and by which outcomes are
    sorted, created_at or occurred_at.
    """
    chosen = [each for each in outcomes if choice.takes(each, by)]
    newest_first = sorted(chosen, key=lambda each: (each[by], each["id"]), reverse=True)
    return [each for each in newest_first if with_void or each["status"] != "void"]


def added_up(outcomes: Iterable[Outcome], choice: Choice, zone: str, by: str = "day") -> dict[str, Any]:
    """Add up the matching outcomes as a summary does. Groups without outcomes are left out.

    The filter by status does not apply to `confirmed`, `disputed` and `voided`.
    """
    chosen = [each for each in outcomes if choice._replace(statuses=()).takes(each, "occurred_at")]
    counted = choice.statuses or ("recorded", "confirmed")
    assert choice.since
    first = _local(choice.since, zone)

    def sums(of: Callable[[Outcome], Any], tally: str = "standing") -> dict[Any, tuple[int, Decimal]]:
        found: dict[Any, tuple[int, Decimal]] = {}
        for each in chosen:
            if each["status"] in counted if tally == "standing" else tally in TALLIES[each["status"]]:
                count, value = found.get(of(each), (0, Decimal(0)))
                found[of(each)] = count + 1, _add(value, each["value_usd"] or 0)
        return found

    def bucket(outcome: Outcome) -> str:
        day = _local(outcome["occurred_at"], zone)
        begin = {"day": day, "week": day - timedelta(days=day.weekday()), "month": day.replace(day=1)}[by]
        return max(begin, first).isoformat()

    totals = {tally: sums(lambda _: None, tally).get(None, (0, Decimal(0))) for tally in TALLIES_BY_NAME}
    return totals | {
        "by_type": sums(lambda each: each["outcome_type"]),
        "by_agent": sums(lambda each: each["agent_id"]),
        f"by_{by}": sums(bucket),
    }


def said(summary: dict[str, Any], by: str = "day") -> dict[str, Any]:
    """Convert a summary from the API to the format of `added_up`."""

    def sum_of(entry: dict[str, Any]) -> tuple[int, Decimal]:
        return entry["count"], entry["value_usd"]

    totals = {name: sum_of(summary if name == "standing" else summary[name]) for name in TALLIES_BY_NAME}
    names = {"by_type": "outcome_type", "by_agent": "agent_id", f"by_{by}": "date"}
    return totals | {
        group: {entry[name]: sum_of(entry) for entry in summary[group] if entry["count"]}
        for group, name in names.items()
    }


TALLIES_BY_NAME = ("standing", "confirmed", "disputed", "voided")


def _local(instant: str, zone: str) -> date:
    return datetime.fromisoformat(instant).astimezone(UTC).astimezone(ZoneInfo(zone)).date()
