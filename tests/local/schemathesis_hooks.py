"""Hooks that schemathesis loads: see schemathesis.toml."""

from itertools import count
from typing import Any

import schemathesis

KEY = "Idempotency-Key"
MAX_KEY = 255
numbers = count()


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: schemathesis.Case[Any], _kwargs: dict[str, Any]) -> None:
    """Give each request a key of its own: one that comes again is refused for that, whatever else is right or wrong."""
    key = case.headers.get(KEY)
    if isinstance(key, str) and 1 <= len(key) <= MAX_KEY:
        number = str(next(numbers))
        case.headers[KEY] = key[: MAX_KEY - len(number)] + number
