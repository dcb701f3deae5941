"""Instants: whole milliseconds since 1970, as text and by the calendar of a time zone."""

import re
import time as clock
from datetime import UTC, date, datetime, time, timedelta, tzinfo

_EPOCH = datetime.fromtimestamp(0, UTC)
_DAY = 24 * 60 * 60 * 1000
LAST_MILLISECOND = 253_402_300_799_999
"""The end of the year 9999: from then on, times as text are wider and lose their order."""
# https://www.rfc-editor.org/rfc/rfc3339#section-5.6
_RFC_3339 = re.compile(
    r"(\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:)([0-5]\d|60)(\.\d+)?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)


_correction = 0


def now() -> int:
    """Read this host's clock, as corrected."""
    return clock.time_ns() // 1_000_000 + _correction


def correct_by(seconds: float) -> None:
    """Correct this host's clock: another one, which is to be believed, is ahead of it by so much more."""
    global _correction
    _correction += round(seconds * 1000)


def text(milliseconds: int) -> str:
    """Format as `2026-04-01T12:00:00.000Z`: of one width, so that text and time have one order."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{clock.strftime('%Y-%m-%dT%H:%M:%S', clock.gmtime(seconds))}.{rest:03d}Z"


def milliseconds(moment: datetime) -> int:
    """Convert, rounding up, from 1970 to 9999. Raises OverflowError when the year is not 1 to 9999 in UTC."""
    return min(max(0, -(-(moment - _EPOCH) // timedelta(milliseconds=1))), LAST_MILLISECOND)


def read(text: str) -> int:
    """Read an RFC 3339 date-time, such as `2026-04-01T12:00:00+02:00`, as milliseconds since 1970; those before are 0.

    What is finer than a millisecond is cut; a leap second is the last millisecond before it.

    Raises ValueError for anything else, such as an instant without an offset.
    """
    parts = _RFC_3339.fullmatch(text.upper())
    if not parts:
        raise ValueError("not RFC 3339")
    date_and_minute, second, fraction, offset = parts.groups()
    if second == "60":
        second, fraction = "59", ".999"
    try:
        instant = milliseconds(datetime.fromisoformat(f"{date_and_minute}{second}{(fraction or '')[:4]}{offset}"))
    except OverflowError as exc:
        raise ValueError("not in the years that UTC has") from exc
    if parts[2] == "60" and instant % _DAY != _DAY - 1:
        raise ValueError("a leap second is the last of a day in UTC")
    return instant


def local(milliseconds: int, zone: tzinfo) -> datetime:
    """Convert to the time in `zone`. Raises OverflowError past the year 9999 there."""
    return (_EPOCH + timedelta(milliseconds=milliseconds)).astimezone(zone)


def first_instant(day: date, zone: tzinfo) -> datetime:
    """Find when a day begins in `zone`: at midnight, or where clocks skip that, at once after."""
    return datetime.combine(day, time.min, zone)
