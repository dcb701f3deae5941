"""After a table has throttled all writes for a while, clients recover with their backoff and the function's.

The client's steps and the function's handler are real; time and the table are simulated. Each client gets one outcome
per second to record, and records delayed outcomes as fast as it can. The table accepts a quarter more writes than one
per client and second. So if all clients retry at once, they are throttled again.
"""

import heapq
import json
import time
from collections import Counter
from collections.abc import Generator, Iterator
from importlib import import_module
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from httpx import Headers
from outcomes.aws.connection import Reply
from outcomes.aws.services import DynamoDB
from outcomes.ledger.store import LIMITS
from outcomes_client import NewOutcome, OutcomesError, _steps
from outcomes_client._calls import Calls
from outcomes_client._http import Reply as Answer

from bench.measure import KNOWN_WHEN_DEPLOYED, OF_LAMBDA
from bench.outcome import request

BUSY_FROM, BUSY_UNTIL = 20, 40
"""Seconds."""
SPARE = 1.25
"""Writes per second that the table accepts, as a multiple of what clients want to write."""
LATENCY = 0.03
"""The seconds that a round trip takes."""
THROTTLED = json.dumps(
    {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "message": "Transaction cancelled",
        "CancellationReasons": [{"Code": "ThrottlingError"}, {"Code": "None"}],
    }
).encode()


class Simulation:
    """Simulate a table, functions and clients. busy: the seconds in which the table throttles all writes.

    recorded: the number of recorded outcomes in each second. requests: the number of requests to the API. writes: the
    number of attempts to write to the table.
    """

    def __init__(self, clients: int, busy: range) -> None:
        self.clients, self.busy = clients, busy
        self.now = 0.0
        self.random = Random(20)  # noqa: S311 - the same numbers each time
        self.room, self.filled_at = 0.0, 0.0  # the tokens in the table's bucket, and the time of its last refill
        self.requests = self.writes = 0
        self.recorded: Counter[int] = Counter()

    def run(self, end: int) -> None:
        """Let all clients record until the time `end`."""
        app: Any = import_module("functions.record_outcome.app")
        waiting = [(self.random.random(), number, self.client(app)) for number in range(self.clients)]
        heapq.heapify(waiting)
        while waiting[0][0] < end:
            self.now, number, client = heapq.heappop(waiting)
            at = self.now
            heapq.heappush(waiting, (at + next(client), number, client))

    def client(self, app: Any) -> Iterator[float]:
        """Record one outcome per second. Yield the seconds that each step takes."""
        calls = Calls(_steps.Retry(), clock=lambda: self.now, jitter=self.random.uniform)
        dynamodb = DynamoDB(
            LIMITS, clock=lambda: self.now, sleep=self.pass_, jitter=lambda s: self.random.uniform(0, s)
        )
        due = self.now
        while True:
            if self.now < due:
                yield due - self.now
            call = calls.record(NewOutcome(outcome_type="deal_closed", title="Closed a deal", user_id=42))
            answer = None
            try:
                while True:
                    step = call.send(answer)
                    answer = None
                    if isinstance(step, _steps.Wait):
                        yield step.seconds
                    elif isinstance(step, _steps.Send):
                        began = self.now
                        answer = self.answer(app, dynamodb, step)
                        yield self.now - began + LATENCY
            except StopIteration:
                self.recorded[int(self.now)] += 1
            except OutcomesError:
                pass  # given up, with an error to the caller
            due += 1

    def answer(self, app: Any, dynamodb: DynamoDB, step: _steps.Send) -> Answer:
        """Answer a client's request with the function's handler."""
        self.requests += 1
        key = dict(step.request.headers)["Idempotency-Key"]
        event = request(
            "POST",
            body=json.loads(step.request.body or b""),
            authorizer={"caller": "key"},
            headers={"Idempotency-Key": key},
        )
        with patch.object(dynamodb.connection, "post", self.write), patch.object(app.store, "dynamodb", dynamodb):
            response = app.handler(event, None)
        return Answer(response["statusCode"], Headers(response["headers"]), response["body"].encode())

    def write(self, *_sent: Any) -> Reply:
        """Accept or throttle a write."""
        self.writes += 1
        a_second = SPARE * self.clients
        passed = max(0, self.now - self.filled_at)
        self.room = min(a_second, self.room + passed * a_second)
        self.filled_at += passed
        if self.room < 1 or int(self.now) in self.busy:
            return Reply(400, {}, THROTTLED)
        self.room -= 1
        return Reply(200, {}, b"{}")

    def pass_(self, seconds: float) -> None:
        self.now += seconds


def simulated(clients: int, busy: range, end: int) -> Simulation:
    variables = KNOWN_WHEN_DEPLOYED | OF_LAMBDA | {"POWERTOOLS_SERVICE_NAME": "outcomes", "DASHBOARD_ORIGINS": ""}
    simulation = Simulation(clients, busy)
    with (
        patch.dict("os.environ", variables),
        patch("os.urandom", simulation.random.randbytes),
        patch.object(time, "sleep", simulation.pass_),
        patch.object(time, "monotonic", lambda: simulation.now),
    ):
        simulation.run(end)
    return simulation


def over_calm(clients: int, until: int, end: int) -> tuple[Simulation, float, float]:
    """Return a simulation that is busy until then, and its requests and writes as multiples of a calm one's."""
    calm, busy = (simulated(clients, range(BUSY_FROM, last), end) for last in (BUSY_FROM, until))
    return busy, busy.requests / calm.requests, busy.writes / calm.writes


def test_clients_recover_soon_and_with_few_requests() -> None:
    busy, requests, writes = over_calm(5, BUSY_UNTIL, end=80)
    begins = range(BUSY_UNTIL + 30, 75)
    assert min(sum(busy.recorded[begin + second] for second in range(5)) for begin in begins) >= 0.95 * 5 * 5
    assert (requests <= 3, writes <= 3) == (True, True)


def test_clients_without_backoff_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def at_once(_backoff: Any, *_why: Any, **_how: Any) -> Generator[Any, Any, bool]:
        yield _steps.Wait(0)
        return True

    monkeypatch.setattr(_steps.Backoff, "wait", at_once)
    _, requests, writes = over_calm(1, BUSY_FROM + 5, end=60)
    assert max(requests, writes) > 3
