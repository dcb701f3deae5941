"""A simple model of the ledger: what corrections make of outcomes, who may correct them, and what reads show of them.

It shares no code with the layer. The smoke test's judge and all tests of random orders compare answers with it.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

type State = dict[str, Any]
"""An outcome in the format of a list with `include=ledger`."""

TALLIES = {
    "recorded": ["standing"],
    "confirmed": ["standing", "confirmed"],
    "disputed": ["disputed"],
    "void": ["voided"],
}
"""The tallies in which an outcome counts, by status. Each tally is a part of a summary; "standing" is the whole."""
TALLY_NAMES = ("standing", "confirmed", "disputed", "voided")

# The new status of an outcome, by the type of correction and the status before the correction.
MOVES = {
    "amend": dict.fromkeys(("recorded", "confirmed", "disputed"), "recorded"),
    "void": dict.fromkeys(("recorded", "confirmed", "disputed"), "void"),
    "confirm": dict.fromkeys(("recorded", "disputed"), "confirmed"),
    "dispute": dict.fromkeys(("recorded", "confirmed"), "disputed"),
    "uphold": {"disputed": "recorded"},
}

KEYS = ["key", "key:0123456789abcdef", "key:fedcba9876543210"]
ENDED_KEY = "key:ended00000000000"  # the owner has paused or revoked it
RECORDERS = [*KEYS, ENDED_KEY, "session", None]

# For each correction type and caller: the recorders whose outcomes this caller may correct.
# Corrections of other outcomes are forbidden.
_TAKE_BACK: dict[str, list[Any]] = {
    "the platform": RECORDERS,
    "an agent": [*KEYS, ENDED_KEY],
    "the agent itself": [*KEYS, ENDED_KEY],
    "the owner": ["session"],
}
ALLOWED: dict[str, dict[str, list[Any]]] = {
    "amend": _TAKE_BACK,
    "void": _TAKE_BACK | {"the owner": ["session", ENDED_KEY]},  # unless it is confirmed
    "confirm": {"the owner": RECORDERS},
    "dispute": {"the owner": RECORDERS},
    "uphold": {"the platform": RECORDERS},
}
_add = Context(prec=400).add  # adds decimals without rounding


def kind_of(recorded_by: str) -> str:
    return {"key": "platform", "session": "owner"}.get(recorded_by, "agent")


def corrected(before: State, type_: str, changes: State, by: str) -> State | None:
    """Return the outcome after a correction. Return None if its status makes the correction impossible.

    changes: the new values of an amend, by the names in a list. by: who corrects, as entries say it.
    """
    status = MOVES[type_].get(before["status"])
    if status is None:
        return None
    if (type_, before["status"], kind_of(by)) == ("amend", "disputed", "agent"):
        status = "disputed"  # an agent's amend does not end the owner's dispute
    return before | changes | {"status": status, "version": before["version"] + 1}


# ── Lists and summaries ──────────────────────────────────────────────────────────────────────────────────────────────


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

    def takes(self, outcome: State, at: str) -> bool:
        """Return whether an outcome matches. at: the name of the compared time field, created_at or occurred_at."""
        return (
            (not self.types or outcome["outcome_type"] in self.types)
            and (self.agent is None or outcome["agent_id"] == (None if self.agent == "none" else self.agent))
            and (not self.statuses or outcome["status"] in self.statuses)
            and (self.since is None or self.since <= outcome[at])
            and (self.until is None or outcome[at] < self.until)
        )


def shown(outcomes: Iterable[State], choice: Choice, *, with_void: bool, by: str = "created_at") -> list[State]:
    """Return the matching outcomes, newest first.

    with_void: whether void outcomes are included. by: the field to which the range applies and by which outcomes are
    sorted, created_at or occurred_at.
    """
    chosen = [each for each in outcomes if choice.takes(each, by)]
    newest_first = sorted(chosen, key=lambda each: (each[by], each["id"]), reverse=True)
    return [each for each in newest_first if with_void or each["status"] != "void"]


def added_up(outcomes: Iterable[State], choice: Choice, zone: str, by: str = "day") -> dict[str, Any]:
    """Add up the matching outcomes as a summary does. Groups without outcomes are left out.

    The filter by status does not apply to `confirmed`, `disputed` and `voided`.
    """
    chosen = [each for each in outcomes if choice._replace(statuses=()).takes(each, "occurred_at")]
    counted = choice.statuses or ("recorded", "confirmed")
    assert choice.since
    first = _local(choice.since, zone)

    def sums(of: Callable[[State], Any], tally: str = "standing") -> dict[Any, tuple[int, Decimal]]:
        found: dict[Any, tuple[int, Decimal]] = {}
        for each in chosen:
            if each["status"] in counted if tally == "standing" else tally in TALLIES[each["status"]]:
                count, value = found.get(of(each), (0, Decimal(0)))
                found[of(each)] = count + 1, _add(value, each["value_usd"] or 0)
        return found

    def bucket(outcome: State) -> str:
        day = _local(outcome["occurred_at"], zone)
        begin = {"day": day, "week": day - timedelta(days=day.weekday()), "month": day.replace(day=1)}[by]
        return max(begin, first).isoformat()

    totals = {tally: sums(lambda _: None, tally).get(None, (0, Decimal(0))) for tally in TALLY_NAMES}
    return totals | {
        "by_type": sums(lambda each: each["outcome_type"]),
        "by_agent": sums(lambda each: each["agent_id"]),
        f"by_{by}": sums(bucket),
    }


def said(summary: dict[str, Any], by: str = "day") -> dict[str, Any]:
    """Convert a summary from the API to the format of `added_up`."""

    def sum_of(entry: dict[str, Any]) -> tuple[int, Decimal]:
        return entry["count"], entry["value_usd"]

    totals = {name: sum_of(summary if name == "standing" else summary[name]) for name in TALLY_NAMES}
    names = {"by_type": "outcome_type", "by_agent": "agent_id", f"by_{by}": "date"}
    return totals | {
        group: {entry[name]: sum_of(entry) for entry in summary[group] if entry["count"]}
        for group, name in names.items()
    }


def _local(instant: str, zone: str) -> date:
    return datetime.fromisoformat(instant).astimezone(UTC).astimezone(ZoneInfo(zone)).date()
