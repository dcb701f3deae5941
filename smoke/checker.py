"""Make calls from several threads, with a client's retries, and compare the answers with the expected state."""

import random
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from itertools import count
from typing import Any, NamedTuple

import httpx
from outcomes.contract import json_text

from smoke.api import Api
from smoke.aws import Visit
from smoke.judge import Attempt, Call, Judge, Read, Result, Write
from smoke.model import State

CALLS = 300
THREADS = 4
ATTEMPTS = 5
MOST_PER_SECOND = 25
MOST_SECONDS = 45
MOST_AT_ONCE = 100
IMPATIENT_SECONDS = 0.01  # the client gives up before most answers arrive
RETRY_SECONDS = 0.2
MOST_WAIT_SECONDS = 5
LOST_SECONDS = 30  # API Gateway's timeout is 29 s: after that, a call whose answer was lost cannot take effect


class Answer(NamedTuple):
    """The answer to a call. Body and headers are empty if the answer was lost."""

    call: Call
    body: State
    headers: Mapping[str, str]

    @property
    def wait(self) -> float:
        """Return the seconds to wait before the next attempt."""
        return min(MOST_WAIT_SECONDS, float(self.headers.get("retry-after", RETRY_SECONDS)))


@dataclass
class Checker:
    """One run of the checker, with two new users.

    calls, faults and notes are for the report. impatient: a client that waits only IMPATIENT_SECONDS for an answer.
    limits: the stage's rate and burst limits, each by the name of its parameter.
    """

    api: Api
    impatient: httpx.Client
    visit: Visit
    seed: int
    limits: Mapping[str, Sequence[int]]
    budget: int = CALLS
    calls: list[Call] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._users = {each.id: each for each in self.visit.users}
        self._writes: list[Write] = []
        self._reads: list[Read] = []
        self._numbers, self._call_numbers = count(1), count(1)
        rates = [self.limits[name][0] / 2 for name in ("RecordThrottle", "ReadThrottle") if name in self.limits]
        self._pace = Pace(max(1, min([MOST_PER_SECOND, *rates])))

    def run(self) -> None:
        """Make the calls and check the answers. Raises AssertionError if there are faults."""
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(partial(self._work, time.monotonic() + MOST_SECONDS), range(THREADS)))
        self._exceed_the_limit()
        lost = [each.attempts[-1].call.sent for each in self._writes if each.attempts[-1].result == "unknown"]
        time.sleep(max([0, *(sent + LOST_SECONDS - time.monotonic() for sent in lost)]))
        self._judge()
        assert not self.faults, f"{len(self.faults)} faults, the first: {self.faults[0]}"

    def _work(self, until: float, thread: int) -> None:
        rng = random.Random(f"{self.seed} {thread}")  # noqa: S311 (a plan to repeat, not a secret)
        actions = [  # each action has a weight for the random choice, and the capability that it needs
            (30, self._record, None),
            (10, self._replay, None),
            (5, self._batch, "Batch"),
            (30, self._correct, "Corrections"),
            (15, self._list, None),
            (10, self._summarize, "Totals"),
        ]
        weights, possible, _ = zip(*(each for each in actions if each[2] not in self.api.off), strict=True)
        while len(self.calls) < self.budget and time.monotonic() < until:
            rng.choices(possible, weights)[0](rng)

    # ── Writes ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _record(self, rng: random.Random) -> None:
        self._write(self._outcome(rng, rng.choice(["key", "session"])), is_impatient=self._is_impatient(rng))

    def _replay(self, rng: random.Random) -> None:
        if keyed := [each for each in self._writes if each.key and each.done]:
            self._write(rng.choice(keyed[-20:]))

    def _batch(self, rng: random.Random) -> None:
        self._send([self._outcome(rng, "key") for _ in range(rng.randint(1, 3))], "batch")

    def _correct(self, rng: random.Random) -> None:
        """Correct one of the latest outcomes, which other threads may correct at the same time."""
        outcomes = [each for each in self._writes if each.of is None and each.done]
        if not outcomes:
            return
        outcome, number = rng.choice(outcomes[-8:]), next(self._numbers)
        own = ("session", "confirm" if outcome.by == "key" else rng.choice(["confirm", "amend"]))
        choices = [("key", "amend"), ("key", "amend"), ("key", "uphold"), ("key", "void"), ("session", "dispute"), own]
        by, type_ = rng.choice(choices)
        fields = {"value_usd": Decimal(number) / 100, "description": f"Corrected by {number}"}
        text, key = f"Smoke test correction {number}", self._key(rng, number)
        write = Write(text, outcome.user, by, type_, fields if type_ == "amend" else {}, key, outcome)
        self._write(write, is_impatient=self._is_impatient(rng))

    def _outcome(self, rng: random.Random, by: str) -> Write:
        user, number = rng.choice([*self._users]), next(self._numbers)
        title, type_ = f"Smoke test outcome {number}", rng.choice(self.api.types[:2])
        fields = {
            "user_id": user,
            "outcome_type": type_,
            "title": title,
            "description": rng.choice([None, "From a smoke test"]),
            "value_usd": rng.choice([None, Decimal(rng.randint(-100_000, 10_000_000)) / 100]),
            "status": "recorded",
            "version": 0,
            "recorded_by": by,
        }
        return Write(title, user, by, type_, fields, self._key(rng, number))

    def _key(self, rng: random.Random, number: int) -> str | None:
        return f"smoke-{self.seed}-{number}" if rng.random() < 0.7 else None

    def _is_impatient(self, rng: random.Random) -> bool:
        """Choose whether to use the impatient client.

        Use it only in the first half of the run, so that calls without an answer have ended before the outcomes are
        checked.
        """
        return len(self.calls) < self.budget / 2 and rng.random() < 0.2

    def _write(self, write: Write, *, is_impatient: bool = False) -> None:
        """Send a write until it is done or finally refused.

        Without an idempotency key, also stop after an answer that leaves open whether the write was done.
        """
        for attempt in range(ATTEMPTS):
            impatient = is_impatient and attempt == 0 and write.key is not None
            result, wait = self._send([write], "correct" if write.of else "record", is_impatient=impatient)
            if result not in {"refused", "unknown"} or (result == "unknown" and not write.key):
                return
            time.sleep(wait)

    def _send(self, writes: list[Write], name: str, *, is_impatient: bool = False) -> tuple[Result, float]:
        """Send the writes in one call. Return the first write's result, and the seconds to wait before a retry.

        name: the kind of call. Only a `batch` can have more than one write.
        """
        first, of = writes[0], writes[0].of
        for each in writes:
            if each not in self._writes:
                self._writes.append(each)
            if each.key:
                self.visit.note_key(each.key, self._users[each.user], by=each.by, of=of.id if of else None)
        path = "/batch" if name == "batch" else f"/{of.id}/corrections" if of else ""
        bodies = [_body(each, with_key=name == "batch") for each in writes]
        body = {"outcomes": bodies} if name == "batch" else bodies[0]
        headers = {"Idempotency-Key": first.key} if first.key and name != "batch" else {}
        api = replace(self.api, client=self.impatient) if is_impatient else self.api
        answer = self._call(name, path, first.user, first.by, api, body=body, headers=headers)
        is_read = name == "batch" and answer.call.status == 200
        parts = answer.body["results"] if is_read else [answer.body] * len(writes)
        attempts = [_attempt(answer.call, part, answer.headers) for part in parts]
        for each, attempt in zip(writes, attempts, strict=True):
            each.attempts.append(attempt)
        return attempts[0].result, answer.wait

    def _exceed_the_limit(self) -> None:
        """Record twice as many outcomes at once as the stage's burst limit allows, without retries."""
        name, parameter = ("record", "RecordThrottle") if "Batch" in self.api.off else ("batch", "BatchThrottle")
        calls = 2 * self.limits[parameter][1] if parameter in self.limits else 0
        if not 0 < calls <= MOST_AT_ONCE:
            self.notes.append(f"no calls above the limit: {parameter} is {self.limits.get(parameter, 'unknown')}")
            return
        rng = random.Random(self.seed)  # noqa: S311 (as above)
        writes = [self._outcome(rng, "key") for _ in range(calls)]
        paced, self._pace = self._pace, Pace(1000)
        with ThreadPoolExecutor(calls) as pool:
            results = Counter(result for result, _ in pool.map(lambda write: self._send([write], name), writes))
        self._pace = paced
        self.notes.append(f"above the limit: {calls} calls at once, {results['refused']} refused")

    # ── Reads ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _list(self, rng: random.Random) -> None:
        self._read("list", rng.choice([*self._users]), f"?include=ledger&limit={rng.randint(1, 50)}")

    def _summarize(self, rng: random.Random) -> None:
        self._read("summary", rng.choice([*self._users]), "/summary")

    def _all(self, user: int) -> Read:
        """Read all pages as one list."""
        sent, outcomes, cursor = time.monotonic(), list[State](), ""
        while True:
            page = self._read("list", user, f"?include=ledger&limit=20{cursor}", is_judged=False)
            outcomes += page.answer["outcomes"]
            if page.answer["next_cursor"] is None or len(outcomes) > 2 * len(self._writes):
                return Read(replace(page.call, sent=sent), user, {"outcomes": outcomes, "next_cursor": None})
            cursor = f"&cursor={page.answer['next_cursor']}"

    def _read(self, name: str, user: int, path: str, *, is_judged: bool = True) -> Read:
        """Return the answer, after retries. Raises AssertionError if there is none."""
        for _ in range(ATTEMPTS):
            answer = self._call(name, path, user, "session", self.api)
            if answer.call.status == 200:
                read = Read(answer.call, user, answer.body)
                if is_judged:
                    self._reads.append(read)
                return read
            time.sleep(answer.wait)
        raise AssertionError(f"{answer.call}: no answer after {ATTEMPTS} attempts")

    def _judge(self) -> None:
        lists = [self._all(user) for user in self._users]
        if "Totals" not in self.api.off:
            for user in self._users:
                self._read("summary", user, "/summary")
        corrected = {each.of.id for each in self._writes if each.of}
        histories = {
            each["id"]: self._read("history", read.user, f"/{each['id']}", is_judged=False).answer["corrections"]
            for read in lists
            for each in read.answer["outcomes"]
            if each["id"] in corrected
        }
        judge = Judge(self._writes, lists, histories)
        for read in [*self._reads, *lists]:
            judge.judge(read)
        self.faults = judge.faults
        open_ = [each for each in self._writes if not each.done and not each.is_refused]
        self.notes += [
            f"{len(self._writes)} writes and {len(self._reads)} reads judged",
            f"{len(open_)} writes without a known result, of which {judge.stored(open_)} were stored",
            f"{judge.unjudged} summaries not judged, as too many writes were under way",
        ]

    def _call(self, name: str, path: str, user: int, by: str, api: Api, **sent: Any) -> Answer:
        self._pace.wait()
        call = Call(next(self._call_numbers), name, by, time.monotonic())
        self.calls.append(call)
        cookie = self._users[user].cookie if by == "session" else None
        try:
            response = api.call("POST" if sent else "GET", path, key=by == "key", cookie=cookie, **sent)
        except httpx.TransportError:
            return Answer(call, {}, {})
        call.answered, call.status = time.monotonic(), response.status_code
        call.request_id = response.headers.get("x-amzn-requestid")
        body: State = {}
        with suppress(ValueError):  # an answer that is not from our functions may not be JSON
            body = json_text.read(response.text)
        return Answer(call, body, response.headers)


class Pace:
    """Limits the calls of all threads to an even rate. per_second: calls per second."""

    def __init__(self, per_second: float) -> None:
        self._gap = 1 / per_second
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        with self._lock:
            at = max(self._next, time.monotonic())
            self._next = at + self._gap
        time.sleep(max(0, at - time.monotonic()))


def _body(write: Write, *, with_key: bool) -> State:
    """Return the JSON body of a write. Values have at most two decimals, so a float's shortest text is exact."""
    fields = write.fields
    values = {"valueUsd": None if fields.get("value_usd") is None else float(fields["value_usd"])}
    values |= {"description": fields.get("description")}
    owner = {"userId": write.user} if write.by == "key" else {}
    if write.of:
        changes = {"changes": values} if write.type == "amend" else {}
        return {"type": write.type, "reason": write.text} | owner | changes
    key = {"idempotencyKey": write.key} if with_key and write.key else {}
    return {"outcomeType": write.type, "title": write.text} | values | owner | key


def _attempt(call: Call, answer: State, headers: Mapping[str, str]) -> Attempt:
    """Convert the answer to a write into an Attempt."""
    if call.status == 200 and call.name == "batch" and answer["status"] in {"created", "replayed"}:
        return Attempt(call, answer["status"], answer["id"])
    if call.status == 200 and call.name != "batch":
        result: Result = "replayed" if "idempotent-replayed" in headers else "created"
        if call.name == "record":
            return Attempt(call, result, headers.get("outcome-id"))
        shown = answer.get("outcome", answer)
        return Attempt(call, result, answer["id"], shown["status"], int(shown["version"]))
    if call.status == 429 or answer.get("error") == "Busy" or (call.status == 409 and "retry-after" in headers):
        return Attempt(call, "refused")
    if call.status == 409:
        return Attempt(call, "impossible")
    is_unknown = call.status is None or call.status >= 500 or answer.get("retryable")
    return Attempt(call, "unknown" if is_unknown else "wrong")
