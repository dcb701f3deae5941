"""Parse watches, by which a user is told when a figure crosses a line, and the setting of the weekly digest."""

import re
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from outcomes.contract.bodies import Body, ignored_fields
from outcomes.contract.costs import SOURCE, SOURCE_WORDS
from outcomes.contract.rules import above_zero, one_of, or_null, percents, title, type_name, whole_number
from outcomes.contract.rules import time_zone as zone_name
from outcomes.errors import BadRequest, Fault
from outcomes.limits import MAX_SILENT_DAYS, MAX_UNREVIEWED, MAX_WATCH_NAME, MAX_WATCH_SHARES

RESERVED = "digest"
ALL = (100,)


class Measure(StrEnum):
    VALUE = "value"
    COUNTED = "counted"
    COST = "cost"
    UNREVIEWED = "unreviewed"
    SILENCE = "silence"


class Every(StrEnum):
    WEEK = "week"
    MONTH = "month"


class Weekday(StrEnum):
    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


class NewWatch(NamedTuple):
    """A valid watch. target: USD; outcomes for `unreviewed`, days for `silence`. at: percents of the target, sorted."""

    name: Annotated[str, title(MAX_WATCH_NAME)]
    measure: Annotated[str, one_of(Measure)]
    timezone: Annotated[str, zone_name()]
    target: Annotated[Decimal, above_zero()]
    outcome_type: Annotated[str | None, or_null(type_name())] = None
    agent_id: Annotated[int | None, or_null(whole_number())] = None
    every: Annotated[str | None, or_null(one_of(Every))] = None
    at: Annotated[tuple[int, ...] | None, or_null(percents(MAX_WATCH_SHARES))] = None

    def public(self) -> dict[str, Any]:
        """Return the watch in the contract's format. Numbers are `Decimal`."""
        agent_id = None if self.agent_id is None else Decimal(self.agent_id)
        at = None if self.at is None else list(map(Decimal, self.at))
        return {
            "name": self.name,
            "measure": self.measure,
            "outcome_type": self.outcome_type,
            "agent_id": agent_id,
            "every": self.every,
            "timezone": self.timezone,
            "target": self.target,
            "at": at,
        }


class NewDigest(NamedTuple):
    """A valid setting of the digest."""

    timezone: Annotated[str, zone_name()]
    day: Annotated[str, one_of(Weekday)]
    hour: Annotated[int, whole_number(0, 23)]

    def public(self) -> dict[str, Any]:
        """Return the setting in the contract's format. Numbers are `Decimal`."""
        return self._asdict() | {"hour": Decimal(self.hour)}


WATCH = Body(NewWatch)
DIGEST = Body(NewDigest)
GREATEST = {Measure.UNREVIEWED: MAX_UNREVIEWED, Measure.SILENCE: MAX_SILENT_DAYS}
"""The greatest target of the measures that have no period. It is a whole number."""


def read_id(text: str) -> str:
    """Read a watch's id from a path. Raises BadRequest."""
    if not re.fullmatch(SOURCE, text) or text == RESERVED:
        raise BadRequest("Invalid id", [Fault(field="id", message=f"{SOURCE_WORDS}, and not {RESERVED}")])
    return text


def read_watch(body: dict[str, Any]) -> NewWatch:
    """Parse a body, a JSON object whose numbers are `Decimal`. Raises BadRequest."""
    watch = WATCH.read(body)
    faults = [Fault(field=name, message=message) for name, message in _faults(watch).items()]
    if faults:
        raise BadRequest(f"Invalid {faults[0]['field']}", faults, ignored_watch_fields(body))
    return watch._replace(at=watch.at or ALL) if watch.every else watch


def read_digest(body: dict[str, Any]) -> NewDigest:
    """Parse a body, a JSON object whose numbers are `Decimal`. Raises BadRequest."""
    return DIGEST.read(body)


def ignored_watch_fields(body: dict[str, Any]) -> list[str]:
    return ignored_fields(body, WATCH.rules)


def ignored_digest_fields(body: dict[str, Any]) -> list[str]:
    return ignored_fields(body, DIGEST.rules)


def _faults(watch: NewWatch) -> dict[str, str]:
    """Return what the measure does not allow, by field."""
    faults = {}
    greatest = GREATEST.get(Measure(watch.measure))
    if greatest and (watch.target > greatest or watch.target % 1):
        faults["target"] = f"must be a whole number from 1 to {greatest} if `measure` is {watch.measure}"
    if watch.measure == Measure.COST and watch.outcome_type:
        faults["outcomeType"] = "must be null if `measure` is cost: costs have no type"
    if greatest is None and watch.every is None:
        faults["every"] = f"must be one of {', '.join(Every)} if `measure` is {watch.measure}"
    for name in ("every", "at"):
        if greatest and getattr(watch, name):
            faults[name] = f"must be null if `measure` is {watch.measure}"
    return faults
