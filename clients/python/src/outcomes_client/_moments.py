"""Write moments as the API reads them."""

from __future__ import annotations

from datetime import UTC, date, datetime

Moment = datetime | date | str
"""Is an aware datetime, a date (midnight UTC), or ISO 8601 text that is sent as it is."""


def text(moment: datetime) -> str:
    """Write an aware datetime to the millisecond, in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def of_query(moment: Moment | None) -> str | None:
    """Write a moment for a query; ValueError for a datetime without time zone, as it could be any of 38 instants."""
    if not isinstance(moment, datetime):
        return str(moment) if moment is not None else None
    if moment.utcoffset() is None:
        raise ValueError("a datetime without time zone is ambiguous: pass an aware one, or a date")
    return text(moment)


def of_body(moment: Moment | None) -> str | None:
    """Write a moment as a body does: a date is its midnight in UTC. One without time zone is left to the API to refuse,
    so that in a batch it sinks no other item."""
    if isinstance(moment, datetime):
        return moment.isoformat() if moment.utcoffset() is None else text(moment)
    return f"{moment}T00:00:00Z" if isinstance(moment, date) else moment
