"""Parse the entries of statements strictly, because the platform's signature covers their exact texts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from outcomes_client._errors import StatementError

from ._reading import exact

TALLIES = {
    "recorded": ("standing",),
    "confirmed": ("standing", "confirmed"),
    "disputed": ("disputed",),
    "void": ("voided",),
}
"""The tallies that count each status. The totals have the tally `standing` as their own `count` and `value_usd`."""
MONEY = re.compile(r"(?!-0$)-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?")
INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")

_OUTCOME = (
    *("id", "agent_id", "outcome_type", "title", "description"),
    *("value_usd", "metadata_sha256", "occurred_at", "created_at", "recorded_by"),
)
_OBJECTS = ("changes", "before", "after")
_CORRECTION = ("id", "outcome_id", "type", "reason", "by", "created_at", *_OBJECTS)
_COUNTED = ("status", "value_usd", "outcome_type", "agent_id", "occurred_at")
_CHANGES = ("outcome_type", "title", "description", "value_usd", "agent_id", "metadata_sha256", "occurred_at")
_PATTERNS = {
    "value_usd": MONEY,
    "metadata_sha256": re.compile("sha256:[0-9a-f]{64}"),
    "occurred_at": INSTANT,
    "created_at": INSTANT,
    "type": re.compile("amend|void|confirm|dispute|uphold"),
    "status": re.compile("|".join(TALLIES)),
}
"""The strings that are allowed in a member. All other members have any strings, and `agent_id` is a number."""
_OR_NULL = {"agent_id", "description", "value_usd", "metadata_sha256", "recorded_by", "reason"}


class Counted(NamedTuple):
    """The fields of an outcome on which totals depend. In sums, no value is 0."""

    status: str
    value: Decimal | None
    outcome_type: str
    agent_id: int | None
    occurred_at: str


class Entry(NamedTuple):
    """An entry of a statement.

    `before` and `after` are the outcome before and after the entry. Only a correction has `before`.
    """

    fields: dict[str, Any]
    before: Counted | None
    after: Counted

    @property
    def order(self) -> tuple[str, str]:
        return self.fields["created_at"], self.fields["id"]


def read_entry(word: str, what: str, text: str, head: Mapping[str, Any]) -> Entry:
    """Read an entry whose hash was verified. If the entry is malformed, raise a StatementError of the check `word`."""
    try:
        fields = exact(text)
        entry = _correction(fields) if "outcome_id" in fields else _outcome(fields)
        if not head["from"] <= fields["created_at"] < head["cut"]:
            raise ValueError(f"it was not recorded from {head['from']}, before {head['cut']}")
        return entry
    except (TypeError, ValueError) as exc:
        raise StatementError(word, f"{what}: expected an entry of this statement, but {exc}") from exc


def _outcome(fields: Any) -> Entry:
    _check_names(fields, _OUTCOME)
    _check_values(fields.items())
    return Entry(fields, None, _counted({"status": "recorded"} | fields))


def _correction(fields: dict[str, Any]) -> Entry:
    _check_names(fields, _CORRECTION)
    _check_values((name, fields[name]) for name in _CORRECTION if name not in _OBJECTS)
    _check_changes(fields["changes"], fields["type"])
    for part in (fields["before"], fields["after"]):
        _check_names(part, _COUNTED)
        _check_values(part.items())
    return Entry(fields, _counted(fields["before"]), _counted(fields["after"]))


def _check_changes(changes: Any, type_: str) -> None:
    if type(changes) is not (dict if type_ == "amend" else type(None)):
        raise ValueError(f"the changes of its type, {type_}, are not {changes!r}")
    changes = changes or {}
    _check_names(changes, tuple(name for name in _CHANGES if name in changes))
    for name, change in changes.items():
        _check_names(change, ("before", "after"))
        _check_values((name, value) for value in change.values())


def _check_names(fields: Any, names: tuple[str, ...]) -> None:
    if not isinstance(fields, dict) or tuple(fields) != names:
        raise ValueError(f"its members are not {', '.join(names)}")


def _check_values(members: Iterable[tuple[str, Any]]) -> None:
    for name, value in members:
        if value is None and name in _OR_NULL:
            continue
        if name == "agent_id":
            is_right = type(value) is int
        else:
            is_right = isinstance(value, str) and (name not in _PATTERNS or bool(_PATTERNS[name].fullmatch(value)))
        if not is_right:
            raise ValueError(f"{name} is {value!r}")


def _counted(fields: Mapping[str, Any]) -> Counted:
    status, value_usd, outcome_type, agent_id, occurred_at = (fields[name] for name in _COUNTED)
    value = None if value_usd is None else Decimal(value_usd)
    return Counted(status, value, outcome_type, agent_id, occurred_at)
