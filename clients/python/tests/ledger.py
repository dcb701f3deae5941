"""An in-memory fake of the API.

It implements idempotency keys, results per item, cursors, filters and totals. So the number of outcomes in it shows
whether a client recorded something twice. It validates only the fields that these tests send with errors.
"""

from __future__ import annotations

import csv
import io
import itertools
import threading
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import simplejson
from outcomes_client import OutcomeType

KEY = "test-key-of-the-platform"
SESSIONS = {"session=of-user-42": 42, "session=of-user-43": 43}
TYPES = tuple(OutcomeType)
FIELDS = ("outcomeType", "title", "description", "valueUsd", "agentId", "userId", "metadata", "occurredAt")
OUTCOME = (
    *("id", "user_id", "agent_id", "outcome_type", "title", "description", "value_usd", "metadata", "created_at"),
)
EXPORTED_ALSO = ("occurred_at", "status", "recorded_by")
LEDGER = ("status", "occurred_at", "recorded_by", "version")
CHANGED = {
    **{"outcomeType": "outcome_type", "title": "title", "description": "description", "valueUsd": "value_usd"},
    **{"agentId": "agent_id", "metadata": "metadata", "occurredAt": "occurred_at"},
}
MOVES = {
    "amend": (("recorded", "confirmed", "disputed"), "recorded"),
    "void": (("recorded", "confirmed", "disputed"), "void"),
    "confirm": (("recorded", "disputed"), "confirmed"),
    "dispute": (("recorded", "confirmed"), "disputed"),
    "uphold": (("disputed",), "recorded"),
}
KEY_FIELDS = ("name", "userId", "agentId", "outcomeTypes", "maxValueUsd", "scopes", "expiresAt")
Caller = str | int | dict[str, Any]
"""The platform, the user of a session, or an agent key."""
Answer = tuple[int, dict[str, str], dict[str, Any] | str]
EXPORTED = 25
"""Outcomes per part of an export."""


def decode(text: bytes) -> Any:
    return simplejson.loads(text, use_decimal=True)


def encode(value: object) -> bytes:
    return simplejson.dumps(value, use_decimal=True).encode()


class Ledger:
    def __init__(self) -> None:
        self.outcomes: list[dict[str, Any]] = []
        self.unready_items = 0  # this many of the next batch items fail as retryable
        self.agent_keys: dict[str, tuple[dict[str, Any], list[str]]] = {}
        """By id: an agent key's description, and the key's secrets, newest first."""
        self.corrections: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        """Corrections by outcome id, oldest first."""
        self._keys: dict[tuple[object, ...], tuple[dict[str, Any], str]] = {}
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer a request. The proxy calls this directly."""
        with self._lock:
            url = urlsplit(target)
            caller = self._caller(headers)
            if url.path.startswith("/api/keys"):
                return self._of_keys(caller, method, url.path, parse_qs(url.query), body)
            _, _, _, id_, *rest = f"{url.path}//".split("/")
            if method == "GET" and id_ not in ("", "summary", "export"):
                return self._history(caller, id_)
            if method == "POST" and rest[0] == "corrections":
                return self._correct(caller, id_, decode(body), headers.get("Idempotency-Key"))
            route = f"{method} {url.path}"
            if route not in (
                "POST /api/outcomes",
                "POST /api/outcomes/batch",
                "GET /api/outcomes",
                "GET /api/outcomes/summary",
                "GET /api/outcomes/export",
            ):
                return 403, {}, {"error": "Missing Authentication Token"}
            if method == "GET":
                user = _reader(caller)
                read = {"summary": self._summary, "export": self._export}.get(id_, self._list)
                return read(user, parse_qs(url.query)) if isinstance(user, int) else user
            if caller is None:
                return 401, {}, {"error": "Unauthorized"}
            if isinstance(caller, dict) and "record" not in caller["scopes"]:
                return 403, {}, {"error": "Forbidden"}
            try:
                fields = decode(body)
            except ValueError:
                fields = None
            if not isinstance(fields, dict):
                return 400, {}, {"error": "Invalid JSON"}
            if url.path.endswith("/batch"):
                return self._batch(caller, fields)
            return self._record(caller, fields, headers.get("Idempotency-Key"))

    def _caller(self, headers: Mapping[str, str]) -> Caller | None:
        bearer = headers.get("Authorization", "").removeprefix("Bearer ")
        if bearer == KEY:
            return "key"
        agent_key = next((key for key, texts in self.agent_keys.values() if bearer in texts), None)
        return agent_key or SESSIONS.get(headers.get("Cookie", ""))

    def _of_keys(
        self, caller: Caller | None, method: str, path: str, query: dict[str, list[str]], text: bytes
    ) -> Answer:
        if caller is None:
            return 401, {}, {"error": "Unauthorized"}
        if path == "/api/keys/self":
            return (200, {}, caller) if isinstance(caller, dict) else (404, {}, {"error": "Not found"})
        if isinstance(caller, dict):
            return 403, {}, {"error": "Forbidden"}
        body = decode(text) if text else {}
        user = caller if isinstance(caller, int) else body.get("userId") or int(query.get("userId", ["0"])[0])
        if not user:
            rule = {"field": "userId", "message": "must be a whole number from 1 to 9007199254740991"}
            return 400, {}, {"error": "Invalid userId", "details": [rule]}
        by = "session" if isinstance(caller, int) else "platform"
        _, _, _, id_, *_ = f"{path}//".split("/")
        if id_:
            key, texts = self.agent_keys.get(id_, ({"user_id": user}, []))
            if method == "DELETE" and (key["user_id"] == user or by == "session"):
                if key["user_id"] == user:
                    self.agent_keys.pop(id_, None)
                return 200, {}, {"ok": True}
            if key["user_id"] != user or (method == "POST" and not texts):
                return 404, {}, {"error": "Not found"}
            if by == "platform" and key["made_by"] != by:
                return 403, {}, {"error": "Forbidden"}
            key |= {"rotated_by": by, "rotated_at": "2026-04-02T12:00:00.000Z"}
            texts[:] = [self._key_text(id_), *texts[: int(body.get("overlapHours", 24) > 0)]]
            return 200, {}, {"key": texts[0], **key}
        mine = [key for key, _ in reversed(self.agent_keys.values()) if key["user_id"] == user]
        if method == "GET":
            return 200, {}, {"keys": mine}
        if len(mine) == 100:
            return 409, {}, {"error": "Too many keys"}
        return self._new_key(user, body, by)

    def _new_key(self, user: int, body: dict[str, Any], by: str) -> Answer:
        unread = [name for name in body if name not in KEY_FIELDS]
        id_ = f"{next(self._numbers):016d}"
        key = {
            "id": id_,
            "user_id": user,
            "name": body["name"],
            "agent_id": body.get("agentId"),
            "outcome_types": body.get("outcomeTypes"),
            "max_value_usd": body.get("maxValueUsd"),
            "scopes": body.get("scopes", ["record"]),
            "created_at": "2026-04-01T12:00:00.000Z",
            "expires_at": body.get("expiresAt"),
            "last_used_at": None,
            "made_by": by,
            "rotated_by": None,
            "rotated_at": None,
        }
        self.agent_keys[id_] = key, [self._key_text(id_)]
        return 200, {"Ignored-Fields": ", ".join(unread)} if unread else {}, {"key": self.agent_keys[id_][1][0], **key}

    def _key_text(self, id_: str) -> str:
        return f"oc_{id_}_{next(self._numbers):038d}"

    def _record(self, caller: Caller, fields: dict[str, Any], key: str | None) -> Answer:
        result = self._add(caller, fields, key)
        unread = [name for name in fields if name not in FIELDS]
        match result["status"]:
            case "invalid":
                return 400, {}, {name: result[name] for name in ("error", "details") if name in result}
            case "forbidden":
                return 403, {}, {name: result[name] for name in ("error", "details")}
            case "conflict":
                return 422, {}, {name: result[name] for name in ("error", "details")}
        headers = {"Outcome-Id": result["id"]} | ({"Ignored-Fields": ", ".join(unread)} if unread else {})
        if result["status"] == "replayed":
            headers["Idempotent-Replayed"] = "true"
        if result.get("unassigned"):
            headers["Unassigned"] = "true"
        body: dict[str, Any] = {"ok": True, "id": result["id"]} if isinstance(caller, int) else {"ok": True}
        return 200, headers, body

    def _history(self, caller: Caller | None, id_: str) -> Answer:
        user = _reader(caller)
        if not isinstance(user, int):
            return user
        found = next((one for one in self.outcomes if one["id"] == id_ and one["user_id"] == user), None)
        if found is None:
            return 404, {}, {"error": "Not found"}
        return 200, {}, {"outcome": found, "corrections": self.corrections[id_]}

    def _correct(self, caller: Caller | None, id_: str, body: dict[str, Any], key: str | None) -> Answer:
        if caller is None:
            return 401, {}, {"error": "Unauthorized"}
        kind, changes = body["type"], body.get("changes", {})
        if kind != "confirm" and not body.get("reason", "").strip():
            rule = {"field": "reason", "message": "must be 1 to 500 characters"}
            return 400, {}, {"error": "Invalid reason", "details": [rule]}
        if kind == "amend" and not changes.keys() & CHANGED.keys():
            return 400, {}, {"error": "Invalid changes", "details": [{"field": "changes", "message": "must be some"}]}
        user = caller if isinstance(caller, int) else body.get("userId")
        if isinstance(caller, dict):
            user = user or caller["user_id"]
        outcome = next((one for one in self.outcomes if one["id"] == id_ and one["user_id"] == user), None)
        if outcome is None:
            return 404, {}, {"error": "Not found"}
        who = "session" if isinstance(caller, int) else "platform" if isinstance(caller, str) else "agent"
        may = {"confirm": ["session"], "dispute": ["session"], "uphold": ["platform"]}
        by_session = outcome["recorded_by"] == "session"
        allowed = who in may.get(kind, ["platform", "session" if by_session else "agent"])
        if isinstance(caller, dict):
            allowed = allowed and "correct" in caller["scopes"] and not _broken(caller, outcome)
        if not allowed or (kind == "confirm" and by_session):
            return 403, {}, {"error": "Forbidden"}
        changed = {CHANGED[name]: value for name, value in changes.items() if name in CHANGED}
        unread = [f"changes.{name}" for name in changes if name not in CHANGED]
        headers = {"Ignored-Fields": ", ".join(unread)} if unread else {}
        said, scope = {"type": kind, "reason": body.get("reason"), **changed}, ("correction", id_, key)
        if key is not None and scope in self._keys:
            first, made = self._keys[scope]
            if first != said:
                rule = {"field": "reason", "message": "differs from the first"}
                return 422, {}, {"error": "Idempotency key reused", "details": [rule]}
            return 200, {**headers, "Idempotent-Replayed": "true"}, {"ok": True, "id": made, **_told(caller, outcome)}
        origins, to = MOVES[kind]
        if outcome["status"] not in origins:
            rule = {"field": "type", "message": f"cannot {kind} an outcome that is {outcome['status']}"}
            return 409, {}, {"error": "Not possible", "details": [rule]}
        made = f"{next(self._numbers):026d}"
        unchanged = kind == "amend" and all(outcome[name] == new for name, new in changed.items())
        if unchanged and (who != "agent" or "outcome" in _told(caller, outcome)):
            rule = {"field": "changes", "message": "would change nothing"}
            return 400, headers, {"error": "Invalid changes", "details": [rule]}
        if key is not None:
            self._keys[scope] = said, made
        if unchanged:
            return 200, headers, {"ok": True, "id": made, **_told(caller, outcome)}
        by = {"session": "session", "platform": "key"}.get(who) or f"key:{caller['id']}"  # type: ignore[index] # a dict for agents
        entry = {"id": made, "type": kind, "reason": body.get("reason"), "by": by, "created_at": outcome["created_at"]}
        if kind == "amend":
            entry["changes"] = {name: {"before": outcome[name], "after": new} for name, new in changed.items()}
        self.corrections[id_].append(entry)
        if (kind, who, outcome["status"]) == ("amend", "agent", "disputed"):
            to = "disputed"
        outcome |= {**changed, "status": to, "version": outcome["version"] + 1}
        outcome["occurred_at"] = outcome["occurred_at"] or outcome["created_at"]
        return 200, headers, {"ok": True, "id": made, **_told(caller, outcome)}

    def _batch(self, caller: Caller, body: dict[str, Any]) -> Answer:
        items = body.get("outcomes")
        if not isinstance(items, list) or not 1 <= len(items) <= 100:
            return 400, {}, {"error": "Invalid outcomes", "details": []}
        results: list[dict[str, Any]] = []
        for item in items:
            if not isinstance(item, dict):
                results.append({"status": "invalid", "error": "Invalid outcome"})
            elif self.unready_items > 0:
                self.unready_items -= 1
                results.append({"status": "failed", "error": "Failed to record outcome", "retryable": True})
            else:
                unread = [name for name in item if name not in (*FIELDS, "idempotencyKey")]
                result = self._add(caller, item, item.get("idempotencyKey"))
                results.append(result | ({"ignored": unread} if unread else {}))
        counts = {name: sum(r["status"] == name for r in results) for name in ("created", "replayed")}
        return 200, {}, {"results": results, **counts, "failed": len(results) - sum(counts.values())}

    def _add(self, caller: Caller, fields: dict[str, Any], key: str | None) -> dict[str, Any]:
        if fields.get("outcomeType") not in TYPES:
            return {"status": "invalid", "error": "Invalid outcome_type"}
        title = fields.get("title")
        if not isinstance(title, str) or not 1 <= len(title) <= 200 or not title.strip():
            detail = {"field": "title", "message": "must be 1 to 200 characters"}
            return {"status": "invalid", "error": "Invalid title", "details": [detail]}
        occurred_at = fields.get("occurredAt")
        if occurred_at is not None and not (occurred_at := _instant(occurred_at)):
            detail = {"field": "occurredAt", "message": "must be an RFC 3339 date-time with an offset"}
            return {"status": "invalid", "error": "Invalid occurredAt", "details": [detail]}
        own = caller if isinstance(caller, dict) else {"user_id": None, "agent_id": None}
        kept = {
            "user_id": caller if isinstance(caller, int) else fields.get("userId") or own["user_id"],
            "agent_id": fields.get("agentId") or own["agent_id"],
            "outcome_type": fields["outcomeType"],
            "title": title,
            "description": fields.get("description"),
            "value_usd": fields.get("valueUsd"),
            "metadata": fields.get("metadata"),
            "occurred_at": occurred_at,
        }
        if isinstance(caller, dict) and (broken := _broken(caller, kept)):
            return {"status": "forbidden", "error": "Forbidden", "details": broken}
        unassigned = {"unassigned": True} if kept["user_id"] is None else {}
        scope = "session" if isinstance(caller, int) else "key", kept["user_id"], kept["agent_id"], key
        if key is not None and scope in self._keys:
            first, outcome_id = self._keys[scope]
            if first == kept:
                return {"status": "replayed", "id": outcome_id, **unassigned}
            differ = [{"field": n, "message": "differs from the first"} for n in kept if kept[n] != first[n]]
            return {"status": "conflict", "error": "Idempotency key reused", "details": differ}
        number = next(self._numbers)
        outcome_id = f"{number:026d}"
        if key is not None:
            self._keys[scope] = kept, outcome_id
        at = datetime(2026, 4, 1, 12, tzinfo=UTC) + timedelta(minutes=number)
        stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        by = "session" if isinstance(caller, int) else caller if isinstance(caller, str) else f"key:{caller['id']}"
        standing = {"status": "recorded", "occurred_at": occurred_at or stamp, "recorded_by": by, "version": 0}
        self.outcomes.append({"id": outcome_id, **kept, "created_at": stamp, **standing})
        return {"status": "created", "id": outcome_id, **unassigned}

    def _chosen(self, user: int, query: dict[str, list[str]], by: str = "created_at") -> list[dict[str, Any]]:
        start, end = query.get("from", [""])[0], query.get("to", ["~"])[0]
        return [
            one
            for one in reversed(self.outcomes)
            if one["user_id"] == user
            and one["outcome_type"] in query.get("outcomeType", TYPES)
            and str(one["agent_id"]) in query.get("agentId", [str(one["agent_id"])])
            and start <= one[by] < end
        ]

    def _list(self, user: int, query: dict[str, list[str]]) -> Answer:
        limit = query.get("limit", ["20"])[0]
        if not limit.isdecimal() or int(limit) < 1:
            return 400, {}, {"error": "Invalid limit"}
        size, offset = min(int(limit), 50), int(query.get("cursor", ["0"])[0])
        ledger = query.get("include") == ["ledger"]
        standing = query.get("status", ["recorded", "confirmed", "disputed", *(["void"] if ledger else [])])
        chosen = [one for one in self._chosen(user, query) if one["status"] in standing]
        if not ledger:
            chosen = [listed(one) for one in chosen]
        following = offset + size
        cursor = str(following) if following < len(chosen) else None
        return 200, {}, {"outcomes": chosen[offset:following], "next_cursor": cursor}

    def _export(self, user: int, query: dict[str, list[str]]) -> Answer:
        begin = int(query.get("cursor", ["0"])[0])
        chosen = [one for one in self._chosen(user, query) if one["status"] != "void"]
        rows = [{**listed(one), **{n: one[n] for n in EXPORTED_ALSO}} for one in chosen[begin : begin + EXPORTED]]
        more = {"Next-Cursor": str(begin + EXPORTED)} if chosen[begin + EXPORTED :] else {}
        if query["format"] == ["ndjson"]:
            text = "".join(encode(row).decode() + "\n" for row in rows)
            return 200, {"Content-Type": "application/x-ndjson", **more}, text
        file = io.StringIO()
        writer = csv.DictWriter(file, [*OUTCOME, *EXPORTED_ALSO])
        if not begin:
            writer.writeheader()
        for row in rows:
            metadata = None if row["metadata"] is None else encode(row["metadata"]).decode()
            writer.writerow({**row, "metadata": metadata})
        return 200, {"Content-Type": "text/csv; charset=utf-8", **more}, file.getvalue()

    def _summary(self, user: int, query: dict[str, list[str]]) -> Answer:
        zone = query.get("timezone", ["UTC"])[0]
        if zone not in ("UTC", "Europe/Berlin"):
            return 400, {}, {"error": "Invalid timezone"}
        start, end = query.get("from", ["2026-03-20"])[0], query.get("to", ["2026-04-19"])[0]
        happened = self._chosen(user, {**query, "from": [start], "to": [end]}, by="occurred_at")
        chosen = [one for one in happened if one["status"] in ("recorded", "confirmed")]

        def total(items: list[dict[str, Any]]) -> dict[str, Any]:
            return {"count": len(items), "value_usd": sum((Decimal(i["value_usd"] or 0) for i in items), Decimal(0))}

        groups: dict[str, dict[Any, list[dict[str, Any]]]] = {
            n: defaultdict(list) for n in ("outcome_type", "agent_id")
        }
        for (name, group), one in itertools.product(groups.items(), chosen):
            group[one[name]].append(one)
        first, last = date.fromisoformat(start[:10]), date.fromisoformat(end[:10])
        days = [(first + timedelta(n)).isoformat() for n in range((last - first).days)]
        by_date = [{"date": day, **total([o for o in chosen if o["occurred_at"].startswith(day)])} for day in days]
        division = query.get("by", ["day"])[0]
        if division != "day":
            mondays = [day for day in days if date.fromisoformat(day).weekday() == 0]
            begins = mondays if division == "week" else [day for day in days if day.endswith("-01")]
            firsts = sorted({days[0], *begins})
            by_date = [
                {"date": first, **total([o for o in chosen if first <= o["occurred_at"] < after])}
                for first, after in itertools.pairwise([*firsts, "~"])
            ]
        by = {name: [{name: key, **total(items)} for key, items in group.items()] for name, group in groups.items()}
        by_status = {"confirmed": "confirmed", "disputed": "disputed", "voided": "void"}
        stand = {name: total([o for o in happened if o["status"] == status]) for name, status in by_status.items()}
        totals: dict[str, Any] = {
            **stand,
            "by_type": by["outcome_type"],
            "by_agent": by["agent_id"],
            f"by_{division}": by_date,
        }
        if "compare" in query:
            before = (first - (last - first)).isoformat()
            older = self._chosen(user, {**query, "from": [before], "to": [start]}, by="occurred_at")
            standing = [one for one in older if one["status"] in ("recorded", "confirmed")]
            totals["previous"] = {"from": before, "to": start, **total(standing)}
        return 200, {}, {"from": start, "to": end, "timezone": zone, **total(chosen), **totals}


def listed(outcome: dict[str, Any]) -> dict[str, Any]:
    """Return an outcome without the fields that only `include=ledger` returns."""
    return {name: value for name, value in outcome.items() if name not in LEDGER}


def _told(caller: Caller, outcome: dict[str, Any]) -> dict[str, Any]:
    """Return the outcome if the caller may read it, otherwise its status and version."""
    may_read = isinstance(caller, int) or (isinstance(caller, dict) and "read" in caller["scopes"])
    return {"outcome": outcome} if may_read else {name: outcome[name] for name in ("status", "version")}


def _instant(text: str) -> str | None:
    """Format a date-time with offset as the API does. Return None if it is invalid."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z") if moment.tzinfo else None


def _broken(key: dict[str, Any], kept: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the limits of an agent key that an outcome exceeds."""
    cap, types, value = key["max_value_usd"], key["outcome_types"], kept["value_usd"]
    bounds = {
        "userId": (kept["user_id"] != key["user_id"], f"this key records for user {key['user_id']} only"),
        "agentId": (
            key["agent_id"] not in (None, kept["agent_id"]),
            f"this key records for agent {key['agent_id']} only",
        ),
        "outcomeType": (types is not None and kept["outcome_type"] not in types, f"this key records only {types}"),
        "valueUsd": (
            None not in (cap, value) and abs(value) > cap,
            f"this key records values of magnitude {cap} at most",
        ),
    }
    return [{"field": name, "message": words} for name, (broken, words) in bounds.items() if broken]


def _reader(caller: Caller | None) -> int | Answer:
    """Return the user whose outcomes the caller may read, or the refusal."""
    if isinstance(caller, dict) and "read" in caller["scopes"]:
        return int(caller["user_id"])
    if isinstance(caller, dict):
        rule = {"field": "scopes", "message": "reading needs the scope read"}
        return 403, {}, {"error": "Forbidden", "details": [rule]}
    return caller if isinstance(caller, int) else (401, {}, {"error": "Unauthorized"})
