"""Fake the API of agent keys: answer the browser's requests before they reach the network."""

import json
from dataclasses import dataclass, field
from typing import Any

from outcomes.contract.agent_key_bodies import NEW_AGENT_KEY
from outcomes.contract.outcome_type import described
from outcomes.keys.key_text import new_id, new_key
from playwright.sync_api import Page, Route

from tests.dashboard.recorded import NOW, Answer, Fake, instant, reply
from tests.outcome_types import TYPES

NO_TYPES = reply(200, json={"types": [None]})
LISTED = reply(200, json={"types": described([*TYPES])})


@dataclass
class AgentKeys(Fake):
    """A fake API with the keys of one viewer, newest first.

    types: the answer to a request for the outcome types. The deployment has an MCP server.
    """

    kept: list[dict[str, Any]] = field(default_factory=list)
    types: Answer = LISTED

    def serve(self, page: Page) -> None:
        page.route("**/api/keys**", self.receive)
        page.route("**/api/outcomes/types", lambda route: self.types(route))
        page.route("**/mcp", reply(204))

    def has(self, name: str, **fields: Any) -> dict[str, Any]:
        """Add a key to the list, and return it."""
        key = {
            "id": new_id(),
            "user_id": 42,
            "name": name,
            "agent_id": None,
            "outcome_types": None,
            "max_value_usd": None,
            "scopes": ["record"],
            "created_at": instant(NOW),
            "expires_at": None,
            "last_used_at": None,
            "made_by": "session",
            "rotated_by": None,
            "rotated_at": None,
            "paused_at": None,
            "max_per_day": None,
            "recorded_today": None,
        } | fields
        self.kept.insert(0, key)
        return key

    def sent(self, method: str) -> list[Any]:
        """Return the bodies of the received requests with this method. Numbers with fractions are returned as text."""
        bodies = [request.post_data or "null" for request in self.asked if request.method == method]
        return [json.loads(body, parse_float=str) for body in bodies]

    def paths(self, method: str) -> list[str]:
        return [request.url.partition("/api/keys")[2] for request in self.asked if request.method == method]

    def answer(self, route: Route) -> None:
        request = route.request
        _, _, path = request.url.partition("/api/keys")
        id_, _, verb = path.strip("/").partition("/")
        found = next((key for key in self.kept if key["id"] == id_), None)
        match request.method:
            case "GET":
                route.fulfill(json={"keys": self.kept})
            case "DELETE":
                self.kept = [key for key in self.kept if key["id"] != id_]
                route.fulfill(json={"ok": True})
            case _ if verb == "rotate" and found:
                found |= {"rotated_by": "session", "rotated_at": instant(NOW)}
                route.fulfill(json=found | {"key": new_key(id_)})
            case _ if verb in ("pause", "resume") and found:
                found["paused_at"] = instant(NOW) if verb == "pause" else None
                route.fulfill(json=found)
            case _ if verb:
                route.fulfill(status=404, json={"error": "Not found"})
            case _:
                body: dict[str, Any] = json.loads(request.post_data or "")
                names = NEW_AGENT_KEY.names.items()
                made = self.has(**{name: body[in_request] for name, in_request in names if in_request in body})
                route.fulfill(json={"key": new_key(made["id"]), **made})
