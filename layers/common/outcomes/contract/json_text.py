"""Parse and write JSON without losing digits: numbers become `Decimal` and are written as they were read."""

import json
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, InvalidOperation
from json.encoder import encode_basestring as string
from typing import Any, NoReturn

__all__ = ["compact", "exact", "read", "string"]

_NO_ROUNDING = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)


def read(text: str | bytes) -> Any:
    """Parse JSON by RFC 8259: UTF-8, no NaN or Infinity. Raises ValueError, or RecursionError if nested too deeply."""
    if isinstance(text, bytes):
        text = text.decode()
    return json.loads(text, parse_float=_number, parse_int=_number, parse_constant=_not_json)


def compact(value: object) -> str:
    """Write JSON without spaces. Does not support Decimal: see `exact`."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def exact(value: Any, levels: int, *, canonical: bool = False) -> str:
    """Write a result of `read` as JSON without spaces. Unlike `json.dumps`, write every number as it was sent.

    canonical: whether to sort names and normalize numbers, so that equal values have equal texts.
    Raises ValueError if objects and lists are nested more than `levels` deep.
    """
    if isinstance(value, str):
        return string(value)
    if isinstance(value, Decimal):
        return str(value.normalize(_NO_ROUNDING) if value else 0) if canonical else str(value)
    if isinstance(value, dict | list) and not levels:
        raise ValueError("too deep")
    if isinstance(value, dict):
        members = [
            f"{string(name)}:{exact(member, levels - 1, canonical=canonical)}"
            for name, member in (sorted(value.items()) if canonical else value.items())
        ]
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join([exact(member, levels - 1, canonical=canonical) for member in value]) + "]"
    return "null" if value is None else "true" if value else "false"


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as exc:
        raise ValueError("an exponent of more than 18 digits") from exc


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def response_bytes(text: str) -> int:
    """Return the size of text in Lambda's response, after the runtime escaped it."""
    return len(string(text).encode()) - len('""')
