"""Fake the outcomes API: answer the browser's requests before they reach the network."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from outcomes.contract import outcome_type
from playwright.sync_api import Page, Request, Route

from tests.browsers import wait_until
from tests.outcome_types import TYPES

NOW = datetime(2026, 4, 15, 16, tzinfo=UTC)  # NOW is noon in New York

Answer = Callable[[Route], None]
STATUS_AFTER = {"confirm": "confirmed", "dispute": "disputed", "void": "void"}


def instant(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def reply(status: int, **answer: Any) -> Answer:
    """Return a function that answers a request; status 0 resets the connection."""
    if status:
        return lambda route: route.fulfill(status=status, **answer)
    return lambda route: route.abort("connectionreset")


@dataclass
class Fake:
    """Answers the page's requests, unless a test has planned another answer. asked: the received requests."""

    asked: list[Request] = field(default_factory=list)
    _planned: list[tuple[str, re.Pattern[str], Answer]] = field(default_factory=list)

    def instead(self, method: str, path: str, status: int = 0, **answer: Any) -> None:
        """Plan the response to the next request whose path matches. If no status is given, the connection is reset."""
        self._planned.append((method, re.compile(path), reply(status, **answer)))

    def hold(self, method: str, path: str) -> list[Route]:
        """Hold the next request to a matching path, until the test answers it."""
        held: list[Route] = []
        self._planned.append((method, re.compile(path), held.append))
        return held

    def receive(self, route: Route) -> None:
        self.asked.append(route.request)
        for one in self._planned:
            method, path, answer = one
            if method == route.request.method and path.search(urlsplit(route.request.url).path):
                self._planned.remove(one)
                return answer(route)
        return self.answer(route)

    def answer(self, route: Route) -> None:
        """Answer a request as the API does."""
        raise NotImplementedError


@dataclass
class Recorded(Fake):
    """A fake API with the outcomes of one viewer.

    corrections: the corrections of each outcome by its id. sums: fields that replace those of the computed summary.
    has_ledger: False for an older server, which does not support corrections. capabilities: the value of the response
    header that names the capabilities. types: the outcome types that may be recorded.
    """

    outcomes: list[dict[str, Any]] = field(default_factory=list)
    corrections: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    sums: dict[str, Any] = field(default_factory=dict)
    has_ledger: bool = True
    capabilities: str | None = None
    types: list[str] = field(default_factory=lambda: [*TYPES])
    _page: Page = field(init=False, repr=False)

    def serve(self, page: Page) -> None:
        self._page = page
        page.route("**/api/outcomes**", self.receive)

    def has(
        self, title: str, *, hours: float = 1, corrections: list[dict[str, Any]] | None = None, **fields: Any
    ) -> str:
        """Add an outcome recorded `hours` before NOW, and return its id."""
        id_ = f"outcome-{len(self.outcomes)}"
        created_at = instant(NOW - timedelta(hours=hours))
        outcome = {
            "id": id_,
            "user_id": 42,
            "agent_id": 7,
            "outcome_type": "deal_closed",
            "title": title,
            "description": None,
            "value_usd": 1200.5,
            "metadata": None,
            "created_at": created_at,
        }
        if self.has_ledger:
            outcome |= {"status": "recorded", "occurred_at": created_at, "recorded_by": "key"}
            outcome["version"] = len(corrections or [])
        self.outcomes.append(outcome | fields)
        self.corrections[id_] = [
            {"id": f"correction-{at}", "reason": None, "by": "key", "created_at": created_at} | correction
            for at, correction in enumerate(corrections or [])
        ]
        return id_

    def sent(self, count: int) -> list[dict[str, Any]]:
        """Wait until at least `count` corrections have been sent.

        Return all their bodies, each with its idempotency key.
        """

        def posts() -> list[Request]:
            return [request for request in self.asked if request.method == "POST"]

        wait_until(self._page, lambda: len(posts()) >= count)
        return [json.loads(post.post_data or "") | {"key": post.headers["idempotency-key"]} for post in posts()]

    def reads(self, id_: str) -> int:
        return sum(request.method == "GET" and urlsplit(request.url).path.endswith(f"/{id_}") for request in self.asked)

    def correct(self, id_: str, **correction: Any) -> dict[str, Any]:
        """Append a correction, and return the API's response."""
        [outcome] = [one for one in self.outcomes if one["id"] == id_]
        entries = self.corrections[id_]
        made = {
            "id": f"correction-{len(entries)}",
            "reason": None,
            "by": "key",
            "created_at": instant(NOW),
        } | correction
        entries.append(made)
        if (made["type"], outcome["status"]) != ("amend", "disputed") or not made["by"].startswith("key:"):
            outcome["status"] = STATUS_AFTER.get(made["type"], "recorded")
        outcome["version"] = len(entries)
        return {"ok": True, "id": made["id"], "outcome": outcome}

    def correct_all(self, body: dict[str, Any]) -> dict[str, Any]:
        """Append several corrections, each if the outcome has the version that it was sent for."""
        results: list[dict[str, Any]] = []
        for one in body["corrections"]:
            [outcome] = [known for known in self.outcomes if known["id"] == one["id"]]
            if outcome["version"] == one["ifVersion"]:
                self.correct(one["id"], type=one["type"], by="session", reason=one.get("reason", body.get("reason")))
                state = {"outcome_status": outcome["status"], "version": outcome["version"]}
                results.append({"status": "corrected", "id": one["id"], **state})
            else:
                results.append({"status": "stale", "id": one["id"], "error": "Stale"})
        return {"results": results}

    def answer(self, route: Route) -> None:
        request = route.request
        path = request.url.partition("/api/outcomes")[2].partition("?")[0]
        _, _, id_ = path.partition("/")
        id_, _, verb = id_.partition("/")
        if id_ == "corrections":
            route.fulfill(json=self.correct_all(json.loads(request.post_data or "")))
        elif verb:
            body = json.loads(request.post_data or "")
            [outcome] = [one for one in self.outcomes if one["id"] == id_]
            if body.pop("ifVersion", outcome["version"]) == outcome["version"]:
                route.fulfill(json=self.correct(id_, by="session", **body))
            else:
                route.fulfill(status=412, json={"error": "Stale", "version": outcome["version"]})
        elif id_ == "summary":
            route.fulfill(json=self.summary())
        elif id_ == "types":
            route.fulfill(json={"types": outcome_type.described(self.types)})
        elif id_:
            [outcome] = [one for one in self.outcomes if one["id"] == id_]
            route.fulfill(json={"outcome": outcome, "corrections": self.corrections[id_]})
        else:
            headers = {} if self.capabilities is None else {"Capabilities": self.capabilities}
            key = "occurred_at" if "time=occurred" in request.url and self.has_ledger else "created_at"
            outcomes = sorted(self.outcomes, key=lambda one: one[key], reverse=True)
            query = dict(parse_qsl(urlsplit(request.url).query))
            statuses = parse_qs(urlsplit(request.url).query).get("status")
            outcomes = [one for one in outcomes if not statuses or one.get("status") in statuses]
            start = int(query.get("cursor", 0))
            end = start + int(query["limit"])
            cursor = str(end) if end < len(outcomes) else None
            route.fulfill(json={"outcomes": outcomes[start:end], "next_cursor": cursor}, headers=headers)

    def summary(self) -> dict[str, Any]:
        value = sum(one["value_usd"] or 0 for one in self.outcomes)
        count = len(self.outcomes)
        days = [instant(NOW - timedelta(days=day))[:10] for day in range(30)]
        by_day = [{"date": day, "count": 0, "value_usd": 0} for day in reversed(days)]
        by_day[-1] |= {"count": count, "value_usd": value}
        by_type = [{"outcome_type": "deal_closed", "count": count, "value_usd": value}]
        return {"count": count, "value_usd": value, "by_day": by_day, "by_type": by_type, "by_agent": []} | self.sums
