"""Parse parts of an answer strictly: text, whole numbers, amounts, instants and headers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
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


def done(reply: Reply) -> dict[str, Any]:
    """Return the body of the answer to a write. Raises BrokenAnswerError unless its member `ok` is true."""
    body = json_object(reply)
    if body.get("ok") is not True:
        raise BrokenAnswerError("200, but not ok", status=200)
    return body


def shaped[T](read: Callable[..., T], *arguments: object) -> T:
    """Apply `read` to a part of an answer. Raises BrokenAnswerError if the part violates the contract."""
    try:
        return read(*arguments)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, RecursionError) as exc:
        # A ValueError's text quotes the input, which may echo the key.
        why = type(exc).__name__ if isinstance(exc, ValueError) else f"{type(exc).__name__} {exc}"
        raise BrokenAnswerError(f"200, but not as the contract says: {why}", status=200) from None


def ignored_of(reply: Reply) -> tuple[str, ...]:
    """Return the names of the fields that the API ignored."""
    names = reply.headers.get("Ignored-Fields", "").split(",")
    return tuple(unquote(name.strip()) for name in names if name.strip())


def details_of(item: Mapping[str, Any], reply: Reply) -> list[Mapping[str, Any]]:
    """Return the faulty fields. If the outcome type is wrong, add the valid types, which a header lists."""
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


def boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{type(value).__name__} where a boolean was expected")
    return value


def whole(value: object) -> int:
    # A number with an exponent is a Decimal; converting 1e30000000 to int would take hours.
    if type(value) is not int:
        raise TypeError(f"{type(value).__name__} where a whole number was expected")
    if value < 0:
        raise ValueError("a number below 0")
    return value


def amount(value: object) -> Decimal:
    """Parse US dollars. Refuse amounts far beyond those of the API.

    The API's values are below 1e15 and multiples of 1e-130, and their sums are not much larger.
    """
    if not isinstance(value, int | Decimal) or isinstance(value, bool):
        raise TypeError(f"{type(value).__name__} where a number was expected")
    amount = Decimal(value)
    if not -200 <= amount.adjusted() <= 100:
        raise ValueError("an amount out of range")
    return amount


def instant(value: object) -> datetime:
    moment = datetime.fromisoformat(text(value))
    if moment.tzinfo is None or moment.year < 1970:
        raise ValueError(f"not a valid instant: {value}")
    return moment.astimezone(UTC)


def day(value: object) -> date:
    return date.fromisoformat(text(value))


def metadata(value: dict[str, Any]) -> dict[str, Any]:
    return {name: _json.plain(item) for name, item in value.items()}


def changes(value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Parse the changes of a correction, before and after. Amounts stay Decimal."""
    return {
        name: {when: or_none(amount)(each) for when, each in change.items()}
        if name == "value_usd"
        else metadata(change)
        for name, change in value.items()
    }


def or_none[V, T](read: Callable[[V], T]) -> Callable[[V | None], T | None]:
    """Return a function that reads a value that may be None."""
    return lambda value: None if value is None else read(value)


def list_of[V, T](read: Callable[[V], T]) -> Callable[[object], list[T]]:
    """Return a function that reads each item of a list."""

    def read_all(value: object) -> list[T]:
        if not isinstance(value, list):
            raise TypeError(f"{type(value).__name__} where a list was expected")
        return [read(item) for item in value]

    return read_all


def tuple_of[V, T](read: Callable[[V], T]) -> Callable[[object], tuple[T, ...]]:
    """Return a function that reads each item of a list, into a tuple."""
    return lambda value: tuple(list_of(read)(value))
