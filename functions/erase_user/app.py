"""Erase all stored data of a user, from every table. Operators invoke it directly; it has no route.

`{"user_id": 42}` erases one user. `{"again": true}` repeats all earlier erasures, for rows that a restored backup
brought back. Each call does one portion and returns `Progress`. Until `done` is true, wait `wait` seconds and call
again, with the answer's `cursor` if there is one. Failed calls are safe to repeat.
"""

import os
from typing import Any

from outcomes.errors import BadRequest
from outcomes.limits import MAX_ID
from outcomes.privacy.data_sources import Bounds, Tables
from outcomes.privacy.erasure import Erasures, erase_again

erasures = Erasures(
    os.environ["ERASURES_TABLE"],
    Tables(*[os.environ[f"{name.upper()}_TABLE"] for name in Tables._fields]),
    secret_arn=os.environ["ERASURE_SECRET_ARN"],
    settle_seconds=int(os.environ["SETTLE_SECONDS"]),
    bounds=Bounds(float(os.environ["MAX_READ_UNITS"]), float(os.environ["MAX_WRITE_UNITS"])),
)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return `Progress` as JSON, or `{"error": ...}` for an invalid event."""
    match event:
        case {"user_id": int(user_id), **others} if type(user_id) is int and 1 <= user_id <= MAX_ID and not others:
            return erasures.erase(user_id)._asdict()
        case {"again": True, **others} if isinstance(others.pop("cursor", None), str | None) and not others:
            try:
                return erase_again(erasures, event.get("cursor"))._asdict()
            except BadRequest as refused:
                return {"error": refused.error}
    return {"error": f'must be {{"user_id": a whole number from 1 to {MAX_ID}}} or {{"again": true}}'}
