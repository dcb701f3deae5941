"""The status of an outcome, as it was recorded or after its last correction, and the sums that it counts in."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from decimal import Decimal

RECORDED, CONFIRMED, DISPUTED, VOID = STATUSES = ("recorded", "confirmed", "disputed", "void")

TALLIES_BY_STATUS = {
    RECORDED: ("standing",),
    CONFIRMED: ("standing", "confirmed"),
    DISPUTED: ("disputed",),
    VOID: ("voided",),
}
"""The sums that an outcome of a status counts in."""


class CountedFields(NamedTuple):
    """The fields that sums are made of. occurred_at: as `instants.text` has it. status: one of STATUSES."""

    occurred_at: str
    outcome_type: str
    agent_id: int | None
    value_usd: "Decimal | None"
    status: str = RECORDED
