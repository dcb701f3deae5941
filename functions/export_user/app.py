"""Export all stored data of a user. Operators invoke it directly; it has no route.

`{"user_id": 42}` returns `lines` (JSON texts, see `privacy.access`), `cursor` and `wait`. Until `cursor` is null, wait
`wait` seconds and call again with `{"user_id": 42, "cursor": ...}`.
"""

import os
from typing import Any

from outcomes.errors import BadRequest
from outcomes.limits import MAX_ID
from outcomes.privacy.access import Access
from outcomes.privacy.data_sources import Bounds, Tables

access = Access(
    Tables(*[os.environ[f"{name.upper()}_TABLE"] for name in Tables._fields]),
    Bounds(float(os.environ["MAX_READ_UNITS"]), float(os.environ["MAX_WRITE_UNITS"])),
)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return `Lines` as JSON, or `{"error": ...}` for an invalid event."""
    match event:
        case {"user_id": int(user_id), **others} if type(user_id) is int and 1 <= user_id <= MAX_ID:
            cursor = others.pop("cursor", None)
            if isinstance(cursor, str | None) and not others:
                try:
                    return access.read(user_id, cursor)._asdict()
                except BadRequest as refused:
                    return {"error": refused.error}
    return {"error": f'must be {{"user_id": a whole number from 1 to {MAX_ID}}}, with a cursor or none'}
