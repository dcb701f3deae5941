"""Get, format, parse and convert instants, which are whole milliseconds since 1970."""

import re
import time as clock
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from outcomes.errors import BadRequest

_EPOCH = datetime.fromtimestamp(0, UTC)
DAY = 24 * 60 * 60 * 1000
LAST_MILLISECOND = 253_402_300_799_999
"""The end of the year 9999: later instants would be longer as text, and sort wrongly."""
# The patterns of instants and HTTP dates are compiled on first use, because few requests need them.
# https://www.rfc-editor.org/rfc/rfc3339#section-5.6
_RFC_3339 = r"(\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:)([0-5]\d|60)(\.\d+)?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
# https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7
_HTTP_DATE = r"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_correction = 0


def now() -> int:
    """Return the current time: that of this host's clock, as corrected by `correct_by`."""
    return clock.time_ns() // 1_000_000 + _correction


def correct_by(seconds: float) -> None:
    """Correct this process's clock. seconds: how far the clock is behind AWS's clock; negative if it is ahead."""
    global _correction
    _correction += round(seconds * 1000)


def text(milliseconds: int) -> str:
    """Format an instant as `2026-04-01T12:00:00.000Z`. The fixed width makes texts sort by time."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{clock.strftime('%Y-%m-%dT%H:%M:%S', clock.gmtime(seconds))}.{rest:03d}Z"


def milliseconds(moment: datetime) -> int:
    """Convert a datetime to milliseconds since 1970, rounded up.

    Instants before 1970 or after 9999 become the nearest instant in this range. Raises OverflowError if the year in UTC
    is not 1 to 9999.
    """
    return min(max(0, -(-(moment - _EPOCH) // timedelta(milliseconds=1))), LAST_MILLISECOND)


def read(text: str) -> int:
    """Parse an RFC 3339 date-time with offset to milliseconds since 1970. Raises ValueError for anything else.

    Instants before 1970 become 0. Fractions are cut to milliseconds. A leap second becomes the last millisecond before
    it.
    """
    parts = re.fullmatch(_RFC_3339, text.upper(), re.ASCII)
    if not parts:
        raise ValueError("not RFC 3339")
    date_and_minute, second, fraction, offset = parts.groups()
    if second == "60":
        second, fraction = "59", ".999"
    try:
        instant = milliseconds(datetime.fromisoformat(f"{date_and_minute}{second}{(fraction or '')[:4]}{offset}"))
    except OverflowError as exc:
        raise ValueError("not in the years 1 to 9999 of UTC") from exc
    if parts[2] == "60" and instant % DAY != DAY - 1:
        raise ValueError("a leap second is the last of a day in UTC")
    return instant


def read_parameter(text: str | None, name: str, zone: tzinfo = UTC) -> int | None:
    """Parse a query parameter: an ISO 8601 date (its first instant in `zone`) or date-time with offset.

    Return milliseconds since 1970. Fractions are rounded up, so that `from` is inclusive and `to` exclusive. Instants
    before 1970 become 0. Raises BadRequest with the parameter's name.
    """
    if text is None:
        return None
    try:
        return milliseconds(_moment(text, zone))
    except (ValueError, OverflowError) as exc:
        raise BadRequest(f"Invalid {name}") from exc


def _moment(text: str, zone: tzinfo) -> datetime:
    if not (text.isascii() and text.isprintable()):  # fromisoformat accepts a NUL at the end
        raise ValueError("not ISO 8601")
    try:
        return first_instant(date.fromisoformat(text), zone)
    except ValueError:
        moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no offset")
    return moment


def read_http_date(text: str) -> int:
    """Parse a Date header, such as `Wed, 01 Apr 2026 12:00:00 GMT`, to milliseconds since 1970.

    Raises ValueError for anything else, also for the two obsolete formats, which no AWS service sends.
    """
    parts = re.fullmatch(_HTTP_DATE, text, re.ASCII)
    if not parts:
        raise ValueError("not an HTTP date")
    month = _MONTHS.index(parts[2]) + 1
    day, year, hour, minute, second = map(int, parts.group(1, 3, 4, 5, 6))
    return milliseconds(datetime(year, month, day, hour, minute, second, tzinfo=UTC))


def local(milliseconds: int, zone: tzinfo) -> datetime:
    """Convert an instant to a datetime in `zone`. Raises OverflowError if the local year is after 9999."""
    return (_EPOCH + timedelta(milliseconds=milliseconds)).astimezone(zone)


def first_instant(day: date, zone: tzinfo) -> datetime:
    """Return the first instant of a day in `zone`: midnight, or the first instant after it if clocks skip midnight."""
    return datetime.combine(day, time.min, zone)
