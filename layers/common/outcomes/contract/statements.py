"""The body of a request for a statement, and ids of statements."""

import re
from typing import Annotated, NamedTuple

from outcomes.contract.bodies import Body
from outcomes.contract.rules import calendar_period, or_default, time_zone

_ID = re.compile(r"([0-9]{4}(?:-[0-9]{2}|-Q[0-9])?)@([A-Za-z0-9_+/-]+)")
_IN_PATHS = str.maketrans("~.", "/+")


class StatementRequest(NamedTuple):
    """A valid request for a statement. period: `2026-10`, `2026-Q4` or `2026`."""

    period: Annotated[str, calendar_period()]
    timezone: Annotated[str, or_default(time_zone(), "UTC")] = "UTC"


STATEMENT_REQUEST = Body(StatementRequest)


def id_in_path(text: str) -> str | None:
    """Read a statement's id, such as `2026-10@Europe~Berlin`, from a path. Return None if it is none."""
    id_ = text.replace("%40", "@").translate(_IN_PATHS)
    return id_ if _ID.fullmatch(id_) else None
