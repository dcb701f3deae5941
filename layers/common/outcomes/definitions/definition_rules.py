"""Define what a user's definitions say, and find the one in force for a month."""

from bisect import bisect
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from outcomes.calendar.local_days import month_of
from outcomes.contract.sums import ALL_TYPES

if TYPE_CHECKING:
    from outcomes.contract.definitions import TypeRule


class Rule(NamedTuple):
    """Says when outcomes of a type count.

    when: `claimed`, `unless_disputed`, `confirmed` or `never`. each_usd: the value of each outcome, in US dollars; None
    for its own value. basis: `stated` or `estimated`.
    """

    when: str
    each_usd: Decimal | None
    basis: str


def rules_of(types: "Mapping[str, TypeRule]") -> dict[str, Rule]:
    """Return the rules of a request's types, without notes."""
    return {name: Rule(rule.when, rule.each_usd, rule.basis) for name, rule in types.items()}


class Definition(NamedTuple):
    """A definition. It holds for outcomes that happened in the local month `month` or later, until the next one.

    month: such as `2026-12`. version: 1 for the month's first PUT, and 1 more for each change. dispute_days: local days
    after a month's end until what was recorded in it counts by itself. rules: by outcome type; ALL_TYPES is for all
    other types. put_at, made_at: when this version, and the first one, were put, in the format of `instants.text`.
    """

    month: str
    version: int
    dispute_days: int
    rules: Mapping[str, Rule]
    put_at: str
    made_at: str = ""

    def rule(self, outcome_type: str) -> Rule:
        return self.rules.get(outcome_type) or self.rules[ALL_TYPES]


class Definitions(NamedTuple):
    """A user's definitions, oldest first, all in one time zone.

    changes: the number of PUTs and DELETEs that ever changed them. put_at: the time of the last of these.
    first_made_at: when a first definition was made that was deleted after its month had begun. The defaults are those
    of a user without any.
    """

    timezone: str = ""
    all: tuple[Definition, ...] = ()
    changes: int = 0
    put_at: str = ""
    first_made_at: str = ""

    def of(self, local_day_or_month: str) -> Definition | None:
        """Return the definition in force for outcomes that happened in a local month, such as `2026-12`.

        A local day, such as `2026-12-31`, stands for its month. Return None for a month before the first definition.
        """
        place = bisect(self.all, month_of(local_day_or_month), key=lambda each: each.month)
        return self.all[place - 1] if place else None

    def put_for(self, month: str) -> Definition | None:
        """Return the definition that begins with this month."""
        found = self.of(month)
        return found if found and found.month == month else None
