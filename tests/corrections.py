"""Send corrections, and read outcomes with their corrections."""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

from outcomes.contract.models import NewOutcome
from outcomes.ledger.items import new_item

from functions.correct_outcome import app as correct_outcome
from functions.get_outcome import app as get_outcome
from functions.list_outcomes import app as list_outcomes
from functions.summarize_outcomes import app as summarize_outcomes
from tests.events import KEY, agent, proxy_event, session
from tests.faults import Fault, Request, Send, faulty

OWNER = session(42)
AGENT = agent("record correct")
PLAIN = {"outcomeType": "deal_closed", "title": "Closed a deal", "valueUsd": 10}
BODIES: dict[str, Any] = {
    "amend": {"type": "amend", "reason": "A typo", "changes": {"title": "Closed the deal"}},
    "void": {"type": "void", "reason": "Never happened"},
    "confirm": {"type": "confirm"},
    "dispute": {"type": "dispute", "reason": "Not mine"},
    "uphold": {"type": "uphold", "reason": "It is in the books"},
}
writes_meet = partial(faulty, correct_outcome.corrections.store.dynamodb, "TransactWriteItems")


def meanwhile(*writes: Callable[[], Any]) -> Fault:
    """Return a fault (see `tests.faults`) that makes these writes while requests are under way.

    Before it forwards a request, it makes the next write. After the last write, it only forwards requests.
    """
    left = list(writes)

    def fault(_request: Request, send: Send) -> Any:
        if left:
            left.pop(0)()
        return send()

    return fault


def given(recorded_by: str | None = "key", status: str = "recorded", user_id: int | None = 42, **fields: Any) -> str:
    """Store an outcome with this status, and return its id."""
    body = PLAIN | {"valueUsd": Decimal(10), "userId": None if user_id is None else Decimal(user_id)} | fields
    id_, item = new_item(NewOutcome.parse(body, session_user=None), recorded_by or "")
    if recorded_by is None:
        del item["recorded_by"]
    if status != "recorded":
        item["standing"] = {"S": status}
    list_outcomes.store.dynamodb.call("PutItem", {"TableName": "OutcomesTable", "Item": item})
    return id_


def correct(id_: str, caller: dict[str, Any], body: Any, key: str | None = None) -> tuple[int, Any, dict[str, str]]:
    """Send a correction. If the platform sends a body without `userId`, 42 is added."""
    if caller is KEY and isinstance(body, dict):
        body = {"userId": 42} | body
    event = proxy_event(
        "POST",
        "/api/outcomes/{id}/corrections",
        authorizer=caller,
        body=body,
        headers={} if key is None else {"Idempotency-Key": key},
        parameters={"id": id_},
    )
    response = correct_outcome.handler(event, None)
    return response["statusCode"], read(response["body"]), response["headers"]


def correct_raw(caller: dict[str, Any], body: Any, key: str | None = None) -> tuple[int, Any, dict[str, str]]:
    """Send several corrections, as they are."""
    headers = {} if key is None else {"Idempotency-Key": key}
    event = proxy_event("POST", "/api/outcomes/corrections", authorizer=caller, body=body, headers=headers)
    response = correct_outcome.handler(event, None)
    return response["statusCode"], read(response["body"]), response["headers"]


def correct_many(caller: dict[str, Any], *items: Any, key: str | None = None, **body: Any) -> Any:
    """Send several corrections, and return the answer. The platform's without `userId` are of user 42."""
    if caller is KEY:
        items = tuple({"userId": 42} | each if isinstance(each, dict) else each for each in items)
    status, answer, _ = correct_raw(caller, {"corrections": items} | body, key)
    assert status == 200, answer
    assert answer["corrected"] + answer["replayed"] + answer["failed"] == len(answer["results"]) == len(items)
    return answer


def assign(id_: str, user_id: Any = 42, caller: dict[str, Any] = KEY, body: Any = None) -> tuple[int, Any]:
    """Assign an outcome without a user to a user. body: replaces the usual body, which has only `userId`."""
    event = proxy_event(
        "POST",
        "/api/outcomes/{id}/assign",
        authorizer=caller,
        body={"userId": user_id} if body is None else body,
        parameters={"id": id_},
    )
    response = correct_outcome.handler(event, None)
    return response["statusCode"], read(response["body"])


def get_event(id_: str, caller: dict[str, Any] = OWNER) -> dict[str, Any]:
    return proxy_event("GET", "/api/outcomes/{id}", authorizer=caller, parameters={"id": id_})


def get(id_: str, user_id: int = 42) -> tuple[int, Any]:
    response = get_outcome.handler(get_event(id_, session(user_id)), None)
    return response["statusCode"], read(response["body"])


def get_without_user(id_: str) -> Any:
    """Read an outcome without a user, with its corrections, with the platform's key."""
    event = get_event(id_, KEY | {"reads": "none"}) | {"queryStringParameters": {"userId": "none"}}
    response = get_outcome.handler(event, None)
    assert response["statusCode"] == 200, response["body"]
    return read(response["body"])


def pages(caller: dict[str, Any] = OWNER, **query: Any) -> Iterator[list[Any]]:
    """Yield the outcomes of each page of a list."""
    while query.get("cursor", "") is not None:
        response = list_outcomes.handler(proxy_event("GET", authorizer=caller, query=query), None)
        assert response["statusCode"] == 200, response["body"]
        page = read(response["body"])
        yield page["outcomes"]
        query["cursor"] = page["next_cursor"]


def listed(**query: Any) -> list[Any]:
    """Return the outcomes of the first page."""
    return next(pages(**query))


def ledger() -> list[Any]:
    return listed(include="ledger")


def summary() -> Any:
    return read(summarize_outcomes.handler(proxy_event("GET", authorizer=OWNER), None)["body"])


def read(body: str) -> Any:
    return json.loads(body, parse_float=Decimal, parse_int=Decimal)


def stored() -> list[Any]:
    items: list[Any] = list_outcomes.store.dynamodb.call("Scan", {"TableName": "OutcomesTable"})["Items"]
    return items


CALLERS = {
    "the platform": KEY,
    "an agent": AGENT,
    "the agent itself": agent("correct", agentId="7"),
    "another agent": agent("correct", agentId="8"),
    "an agent without the scope": agent("record backfill read"),
    "the owner": OWNER,
}
