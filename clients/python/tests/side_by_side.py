"""Make random calls, and return the answers of two APIs in a form that can be compared.

The fake validates and answers with copies of the API's own code. So calls differ in what they read and write in tables,
in their callers and in what API Gateway does with them, and have only a few invalid values.

Ids, keys and cursors differ between the APIs. So placeholders such as `~id3~`, which are numbered by their first
appearance, replace them in calls and answers. Times in answers are replaced as well.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from outcomes_client import OutcomeType
from simplejson import RawJSON as Raw
from simplejson import dumps

type Headers = list[tuple[str, str]]
type Send = Callable[[str, str, Headers, bytes], tuple[int, Iterable[tuple[str, str]], bytes]]

COMPARED = {
    *("content-type", "x-content-type-options", "cache-control", "vary", "www-authenticate", "no-such-route"),
    *("outcome-id", "idempotent-replayed", "unassigned", "ignored-fields", "outcome-types", "retry-after", "etag"),
}
MADE = {
    "key": r"oc_[0-9A-Za-z]{16}_[0-9A-Za-z]{38}",
    "id": r"\b[0-9A-HJKMNP-TV-Z]{26}\b",
    "keyid": r"(?<=key:)[0-9A-Za-z]{16}\b|(?<=\"id\":\")[0-9A-Za-z]{16}(?=\")",
    "cursor": r"(?<=\"next_cursor\":\")[^\"]+",
}
"""Values that an API generates, as regular expressions."""
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
PLACEHOLDER = re.compile(r"~[a-z]+\d+~")

_DAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
HAPPENED = [(_DAY - timedelta(days)).isoformat(timespec="milliseconds")[:-6] + "Z" for days in (1, 2, 20)]
DAYS = [str((_DAY - timedelta(days)).date()) for days in (1, 1, 1, 2)]


class Call(NamedTuple):
    method: str
    target: str
    headers: Headers
    body: str | bytes


class Side:
    """One of the two APIs.

    known: the values of placeholders in this API. A placeholder without a value is sent unchanged.
    """

    def __init__(self, send: Send, known: dict[str, str]) -> None:
        self._send = send
        self._values = dict(known)
        self._placeholders = {value: name for name, value in known.items()}

    def answer(self, call: Call) -> tuple[int, list[tuple[str, str]], str]:
        """Send a call. Return status, headers and body, with placeholders."""
        body = call.body if isinstance(call.body, bytes) else self._sent(call.body).encode()
        headers = [(name, self._sent(value)) for name, value in call.headers]
        status, answered, text = self._send(call.method, self._sent(call.target), headers, body)
        kept = [(name.lower(), value) for name, value in answered if name.lower() in COMPARED]
        return status, [(name, self._compared(value)) for name, value in sorted(kept)], self._compared(text.decode())

    def _sent(self, text: str) -> str:
        return PLACEHOLDER.sub(lambda found: self._values.get(found[0], found[0]), text)

    def _compared(self, text: str) -> str:
        for kind, pattern in MADE.items():
            for value in re.findall(pattern, text):
                if value not in self._placeholders:
                    name = f"~{kind}{sum(each.startswith(f'~{kind}') for each in self._values)}~"
                    self._values[name], self._placeholders[value] = value, name
                text = text.replace(value, self._placeholders[value])
        return TIME.sub(lambda found: found[0] if found[0] in HAPPENED else "<time>", text)


TYPES = [str(each) for each in OutcomeType]
USERS = {"~user1~": "1", "~user2~": "2"}
"""Users have the same ids in both APIs."""
USER = [Raw("~user1~"), Raw("~user1~"), Raw("~user1~"), Raw("~user2~")]
JSON = ("Content-Type", "application/json")
PLATFORM = [("Authorization", "Bearer ~platform0~")]

FIELDS: dict[str, list[Any]] = {
    "outcomeType": [*TYPES, "lead_qualified"],
    "title": ["Closed the deal", "\u00e9\u4e2d\U0001f600", 'a "b" \\ \n', ""],
    "description": [None, "", "More"],
    "valueUsd": [None, *map(Raw, ("12.50", "0", "-0", "1E+3", "-7.1", "123456789012345.678"))],
    "agentId": [None, 7, 8],
    "userId": [None, *USER],
    "metadata": [None, {}, Raw('{"a":1.10,"b":[null,"\\u00e9"]}')],
    "occurredAt": [None, *HAPPENED],
}
SCOPES = ["record", "read", "correct", "backfill", "cost"]


class Caller:
    """Makes random calls, which refer to earlier answers. `made` has the placeholders in these answers, by kind.

    nobodys: placeholders of outcomes that were recorded without a user.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - not for secrets
        self.sent: list[tuple[Headers, dict[str, Any]]] = []
        self.made: dict[str, list[str]] = {kind: [f"~{kind}0~"] for kind in MADE}
        self.nobodys = ["~id0~"]

    def calls(self, count: int) -> Iterator[Call]:
        kinds = [
            self.record,
            self.batch,
            self.list,
            self.get,
            self.correct,
            self.assign,
            self.keys,
            self.costs,
            self.summary,
            self.odd,
        ]
        for _ in range(count):
            yield self.random.choices(kinds, [26, 8, 20, 9, 26, 6, 16, 12, 9, 2])[0]()

    def seen(self, answer: tuple[int, Any, str]) -> None:
        """Remember the placeholders of outcomes, keys and cursors in an answer."""
        _, headers, body = answer
        found = [value for name, value in headers if name == "outcome-id"]
        if ("unassigned", "true") in headers:
            self.nobodys += found
        found += re.findall(r'"created","id":"(~id\d+~)', body) + re.findall(r"~(?:key|keyid|cursor)\d+~", body)
        for placeholder in found:
            self.made[placeholder.strip("~0123456789")].append(placeholder)

    def any(self, kind: str) -> str:
        """Return a random placeholder of a kind, most often one of the latest."""
        made = self.made[kind]
        return made[-1 - min(len(made) - 1, int(self.random.expovariate(0.2)))]

    def maybe(self, chance: float) -> bool:
        return self.random.random() < chance

    def some(self, values: dict[str, list[Any]], chance: float = 0.3) -> dict[str, Any]:
        """Return some of the names, each with one of its values."""
        return {name: self.random.choice(each) for name, each in values.items() if self.maybe(chance)}

    def reader(self) -> Headers:
        return self.caller() if self.maybe(0.4) else [("Cookie", f"~session{self.random.choice((1, 2))}~")]

    def caller(self) -> Headers:
        session = ("Cookie", f"~session{self.random.choice((1, 1, 1, 2))}~")
        agent = self.any("key")
        callers: list[tuple[int, Headers]] = [
            *[(30, PLATFORM), (40, [session, JSON]), (30, [("Authorization", f"Bearer {agent}")])],
            *[(1, []), (1, [("authorization", f"bearer  {agent}")]), (1, [("Cookie", "~session1~; ~session2~"), JSON])],
            *[(2, [*PLATFORM, session, JSON]), (2, [("Authorization", "Bearer x"), session, JSON])],
        ]
        weights, headers = zip(*callers, strict=True)
        return [*self.random.choices(headers, weights)[0]]

    def idempotency(self) -> Headers:
        twice = [("Idempotency-Key", "other")] * self.maybe(0.02)
        return [("Idempotency-Key", f"work-{self.random.randrange(400)}"), *twice] if self.maybe(0.5) else []

    def fields(self) -> dict[str, Any]:
        usual = {"outcomeType": self.random.choice(TYPES), "title": "Sent the offer", "userId": Raw("~user1~")}
        return usual | self.some(FIELDS) | self.some({"value_usd": [1]}, 0.1)

    def record(self) -> Call:
        if self.sent and self.maybe(0.4):  # repeat an earlier call, sometimes with other fields
            headers, body = self.random.choice(self.sent[-30:])
            body = body | self.some(FIELDS, 0.05)
        else:
            headers, body = [*self.caller(), *self.idempotency()], self.fields()
            self.sent.append((headers, body))
        return Call("POST", "/api/outcomes", headers, dumps(body) if self.maybe(0.97) else b"\xff")

    def batch(self) -> Call:
        items: list[Any] = [self.fields() for _ in range(self.random.choice([1, 2, 2, 3, 4]))]
        for item in items:
            item |= self.some({"idempotencyKey": [f"work-{self.random.randrange(400)}", "same", None]}, 0.5)
        return Call("POST", "/api/outcomes/batch", [*self.caller(), *self.idempotency()], dumps({"outcomes": items}))

    def query(self, values: dict[str, list[str]]) -> str:
        """Return a query with some parameters, some of them twice."""
        chosen = [each for _ in range(2) for each in self.some(values, 0.1).items()]
        return f"?{'&'.join('='.join(pair) for pair in chosen)}" * bool(chosen)

    def list(self) -> Call:
        values = {
            "limit": ["1", "2", "5", "x"],
            "cursor": [self.any("cursor")] * 9 + ["x"],
            "outcomeType": [*TYPES, "No"],
            "agentId": ["7"] * 4 + ["8"],
            "status": ["recorded", "confirmed", "disputed", "void"],
            "include": ["ledger"],
            "from": ["2020-01-01", "2099-01-01T00:00:00Z"],
            "to": ["2020-01-01T00:00:00%2B02:00", "2099-01-01"],
            "userId": ["none", "~user1~"],
        }
        query = self.query(values)
        if self.maybe(0.3):
            query += "&include=ledger" if query else "?include=ledger"
        return Call("GET", f"/api/outcomes{'/types' * self.maybe(0.03)}{query}", self.reader(), "")

    def get(self) -> Call:
        id_ = self.any("id") if self.maybe(0.95) else self.random.choice(["x", "8" * 26, "0" * 26, "%20"])
        return Call("GET", f"/api/outcomes/{id_}{self.query({'userId': ['none', '~user1~']})}", self.reader(), "")

    def correct(self) -> Call:
        type_ = self.random.choice(["amend", "amend", "void", "confirm", "dispute", "uphold"])
        body = {"type": type_} | self.some({"reason": ["Mistake"]}, 0.97) | self.some({"userId": USER}, 0.9)
        if self.maybe(0.95 if type_ == "amend" else 0.1):
            changes = [name for name in FIELDS if name != "userId"]
            chosen = self.random.sample(changes, self.random.choice([1, 1, 2]))
            body["changes"] = {name: self.random.choice(FIELDS[name]) for name in chosen}
        caller = self.caller() if self.maybe(0.6) else PLATFORM
        path = f"/api/outcomes/{self.any('id')}/corrections"
        return Call("POST", path, [*caller, *self.idempotency()], dumps(body))

    def assign(self) -> Call:
        """Assign an outcome to a user, mostly one that was recorded without a user."""
        id_ = self.random.choice(self.nobodys[-5:]) if self.maybe(0.8) else self.any("id")
        headers = self.caller() if self.maybe(0.3) else PLATFORM
        return Call("POST", f"/api/outcomes/{id_}/assign", headers, dumps({"userId": self.random.choice(USER)}))

    def keys(self) -> Call:
        headers, id_ = self.caller(), self.any("keyid")
        user = self.random.choice(["?userId=~user1~"] * 3 + ["", "?userId=~user2~"])
        owner = self.some({"userId": USER}, 0.8)
        match self.random.choices(
            ["create", "list", "self", "rotate", "pause", "resume", "revoke"], [10, 4, 4, 4, 1, 2, 2]
        )[0]:
            case "list":
                return Call("GET", f"/api/keys{user}", headers, "")
            case "self":
                return Call("GET", "/api/keys/self", headers, "")
            case "revoke":
                return Call("DELETE", f"/api/keys/{id_}{user}", headers, "")
            case "pause" | "resume" as way:
                return Call("POST", f"/api/keys/{id_}/{way}", headers, dumps(owner))
            case "rotate":
                body = owner | self.some({"overlapHours": [0, 0, 1, 168]}, 0.5)
                return Call("POST", f"/api/keys/{id_}/rotate", headers, dumps(body))
        bounds: dict[str, list[Any]] = {
            "agentId": [7, 7, 8, None],
            "outcomeTypes": [TYPES[:3], TYPES[1:5], None],
            "maxValueUsd": [Raw("500.50"), 0, None],
            "expiresAt": ["2040-01-02T03:04:05Z", None],
        }
        scopes = [self.random.sample(SCOPES, self.random.randint(1, 5))]
        body = {"name": "Nightly"} | owner | self.some({"scopes": scopes}, 0.6) | self.some(bounds, 0.2)
        return Call("POST", "/api/keys", headers, dumps(body))

    def costs(self) -> Call:
        if self.maybe(0.2):
            more = self.query({"agentId": ["7", "none"], "userId": ["~user1~"]}).replace("?", "&")
            return Call("GET", f"/api/costs?from={DAYS[-1]}&to={_DAY.date()}{more}", self.reader(), "")
        path = f"/api/costs/{self.random.choice(DAYS)}/{self.random.choice(['openai'] * 5 + ['runs'])}"
        conditions = [("If-Match", '"1"'), ("If-Match", '"2", "3"'), ("If-None-Match", "*")]
        headers = [*self.caller(), *[self.random.choice(conditions)] * self.maybe(0.4)]
        method = self.random.choices(["PUT", "GET", "DELETE"], [5, 3, 1])[0]
        if method != "PUT":
            return Call(method, f"{path}?userId=~user1~{'&include=versions' * self.maybe(0.3)}", headers, "")
        values: dict[str, list[Any]] = {
            "agentId": [7, 8, None],
            "quantity": [Raw("1200000"), None],
            "unit": ["tokens", None],
            "label": ["gpt-5", None],
        }
        lines = [
            {"costUsd": Raw(self.random.choice(["9.80", "9.8", "-0.5"]))} | self.some(values, 0.8)
            for _ in range(self.random.choice([0, 1, 1, 2]))
        ]
        return Call("PUT", path, headers, dumps({"lines": lines} | self.some({"userId": USER[:1]}, 0.9)))

    def summary(self) -> Call:
        values = {
            "from": [DAYS[-1], HAPPENED[-1]],
            "to": [str(_DAY.date())],
            "timezone": ["Asia/Kolkata", "No"],
            "outcomeType": TYPES[:2],
            "agentId": ["7", "none"],
            "status": ["disputed", "void"],
            "by": ["day", "week", "month"],
            "compare": ["previous"],
            "include": ["cost", "definition"],
            "userId": ["none", "~user1~"],
        }
        return Call("GET", f"/api/outcomes/summary{self.query(values)}", self.reader(), "")

    def odd(self) -> Call:
        routes = ["GET /api/nothing", "DELETE /api/outcomes", "PUT /api/keys", "GET /api/outcomes/a/b"]
        method, path = self.random.choice(routes).split()
        return Call(method, path, self.caller(), "")
