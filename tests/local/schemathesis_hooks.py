"""Hooks that schemathesis loads: see schemathesis.toml."""

import re
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import schemathesis

KEY = "Idempotency-Key"
MAX_KEY = 255
numbers = count()


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: schemathesis.Case[Any], _kwargs: dict[str, Any]) -> None:
    """Change what no schema can say.

    Each request gets a key of its own: one that comes again is refused for that, whatever else is right or wrong. What
    happens, happens now, and what expires does so tomorrow: which instants are taken depends on when they are sent.
    """
    key = case.headers.get(KEY)
    if isinstance(key, str) and 1 <= len(key) <= MAX_KEY:
        number = str(next(numbers))
        case.headers[KEY] = key[: MAX_KEY - len(number)] + number
    said = [case.body, case.body.get("changes")] if isinstance(case.body, dict) else []
    for fields in said:
        for field, later in (("occurredAt", timedelta()), ("expiresAt", timedelta(days=1))):
            if isinstance(fields, dict) and is_instant(fields.get(field)):
                fields[field] = (datetime.now(UTC) + later).isoformat()


def is_instant(value: object) -> bool:
    """Tell whether `value` would be taken if the time were right."""
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}(\.\d+)?(Z|[+-]\d\d:\d\d)", value):
        return False
    try:
        return bool(datetime.fromisoformat(value))
    except ValueError:
        return False
