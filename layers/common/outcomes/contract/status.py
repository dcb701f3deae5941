"""The standing of an outcome, as it was recorded or where its last correction moved it, and what of it counts."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from decimal import Decimal

RECORDED, CONFIRMED, DISPUTED, VOID = STATUSES = ("recorded", "confirmed", "disputed", "void")

COUNTS_IN = {
    RECORDED: ("standing",),
    CONFIRMED: ("standing", "confirmed"),
    DISPUTED: ("disputed",),
    VOID: ("voided",),
}
"""The sums that an outcome counts in, by where it stands."""


class Fact(NamedTuple):
    """The part of an outcome that is added up. occurred_at: as `instants.text` has it. status: one of STATUSES."""

    occurred_at: str
    outcome_type: str
    agent_id: int | None
    value_usd: "Decimal | None"
    status: str = RECORDED
