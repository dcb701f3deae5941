"""Parse the body of a request for a statement."""

from typing import Annotated, NamedTuple

from outcomes.contract.bodies import Body
from outcomes.contract.rules import calendar_month, or_default, time_zone


class StatementRequest(NamedTuple):
    """A valid request for a statement. period: a month, such as `2026-10`."""

    period: Annotated[str, calendar_month()]
    timezone: Annotated[str, or_default(time_zone(), "UTC")] = "UTC"


STATEMENT_REQUEST = Body(StatementRequest)
