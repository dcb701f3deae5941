"""Measures how soon all is well again after a table took nothing for a while, by the retries of client and function.

Both are the real ones, the client's steps and the function's handler; time and the table are simulated here. Each
client has one outcome to record a second, and records what waits one after the other as fast as it can; the table takes
a quarter more than that, so who comes back all at once is throttled again.
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
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

from httpx import Headers
from outcomes.aws.connection import Reply
from outcomes.aws.services import DynamoDB
from outcomes.ledger.store import LIMITS
from outcomes_client import NewOutcome, OutcomesError
from outcomes_client._calls import Calls
from outcomes_client._http import Reply as Answer
from outcomes_client._steps import Retry, Send, Wait

from bench.outcome import request

if TYPE_CHECKING:
    from bench.__main__ import Report

BUSY_FROM, BUSY_UNTIL, END = 20, 40, 120
"""Seconds."""
TOGETHER = 5
"""Seconds over which what is recorded is counted: in single ones it is by chance more or less."""
SPARE = 1.25
"""Writes that the table takes a second, over those that clients want."""
LATENCY = 0.03
"""Seconds that a request takes on its way there and back."""

MOST_SECONDS = 30
MOST_REQUESTS = 3
BACK = 0.95

ENVIRONMENT = {
    "OUTCOMES_TABLE": "outcomes",
    "IDEMPOTENCY_TABLE": "keys",
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
    """What happened. recorded: outcomes, by the second. requests: of the API; writes: attempts at the table.

    lost: outcomes that a client has given up.
    """

    recorded: Counter[int]
    requests: int
    writes: int
    lost: int

    def seconds_until_back(self, clients: int) -> int:
        """Count from when the table takes writes again until BACK of what is wanted is recorded, in any few seconds."""
        begins = range(BUSY_UNTIL, END - TOGETHER + 1)
        short = [begin for begin in begins if self._recorded_from(begin) < BACK * clients * TOGETHER]
        return short[-1] + 1 - BUSY_UNTIL if short else 0

    def _recorded_from(self, begin: int) -> int:
        return sum(self.recorded[second] for second in range(begin, begin + TOGETHER))


class Simulation:
    """A table, functions and clients in a time of their own. busy: whether the table ever is."""

    def __init__(self, clients: int, *, busy: bool) -> None:
        self.clients = clients
        self.busy = busy
        self.now = 0.0
        self.random = Random(20)  # noqa: S311 - the same course each time
        self.room, self.filled_at = 0.0, 0.0  # of the table, in writes, and as of when
        self.requests = self.writes = self.lost = 0
        self.recorded: Counter[int] = Counter()

    def run(self) -> Course:
        """Let all clients record until the end."""
        app: Any = import_module("functions.record_outcome.app")
        waiting = [(self.random.random(), number, self.client(app)) for number in range(self.clients)]
        heapq.heapify(waiting)
        while waiting[0][0] < END:
            self.now, number, client = heapq.heappop(waiting)
            at = self.now
            heapq.heappush(waiting, (at + next(client), number, client))
        return Course(self.recorded, self.requests, self.writes, self.lost)

    def client(self, app: Any) -> Iterator[float]:
        """Record an outcome a second, and yield how long each step takes."""
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
        """Let a function of its own answer a client's request."""
        self.requests += 1
        body, headers = json.loads(step.request.body or b""), dict(step.request.headers)
        event = request("POST", body=body, authorizer={"caller": "key"}, headers=headers)
        with patch.object(dynamodb.connection, "post", self.write), patch.object(app.store, "dynamodb", dynamodb):
            response = app.handler(event, None)
        return Answer(response["statusCode"], Headers(response["headers"]), response["body"].encode())

    def write(self, *_sent: Any) -> Reply:
        """Take a write, if there is room for it."""
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
        """Let time pass."""
        self.now += seconds


def simulated(clients: int, *, busy: bool) -> Course:
    """Simulate what happens to so many clients."""
    simulation = Simulation(clients, busy=busy)
    with (
        redirect_stdout(StringIO()),  # metrics
        patch.dict("os.environ", ENVIRONMENT),
        patch("os.urandom", simulation.random.randbytes),
        patch.object(time, "sleep", simulation.pass_),
        patch.object(time, "monotonic", lambda: simulation.now),
    ):
        return simulation.run()


def recovery(report: "Report", clients: int) -> None:
    """Report how soon as much is recorded as is wanted, and what it took."""
    well, busy = simulated(clients, busy=False), simulated(clients, busy=True)
    seconds = busy.seconds_until_back(clients)
    report.text(
        f"## Recovery: {clients} clients, and a table that is busy for {BUSY_UNTIL - BUSY_FROM} s\n\nSimulated time, "
        "with the retries of the Python client and of the function as they are. Each client has an outcome to record a "
        f"second, and records what waits as fast as it can; the table takes {SPARE:g} times as many."
    )
    report.table(
        ["", "measured", "bar", "verdict"],
        [
            [name, f"{measured:.2f}", *report.bar(name, limit, measured)]
            for name, limit, measured in (
                (f"seconds until {BACK:.0%} of it is recorded again, from then on", MOST_SECONDS, seconds),
                ("requests of the API, over those without trouble", MOST_REQUESTS, busy.requests / well.requests),
                ("writes tried, over those without trouble", MOST_REQUESTS, busy.writes / well.writes),
                ("outcomes given up, of which clients were told", None, busy.lost),
            )
        ],
    )
