"""The standing of an outcome, as it was recorded or where its last correction moved it, and what of it counts."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from decimal import Decimal

RECORDED, CONFIRMED, DISPUTED, VOID = STATUSES = ("recorded", "confirmed", "disputed", "void")

TALLIES = {
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


class Effect(NamedTuple):
    """A change of one sum of TALLIES, by what the outcome counts under there.

    sign: 1, or -1 for what no longer counts. value_usd: with this sign.
    """

    tally: str
    occurred_at: str
    outcome_type: str
    agent_id: int | None
    sign: int
    value_usd: "Decimal | None"


def effects(before: Fact, after: Fact) -> list[Effect]:
    """List how a correction changes what counts, such that any sum is the sum of what was recorded and of effects.

    What goes and what comes are two effects, for the difference of two values may have more digits than can be kept.
    """
    gone, come = TALLIES[before.status], TALLIES[after.status]
    unchanged = set(gone) & set(come) if before[:-1] == after[:-1] else set()
    return [
        *[_effect(tally, before, -1) for tally in gone if tally not in unchanged],
        *[_effect(tally, after, 1) for tally in come if tally not in unchanged],
    ]


def _effect(tally: str, fact: Fact, sign: int) -> Effect:
    value = fact.value_usd.copy_negate() if fact.value_usd and sign < 0 else fact.value_usd
    return Effect(tally, fact.occurred_at, fact.outcome_type, fact.agent_id, sign, value)
