"""Measure how client and function recover with their backoff after a table has throttled all writes for a while.

The client's steps and the function's handler are real; time and the table are simulated. Each client gets one outcome
per second to record, and records delayed outcomes as fast as it can. The table accepts a quarter more writes than one
per client and second. So if all clients retry at once, they are throttled again.
"""

import heapq
import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib import import_module
from io import StringIO
from random import Random
from typing import Any, NamedTuple
from unittest.mock import patch

from httpx import Headers
from outcomes.aws.replies import Reply
from outcomes.aws.services import DynamoDB
from outcomes.ledger.store import LIMITS
from outcomes_client import NewOutcome, OutcomesError
from outcomes_client._calls import Calls
from outcomes_client._http import Reply as Answer
from outcomes_client._steps import Retry, Send, Wait

from bench.measure import KNOWN_WHEN_DEPLOYED
from bench.outcome import request
from bench.report import Report

BUSY_FROM, BUSY_UNTIL, END = 20, 40, 120
"""Seconds."""
TOGETHER = 5
"""Seconds over which recorded outcomes are counted together, because single seconds vary."""
SPARE = 1.25
"""Writes per second that the table accepts, as a multiple of what clients want to write."""
LATENCY = 0.03
"""The seconds that a round trip takes."""

MOST_SECONDS = 30
MOST_REQUESTS = 3
BACK = 0.95

ENVIRONMENT = KNOWN_WHEN_DEPLOYED | {
    "DASHBOARD_ORIGINS": "",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
    "POWERTOOLS_SERVICE_NAME": "outcomes",
    "POWERTOOLS_METRICS_NAMESPACE": "Outcomes",
}
THROTTLED = json.dumps(
    {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "message": "Transaction cancelled",
        "CancellationReasons": [{"Code": "ThrottlingError"}, {"Code": "None"}],
    }
).encode()


class Course(NamedTuple):
    """The result of a simulation.

    recorded: the number of recorded outcomes in each second. requests: the number of requests to the API. writes: the
    number of attempts to write to the table. lost: the number of outcomes that a client gave up recording.
    """

    recorded: Counter[int]
    requests: int
    writes: int
    lost: int

    def seconds_until_back(self, clients: int) -> int:
        """Return the seconds from the end of throttling until the rate stays at BACK times the wanted rate or more."""
        begins = range(BUSY_UNTIL, END - TOGETHER + 1)
        short = [begin for begin in begins if self._recorded_from(begin) < BACK * clients * TOGETHER]
        return short[-1] + 1 - BUSY_UNTIL if short else 0

    def _recorded_from(self, begin: int) -> int:
        return sum(self.recorded[second] for second in range(begin, begin + TOGETHER))


class Simulation:
    """Simulate a table, functions and clients. busy: whether the table throttles all writes for some time."""

    def __init__(self, clients: int, *, busy: bool) -> None:
        self.clients = clients
        self.busy = busy
        self.now = 0.0
        self.random = Random(20)  # noqa: S311 - the same numbers each time
        self.room, self.filled_at = 0.0, 0.0  # the tokens in the table's bucket, and the time of its last refill
        self.requests = self.writes = self.lost = 0
        self.recorded: Counter[int] = Counter()

    def run(self) -> Course:
        """Let all clients record until the time END."""
        app: Any = import_module("functions.record_outcome.app")
        waiting = [(self.random.random(), number, self.client(app)) for number in range(self.clients)]
        heapq.heapify(waiting)
        while waiting[0][0] < END:
            self.now, number, client = heapq.heappop(waiting)
            at = self.now
            heapq.heappush(waiting, (at + next(client), number, client))
        return Course(self.recorded, self.requests, self.writes, self.lost)

    def client(self, app: Any) -> Iterator[float]:
        """Record one outcome per second. Yield the seconds that each step takes."""
        calls = Calls(Retry(), clock=lambda: self.now, jitter=self.random.uniform)
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
                    if isinstance(step, Wait):
                        yield step.seconds
                    elif isinstance(step, Send):
                        began = self.now
                        answer = self.answer(app, dynamodb, step)
                        yield self.now - began + LATENCY
            except StopIteration:
                self.recorded[int(self.now)] += 1
            except OutcomesError:
                self.lost += 1
            due += 1

    def answer(self, app: Any, dynamodb: DynamoDB, step: Send) -> Answer:
        """Answer a client's request with the function's handler."""
        self.requests += 1
        body, headers = json.loads(step.request.body or b""), dict(step.request.headers)
        event = request("POST", body=body, authorizer={"caller": "key"}, headers=headers)
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
        if self.room < 1 or (self.busy and BUSY_FROM <= self.now < BUSY_UNTIL):
            return Reply(400, {}, THROTTLED)
        self.room -= 1
        return Reply(200, {}, b"{}")

    def pass_(self, seconds: float) -> None:
        self.now += seconds


def simulated(clients: int, *, busy: bool) -> Course:
    """Simulate clients and a table."""
    simulation = Simulation(clients, busy=busy)
    with (
        redirect_stdout(StringIO()),  # drop metrics
        patch.dict("os.environ", ENVIRONMENT),
        patch("os.urandom", simulation.random.randbytes),
        patch.object(time, "sleep", simulation.pass_),
        patch.object(time, "monotonic", lambda: simulation.now),
    ):
        return simulation.run()


def recovery(report: Report, clients: int) -> None:
    """Report the time until recovery, and the requests and writes until then."""
    well, busy = simulated(clients, busy=False), simulated(clients, busy=True)
    seconds = busy.seconds_until_back(clients)
    report.text(
        f"## Recovery: {clients} clients, and a table that is busy for {BUSY_UNTIL - BUSY_FROM} s\n\nSimulated time, "
        "with the real backoff of the Python client and the function. Each client has an outcome to record a second, "
        f"and records waiting ones as fast as it can; the table accepts {SPARE:g} times as many."
    )
    report.bars_table(
        [
            (f"seconds until {BACK:.0%} of it is recorded again for good", MOST_SECONDS, seconds),
            ("requests of the API, over those without throttling", MOST_REQUESTS, busy.requests / well.requests),
            ("attempted writes, over those without throttling", MOST_REQUESTS, busy.writes / well.writes),
            ("outcomes given up, with an error to the caller", None, busy.lost),
        ]
    )
