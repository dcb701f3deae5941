"""Call the routes of statements, and verify what they return with the client's verifier."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from outcomes.aws.connection import Connection, Reply
from outcomes.ledger.imports import Imports
from outcomes_client.statements import Verified, verify

from functions.statement_keys import app as statement_keys
from functions.statements import app
from tests.aws import aws_client
from tests.events import proxy_event, session
from tests.people import record, rows_of
from tests.statements.conftest import Clock

BERLIN = "Europe/Berlin"
ID = "/api/statements/{id}"
_KEYS = {
    "StatementsTable": ("user_id", "id"),
    "TotalsTable": ("user_id", "stretch"),
    "OutcomesTable": ("user_id", "created_at"),
}
"""The attributes of the keys of tables with rows of a user."""


def call(
    method: str, path: str, user_id: int = 42, caller: Any = None, **event: Any
) -> tuple[int, str, dict[str, str]]:
    made = proxy_event(method, path, authorizer=caller or session(user_id), **event)
    response = app.handler(made, None)
    return response["statusCode"], response["body"], response["headers"]


def ask(period: Any, timezone: Any = BERLIN, user_id: int = 42, caller: Any = None) -> tuple[int, Any]:
    """Request a statement. Return the status, and the text of the statement or the error."""
    body = {"period": period, "timezone": timezone}
    status, text, _ = call("POST", "/api/statements", user_id, caller, body=body)
    return status, text if status == 200 else json.loads(text)


def made(period: str, timezone: str = BERLIN, user_id: int = 42) -> str:
    """Repeat a request for a statement until the service has made it and all earlier statements. Return its text."""
    for _ in range(100):
        status, text = ask(period, timezone, user_id)
        if (status, text) != (503, {"error": "Still adding up"}):
            assert status == 200, text
            return str(text)
    raise AssertionError("a hundred requests do not make it")


def in_path(id_: str) -> dict[str, str]:
    return {"id": id_.replace("/", "~").replace("+", ".")}


def entries(id_: str, user_id: int = 42) -> str:
    """Read all parts of a statement's entries, and return them as one text."""
    parts: list[str] = []
    query: dict[str, str | list[str]] | None = None
    while True:
        status, text, headers = call("GET", f"{ID}/entries", user_id, parameters=in_path(id_), query=query)
        assert status == 200, text
        parts.append(text)
        if "Next-Cursor" not in headers:
            return "".join(parts)
        query = {"cursor": headers["Next-Cursor"]}


def proof(id_: str, outcome: str, user_id: int = 42) -> tuple[int, str]:
    status, text, _ = call("GET", f"{ID}/proof", user_id, parameters=in_path(id_), query={"outcome": outcome})
    return status, text


def keys() -> str:
    response = statement_keys.handler(proxy_event("GET", "/.well-known/outcomes-keys.json", authorizer=None), None)
    assert (response["statusCode"], response["headers"]["Access-Control-Allow-Origin"]) == (200, "*")
    return str(response["body"])


def verified(text: str, previous: str | None = None, outcome: str | None = None, user_id: int = 42) -> Verified:
    """Verify a statement with its entries, and with the previous statement and the proof if they are given."""
    id_ = json.loads(text)["id"]
    assert call("GET", ID, user_id, parameters=in_path(id_))[:2] == (200, text)
    proven = None
    if outcome is not None:
        status, proven = proof(id_, outcome, user_id)
        assert status == 200, proven
    return verify(
        text.encode(),
        keys=keys().encode(),
        entries=entries(id_, user_id).encode(),
        previous=previous.encode() if previous else None,
        proof=proven.encode() if proven else None,
    )


def head(text: str) -> Any:
    return json.loads(text)


def september(clock: Clock) -> str:
    """Record an outcome in September, and set the clock to a day in November. Return its id."""
    clock.at("2026-09-15T12:00:00Z")
    id_ = record(valueUsd=10)
    clock.at("2026-11-20T12:00:00Z")
    return id_


def imports(row: Imports | None = None) -> Imports:
    """Store `row`, if given, as the row with the state of the user's imports. Return the stored row."""
    key = {"user_id": {"S": "42"}, "stretch": {"S": "import"}}
    if row:
        aws_client("dynamodb").put_item(TableName="TotalsTable", Item=key | row.item())
    return Imports.of(aws_client("dynamodb").get_item(TableName="TotalsTable", Key=key).get("Item", {}))


def erase(*tables: str) -> None:
    """Delete all rows of the user from these tables, or from all tables in _KEYS, as an erasure does."""
    for name in tables or _KEYS:
        for row in rows_of(42).get(name, []):
            aws_client("dynamodb").delete_item(TableName=name, Key={each: row[each] for each in _KEYS[name]})


@contextmanager
def before_call(number: int | None, event: Callable[[], object], operation: str | None = None) -> Iterator[list[str]]:
    """Run `event` before the AWS call with this number (None: before each call). Yield the called operations.

    operation: count only calls of this operation.
    """
    called: list[str] = []
    post = Connection.post

    def meet(connection: Connection, headers: Mapping[str, str], *request: Any, **more: Any) -> Reply:
        name = headers["x-amz-target"].rpartition(".")[2]
        if operation in (None, name):
            called.append(name)
            if number in (None, len(called)):
                event()
        return post(connection, headers, *request, **more)

    with patch.object(Connection, "post", meet):
        yield called
