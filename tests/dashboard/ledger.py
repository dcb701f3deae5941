"""Record and correct a viewer's outcomes in the running stack."""

from datetime import datetime
from decimal import Decimal

import httpx
import simplejson
from outcomes.contract.models import NewOutcome
from outcomes.ledger.store import OutcomeStore
from playwright.sync_api import BrowserContext

from local.seed import outcomes
from tests.local.stacks import Stack


class Ledger:
    """Records outcomes for two users, `viewer` and `stranger`.

    Each test has its own two users, so tests can share the stack. url: the URL of the API, which also serves the
    scripts of the custom elements. key: the platform's key.
    """

    def __init__(self, stack: Stack, store: OutcomeStore, viewer: int) -> None:
        self.viewer, self.stranger = viewer, viewer + 1
        self.url = stack.url
        self.key = stack.key
        self._stack = stack
        self._store = store

    def sign_in(self, context: BrowserContext, user_id: int | None = None) -> None:
        """Set the session cookie of the viewer, or of another user."""
        name, _, value = self._stack.cookie(user_id or self.viewer).partition("=")
        context.add_cookies([{"name": name, "value": value, "url": self.url, "sameSite": "Lax", "httpOnly": True}])

    def seed(self, now: datetime) -> None:
        """Record the 60 latest outcomes of those that `make seed` would record at `now`."""
        for milliseconds, fields in list(outcomes(round(now.timestamp() * 1000)))[-60:]:
            self._put(fields | {"userId": self.viewer}, milliseconds)

    def record(
        self,
        title: str,
        *,
        user_id: int | None = None,
        created_at: datetime | None = None,
        occurred_at: datetime | None = None,
        outcome_type: str = "task_complete",
        agent_id: int | None = None,
        value_usd: Decimal | int | None = None,
        description: str | None = None,
        metadata: dict[str, object] | None = None,
    ) -> str:
        """Write an outcome into the table, by default as recorded now, and return its id."""
        fields = {
            "outcomeType": outcome_type,
            "title": title,
            "userId": user_id or self.viewer,
            "agentId": agent_id,
            "valueUsd": value_usd,
            "description": description,
            "metadata": metadata,
            "occurredAt": occurred_at and occurred_at.isoformat(),
        }
        return self._put(fields, None if created_at is None else round(created_at.timestamp() * 1000))

    def correct(self, id_: str, verb: str, **fields: object) -> None:
        """Confirm or dispute an outcome as its owner, or amend or void it with the platform's key."""
        correction = {"type": verb, "reason": "As arranged"} | fields
        headers = {"Cookie": self._stack.cookie(self.viewer)}
        if verb not in {"confirm", "dispute"}:
            headers = {"Authorization": f"Bearer {self.key}"}
            correction["userId"] = self.viewer
        url = f"{self.url}/api/outcomes/{id_}/corrections"
        httpx.post(url, json=correction, headers=headers).raise_for_status()

    def _put(self, fields: dict[str, object], milliseconds: int | None) -> str:
        body = simplejson.dumps(fields, use_decimal=True)
        read = simplejson.loads(body, parse_int=Decimal, parse_float=Decimal)
        return self._store.add(NewOutcome.parse(read, session_user=None), "key", milliseconds=milliseconds)
