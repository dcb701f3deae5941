"""The story: two users' calls of every function.

Running it shows what a release stores and answers.
"""

import json
from collections.abc import Iterable
from hashlib import sha256
from itertools import cycle
from typing import Any, NamedTuple

from tests.conftest import ROOT
from tests.events import KEY, session
from tests.people import LATER, names, snapshot
from tests.upgrade.stack import PLATFORM_KEY, Call, Code, Stack

NOON = 1_775_044_800_000  # 2026-04-01T12:00:00Z
HOUR = 3_600_000
OWNER, OTHER = session(42), session(43)
DEAL = {"outcomeType": "deal_closed", "title": "Renewed Acme", "valueUsd": 12500.50, "userId": 42, "agentId": 7}
TALK = {"outcomeType": "negotiation_complete", "title": "Agreed on terms"}
PERIOD = {"from": "2026-03-30T00:00:00+02:00", "to": "2026-04-03T00:00:00+02:00", "timezone": "Europe/Berlin"}
OUTCOMES = "/api/outcomes"
ONE = "/api/outcomes/{id}"
CORRECTIONS = "/api/outcomes/{id}/corrections"
KEYS = "/api/keys"


class Story(NamedTuple):
    """The calls of a story with their answers, and the tables as they are after the last call."""

    calls: list[Call]
    tables: Any

    def of(self, promise: str) -> list[Call]:
        return [call for call in self.calls if call.promise == promise]


class _Teller:
    """Runs the story's calls, one per second. Several versions of the code take turns."""

    def __init__(self, stack: Stack, codes: Iterable[Code]) -> None:
        self.stack = stack
        self.codes = cycle(codes)
        self.now = NOON
        self.calls: list[Call] = []

    def run(self, promise: str, name: str, function: str, **request: Any) -> Any:
        self.now += 1000
        call = self.stack.run(next(self.codes), Call(promise, name, function, self.now, request))
        self.calls.append(call)
        return call.answer

    def http(self, promise: str, name: str, function: str, *route: str, key: str | None = None, **request: Any) -> Any:
        """Call a route, and return the answer's headers and JSON fields in one dict. key: the idempotency key."""
        method, path = route
        request |= {"method": method, "path": path}
        if key:
            request["headers"] = {"Idempotency-Key": key}
        answer = self.run(promise, name, function, **request)
        assert answer["status"] == 200, (name, answer)
        text = answer["body"]
        is_json = answer["headers"]["Content-Type"] == "application/json"
        return answer["headers"] | (json.loads(text) if is_json else {})

    def record(self, name: str, body: Any, key: str | None = None, authorizer: Any = KEY) -> str:
        promise = "once" if key else ""
        answer = self.http(promise, name, "record_outcome", "POST", OUTCOMES, authorizer=authorizer, body=body, key=key)
        return str(answer["Outcome-Id"])

    def correct(self, name: str, id_: str, body: Any, key: str | None = None, authorizer: Any = KEY) -> None:
        body |= {"userId": 42} if authorizer is KEY else {}
        request = {"authorizer": authorizer, "body": body, "parameters": {"id": id_}, "key": key}
        self.http("once" if key else "", name, "correct_outcome", "POST", CORRECTIONS, **request)

    def authorize(self, promise: str, name: str, credential: str) -> Any:
        method, header = ("POST", "Authorization") if promise == "keys" else ("GET", "Cookie")
        request: dict[str, Any] = {"method": method, "path": OUTCOMES, "authorizer": None}
        text = f"Bearer {credential}" if promise == "keys" else credential
        return self.run(promise, name, "authorizer", **request, headers={header: text})


def tell(stack: Stack, *codes: Code) -> Story:
    """Run the story on empty tables, alternating between versions of the code."""
    stack.clear()
    teller = _Teller(stack, codes)
    agent_key, other_key = _make_keys(teller)
    deal = _record(teller, agent_key)
    [*_, key] = [row for row in stack.rows("KeysTable") if "secret_sha256" in row]
    before = _outcome(stack, deal)
    stream = [_change("INSERT", key), _change("INSERT", before)]
    _correct(teller, deal, other_key)
    stream.append(_change("MODIFY", _outcome(stack, deal), before))
    stream.append(_assign(teller))
    _call_tools(teller, deal, other_key)
    teller.now = NOON + HOUR  # an hour later, all entries are settled, so their sums may be stored
    teller.http("", "sums begin to be kept", "summarize_outcomes", "GET", "/api/outcomes/summary",
                authorizer=OWNER, query=PERIOD)  # fmt: skip
    late = teller.record("a late outcome", DEAL | {"title": "Won Globex", "occurredAt": "2026-03-31T09:30:00Z"}, "late")
    teller.correct("a late correction", deal, {"type": "amend", "reason": "Again", "changes": {"valueUsd": 11000}})
    _erase(teller)
    stack.call("PutItem", TableName="SessionsTable", Item=_session_row(42))
    _read(teller, deal, late)
    _publish(teller, stream)
    return Story(teller.calls, snapshot())


def _make_keys(teller: _Teller) -> tuple[dict[str, str], dict[str, str]]:
    """Create, rotate and revoke agent keys. Return the authorizer's contexts for two of them."""
    scopes = ["record", "correct", "read"]
    body = {"name": "Deals", "agentId": 7, "scopes": scopes, "maxValueUsd": 50000, "outcomeTypes": ["deal_closed"]}
    made = teller.http("", "a key is made", "manage_keys", "POST", KEYS, authorizer=OWNER, body=body)
    body = {"name": "Import", "userId": 42, "expiresAt": "2027-01-01T00:00:00Z", "scopes": ["record", "correct"]}
    other = teller.http("", "the platform makes a key", "manage_keys", "POST", KEYS, authorizer=KEY, body=body)
    gone = teller.http("", "a third key is made", "manage_keys", "POST", KEYS, authorizer=OWNER, body={"name": "Gone"})
    route = "manage_keys", "POST", f"{KEYS}/{{id}}/rotate"
    body = {"overlapHours": 48}
    new = teller.http("", "a key is rotated", *route, authorizer=OWNER, body=body, parameters={"id": made["id"]})
    route = "manage_keys", "DELETE", f"{KEYS}/{{id}}"
    teller.http("", "a key is revoked", *route, authorizer=OWNER, parameters={"id": gone["id"]})
    teller.authorize("keys", "a rotated key", made["key"])
    teller.authorize("keys", "a revoked key", gone["key"])
    teller.authorize("keys", "the platform's key", PLATFORM_KEY)
    policies = [teller.authorize("keys", f"the key {key['name']}", key["key"]) for key in (new, other)]
    deals, imports = [{"principalId": policy["principalId"], **policy["context"]} for policy in policies]
    return deals, imports


def _record(teller: _Teller, agent_key: dict[str, str]) -> str:
    metadata = {"contract": "A-17", "parts": [1.10, None, {"für": "\u2028"}]}
    deal = teller.record("an outcome with a key", DEAL | {"metadata": metadata, "description": "=1+1"}, "deal-4711")
    teller.record("an owner's outcome", TALK, "talk-1", OWNER)
    teller.record("an agent's outcome", DEAL | {"title": "Won Initech", "occurredAt": "2026-04-01T11:00:00Z"},
                  "agent-1", agent_key)  # fmt: skip
    teller.record("an outcome of no user", TALK, "nobody-1")
    teller.record("an outcome without a key", DEAL | {"valueUsd": -0.005})
    batch = [DEAL | {"title": f"Batch {number}"} for number in range(4)]
    batch[1]["idempotencyKey"] = "deal-4713"
    for key in ("batch-1", None):
        request: Any = {"authorizer": KEY, "body": {"outcomes": batch[: 4 if key else 1]}, "key": key}
        teller.http("once" if key else "", f"a batch {key}", "record_batch", "POST", "/api/outcomes/batch", **request)
    return deal


def _call_tools(teller: _Teller, deal: str, agent_key: dict[str, str]) -> None:
    """Record and correct through MCP tools, as a language model does."""
    calls: dict[str, Any] = {
        "record_outcome": {"outcome_type": "deal_closed", "title": "Won Umbrella", "idempotency_key": "tool-1"},
        "amend_outcome": {"outcome_id": deal, "reason": "A typo", "title": "Acme", "idempotency_key": "tool-2"},
    }
    for name, arguments in calls.items():
        params = {"name": name, "arguments": arguments}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        request: Any = {"authorizer": agent_key, "body": body}
        assert not teller.http("once", f"the tool {name}", "mcp", "POST", "/mcp", **request)["result"]["isError"]


def _correct(teller: _Teller, deal: str, agent_key: dict[str, str]) -> None:
    changes = {"title": "Renewed Acme for a year", "valueUsd": 12000, "agentId": 8, "metadata": None}
    amend = {"type": "amend", "reason": "A typo", "changes": changes}
    teller.correct("an amend", deal, amend, "amend-1")
    same = {"type": "amend", "reason": "Again", "changes": {"agentId": 8}}
    teller.correct("an amend that changes nothing", deal, same, "same-1", agent_key)
    teller.correct("a dispute", deal, {"type": "dispute", "reason": "Not mine"}, "dispute-1", OWNER)
    teller.correct("an uphold", deal, {"type": "uphold", "reason": "In the books"}, "uphold-1")
    other = teller.record("an outcome to confirm", DEAL | {"title": "Won Hooli"}, "hooli")
    teller.correct("a confirm", other, {"type": "confirm"}, "confirm-1", OWNER)
    other = teller.record("an outcome to void", DEAL | {"title": "Won nothing"}, "nothing")
    teller.correct("a void", other, {"type": "void", "reason": "Never happened"}, "void-1")


def _assign(teller: _Teller) -> Any:
    """Record an outcome without a user and assign it. Return the stream record of the original."""
    original = teller.record("an outcome to assign", TALK | {"metadata": {"contract": "A-17"}}, "nobody-2")
    before = _outcome(teller.stack, original)
    request: dict[str, Any] = {"authorizer": KEY, "body": {"userId": 42}, "parameters": {"id": original}}
    teller.http("", "an assignment", "correct_outcome", "POST", f"{ONE}/assign", **request)
    return _change("MODIFY", _outcome(teller.stack, original), before)


def _erase(teller: _Teller) -> None:
    """Record for user 43, and erase this user. Then restore the rows, as restoring a backup does."""
    teller.record("an outcome of another user", DEAL | {"userId": 43}, "erased-1")
    body = {"name": "Erased"}
    teller.http("", "a key of another user", "manage_keys", "POST", KEYS, authorizer=OTHER, body=body)
    teller.stack.call("PutItem", TableName="SessionsTable", Item=_session_row(43))
    before = teller.stack.all_rows()
    done = False
    while not done:
        done = teller.run("", "an erasure", "erase_user", event={"user_id": 43})["done"]
    teller.stack.fill({table: [row for row in rows if names(row, 43)] for table, rows in before.items()})


def _read(teller: _Teller, *ids: str) -> None:
    page: Any = {"authorizer": OWNER, "query": {"limit": "3", "include": "ledger"}}
    route = "list_outcomes", "GET", OUTCOMES
    cursor = teller.http("lists", "a first page", *route, **page)["next_cursor"]
    for more in ({}, {"outcomeType": "deal_closed", "status": ["recorded", "void"]}):
        query = {"limit": "3", "cursor": cursor} | more
        teller.http("cursors", "the next page", *route, authorizer=OWNER, query=query)
    by_occurrence = {"limit": "2", "time": "occurred"}
    answer = teller.http("lists", "a page by occurrence", *route, authorizer=OWNER, query=by_occurrence)
    query = by_occurrence | {"cursor": answer["next_cursor"]}
    teller.http("cursors", "the next page by occurrence", *route, authorizer=OWNER, query=query)
    for id_ in ids:
        request: Any = {"authorizer": OWNER, "parameters": {"id": id_}}
        teller.http("lists", f"the history of {id_}", "get_outcome", "GET", ONE, **request)
    for format_ in ("csv", "ndjson"):
        route = "export_outcomes", "GET", "/api/outcomes/export"
        for promise, query in {"exports": {}, "cursors": {"cursor": cursor}}.items():
            query |= {"format": format_}
            teller.http(promise, f"{promise} {format_}", *route, authorizer=OWNER, query=query)
    route = "summarize_outcomes", "GET", "/api/outcomes/summary"
    teller.http("sums", "a summary", *route, authorizer=OWNER, query=PERIOD)
    teller.http("keys", "a list of keys", "manage_keys", "GET", KEYS, authorizer=OWNER)
    teller.authorize("sessions", "a stored session", f"__Secure-session={_token(42)}")
    for made in json.loads((ROOT / "tests/auth/cookies.json").read_text())["made"]:
        if made["secure"] and made["what"] != "large":
            [(name, value)] = made["cookies"].items()
            teller.authorize("sessions", f"{made['family']}, {made['what']}", f"{name}={value}")
    teller.run("exports", "a data request", "export_user", event={"user_id": 42})
    teller.stack.interrupted = "OutcomesTable"
    part = teller.run("", "a data request, interrupted", "export_user", event={"user_id": 42})
    teller.stack.interrupted = ""
    event = {"user_id": 42, "cursor": part["cursor"]}
    teller.run("cursors", "a data request, continued", "export_user", event=event)


def _publish(teller: _Teller, stream: list[Any]) -> None:
    published = teller.run("events", "events", "publish_events", event={"Records": stream})["published"]
    for entry in published:
        message = {"messageId": "1", "receiptHandle": "1", "attributes": {"ApproximateReceiveCount": "1"}}
        message["body"] = f'{{"detail":{entry["Detail"]}}}'
        teller.run("events", "a webhook", "deliver_webhook", event={"Records": [message]})


def _outcome(stack: Stack, id_: str) -> Any:
    [row] = [row for row in stack.rows("OutcomesTable") if row["created_at"]["S"].endswith(f"Z#{id_}")]
    return row


def _change(name: str, new: Any, old: Any = None) -> Any:
    """Return a row's change as a stream record."""
    keys = {attribute: new[attribute] for attribute in (("id",) if "id" in new else ("user_id", "created_at"))}
    images = {"NewImage": new} | ({"OldImage": old} if old else {})
    change = {"Keys": keys, "SequenceNumber": "1", "ApproximateCreationDateTime": NOON / 1000} | images
    return {"eventID": name, "eventName": name, "dynamodb": change}


def _token(user_id: int) -> str:
    return f"made-up-token-of-the-session-of-{user_id}"


def _session_row(user_id: int) -> Any:
    """Return a row of the sessions table, as the platform writes it."""
    digest = sha256(_token(user_id).encode()).hexdigest()
    return {"token_sha256": {"S": digest}, "user_id": {"N": str(user_id)}, "expires_at": {"N": str(LATER)}}
