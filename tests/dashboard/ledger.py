"""Record and correct a viewer's outcomes in the running stack."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
import simplejson
from outcomes.contract.models import NEW_OUTCOME, NewOutcome
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

    def record(self, title: str, *, created_at: datetime | None = None, **fields: Any) -> str:
        """Write an outcome into the table, by default as the viewer's and recorded now, and return its id.

        fields: other fields of `NewOutcome`, as a request has them.
        """
        given = {"outcome_type": "task_complete", "title": title, "user_id": self.viewer} | fields
        body = {NEW_OUTCOME.names[name]: value for name, value in given.items()}
        return self._put(body, None if created_at is None else round(created_at.timestamp() * 1000))

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
        body = simplejson.dumps(fields, use_decimal=True, default=datetime.isoformat)
        read = simplejson.loads(body, parse_int=Decimal, parse_float=Decimal)
        return self._store.add(NewOutcome.parse(read, session_user=None), "key", milliseconds=milliseconds)
