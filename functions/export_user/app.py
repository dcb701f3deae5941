"""Write out all that is held of a user. Invoked with rights in the AWS account, by no route.

`{"user_id": 42}` is answered with `lines`, each a text of JSON (see `access`), and a `cursor`, with which the next are
asked for as `{"user_id": 42, "cursor": ...}` until it is null; before that, whoever called waits `wait` seconds.
"""

import os
from typing import Any

from outcomes.contract.limits import MAX_ID
from outcomes.errors import BadRequest
from outcomes.privacy.access import Access
from outcomes.privacy.data_sources import Bounds, Tables

access = Access(
    Tables(
        keys=os.environ["KEYS_TABLE"],
        sessions=os.environ["SESSIONS_TABLE"],
        outcomes=os.environ["OUTCOMES_TABLE"],
        totals=os.environ["TOTALS_TABLE"],
        idempotency=os.environ["IDEMPOTENCY_TABLE"],
    ),
    Bounds(float(os.environ["MAX_READ_UNITS"]), float(os.environ["MAX_WRITE_UNITS"])),
)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer `Lines` as JSON, or `{"error": ...}` for an event that asks for nothing that there is."""
    match event:
        case {"user_id": int(user_id), **others} if type(user_id) is int and 1 <= user_id <= MAX_ID:
            cursor = others.pop("cursor", None)
            if isinstance(cursor, str | None) and not others:
                try:
                    return access.read(user_id, cursor)._asdict()
                except BadRequest as refused:
                    return {"error": refused.error}
    return {"error": f'must be {{"user_id": a whole number from 1 to {MAX_ID}}}, with a cursor or none'}
