"""What a reader may ask for: query parameters to values, or BadRequest naming the parameter.

Text is matched before it is converted: int() and others take more than the contract does, such as ` 20 `, `2_0`, `٣`.
"""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from importlib.resources import files
from zoneinfo import ZoneInfo

from outcomes.contract.outcome_type import OutcomeType
from outcomes.errors import BadRequest

DEFAULT_LIMIT = 20
MAX_LIMIT = 50

_MAX_ID = 2**53 - 1
_LAST_MILLISECOND = 253_402_300_799_999
"""The end of the year 9999: from then on, times as text are wider and lose their order."""


def limit(text: str | None) -> int:
    """How many outcomes: 20 unless said, never more than 50."""
    if text is None:
        return DEFAULT_LIMIT
    return min(_whole(text, "limit"), MAX_LIMIT)


def outcome_types(texts: list[str]) -> tuple[OutcomeType, ...]:
    """Which types; none means all."""
    try:
        return tuple(OutcomeType(text) for text in dict.fromkeys(texts))
    except ValueError as exc:
        raise BadRequest("Invalid outcomeType") from exc


def agent_id(text: str | None) -> int | None:
    """Which agent; None means all."""
    if text is None:
        return None
    number = _whole(text, "agentId")
    if number > _MAX_ID:
        raise BadRequest("Invalid agentId")
    return number


def instant(text: str | None, name: str, zone: tzinfo = UTC) -> int | None:
    """An ISO 8601 date (its first instant in `zone`) or date-time with offset, as milliseconds since 1970.

    Between two milliseconds it is the later one: no outcome lies between them, and so `from` stays inclusive and `to`
    exclusive. Before 1970 there are no outcomes either: it is 0.
    """
    if text is None:
        return None
    try:
        return milliseconds(_moment(text, zone))
    except (ValueError, OverflowError) as exc:
        raise BadRequest(f"Invalid {name}") from exc


def milliseconds(moment: datetime) -> int:
    """Since 1970, as `instant` has them. Raises OverflowError when the year is not 1 to 9999 in UTC."""
    since_1970 = moment - datetime.fromtimestamp(0, UTC)
    return min(max(0, -(-since_1970 // timedelta(milliseconds=1))), _LAST_MILLISECOND)


def first_instant(day: date, zone: tzinfo) -> datetime:
    """When a day begins in `zone`: at midnight, or where clocks skip that, at once after."""
    return datetime.combine(day, time.min, zone)


def timezone(text: str | None) -> ZoneInfo:
    """An IANA time zone, UTC unless said."""
    # ZoneInfo alone would take whatever file the machine has, such as `localtime`; the names are tzdata's.
    if text is not None and text not in files("tzdata").joinpath("zones").read_text().split():
        raise BadRequest("Invalid timezone")
    return ZoneInfo(text or "UTC")


def _moment(text: str, zone: tzinfo) -> datetime:
    if not text.isascii():
        raise ValueError("not ISO 8601")
    try:
        return first_instant(date.fromisoformat(text), zone)
    except ValueError:
        moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("an instant without an offset could be any of many")
    return moment


def _whole(text: str, name: str) -> int:
    digits = text.lstrip("0")
    if not (text.isascii() and text.isdigit()) or not digits:
        raise BadRequest(f"Invalid {name}")
    # int() refuses thousands of digits; past 17, the number is as good as any other that is too large.
    return int(digits[:17])
