"""Model a user's ledger, and compute the expected result of each correction."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Any, NamedTuple

from smoke.model import MOVES
from tests.corrections import ALLOWED, CALLERS, TALLIES
from tests.events import KEY, agent

BOUNDED: dict[str, dict[str, set[Any]]] = {
    "the agent itself": {"agent_id": {7}},
    "another agent": {"agent_id": {8}},
    "an agent of small tasks": {
        "outcome_type": {"task_complete"},
        "value_usd": {None, 0, 1, Decimal("0.1"), Decimal("1e-130")},
    },
}
"""For each bounded agent key, the values of a field that an outcome must have for the key to correct it."""
BY_NAME = CALLERS | {"an agent of small tasks": agent("correct read", outcomeTypes="task_complete", maxValueUsd="1")}

BUDGETS = {"agent": 2, "owner": 2, "platform": 3}
"""Limits of corrections for each kind of caller: low, so that they are reached."""
WITHOUT_NUMBER = {("void", "the platform"), ("uphold", "the platform"), ("dispute", "the owner")}

NAMES = {
    "outcomeType": "outcome_type",
    "valueUsd": "value_usd",
    "agentId": "agent_id",
    "occurredAt": "occurred_at",
    "title": "title",
}
GROUPS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "by_type": ("outcome_type", lambda outcome: outcome["outcome_type"]),
    "by_agent": ("agent_id", lambda outcome: outcome["agent_id"]),
    "by_day": ("date", lambda outcome: outcome["occurred_at"][:10]),
}

TODAY = datetime.now(UTC).date()


def day(ago: int) -> str:
    """Return 12:15 UTC on the day `ago` days before today."""
    return (TODAY - timedelta(days=ago)).isoformat() + "T12:15:00.000Z"


class Sent(NamedTuple):
    """A request for a correction. by: the caller's name, which is a key of BY_NAME."""

    id_: str
    by: str
    body: dict[str, Any]
    key: str | None

    @property
    def type(self) -> str:
        return str(self.body["type"])

    @property
    def recorder(self) -> str:
        """Return the caller's name as stored in entries and idempotency keys."""
        caller = BY_NAME[self.by]
        return f"key:{caller['keyId']}" if "keyId" in caller else "key" if caller is KEY else "session"

    @property
    def kind(self) -> str:
        return kind_of(self.recorder)

    @property
    def may_read(self) -> bool:
        return self.by == "the owner" or "read" in BY_NAME[self.by].get("scopes", "").split()


class End(NamedTuple):
    """The expected result of a correction. replayed: the earlier correction's id, if the answer is a replay."""

    status: int
    replayed: str | None = None


@dataclass
class Ledger:
    """The model of a ledger. remembered: each correction's id and body, by its outcome, caller and idempotency key."""

    outcomes: dict[str, dict[str, Any]] = field(default_factory=dict)
    history: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    remembered: dict[tuple[str, str, str], tuple[str, dict[str, Any]]] = field(default_factory=dict)

    def expected(self, sent: Sent) -> End:
        """Return the result that this correction should have, if it is sent now."""
        if not self._is_allowed(sent):
            return End(403)
        if sent.key and (sent.id_, sent.recorder, sent.key) in self.remembered:
            made, body = self.remembered[sent.id_, sent.recorder, sent.key]
            return End(200, made) if body == sent.body else End(422)
        if self.outcomes[sent.id_]["status"] not in MOVES[sent.type] or self._is_one_too_many(sent):
            return End(409)
        if self.is_unchanged(sent) and (sent.may_read or sent.by == "the platform"):
            return End(400)
        return End(200)

    def _is_allowed(self, sent: Sent) -> bool:
        outcome = self.outcomes[sent.id_]
        bounds = BOUNDED.get(sent.by, {})
        is_within = all(each[name] in bounds[name] for each in (outcome, self._after(sent)) for name in bounds)
        allowed = ALLOWED[sent.type].get("an agent" if bounds else sent.by, [])
        return is_within and outcome["recorded_by"] in allowed

    def _is_one_too_many(self, sent: Sent) -> bool:
        so_far = sum(kind_of(each["by"]) == sent.kind for each in self.history[sent.id_])
        return so_far >= BUDGETS[sent.kind] and (sent.type, sent.by) not in WITHOUT_NUMBER

    def is_unchanged(self, sent: Sent) -> bool:
        return sent.type == "amend" and self._after(sent) == self.outcomes[sent.id_]

    def _after(self, sent: Sent) -> dict[str, Any]:
        """Return the fields that the outcome should have after the correction."""
        outcome = dict(self.outcomes[sent.id_])
        for name, value in sent.body.get("changes", {}).items():
            shown: Any = exact(value) if name == "valueUsd" else value
            outcome[NAMES[name]] = outcome["created_at"] if name == "occurredAt" and value is None else shown
        return outcome

    def made(self, sent: Sent, id_: str) -> None:
        """Apply a correction, which the API has stored with this id."""
        if sent.key:
            self.remembered[sent.id_, sent.recorder, sent.key] = (id_, sent.body)
        if self.is_unchanged(sent):
            return
        before, after = self.outcomes[sent.id_], self._after(sent)
        # An agent's amend does not end the owner's dispute.
        if (sent.type, before["status"], sent.kind) != ("amend", "disputed", "agent"):
            after["status"] = MOVES[sent.type][before["status"]]
        after["version"] += 1
        entry = {"id": id_, "type": sent.type, "reason": sent.body.get("reason"), "by": sent.recorder}
        if "changes" in sent.body:
            names = [NAMES[name] for name in sent.body["changes"]]
            entry["changes"] = {name: {"before": before[name], "after": after[name]} for name in names}
        self.outcomes[sent.id_] = after
        self.history[sent.id_].append(entry)

    def counted(self, tally: str, where: Callable[[Any], bool] = lambda _: True) -> tuple[int, Decimal]:
        """Return how many outcomes count in a tally, such as "standing" or "confirmed", and the sum of their values."""
        counted = [each for each in self.outcomes.values() if tally in TALLIES[each["status"]] and where(each)]
        return len(counted), add(each["value_usd"] for each in counted)

    def groups(self, by: str) -> dict[Any, tuple[int, Decimal]]:
        """Return the number of outcomes that are not void and the sum of their values, by type, agent or day."""
        of = GROUPS[by][1]
        found = {of(each) for each in self.outcomes.values() if "standing" in TALLIES[each["status"]]}

        def is_of(group: Any) -> Callable[[Any], bool]:
            return lambda outcome: bool(of(outcome) == group)

        return {group: self.counted("standing", is_of(group)) for group in found}

    def facts(self) -> list[tuple[Any, int, Decimal]]:
        """Return a tuple for each outcome and each tally (such as "standing") in which the outcome counts.

        A tuple consists of a key (tally, instant, type and agent), the count 1, and the value.
        """
        return [
            ((tally, each["occurred_at"], each["outcome_type"], each["agent_id"]), 1, each["value_usd"] or Decimal(0))
            for each in self.outcomes.values()
            for tally in TALLIES[each["status"]]
        ]


def kind_of(recorded_by: str) -> str:
    return {"key": "platform", "session": "owner"}.get(recorded_by, "agent")


def exact(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def add(values: Any) -> Decimal:
    """Add decimals without rounding."""
    total = Decimal(0)
    for value in values:
        total = Context(prec=300).add(total, value or Decimal(0))
    return total
