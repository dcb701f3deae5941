"""Format dates and times for the API."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime

from ._errors import InvalidRequestError

Moment = datetime | date | str
"""An aware datetime, a date (its midnight in UTC), or ISO 8601 text, which is sent unchanged."""


def text(moment: datetime) -> str:
    """Format an aware datetime in UTC, to the millisecond."""
    with suppress(OverflowError):  # in UTC, it is not in the years 1 to 9999: the API refuses it
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def of_query(moment: Moment | None) -> str | None:
    """Format a moment for a query. Raises InvalidRequestError for an ambiguous one, without time zone."""
    if not isinstance(moment, datetime):
        return str(moment) if moment is not None else None
    if moment.utcoffset() is None:
        raise InvalidRequestError("a datetime without time zone is ambiguous: pass an aware one, or a date")
    return text(moment)


def of_body(moment: Moment | None) -> str | None:
    """Format a moment for a body. Keep a datetime without time zone: the API then refuses only this item of a batch."""
    if isinstance(moment, datetime):
        return moment.isoformat() if moment.utcoffset() is None else text(moment)
    return f"{moment}T00:00:00Z" if isinstance(moment, date) else moment
