"""The outcome that the bench records and lists, and API Gateway's events for these requests."""

import base64
import json
import time
from typing import Any

from outcomes.contract import json_text
from outcomes.contract.caller import Caller
from outcomes.contract.models import NewOutcome
from outcomes.keys import key_text
from outcomes.ledger.idempotency_keys import REMEMBERED_SECONDS, idempotency_hash
from outcomes.ledger.items import new_item

from local.session_cookies import mint
from tests.events import proxy_event

API_KEY = "bench-key"
AGENT_KEY = "oc_0123456789abcdef_000000000000000000000000000000002HE1O8"
SESSION_SECRET = "a session secret of the bench"  # noqa: S105 - guards nothing
USER_ID = 42
NOW = 1_795_521_600_000
"""2026-11-24T12:00:00Z"""

OUTCOME: dict[str, Any] = {
    "outcomeType": "deal_closed",
    "title": "Closed the annual plan with Northwind Traders",
    "description": "Three rounds of negotiation; the customer takes the annual plan for 40 seats, billed in advance, "
    "and renews at the same price per seat.",
    "valueUsd": 12480.5,
    "agentId": 7,
    "userId": USER_ID,
    "metadata": {
        "dealId": "deal_01JQ8Z5T2N",
        "customer": {"name": "Northwind Traders", "segment": "mid-market", "country": "DE"},
        "seats": 40,
        "rounds": [{"offer": 14200, "counter": 11000}, {"offer": 13100, "counter": 12100}, {"offer": 12480.5}],
        "tags": ["annual", "prepaid"],
    },
}

SESSION_ROW = {"user_id": {"N": str(USER_ID)}, "expires_at": {"N": "9999999999"}}

AGENT_KEY_ROW = {
    "id": {"S": "0123456789abcdef"},
    "user_id": {"N": str(USER_ID)},
    "agent_id": {"N": "7"},
    "name": {"S": "Closes deals"},
    "scopes": {"S": "record"},
    "outcome_types": {"S": "deal_closed"},
    "max_value_usd": {"N": "20000"},
    "created_at": {"S": "2026-11-01T12:00:00.000Z"},
    "last_used_at": {"S": "9999-12-31T23:00:00.000Z"},
    "secret_sha256": {"S": key_text.digest(AGENT_KEY)},
}
"""A key whose use is already stored, as in all calls except the first of an hour."""

SENT_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate, br",
    "Host": "api.example.com",
    "User-Agent": "agents/3.2 python-httpx/0.28.1",
    "X-Amzn-Trace-Id": "Root=1-67f0b2d1-5a1c9d1e2f3b4c5d6e7f8091",
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Port": "443",
    "X-Forwarded-Proto": "https",
}


def new_outcome() -> NewOutcome:
    """Return OUTCOME after validation."""
    return NewOutcome.parse(json_text.read(json.dumps(OUTCOME)), session_user=None)


def stored(index: int) -> dict[str, Any]:
    """Return the stored item of OUTCOME. index: 0 for the newest outcome, 1 for the one before it, and so on."""
    return dict(new_item(new_outcome(), "key", NOW - index * 60_000)[1])


def remembered() -> dict[str, Any]:
    """Return the stored row of OUTCOME's idempotency key."""
    item = stored(0)
    return {
        "key_sha256": {"S": idempotency_hash(Caller(), new_outcome(), "renewal-4711")},
        "user_id": item["user_id"],
        "created_at": item["created_at"],
        "fingerprint": {"M": {name: {"B": digest} for name, digest in new_outcome().fingerprint().items()}},
        "expires_at": {"N": str(NOW // 1000 + REMEMBERED_SECONDS)},
    }


def answered() -> str:
    """Return OUTCOME in the format of a list's answer."""
    created_at, _, id_ = stored(0)["created_at"]["S"].partition("#")
    names = {"userId": "user_id", "agentId": "agent_id", "outcomeType": "outcome_type", "valueUsd": "value_usd"}
    outcome = {names.get(name, name): value for name, value in OUTCOME.items()}
    return json.dumps({"id": id_, **outcome, "created_at": created_at}, separators=(",", ":"))


def request(
    method: str, path: str = "/api/outcomes", *, body: object = None, headers: dict[str, str] | None = None, **also: Any
) -> dict[str, Any]:
    """Return a REST API's event for a request, to the function (`authorizer`: the context) or to the authorizer."""
    text = None if body is None else base64.b64encode(json.dumps(body).encode()).decode()
    also = {"authorizer": None, "headers": SENT_HEADERS | (headers or {}), "base64": bool(text)} | also
    event = proxy_event(method, path, body=text, **also)
    arn = f"arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/v1/{method}{path}"
    return event | {"type": "REQUEST", "methodArn": arn}


def asked_with_a_key(key: str = API_KEY) -> dict[str, Any]:
    """Return an event for the authorizer."""
    return request("POST", headers={"Authorization": f"Bearer {key}"})


def asked_with_a_cookie(kind: str) -> dict[str, Any]:
    """Return an event for the authorizer, with a session of USER_ID. kind: see `mint`."""
    return request("GET", headers={"Cookie": cookie(kind)})


def cookie(kind: str) -> str:
    """Return the Cookie header of a session for USER_ID."""
    return mint(kind, USER_ID, SESSION_SECRET, int(time.time())).cookie
