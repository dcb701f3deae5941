"""Define the statuses of outcomes, and for each status the tallies (sums) that include outcomes with this status."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from decimal import Decimal

RECORDED, CONFIRMED, DISPUTED, VOID = STATUSES = ("recorded", "confirmed", "disputed", "void")

STANDING = {RECORDED, CONFIRMED}

TALLIES_BY_STATUS = {
    RECORDED: ("standing",),
    CONFIRMED: ("standing", "confirmed"),
    DISPUTED: ("disputed",),
    VOID: ("voided",),
}


class CountedFields(NamedTuple):
    """The fields of an outcome that sums depend on. occurred_at: in the format of `instants.text`."""

    occurred_at: str
    outcome_type: str
    agent_id: int | None
    value_usd: "Decimal | None"
    status: str = RECORDED
