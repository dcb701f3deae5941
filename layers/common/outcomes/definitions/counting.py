"""Compute how much of what agents claim counts, by the definitions of the user who pays.

Of `unless_disputed`, a recorded outcome counts once the local month of its newest entry is closed: `dispute_days` local
days after the month's end. Until then, it waits.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from outcomes.calendar.local_days import earlier, first_day, month_of
from outcomes.contract.json_text import compact
from outcomes.contract.status import CONFIRMED, STANDING, CountedFields
from outcomes.contract.sums import EXACT, Sum, normalized
from outcomes.definitions.definition_rules import Definition, Definitions, Rule

ESTIMATED = "estimated"


def closes_on(month: str, definition: Definition) -> str:
    """Return the first local day on which a month is closed: `2026-12-15` for November and 14 days."""
    return (first_day(earlier(month, -1)) + timedelta(days=definition.dispute_days)).isoformat()


def first_open_month(definitions: Iterable[Definition], today: str) -> str | None:
    """Return the earliest month that some definition with `unless_disputed` has not closed yet; None without any."""
    found = None
    for definition in definitions:
        if any(rule.when == "unless_disputed" for rule in definition.rules.values()):
            month = month_of(today)
            while closes_on(earlier(month, 1), definition) > today:
                month = earlier(month, 1)
            found = min(found or month, month)
    return found


class Amount(Sum):
    """A count, its value, and the part of the value that is estimated."""

    __slots__ = ("estimated",)

    def __init__(self) -> None:
        super().__init__()
        self.estimated = Decimal(0)

    def count_for(self, rule: Rule | None, sum_: Sum) -> Decimal:
        """Add outcomes, of which `sum_` has the count and their own value, for what they count by a rule.

        Return what they count for.
        """
        worth = sum_.value if rule is None or rule.each_usd is None else EXACT.multiply(rule.each_usd, sum_.count)
        self.add(sum_.count, worth)
        if rule and rule.basis == ESTIMATED:
            self.estimated = EXACT.add(self.estimated, worth)
        return worth

    def add_all(self, more: "Amount") -> None:
        self.add(more.count, more.value)
        self.estimated = EXACT.add(self.estimated, more.estimated)

    def members(self, *, with_estimated: bool = True) -> str:
        estimated = f',"estimated_usd":{usd_text(self.estimated)}' if with_estimated else ""
        return f'"count":{self.count},"value_usd":{self.exact:f}{estimated}'


class Figures:
    """Holds the five parts of what agents claim. waiting: by the local day on which it counts by itself."""

    def __init__(self) -> None:
        self.counted, self.unconfirmed, self.not_counted, self.before_rules = Amount(), Amount(), Amount(), Amount()
        self.waiting: defaultdict[str, Amount] = defaultdict(Amount)

    @property
    def all_waiting(self) -> Amount:
        total = Amount()
        for amount in self.waiting.values():
            total.add_all(amount)
        return total

    def add(self, more: "Figures") -> None:
        self.counted.add_all(more.counted)
        self.unconfirmed.add_all(more.unconfirmed)
        self.not_counted.add_all(more.not_counted)
        self.before_rules.add_all(more.before_rules)
        for day, amount in more.waiting.items():
            self.waiting[day].add_all(amount)

    @property
    def claimed(self) -> Amount:
        """Return all five together."""
        total = self.all_waiting
        for amount in (self.counted, self.unconfirmed, self.not_counted, self.before_rules):
            total.add_all(amount)
        return total

    def members(self) -> str:
        """Return the five parts as members of a JSON object."""
        closes = [
            f'{{"on":"{day}",{amount.members(with_estimated=False)}}}'
            for day, amount in sorted(self.waiting.items())
            if amount
        ]
        return (
            f'"counted":{{{self.counted.members()}}}'
            f',"waiting":{{{self.all_waiting.members()},"closes":[{",".join(closes)}]}}'
            f',"unconfirmed":{{{self.unconfirmed.members()}}}'
            f',"not_counted":{{{self.not_counted.members(with_estimated=False)}}}'
            f',"before_rules":{{{self.before_rules.members(with_estimated=False)}}}'
        )


class ByRule:
    """Divides the sums of local days and types into the five parts. today: the local day, such as `2026-12-01`."""

    def __init__(self, definitions: Definitions, today: str) -> None:
        self.definitions = definitions
        self.today = today
        self.by_type: defaultdict[str, Figures] = defaultdict(Figures)
        self.counted_usd: defaultdict[str, Decimal] = defaultdict(Decimal)  # by local day
        self.waiting_usd: defaultdict[str, Decimal] = defaultdict(Decimal)

    def add(self, day: str, outcome_type: str, standing: Sum, confirmed: Sum, newest: Mapping[str, Sum]) -> None:
        """Add the outcomes of a type that happened on a local day.

        standing: those recorded or confirmed. newest: those recorded, by the month of their newest entry; closed months
        may be left out.
        """
        figures, definition = self.by_type[outcome_type], self.definitions.of(day)
        rule = definition.rule(outcome_type) if definition else None
        counted = Decimal(0)
        if definition is None or rule is None:
            figures.before_rules.count_for(None, standing)
        elif rule.when == "never":
            figures.not_counted.count_for(rule, standing)
        elif rule.when == "claimed":
            counted = figures.counted.count_for(rule, standing)
        elif rule.when == "confirmed":
            counted = figures.counted.count_for(rule, confirmed)
            figures.unconfirmed.count_for(rule, _less(standing, confirmed))
        else:
            for month, sum_ in newest.items():
                if sum_ and (on := closes_on(month, definition)) > self.today:
                    worth = figures.waiting[on].count_for(rule, sum_)
                    self.waiting_usd[day] = EXACT.add(self.waiting_usd[day], worth)
                    standing = _less(standing, sum_)
            counted = figures.counted.count_for(rule, standing)
        self.counted_usd[day] = EXACT.add(self.counted_usd[day], counted)

    @property
    def total(self) -> Figures:
        total = Figures()
        for figures in self.by_type.values():
            total.add(figures)
        return total

    @property
    def json(self) -> str:
        """Return the contract's JSON."""
        by_type = sorted(self.by_type.items(), key=lambda entry: (*entry[1].claimed.rank, entry[0]))
        rows = [f'{{"outcome_type":{compact(name)},{each.members()}}}' for name, each in by_type if each.claimed.count]
        return f'{{{self.total.members()},"by_type":[{",".join(rows)}]}}'


class Counts(NamedTuple):
    """Says what an outcome counts for.

    state: `counted`, `waiting`, `unconfirmed`, `not_counted` or `no_rule`. on: the local day on which a waiting one
    counts by itself. usd: what it counts for, or would; None if it does not count, and if its value is unknown.
    """

    state: str
    on: str | None
    usd: Decimal | None


def counts(definitions: Definitions, fields: CountedFields, day: str, newest_month: str, today: str) -> Counts | None:
    """Return what an outcome counts for; None if it is disputed or void.

    day: the local day on which it happened. newest_month: the local month of its newest entry.
    """
    if fields.status not in STANDING:
        return None
    definition = definitions.of(day)
    if definition is None:
        return Counts("no_rule", None, None)
    rule = definition.rule(fields.outcome_type)
    usd = fields.value_usd if rule.each_usd is None else rule.each_usd
    if rule.when == "never":
        return Counts("not_counted", None, None)
    if rule.when == "claimed" or fields.status == CONFIRMED:
        return Counts("counted", None, usd)
    if rule.when == "confirmed":
        return Counts("unconfirmed", None, usd)
    on = closes_on(newest_month, definition)
    return Counts("waiting", on, usd) if on > today else Counts("counted", None, usd)


def _less(sum_: Sum, part: Sum) -> Sum:
    return Sum(sum_.count - part.count, EXACT.subtract(sum_.value, part.value))


def usd_text(value: Decimal) -> str:
    """Return the JSON of an exact value in normalized notation."""
    return f"{normalized(value):f}"
