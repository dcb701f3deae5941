"""The fields of outcomes: a value of each, and null for those that releases after the first one added."""

from datetime import UTC, datetime, timedelta
from typing import Any

from outcomes.contract.models import NEW_OUTCOME
from outcomes.contract.outcome_fields import KINDS, LATER, Kind

ADDED = LATER[1:]
UNSET = dict.fromkeys(ADDED)

AN_HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)
_OF_KIND: dict[Kind, Any] = {
    Kind.NAME: "deal_closed",
    Kind.TEXT: "Closed a deal",
    Kind.NUMBER: 7,
    Kind.JSON: {"k": [1, {"deep": None}]},
    Kind.INSTANT: AN_HOUR_AGO.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
}
SENT = {in_request: _OF_KIND[KINDS[name]] for name, in_request in NEW_OUTCOME.names.items() if name in KINDS}
SENT |= {"valueUsd": 12.5}
"""A valid value of each field except the user, by its name in a request."""
