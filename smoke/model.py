"""A simple model of the ledger: what corrections make of outcomes, who may correct them, and what reads show of them.

It shares no code with the layer. The smoke test's judge and all tests of random orders compare answers with it.
"""

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field
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
RECORDERS = [*KEYS, "session", None]

# For each correction type and caller: the recorders whose outcomes this caller may correct.
# Corrections of other outcomes are forbidden.
_TAKE_BACK: dict[str, list[Any]] = {
    "the platform": RECORDERS,
    "an agent": KEYS,
    "the agent itself": KEYS,
    "the owner": ["session"],
}
ALLOWED: dict[str, dict[str, list[Any]]] = {
    "amend": _TAKE_BACK,
    "void": _TAKE_BACK,
    "confirm": {"the owner": KEYS},
    "dispute": {"the owner": RECORDERS},
    "uphold": {"the platform": RECORDERS},
}
WITHOUT_NUMBER = {("void", "platform"), ("uphold", "platform"), ("dispute", "owner")}
"""Corrections that are possible whatever the number of the caller's corrections is."""

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


# ── Corrections ──────────────────────────────────────────────────────────────────────────────────────────────────────

NAMES = {
    "outcomeType": "outcome_type",
    "valueUsd": "value_usd",
    "agentId": "agent_id",
    "occurredAt": "occurred_at",
    "title": "title",
}


class Caller(NamedTuple):
    """The caller of a correction.

    recorded_by: how entries say it. bounds: for each field that a key limits, the values that an outcome must have
    before and after a correction.
    """

    name: str
    recorded_by: str
    may_read: bool
    bounds: Mapping[str, Set[Any]] = {}

    @property
    def kind(self) -> str:
        return kind_of(self.recorded_by)

    def may(self, type_: str, recorded_by: str | None) -> bool:
        """Return whether the caller may make this type of correction, if the outcome is within its bounds."""
        return recorded_by in ALLOWED[type_].get("an agent" if self.bounds else self.name, [])


class Sent(NamedTuple):
    """A request for a correction. body: in the format of the API."""

    id_: str
    by: Caller
    body: dict[str, Any]
    key: str | None

    @property
    def type(self) -> str:
        return str(self.body["type"])

    @property
    def remembered_by(self) -> tuple[str, str, str | None]:
        return self.id_, self.by.recorded_by, self.key


class End(NamedTuple):
    """The expected result of a correction. replayed: the earlier correction's id, if the answer is a replay."""

    status: int
    replayed: str | None = None


@dataclass
class Ledger:
    """A user's ledger, changed by one caller after the other.

    budgets: how many corrections of an outcome each kind of caller may make. remembered: the id and body of each
    correction with an idempotency key.
    """

    budgets: Mapping[str, int]
    outcomes: dict[str, State] = field(default_factory=dict)
    history: dict[str, list[State]] = field(default_factory=dict)
    remembered: dict[tuple[str, str, str | None], tuple[str, dict[str, Any]]] = field(default_factory=dict)

    def expected(self, sent: Sent) -> End:
        """Return the result that this correction should have, if it is sent now."""
        if not self._is_allowed(sent):
            return End(403)
        if sent.key and sent.remembered_by in self.remembered:
            made, body = self.remembered[sent.remembered_by]
            return End(200, made) if body == sent.body else End(422)
        if self.outcomes[sent.id_]["status"] not in MOVES[sent.type] or self._is_one_too_many(sent):
            return End(409)
        if self.is_unchanged(sent) and (sent.by.may_read or sent.by.kind == "platform"):
            return End(400)
        return End(200)

    def _is_allowed(self, sent: Sent) -> bool:
        outcome, bounds = self.outcomes[sent.id_], sent.by.bounds
        after = outcome | self._changes(sent)
        is_within = all(each[name] in bounds[name] for each in (outcome, after) for name in bounds)
        return is_within and sent.by.may(sent.type, outcome["recorded_by"])

    def _is_one_too_many(self, sent: Sent) -> bool:
        so_far = sum(kind_of(each["by"]) == sent.by.kind for each in self.history[sent.id_])
        return so_far >= self.budgets[sent.by.kind] and (sent.type, sent.by.kind) not in WITHOUT_NUMBER

    def is_unchanged(self, sent: Sent) -> bool:
        return sent.type == "amend" and self._changes(sent).items() <= self.outcomes[sent.id_].items()

    def _changes(self, sent: Sent) -> State:
        """Return the new values of an amend, by the names in a list."""
        created_at = self.outcomes[sent.id_]["created_at"]
        changes = {NAMES[name]: value for name, value in sent.body.get("changes", {}).items()}
        if "value_usd" in changes:
            changes["value_usd"] = exact(changes["value_usd"])
        return changes | ({"occurred_at": changes["occurred_at"] or created_at} if "occurred_at" in changes else {})

    def made(self, sent: Sent, id_: str) -> None:
        """Apply a correction, which the API has stored with this id."""
        if sent.key:
            self.remembered[sent.remembered_by] = (id_, sent.body)
        if self.is_unchanged(sent):
            return
        before, changes = self.outcomes[sent.id_], self._changes(sent)
        after = corrected(before, sent.type, changes, sent.by.recorded_by)
        assert after, "not possible, and stored"
        entry = {"id": id_, "type": sent.type, "reason": sent.body.get("reason"), "by": sent.by.recorded_by}
        if "changes" in sent.body:
            entry["changes"] = {name: {"before": before[name], "after": after[name]} for name in changes}
        self.outcomes[sent.id_] = after
        self.history[sent.id_].append(entry)


def exact(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


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
