"""Read and write JSON in which every number is exactly what was written: no value passes through a float."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

import simplejson


def encode(value: object) -> bytes:
    """Write UTF-8 JSON text, compact.

    Raises:
        ValueError: NaN, infinity, a lone surrogate (as UnicodeEncodeError) or a circular reference.
        TypeError: a value that JSON has no form for.
        RecursionError: nested past reason.
    """
    # Not escaped to ASCII: the API's size limits count the text as sent, and an escape is up to three times as long.
    return simplejson.dumps(value, use_decimal=True, ensure_ascii=False, separators=(",", ":")).encode()


def shown(value: object) -> str:
    """Write as `encode`, with escapes for all that is no visible text, so that no terminal obeys it."""
    text = encode(value).decode()
    return text if text.isprintable() else "".join(c if c.isprintable() else simplejson.dumps(c)[1:-1] for c in text)


def canonical(value: object) -> bytes:
    """Write as `encode`, with sorted keys: the same text for the same value, however it was laid out."""
    return simplejson.dumps(value, use_decimal=True, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def decode(text: bytes) -> Any:
    """Read JSON text, numbers with a fraction or exponent as Decimal.

    Raises:
        ValueError: not UTF-8, not JSON, `NaN` or `Infinity`, a number of thousands of digits or with an exponent of
            as many, nested past reason.
    """
    try:
        return simplejson.loads(text.decode(), use_decimal=True)
    except RecursionError as exc:
        raise ValueError("nested too deeply") from exc
    except InvalidOperation as exc:
        raise ValueError("a number with an exponent past reason") from exc


def plain(value: Any) -> Any:
    """Make Decimals the floats that everyone expects in metadata, except where a float would change the number."""
    if isinstance(value, Decimal):
        as_float = float(value)
        return as_float if Decimal(repr(as_float)) == value else value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value
