"""Parse parts of an answer strictly: text, whole numbers, amounts, instants, and what its headers say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

from . import _json
from ._errors import BrokenAnswerError
from ._http import Reply


def flag(reply: Reply, name: str) -> bool:
    return reply.headers.get(name, "").lower() == "true"


def json_object(reply: Reply) -> dict[str, Any]:
    try:
        body = _json.decode(reply.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise BrokenAnswerError("200, but the body is not a JSON object", status=200)
    return body


def shaped[T](read: Callable[..., T], *arguments: object) -> T:
    """Let `read` make something of a part of an answer; BrokenAnswerError when that is not as the contract says."""
    try:
        return read(*arguments)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as exc:
        # A ValueError quotes what it was given, which may be anything: an echo of the key, say.
        why = type(exc).__name__ if isinstance(exc, ValueError) else f"{type(exc).__name__} {exc}"
        raise BrokenAnswerError(f"200, but not as the contract says: {why}", status=200) from None


def ignored_of(reply: Reply) -> tuple[str, ...]:
    """Read the names of the fields that were not read."""
    names = reply.headers.get("Ignored-Fields", "").split(",")
    return tuple(unquote(name.strip()) for name in names if name.strip())


def details_of(item: Mapping[str, Any], reply: Reply) -> list[Mapping[str, Any]]:
    """Read what to mend; of a wrong type, a header names the right ones."""
    details, types = item.get("details"), reply.headers.get("Outcome-Types")
    if types and item.get("error") == "Invalid outcome_type":
        return [{"field": "outcomeType", "message": f"must be one of {types}"}]
    return [one for one in details if isinstance(one, dict)] if isinstance(details, list) else []


def text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} where text was expected")
    return value


def text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def whole(value: object) -> int:
    # Written with an exponent it is a Decimal, and one of thirty million digits would be an int only tomorrow.
    if type(value) is not int:
        raise TypeError(f"{type(value).__name__} where a whole number was expected")
    return value


def whole_or_none(value: object) -> int | None:
    return None if value is None else whole(value)


def amount(value: object) -> Decimal:
    """Read US dollars: values are below 1e15 and no nearer to zero than 1e-130, and no sum of them is far off."""
    if not isinstance(value, int | Decimal) or isinstance(value, bool):
        raise TypeError(f"{type(value).__name__} where a number was expected")
    amount = Decimal(value)
    if not -200 <= amount.adjusted() <= 100:
        raise ValueError("an amount beyond all that outcomes are worth")
    return amount


def instant(value: object) -> datetime:
    moment = datetime.fromisoformat(text(value))
    # The years at both ends have instants that other time zones have no date for.
    if moment.tzinfo is None or not 1970 <= moment.year < 9999:
        raise ValueError(f"no instant of an outcome: {value}")
    return moment.astimezone(UTC)


def instant_or_none(value: object) -> datetime | None:
    return None if value is None else instant(value)
