"""Erase a person: all that is held of a user, in every table. Invoked with rights in the AWS account, by no route.

`{"user_id": 42}` erases a portion, `{"again": true}` deletes a portion of all that was erased before and was restored.
The answer is that of `Progress`: as long as it is not done, whoever called waits `wait` seconds and calls again, with
the `cursor` of the answer if it has one. A call that failed is made again: nothing is done twice or left out.
"""

import os
from typing import Any

from outcomes.contract.limits import MAX_ID
from outcomes.errors import BadRequest
from outcomes.privacy.data_sources import Bounds, Tables
from outcomes.privacy.erasure import Erasures
from outcomes.privacy.restored import erase_again

erasures = Erasures(
    os.environ["ERASURES_TABLE"],
    Tables(
        keys=os.environ["KEYS_TABLE"],
        sessions=os.environ["SESSIONS_TABLE"],
        outcomes=os.environ["OUTCOMES_TABLE"],
        totals=os.environ["TOTALS_TABLE"],
        idempotency=os.environ["IDEMPOTENCY_TABLE"],
    ),
    secret_arn=os.environ["ERASURE_SECRET_ARN"],
    settle_seconds=int(os.environ["SETTLE_SECONDS"]),
    bounds=Bounds(float(os.environ["MAX_READ_UNITS"]), float(os.environ["MAX_WRITE_UNITS"])),
)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer `Progress` as JSON, or `{"error": ...}` for an event that asks for nothing that there is."""
    match event:
        case {"user_id": int(user_id), **others} if type(user_id) is int and 1 <= user_id <= MAX_ID and not others:
            return erasures.erase(user_id)._asdict()
        case {"again": True, **others} if isinstance(others.pop("cursor", None), str | None) and not others:
            try:
                return erase_again(erasures, event.get("cursor"))._asdict()
            except BadRequest as refused:
                return {"error": refused.error}
    return {"error": f'must be {{"user_id": a whole number from 1 to {MAX_ID}}} or {{"again": true}}'}
