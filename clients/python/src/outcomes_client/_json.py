"""Read and write JSON with exact numbers: no value passes through a float."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import simplejson


def encode(value: object) -> bytes:
    """Write UTF-8 JSON text, compact. A lone surrogate becomes an escape, because UTF-8 cannot encode it.

    Raises:
        ValueError: the value contains NaN, infinity or a circular reference.
        TypeError: JSON cannot represent the value.
        RecursionError: the value is nested too deeply.
    """
    return _encoded(value)


def shown(value: object) -> str:
    """Write JSON like `encode`, but escape control characters, so that no terminal interprets them."""
    text = encode(value).decode()
    return text if text.isprintable() else "".join(c if c.isprintable() else simplejson.dumps(c)[1:-1] for c in text)


def canonical(value: object) -> bytes:
    """Write JSON like `encode`, but with sorted keys, so that equal values have equal text."""
    return _encoded(value, sort_keys=True)


def _encoded(value: object, *, sort_keys: bool = False) -> bytes:
    # Do not escape to ASCII: the API's size limits are for the text as sent, and escapes are up to three times as long.
    text = simplejson.dumps(value, use_decimal=True, ensure_ascii=False, separators=(",", ":"), sort_keys=sort_keys)
    return text.encode(errors="backslashreplace")  # Python writes a surrogate as JSON does


def decode(text: bytes) -> Any:
    """Parse JSON text. Numbers with a fraction, an exponent or thousands of digits become Decimal.

    Raises:
        ValueError: the text is not UTF-8 or not JSON, contains `NaN` or `Infinity`, is nested too deeply, or contains a
            number with a huge exponent.
    """
    try:
        return simplejson.loads(text.decode(), use_decimal=True, parse_int=_whole)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    except InvalidOperation as exc:
        raise ValueError("a number with too large an exponent") from exc


def _whole(digits: str) -> int | Decimal:
    try:
        return int(digits)
    except ValueError:  # Python converts at most 4,300 digits to int, by default
        return Decimal(digits)


def plain(value: Any) -> Any:
    """Convert the Decimals of metadata to floats, except if a float would change the number."""
    if isinstance(value, Decimal):
        as_float = float(value)
        return as_float if Decimal(repr(as_float)) == value else value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value
