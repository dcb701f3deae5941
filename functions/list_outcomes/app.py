"""GET /api/outcomes: the newest outcomes of the session's user."""

import os

from outcomes.api import Caller, Event, Response, endpoint, ok, query
from outcomes.errors import BadRequest, Unauthorized
from outcomes.store import OutcomeStore

DEFAULT_LIMIT = 20
MAX_LIMIT = 50

store = OutcomeStore(os.environ["OUTCOMES_TABLE"])


@endpoint(failure="Failed to list outcomes", origins=os.environ["DASHBOARD_ORIGINS"])
def handler(event: Event, caller: Caller) -> Response:
    if caller.user_id is None:  # a key belongs to no user
        raise Unauthorized
    outcomes = store.newest(caller.user_id, _limit(query(event, "limit")))
    return ok(f'{{"outcomes":[{",".join(outcomes)}]}}')


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    # Digits only, before int() sees them: it would take " 20 ", "2_0" and other scripts' digits.
    if not (text.isascii() and text.isdigit()) or not text.strip("0"):
        raise BadRequest("Invalid limit")
    return MAX_LIMIT if len(text.lstrip("0")) > 2 else min(int(text), MAX_LIMIT)
