"""Parse query parameters. All functions raise BadRequest with the parameter's name.

Texts are checked before conversion because int() accepts more than the contract, such as ` 20 `, `2_0` and `٣`.
"""

import re
from typing import Literal

from outcomes.contract.outcome_type import is_name
from outcomes.contract.status import STATUSES
from outcomes.errors import BadRequest
from outcomes.limits import DEFAULT_PAGE, MAX_ID, MAX_PAGE, MAX_TYPES_FILTERED

EXPORT_FORMATS = ("csv", "ndjson")

NOBODY: Literal["none"] = "none"
"""The text that stands for no agent or no user."""
type Agent = int | Literal["none"]

_OF_AGENT_KEY = re.compile(r"key:[0-9A-Za-z]{16}")


def limit(text: str | None) -> int:
    """Parse `limit`, which is 20 by default and at most 50."""
    if text is None:
        return DEFAULT_PAGE
    return min(_whole(text, "limit"), MAX_PAGE)


def outcome_types(texts: list[str]) -> tuple[str, ...]:
    """Parse `outcomeType`. It may be a type that can no longer be recorded."""
    names = tuple(dict.fromkeys(texts))
    if len(names) > MAX_TYPES_FILTERED or not all(map(is_name, names)):
        raise BadRequest("Invalid outcomeType")
    return names


def agent_id(text: str | None) -> Agent | None:
    """Parse `agentId`. NOBODY means outcomes without an agent."""
    return _id(text, "agentId") if text not in (None, NOBODY) else text


def recorded_by(text: str | None) -> str | None:
    """Parse `recordedBy`, which selects what an agent key recorded: `key:<id>`."""
    if text is not None and not _OF_AGENT_KEY.fullmatch(text):
        raise BadRequest("Invalid recordedBy")
    return text


def user_id(text: str | None) -> int:
    """Parse `userId`, which is required."""
    return _id(text or "", "userId")


def reader(text: str) -> int | None:
    """Parse the `userId` whose outcomes are read.

    Return None for the text `none`, which means outcomes without a user.
    """
    return None if text == NOBODY else _id(text, "userId")


def statuses(texts: list[str]) -> tuple[str, ...]:
    if not set(texts) <= set(STATUSES):
        raise BadRequest("Invalid status")
    return tuple(dict.fromkeys(texts))


def by_occurrence(text: str | None) -> bool:
    """Parse `time`.

    Return True for a list by the time when outcomes happened, and False (default) for a list by the time of recording.
    """
    if text not in {None, "occurred", "recorded"}:
        raise BadRequest("Invalid time")
    return text == "occurred"


def includes(texts: list[str], names: set[str]) -> set[str]:
    """Return the values of `include`, each of which must be one of `names`."""
    if set(texts) - names:
        raise BadRequest("Invalid include")
    return set(texts)


def export_format(text: str | None) -> str:
    """Parse `format`, which is CSV by default."""
    if text not in (None, *EXPORT_FORMATS):
        raise BadRequest("Invalid format")
    return text or EXPORT_FORMATS[0]


def compare(text: str | None) -> bool:
    """Parse `compare`, whose only valid value is `previous`."""
    if text not in {None, "previous"}:
        raise BadRequest("Invalid compare")
    return text is not None


def _id(text: str, name: str) -> int:
    number = _whole(text, name)
    if number > MAX_ID:
        raise BadRequest(f"Invalid {name}")
    return number


def _whole(text: str, name: str) -> int:
    digits = text.lstrip("0")
    if not (text.isascii() and text.isdigit()) or not digits:
        raise BadRequest(f"Invalid {name}")
    # int() raises an error for thousands of digits. 17 digits are always too large.
    return int(digits[:17])
