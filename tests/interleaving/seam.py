"""Inject faults, pauses and late arrivals into AWS calls. The seed of a schedule chooses them."""

import json
from calendar import timegm
from collections.abc import Callable, Mapping
from email.utils import formatdate
from functools import partial
from time import strptime
from typing import Any

from outcomes.aws.connection import Connection, Reply

from local.moto_backend import DynamoType
from tests.faults import (
    DAMAGED,
    THROTTLED,
    Fault,
    Request,
    Send,
    answered,
    cancelled,
    error,
    fine,
    killed_after,
    killed_before,
    lost,
    unreachable,
    vanished,
)
from tests.interleaving.schedule import BEGIN, Late, Schedule
from tests.people import moto_tables

MOST_SKEW = 300
"""Seconds between a signature and the service's clock beyond which the service refuses."""

TROUBLED_SECONDS = 1800
"""Seconds after which no more faults are drawn, so that the run ends."""

PAGE_ITEMS = 4
"""Items on a page of a query, so that callers interleave between pages."""

LATE = (0.2, 1.9, 2.5, 8, 40, 150, 299)
"""Seconds after which a late request arrives; its sender waits for two at most."""

WRITES = {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems", "BatchExecuteStatement"}
STATEMENT_ERRORS = ("ThrottlingError", "InternalServerError", "TransactionConflict")
BATCHES = {"BatchGetItem": "UnprocessedKeys", "BatchWriteItem": "UnprocessedItems"}

PARTITION = DynamoType({"S": "42"})
"""The partition of the schedule's user."""


class Seam:
    """Passes the callers' requests to moto, and injects faults."""

    def __init__(self, schedule: Schedule, post: Callable[..., Reply]) -> None:
        self.schedule = schedule
        self.real_post = post
        # A schedule has few kinds of faults, but many of each, because some bugs need the same fault twice.
        self.trouble = schedule.random.choice((0.1, 0.25, 0.5))
        draw = schedule.random
        several = draw.sample([*ANY, *WRITTEN, *TRANSACTED, "in_part"], draw.randint(0, 4))
        self.kinds = draw.choice((RACING, ["late", *several], ["lost", *several]))
        self.arrived: dict[str, float] = {}  # when each item of OutcomesTable was first written
        self.heard: list[Any] = []  # all events that the bus has accepted

    def post(self, connection: Connection, headers: Mapping[str, str], body: bytes, until: float) -> Reply:
        """Replace `Connection.post`."""
        request = Request(headers["x-amz-target"].rpartition(".")[2], json.loads(body))
        send = partial(self.serve, connection, headers, request)
        caller = self.schedule.running
        if caller is None:
            return send()
        if request.operation == "Query":
            request.body.setdefault("Limit", PAGE_ITEMS)
        self.schedule.stop()
        if until <= self.schedule.now:
            raise TimeoutError("no time left")
        possible = self._possible(request.operation)
        is_calm = self.schedule.now > BEGIN + TROUBLED_SECONDS
        is_trouble = possible and not is_calm and self.schedule.random.random() < self.trouble
        name = self.schedule.random.choice(possible) if is_trouble else "fine"
        caller.trouble += name != "fine"
        self.schedule.note(f"  {request.operation}: {name}")
        try:
            if name == "in_part":
                part = self._some_statements if request.operation == "BatchExecuteStatement" else self._in_part
                return part(request, partial(self.serve, connection, headers))
            return FAULTS[name](request, send) if name in FAULTS else getattr(self, name)(request, send)
        except TimeoutError:
            self.schedule.stop(max(0, min(connection._read_seconds, until - self.schedule.now)))
            raise

    def serve(self, connection: Connection, headers: Mapping[str, str], request: Request) -> Reply:
        """Answer as AWS does. Refuse signatures that are too old or too new by the schedule's clock."""
        now = self.schedule.now
        signed_at = timegm(strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ"))
        if connection.host.startswith("events."):
            self.heard += [json.loads(entry["Detail"]) for entry in request.body["Entries"]]
            reply = answered(200, {"Entries": [{"EventId": "1"} for _ in request.body["Entries"]]})
        elif abs(now - signed_at) > MOST_SKEW:
            reply = error("InvalidSignatureException")(request, lambda: answered(500, {}))
        else:
            reply = self._send(connection, headers, request)
        return reply._replace(headers={**reply.headers, "date": formatdate(now, usegmt=True)})

    def _send(self, connection: Connection, headers: Mapping[str, str], request: Request) -> Reply:
        """Send a request to moto, and note when outcomes arrived."""
        reply = self.real_post(connection, headers, json.dumps(request.body).encode(), float("inf"))
        if request.operation in WRITES:
            for key in moto_tables()["OutcomesTable"].items.get(PARTITION, {}):
                self.arrived.setdefault(key.value, self.schedule.now)
        return reply

    def _possible(self, operation: str) -> list[str]:
        """List the faults of this schedule that an operation can meet."""
        may_be = {*ANY}
        if operation in WRITES:
            may_be |= {*WRITTEN}
        if operation in BATCHES or operation == "BatchExecuteStatement":
            may_be.add("in_part")
        if operation == "TransactWriteItems":
            may_be |= {*TRANSACTED}
        if operation == "PutEvents":
            may_be = {"lost", "vanished", "throttled"}
        return [kind for kind in self.kinds if kind in may_be]

    def slowly_there(self, _request: Request, send: Send) -> Reply:
        self.schedule.stop(self.schedule.random.uniform(0.1, 0.9))
        return send()

    def slowly_back(self, _request: Request, send: Send) -> Reply:
        reply = send()
        self.schedule.stop(self.schedule.random.uniform(0.1, 0.9))
        return reply

    def late(self, request: Request, send: Send) -> Reply:
        """Deliver a request after its sender gave it up."""
        at = self.schedule.now + self.schedule.random.choice(LATE)
        sender = self.schedule.running
        assert sender
        self.schedule.late.append(Late(at, f"{request.operation} of {sender.name}", send))
        raise TimeoutError("timed out")

    def cancelled_by_one(self, code: str, request: Request, send: Send) -> Reply:
        codes = ["None"] * len(request.body["TransactItems"])
        codes[self.schedule.random.randrange(len(codes))] = code
        return cancelled(*codes)(request, send)

    def conflict_within(self, request: Request, send: Send) -> Reply:
        return self.cancelled_by_one("TransactionConflict", request, send)

    def throttled_within(self, request: Request, send: Send) -> Reply:
        return self.cancelled_by_one("ThrottlingError", request, send)

    def _in_part(self, request: Request, serve: Callable[[Request], Reply]) -> Reply:
        """Process some items of a batch, and return the others as unprocessed."""
        [(table, asked)] = request.body["RequestItems"].items()
        is_read = request.operation == "BatchGetItem"
        each = asked["Keys"] if is_read else asked
        done = self.schedule.random.randrange(len(each) + 1)

        def of(part: list[Any]) -> dict[str, Any]:
            return {table: asked | {"Keys": part} if is_read else part} if part else {}

        if not done:
            empty = {"Responses": {}, BATCHES[request.operation]: of(each)}
            return answered(200, empty)
        reply = serve(Request(request.operation, request.body | {"RequestItems": of(each[:done])}))
        body = json.loads(reply.body) | {BATCHES[request.operation]: of(each[done:])}
        return answered(reply.status, body)._replace(headers=reply.headers)

    def _some_statements(self, request: Request, serve: Callable[[Request], Reply]) -> Reply:
        """Execute some statements, and answer some with an error. A statement with an error may have been executed."""
        draw = self.schedule.random
        codes = [draw.choice((None, *STATEMENT_ERRORS)) for _ in request.body["Statements"]]
        takes_effect = [code is None or (code == "InternalServerError" and draw.random() < 0.5) for code in codes]
        statements = [each for each, done in zip(request.body["Statements"], takes_effect, strict=True) if done]
        replies: list[Any] = []
        if statements:
            reply = serve(Request(request.operation, request.body | {"Statements": statements}))
            replies = json.loads(reply.body)["Responses"]
        responses = [
            (replies.pop(0) if done else {}) | ({"Error": {"Code": code}} if code else {})
            for code, done in zip(codes, takes_effect, strict=True)
        ]
        return answered(200, {"Responses": responses})


def failed_after(request: Request, send: Send) -> Reply:
    send()
    return error("InternalServerError", status=500)(request, send)


FAULTS: dict[str, Fault] = {
    "fine": fine,
    "lost": lost,
    "vanished": vanished,
    "unreachable": unreachable,
    "throttled": error(THROTTLED),
    "failed": error("InternalServerError", status=500),
    "failed_after": failed_after,
    "cut": DAMAGED["cut"],
    "in_progress": error("TransactionInProgressException"),
    "killed_before": killed_before,
    "killed_after": killed_after,
}
ANY = ("slowly_there", "slowly_back", "vanished", "unreachable", "throttled", "failed", "cut", "killed_before")
WRITTEN = ("late", "lost", "failed_after", "killed_after")
RACING = ["late", "conflict_within", "throttled_within"]
"""Faults that refuse a write while an earlier attempt is still on its way."""
TRANSACTED = ("conflict_within", "throttled_within", "in_progress")
