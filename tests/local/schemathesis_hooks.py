"""Hooks that schemathesis loads: see schemathesis.toml."""

import re
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import schemathesis
from outcomes.contract import rules

KEY = "Idempotency-Key"
MAX_KEY = 255
numbers = count()
VISIBLE = rules.title(1).json_schema["pattern"]


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: schemathesis.Case[Any], _kwargs: dict[str, Any]) -> None:
    """Change what no schema can say.

    Each request gets a key of its own: one that comes again is refused for that, whatever else is right or wrong. What
    happens, happens now, and what expires does so tomorrow: which instants are taken depends on when they are sent. A
    title of characters that no pattern knows to be invisible gets one that is not.
    """
    key = case.headers.get(KEY)
    if isinstance(key, str) and 1 <= len(key) <= MAX_KEY:
        number = str(next(numbers))
        case.headers[KEY] = key[: MAX_KEY - len(number)] + number
    said = [case.body, case.body.get("changes")] if isinstance(case.body, dict) else []
    for fields in said:
        title = fields.get("title") if isinstance(fields, dict) else None
        if isinstance(fields, dict) and isinstance(title, str):
            fields["title"] = "".join("x" if is_unknown(char) else char for char in title)
        for field, later in (("occurredAt", timedelta()), ("expiresAt", timedelta(days=1))):
            if isinstance(fields, dict) and is_instant(fields.get(field)):
                fields[field] = (datetime.now(UTC) + later).isoformat()


def is_unknown(char: str) -> bool:
    """Tell whether a character is invisible, but taken by the pattern of titles, which knows not all of Unicode."""
    return not char.isprintable() and bool(re.match(VISIBLE, char))


def is_instant(value: object) -> bool:
    """Tell whether `value` would be taken if the time were right."""
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}(\.\d+)?(Z|[+-]\d\d:\d\d)", value):
        return False
    try:
        return bool(datetime.fromisoformat(value))
    except ValueError:
        return False
