"""Make random calls, and return the answers of two APIs in a form that can be compared.

Ids, keys and cursors differ between the APIs. So placeholders such as `~id3~`, which are numbered by their first
appearance, replace them in calls and answers. Times in answers are replaced as well.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from outcomes.limits import MAX_DESCRIPTION, MAX_TITLE
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
DAYS = [str((_DAY - timedelta(days)).date()) for days in (1, 1, 1, 2, 500)]
TOO_LATE, TOO_EARLY = ((_DAY + timedelta(days)).isoformat() for days in (-60, 3))


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
_DEEP = Raw('{"a":' * 33 + "1" + "}" * 33)
USERS = {"~user1~": "1", "~user2~": "2"}
"""Users have the same ids in both APIs."""

GOOD: dict[str, list[Any]] = {
    "outcomeType": TYPES,
    "title": ["Closed the deal", "x" * MAX_TITLE, "\u00e9\u4e2d\U0001f600", 'a "b" \\ \n', "\u0000"],
    "description": [None, "", "More", "x" * MAX_DESCRIPTION],
    "valueUsd": [None, *map(Raw, ("12.50", "0", "-0", "1E+3", "-7.1", "123456789012345.678"))],
    "agentId": [None, 7, 8, Raw("7.0")],
    "userId": [None, Raw("~user1~"), Raw("~user1~"), Raw("~user2~")],
    "metadata": [None, {}, Raw('{"a":1.10,"b":[null,"\\u00e9"]}'), {"imported": {"deep": [1, 2]}}],
    "occurredAt": [None, *HAPPENED, f"{_DAY.date() - timedelta(3)}T01:02:03.1239+02:00"],
}
BAD: dict[str, list[Any]] = {
    "outcomeType": ["lead_qualified", 5, None, "Deal_closed"],
    "title": ["", "  ", "x" * (MAX_TITLE + 1), 5, None],
    "description": ["x" * (MAX_DESCRIPTION + 1), 5, {}],
    "valueUsd": [*map(Raw, ("1e15", '"5"', "true", "1" * 39, "0.1e-200"))],
    "agentId": [0, -1, 1.5, "7", True, 2**53],
    "userId": [0, "42", 2**53],
    "metadata": [[], "x", 5, _DEEP, {"a": "x" * 66_000}],
    "occurredAt": [*[TOO_LATE, TOO_EARLY] * 9, "yesterday", "2026-02-30T00:00:00Z", 5, "2026-11-01T00:00:00"],
}
EXTRA = ["value_usd", "idempotency_key", "a,b", "\u00e9%", "x" * 70]
JUNK: list[str | bytes] = [
    *("", "[]", "{", '{"a":NaN}', "null", b'{"title":"\xff"}', "[" * 3000, '{"a":1}' + " " * 140_000)
]
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
        kinds = {
            self.record: 26,
            self.batch: 8,
            self.list: 20,
            self.get: 9,
            self.correct: 26,
            self.assign: 6,
            self.keys: 16,
            self.costs: 12,
            self.odd: 2,
        }
        for _ in range(count):
            yield self.random.choices([*kinds], [*kinds.values()])[0]()

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

    def reader(self) -> Headers:
        return self.caller() if self.maybe(0.4) else [("Cookie", f"~session{self.random.choice((1, 2))}~")]

    def caller(self) -> Headers:
        session = f"~session{self.random.choice((1, 1, 1, 2))}~"
        json_type = ("Content-Type", "application/json")
        callers: dict[str, tuple[int, Headers]] = {
            "platform": (30, [("Authorization", "Bearer ~platform0~")]),
            "session": (40, [("Cookie", session), json_type]),
            "agent": (30, [("Authorization", f"Bearer {self.any('key')}")]),
            "agent in lower case": (1, [("authorization", f"bearer  {self.any('key')}")]),
            "nobody": (1, []),
            "invalid": (1, [("Authorization", "Bearer oc_nothing"), ("Cookie", "session=nothing")]),
            "both": (2, [("Authorization", "Bearer ~platform0~"), ("Cookie", session), json_type]),
            "session beside an invalid key": (2, [("Authorization", "Bearer x"), ("Cookie", session), json_type]),
            "two sessions": (1, [("Cookie", "~session1~; ~session2~"), json_type]),
            "form": (1, [("Cookie", session), ("Content-Type", "text/plain")]),
            "other origin": (1, [("Cookie", session), json_type, ("Origin", "https://evil.example")]),
            "cross-site": (1, [("Cookie", session), json_type, ("Sec-Fetch-Site", "cross-site")]),
        }
        weights, headers = zip(*callers.values(), strict=True)
        return [*self.random.choices(headers, weights)[0]]

    def idempotency(self) -> Headers:
        if self.maybe(0.02):
            return [("Idempotency-Key", self.random.choice(["", "x" * 256, "a b", "\u00e9"]))]
        twice = [("Idempotency-Key", "other")] * self.maybe(0.02)
        return [("Idempotency-Key", f"work-{self.random.randrange(400)}"), *twice] if self.maybe(0.5) else []

    def fields(self, faults: float = 0.08) -> dict[str, Any]:
        body: dict[str, Any] = {
            "outcomeType": self.random.choice(TYPES),
            "title": "Sent the offer",
            "userId": Raw("~user1~"),
        }
        for name, values in GOOD.items():
            if self.maybe(0.3):
                body[name] = self.random.choice(values)
            if self.maybe(faults / 2):
                body[name] = self.random.choice(BAD[name])
        if self.maybe(0.1):
            body[self.random.choice(EXTRA)] = 1
        if self.maybe(faults):
            body.pop(self.random.choice([*body]))
        return body

    def record(self) -> Call:
        if self.sent and self.maybe(0.4):  # repeat an earlier call, sometimes with one field changed
            headers, body = self.random.choice(self.sent[-30:])
            if self.maybe(0.4):
                name = self.random.choice([*GOOD])
                body = {**body, name: self.random.choice(GOOD[name])}
        else:
            headers, body = [*self.caller(), *self.idempotency()], self.fields()
            self.sent.append((headers, body))
        return Call("POST", "/api/outcomes", headers, dumps(body) if self.maybe(0.97) else self.random.choice(JUNK))

    def batch(self) -> Call:
        items: list[Any] = [self.fields(0.15) for _ in range(self.random.choice([1, 2, 2, 3, 4]))]
        for item in items:
            if self.maybe(0.5):
                item["idempotencyKey"] = self.random.choice([f"work-{self.random.randrange(400)}", "same", None, "", 5])
        if self.maybe(0.1):
            items.append(self.random.choice([5, [], None]))
        body: Any = {"outcomes": items}
        if self.maybe(0.1):
            body = self.random.choice([{"outcomes": []}, {"outcomes": [{}] * 101}, {"x": 1}, {**body, "more": 1}, [1]])
        return Call("POST", "/api/outcomes/batch", [*self.caller(), *self.idempotency()], dumps(body))

    def query(self, values: dict[str, list[str]]) -> str:
        chosen = [
            f"{name}={self.random.choice(some)}" for name, some in values.items() for _ in range(2) if self.maybe(0.1)
        ]
        return f"?{'&'.join(chosen)}" * bool(chosen)

    def list(self) -> Call:
        values = {
            "limit": ["1", "2", "5", "50", "51", "0", "x", "007", "%D9%A3"],
            "cursor": [self.any("cursor")] * 9 + ["x"],
            "outcomeType": [*TYPES, "lead_qualified", "No"],
            "agentId": ["7"] * 4 + ["8", "0"],
            "status": ["recorded", "confirmed", "disputed", "void"] * 2 + ["gone"],
            "include": ["ledger", "more"],
            "from": ["2020-01-01", "2099-01-01T00:00:00Z", "never"],
            "to": ["2020-01-01T00:00:00%2B02:00", "2099-01-01", "2099-01-01T00:00:00"],
            "userId": ["none", "none", "~user1~", "x"],
        }
        route = "/api/outcomes" if self.maybe(0.97) else "/api/outcomes/types"
        query = self.query(values)
        if self.maybe(0.3):
            query += "&include=ledger" if query else "?include=ledger"
        return Call("GET", route + query, self.reader(), "")

    def get(self) -> Call:
        id_ = self.any("id") if self.maybe(0.95) else self.random.choice(["x", "8" * 26, "0" * 26, "%20"])
        return Call(
            "GET", f"/api/outcomes/{id_}" + self.query({"userId": ["none", "none", "~user1~", "x"]}), self.reader(), ""
        )

    def correct(self) -> Call:
        body: dict[str, Any] = {"type": self.random.choice(["amend", "amend", "void", "confirm", "dispute", "uphold"])}
        if self.maybe(0.97):
            body["reason"] = self.random.choice(["Mistake"] * 60 + ["x" * 501, "", None, 5])
        if self.maybe(0.95 if body["type"] == "amend" else 0.1):
            changes = self.fields(0.05)
            changes.pop("userId", None)
            body["changes"] = dict(
                self.random.sample([*changes.items()], min(len(changes), self.random.choice([1, 1, 2])))
            )
            if self.maybe(0.2):
                body["changes"] = dict.fromkeys(("description", "valueUsd", "agentId", "metadata"))
        if self.maybe(0.9):
            body["userId"] = self.random.choice([Raw("~user1~")] * 12 + GOOD["userId"])
        if self.maybe(0.05):
            body |= self.random.choice([{"type": "undo"}, {"more": 1}, {"changes": 5}, {"userId": "x"}])
        caller = self.caller() if self.maybe(0.6) else [("Authorization", "Bearer ~platform0~")]
        headers = [*caller, *self.idempotency()]
        return Call("POST", f"/api/outcomes/{self.any('id')}/corrections", headers, dumps(body))

    def assign(self) -> Call:
        """Assign an outcome to a user, mostly one that was recorded without a user."""
        id_ = self.random.choice(self.nobodys[-5:]) if self.maybe(0.8) else self.any("id")
        body = {"userId": self.random.choice(GOOD["userId"] * 3 + BAD["userId"])}
        headers = self.caller() if self.maybe(0.3) else [("Authorization", "Bearer ~platform0~")]
        return Call("POST", f"/api/outcomes/{id_}/assign", headers, dumps(body))

    def keys(self) -> Call:
        headers, id_ = self.caller(), self.any("keyid") if self.maybe(0.9) else "x"
        user = self.random.choice(["?userId=~user1~"] * 3 + ["", "?userId=0", "?userId=~user2~"])
        owner = {"userId": Raw(f"~user{self.random.choice((1, 2))}~")} if self.maybe(0.8) else {}
        if self.maybe(0.03):
            headers += self.idempotency()
        match self.random.choices(["create", "list", "self", "rotate", "revoke"], [5, 2, 2, 2, 1])[0]:
            case "list":
                return Call("GET", f"/api/keys{user}", headers, "")
            case "self":
                return Call("GET", "/api/keys/self", headers, "")
            case "revoke":
                return Call("DELETE", f"/api/keys/{id_}{user}", headers, "")
            case "rotate":
                hours = {"overlapHours": self.random.choice([0, 0, 1, 168, 169])} if self.maybe(0.5) else {}
                return Call("POST", f"/api/keys/{id_}/rotate", headers, dumps({**owner, **hours}))
        body: dict[str, Any] = {"name": self.random.choice(["Nightly"] * 12 + ["", "x" * 81, 5]), **owner}
        scopes = self.random.sample(SCOPES, self.random.randint(1, 5))
        bounds: dict[str, list[Any]] = {
            "scopes": [scopes] * 9 + [[], ["admin"], None],
            "agentId": [7, 7, 8, None, 0],
            "outcomeTypes": [TYPES[:3], TYPES[1:5], [], ["lead_qualified"], None],
            "maxValueUsd": [Raw("500.50"), 5, 0, None, -1],
            "expiresAt": ["2040-01-02T03:04:05Z", "2030-01-01T00:00:00+02:00", None, "2020-01-01T00:00:00Z"],
            "more": [1],
        }
        for name, values in bounds.items():
            if self.maybe(0.6 if name == "scopes" else 0.2):
                body[name] = self.random.choice(values)
        return Call("POST", "/api/keys", headers, dumps(body))

    def costs(self) -> Call:
        if self.maybe(0.2):
            more = {"agentId": ["7", "none", "x"], "userId": ["~user1~", "x"]}
            period = f"?from={DAYS[-2]}&to={self.random.choice([_DAY.date(), '2020-01-01'])}"
            return Call("GET", f"/api/costs{period}{self.query(more).replace('?', '&')}", self.reader(), "")
        path = (
            f"/api/costs/{self.random.choice([*DAYS, 'today'])}/{self.random.choice(['openai'] * 5 + ['runs', 'No'])}"
        )
        headers = self.caller()
        if self.maybe(0.4):
            conditions = [("If-Match", '"1"'), ("If-Match", '"2", "3"'), ("If-None-Match", "*"), ("If-None-Match", "x")]
            headers.append(self.random.choice(conditions))
        method = self.random.choices(["PUT", "GET", "DELETE"], [5, 3, 1])[0]
        if method != "PUT":
            user = self.random.choice(["userId=~user1~"] * 4 + ["userId=x", "include=versions", "include=x"])
            return Call(method, f"{path}?{user}{'&include=versions' * self.maybe(0.3)}", headers, "")
        values: dict[str, list[Any]] = {
            "costUsd": [*map(Raw, ("9.80", "9.8", "-0.5", "1e15")), "5"],
            "agentId": [7, 7, 8, None, 0],
            "quantity": [Raw("1200000"), None, "x"],
            "unit": ["tokens", None, "x" * 41],
            "label": ["gpt-5", "gpt-5", None, "", 5],
            "more": [1],
        }
        lines = [
            {name: self.random.choice(some[: None if self.maybe(0.1) else 2]) for name, some in values.items()}
            for _ in range(self.random.choice([0, 1, 1, 2]))
        ]
        body: dict[str, Any] = {"lines": lines if self.maybe(0.95) else None}
        if self.maybe(0.9):
            body["userId"] = Raw("~user1~")
        return Call("PUT", path, headers, dumps(body))

    def odd(self) -> Call:
        routes = [
            "GET /api/nothing",
            "DELETE /api/outcomes",
            "PUT /api/keys",
            "GET /api/keys/x",
            "GET /api/outcomes/a/b",
        ]
        method, path = self.random.choice(routes).split()
        return Call(method, path, self.caller(), "")
