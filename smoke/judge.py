"""Compare the answers of a run by concurrent callers with the model.

A write takes effect once, between its first attempt and its first 200. Without a 200, it takes effect once or never. A
read must show each write that was answered before the read was sent, and no write that was sent after the read was
answered. It may show the writes in between.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import inf
from typing import Literal, NamedTuple

from smoke.model import MOVES, TALLIES, TALLY_NAMES, State, corrected

type Sums = tuple[Decimal, ...]
type Result = Literal["created", "replayed", "refused", "impossible", "unknown", "wrong"]

SUMS = ("count", "value_usd")
NOTHING: Sums = (Decimal(0),) * len(SUMS) * len(TALLY_NAMES)
# A summary is not checked if more writes than this may or may not be part of it: each doubles the number of valid sums.
MOST_OPEN = 12


@dataclass
class Call:
    """An HTTP call.

    sent, answered: times in seconds, all by the same clock. status: the answer's HTTP status, or None if the answer was
    lost.
    """

    number: int
    name: str
    by: str
    sent: float
    answered: float = inf
    status: int | None = None
    request_id: str | None = None

    def __str__(self) -> str:
        return f"call {self.number} ({self.name}, {self.status or 'lost'}, request {self.request_id})"


class Attempt(NamedTuple):
    """An attempt to write. id, status and version are those in the answer, if it has them."""

    call: Call
    result: Result
    id: str | None = None
    status: str | None = None
    version: int | None = None


@dataclass(eq=False)
class Write:
    """An outcome to record, or a correction of one.

    text: a title or reason that no other write has. user: the id of the outcome's owner. fields: the outcome in the
    format of a list, or the changes of an amend. of: the outcome to correct, for a correction.

    A write without an idempotency key is not retried after an attempt that may have taken effect.
    """

    text: str
    user: int
    by: str
    type: str
    fields: State
    key: str | None = None
    of: "Write | None" = None
    attempts: list[Attempt] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.text} ({self.attempts[-1].call})"

    @property
    def done(self) -> list[Attempt]:
        return [each for each in self.attempts if each.result in {"created", "replayed"}]

    @property
    def id(self) -> str | None:
        return next((each.id for each in self.done), None)

    @property
    def begin(self) -> float:
        return min(each.call.sent for each in self.attempts)

    @property
    def end(self) -> float:
        return min((each.call.answered for each in self.done), default=inf)

    @property
    def is_refused(self) -> bool:
        return all(each.result in {"refused", "impossible"} for each in self.attempts)


@dataclass
class Read:
    """The answer to a user's list or summary.

    A list begins with the newest outcome. It was requested with `include=ledger`, so it has fields such as version.
    """

    call: Call
    user: int
    answer: State


class Judge:
    """Compares answers with the model.

    faults: one sentence for each fault; it quotes only content that this run has recorded. lists: for each user,
    all outcomes that the API listed after the last write. histories: the corrections of each outcome by its id, read
    after the last write, too.
    """

    def __init__(self, writes: Sequence[Write], lists: Sequence[Read], histories: Mapping[str, list[State]]) -> None:
        self.faults: list[str] = []
        self.unjudged = 0
        self._records = {each.text: each for each in writes if each.of is None}
        self._corrections = {each.text: each for each in writes if each.of is not None}
        self._states: dict[str, list[State]] = {}
        self._steps: dict[str, list[Write]] = {}
        for write in writes:
            self._check_attempts(write)
        for each in lists:
            self._find_records(each)
        for id_ in self._steps:
            self._replay(id_, histories.get(id_, []))
        self._found = {step for steps in self._steps.values() for step in steps}
        for write in writes:
            if write.id and write not in self._found:
                self._fault(write, "was answered with 200, and is not stored")
            self._check_shown(write)

    def stored(self, writes: Sequence[Write]) -> int:
        """Return how many of the writes are stored."""
        return len(self._found.intersection(writes))

    def _fault(self, of: Write | Call, what: str) -> None:
        self.faults.append(f"{of}: {what}")

    def _check_attempts(self, write: Write) -> None:
        if len({each.id for each in write.done}) > 1:
            self._fault(write, "its answers have different ids")
        if sum(each.result == "created" for each in write.attempts) > 1:
            self._fault(write, "two answers say that it was new")
        for each in write.attempts:
            if each.result == "wrong":
                self._fault(each.call, "an answer that a valid request must not get")
            earlier = [other for other in write.attempts if other is not each and other.call.sent < each.call.answered]
            if each.result == "replayed" and all(other.result in {"refused", "impossible"} for other in earlier):
                self._fault(write, "was replayed, although no earlier attempt can have worked")

    def _find_records(self, read: Read) -> None:
        for outcome in read.answer["outcomes"]:
            write = self._of_title(read, outcome)
            if write is None:
                continue  # the method `judge` reports this fault
            if any(write in steps for steps in self._steps.values()):
                self._fault(write, "is stored twice")
            self._check_stored(write, outcome["id"])
            self._steps[outcome["id"]], self._states[outcome["id"]] = [write], [write.fields]

    def _of_title(self, read: Read, outcome: State) -> Write | None:
        write = self._records.get(outcome["title"])
        return write if write and write.user == outcome["user_id"] == read.user else None

    def _check_stored(self, write: Write, id_: str) -> None:
        if write.is_refused:
            self._fault(write, "was refused, and is stored")
        if write.id not in {None, id_}:
            self._fault(write, "is stored with another id than its answer has")

    def _replay(self, id_: str, history: list[State]) -> None:
        """Apply an outcome's corrections one after the other."""
        states, steps = self._states[id_], self._steps[id_]
        for entry in history:
            write = self._corrections.get(entry["reason"])
            if write is None or write.of is not steps[0]:
                self._fault(steps[0], "its history has a correction that was not made")
                return
            before = states[-1]
            after = corrected(before, write.type, write.fields, write.by)
            if write in steps:
                self._fault(write, "is in the history twice")
            if after is None:
                self._fault(write, f"was not possible for a {before['status']} outcome, and is in the history")
            if any(step.begin > write.end for step in steps):
                self._fault(write, "comes after a correction that was sent only when this one had been answered")
            self._check_stored(write, entry["id"])
            changes = {name: {"before": before[name], "after": after} for name, after in write.fields.items()}
            said = (entry["type"], entry["by"], entry.get("changes") or {})
            if said != (write.type, write.by, changes):
                self._fault(write, "its history shows another type, caller or change")
            steps.append(write)
            states.append(after or before | {"version": before["version"] + 1})

    def _check_shown(self, write: Write) -> None:
        """Check the versions and statuses in answers to corrections.

        Also check that a correction was refused only if it was not possible.
        """
        id_ = write.of and write.of.id
        if not id_ or id_ not in self._states:
            return
        states, steps = self._states[id_], self._steps[id_]
        for attempt in write.attempts:
            oldest, newest = self._versions(id_, attempt.call)
            if attempt.result == "impossible":
                during = states[oldest : newest + 1]
                if all(state["status"] in MOVES[write.type] for state in during):
                    self._fault(write, "was refused as not possible, although it was")
            elif attempt.version is not None and write in steps:
                own = steps.index(write)
                is_known = attempt.version == own if attempt.result == "created" else own <= attempt.version <= newest
                if not is_known or states[attempt.version]["status"] != attempt.status:
                    self._fault(write, "its answer has a wrong version or status")

    def _versions(self, id_: str, call: Call) -> tuple[int, int]:
        """Return the oldest and the newest version that an outcome can have had during a call."""
        corrections = self._steps[id_][1:]
        oldest = sum(each.end < call.sent for each in corrections)
        return oldest, sum(each.begin < call.answered for each in corrections)

    def judge(self, read: Read) -> None:
        """Check the answer to a list or a summary."""
        if "outcomes" in read.answer:
            self._judge_list(read, read.answer["outcomes"])
        else:
            self._judge_summary(read, read.answer)

    def _judge_list(self, read: Read, outcomes: list[State]) -> None:
        order = [(each["created_at"], each["id"]) for each in outcomes]
        if order != sorted(set(order), reverse=True):
            self._fault(read.call, "is not in order, newest first and each once")
        for outcome in outcomes:
            write = self._of_title(read, outcome)
            if write is None:
                self._fault(read.call, "lists an outcome that was not recorded for this user")
            elif outcome["id"] not in self._states:
                self._fault(read.call, f"lists {write.text} with another id than later")
            elif write.begin > read.call.answered:
                self._fault(read.call, f"lists {write.text} before it was sent")
            else:
                self._judge_state(read, outcome)
        listed = {each["id"] for each in outcomes}
        since = "" if read.answer["next_cursor"] is None else min(listed, default="~")
        for id_, (write, *_) in self._steps.items():
            if write.user == read.user and write.end < read.call.sent and id_ >= since and id_ not in listed:
                self._fault(read.call, f"does not list {write.text}, which was recorded before")

    def _judge_state(self, read: Read, outcome: State) -> None:
        states = self._states[outcome["id"]]
        oldest, newest = self._versions(outcome["id"], read.call)
        if not oldest <= outcome["version"] <= min(newest, len(states) - 1):
            self._fault(read.call, f"lists {outcome['title']} without a correction made before, or with one too many")
        elif {name: outcome[name] for name in states[0]} != states[int(outcome["version"])]:
            self._fault(read.call, f"lists {outcome['title']} otherwise than recorded and corrected")

    def _judge_summary(self, read: Read, summary: State) -> None:
        groups = [[each[name] for each in summary[group]] for group in ("by_type", "by_day") for name in SUMS]
        if [sum(group) for group in groups] != [summary[name] for name in SUMS] * 2:
            self._fault(read.call, "has parts that do not add up to the whole")
        whole, open_ = NOTHING, []
        for begin, end, change in self._changes(read.user):
            if end < read.call.sent:
                whole = _add(whole, change)
            elif begin < read.call.answered:
                open_.append(change)
        if len(open_) > MOST_OPEN:
            self.unjudged += 1
            return
        possible = {whole}
        for change in open_:
            possible |= {_add(sums, change) for sums in possible}
        parts = {"standing": summary} | summary
        said = tuple(parts[tally][name] for tally in TALLY_NAMES for name in SUMS)
        if said not in possible:
            self._fault(read.call, "is not the sum of what was recorded and corrected")

    def _changes(self, user: int) -> Iterator[tuple[float, float, Sums]]:
        """Yield for each write of a user: the times when it began and ended, and its change of the sums."""
        for id_, steps in self._steps.items():
            before = NOTHING
            for step, state in zip(steps, self._states[id_], strict=True):
                counts = [Decimal(tally in TALLIES[state["status"]]) for tally in TALLY_NAMES]
                sums = tuple(part for count in counts for part in (count, count * (state["value_usd"] or 0)))
                if step.user == user:
                    yield step.begin, step.end, tuple(b - a for a, b in zip(before, sums, strict=True))
                before = sums


def _add(one: Sums, other: Sums) -> Sums:
    return tuple(a + b for a, b in zip(one, other, strict=True))
