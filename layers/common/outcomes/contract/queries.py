"""Read query parameters: text to values, or BadRequest naming the parameter.

Text is matched before it is converted: int() and others take more than the contract does, such as ` 20 `, `2_0`, `٣`.
"""

from datetime import UTC, date, datetime, tzinfo

from outcomes.contract import instants
from outcomes.contract.limits import DEFAULT_PAGE, MAX_ID, MAX_PAGE
from outcomes.contract.outcome_type import OutcomeType
from outcomes.contract.status import STATUSES
from outcomes.errors import BadRequest

EXPORT_FORMATS = ("csv", "ndjson")


def limit(text: str | None) -> int:
    """Read how many outcomes: 20 unless said, never more than 50."""
    if text is None:
        return DEFAULT_PAGE
    return min(_whole(text, "limit"), MAX_PAGE)


def outcome_types(texts: list[str]) -> tuple[OutcomeType, ...]:
    """Read which types; none means all."""
    try:
        return tuple(OutcomeType(text) for text in dict.fromkeys(texts))
    except ValueError as exc:
        raise BadRequest("Invalid outcomeType") from exc


def agent_id(text: str | None) -> int | None:
    """Read which agent; None means all."""
    return None if text is None else _id(text, "agentId")


def user_id(text: str | None) -> int:
    """Read whose keys: the platform has to say it."""
    return _id(text or "", "userId")


def statuses(texts: list[str]) -> tuple[str, ...]:
    """Read where outcomes stand; none means wherever a list shows them from."""
    if not set(texts) <= set(STATUSES):
        raise BadRequest("Invalid status")
    return tuple(dict.fromkeys(texts))


def include(texts: list[str]) -> bool:
    """Read whether outcomes come with what the ledger knows of them: `include=ledger`, or no `include` at all."""
    if set(texts) - {"ledger"}:
        raise BadRequest("Invalid include")
    return bool(texts)


def export_format(text: str | None) -> str:
    """Read how an export is written: CSV unless said."""
    if text not in (None, *EXPORT_FORMATS):
        raise BadRequest("Invalid format")
    return text or EXPORT_FORMATS[0]


def bucket(text: str | None) -> str:
    """Read what a summary's time is divided into: days unless said."""
    if text not in {None, "day", "week", "month"}:
        raise BadRequest("Invalid by")
    return text or "day"


def compare(text: str | None) -> bool:
    """Read whether to compare with the time before: `compare=previous`, or no `compare` at all."""
    if text not in {None, "previous"}:
        raise BadRequest("Invalid compare")
    return text is not None


def instant(text: str | None, name: str, zone: tzinfo = UTC) -> int | None:
    """Read an ISO 8601 date (its first instant in `zone`) or date-time with offset, as milliseconds since 1970.

    Between two milliseconds it is the later one: no outcome lies between them, and so `from` stays inclusive and `to`
    exclusive. Before 1970 there are no outcomes either: it is 0.
    """
    if text is None:
        return None
    try:
        return instants.milliseconds(_moment(text, zone))
    except (ValueError, OverflowError) as exc:
        raise BadRequest(f"Invalid {name}") from exc


def _moment(text: str, zone: tzinfo) -> datetime:
    if not text.isascii():
        raise ValueError("not ISO 8601")
    try:
        return instants.first_instant(date.fromisoformat(text), zone)
    except ValueError:
        moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("an instant without an offset could be any of many")
    return moment


def _id(text: str, name: str) -> int:
    number = _whole(text, name)
    if number > MAX_ID:
        raise BadRequest(f"Invalid {name}")
    return number


def _whole(text: str, name: str) -> int:
    digits = text.lstrip("0")
    if not (text.isascii() and text.isdigit()) or not digits:
        raise BadRequest(f"Invalid {name}")
    # int() refuses thousands of digits; past 17, the number is as good as any other that is too large.
    return int(digits[:17])
