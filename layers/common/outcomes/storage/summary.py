"""What a user's outcomes come to: count and exact value, in total, by type, by agent, by local day."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Context, Decimal, Inexact
from typing import NamedTuple, Self

from outcomes.contract import queries
from outcomes.edge.api import compact
from outcomes.errors import BadRequest, Fault
from outcomes.storage.store import MAX_PAGE_BYTES, Worth, created_at

DEFAULT_DAYS = 30
MAX_DAYS = 366

# Values lie below 1e15, and their last digits above 1e-168 (38 digits, from 1e-130 down): there is room for the sum of
# 1e17 of them. Were there ever too little, that is a failure and not a rounded sum.
_EXACT = Context(prec=200, traps=[Inexact])


class Day(NamedTuple):
    """A local day, or what of it is asked for. date: `2026-04-01`. end: what comes after, as `created_at()` has it."""

    date: str
    end: str


class Span(NamedTuple):
    """What time to add up: from `since` on, before `until`, both in milliseconds since 1970; its days oldest first."""

    since: int
    until: int
    timezone: str
    days: list[Day]

    @classmethod
    def asked(cls, since: str | None, until: str | None, timezone: str | None, *, now: datetime) -> Self:
        """What the parameters `from`, `to` and `timezone` ask for: unless said, 30 local days that end with today.

        Raises BadRequest, naming the parameter.
        """
        zone = queries.timezone(timezone)
        end = queries.instant(until, "to", zone)
        begin = queries.instant(since, "from", zone)
        try:
            if end is None:  # not `now`: what is recorded a moment later belongs to it as well
                tomorrow = now.astimezone(zone).date() + timedelta(days=1)
                end = queries.milliseconds(queries.first_instant(tomorrow, zone))
            if begin is None:
                first_day = _local(end - 1, zone).date() - timedelta(days=DEFAULT_DAYS - 1)
                begin = queries.milliseconds(queries.first_instant(first_day, zone))
            if begin >= end or _wall_clock(end, zone) - _wall_clock(begin, zone) > timedelta(days=MAX_DAYS):
                raise BadRequest("Invalid from")
            return cls(begin, end, zone.key, _days(begin, end, zone))
        except OverflowError as exc:  # past the year 9999 in `zone`
            raise BadRequest("Invalid to") from exc


def summarize(outcomes: Iterable[Worth], span: Span) -> str:
    """The response of the contract, as JSON text, for outcomes within `span` that come oldest first.

    Raises BadRequest when they are of so many agents that Lambda could not respond.
    """
    total = _Sum()
    by_type: defaultdict[str, _Sum] = defaultdict(_Sum)
    by_agent: defaultdict[int | None, _Sum] = defaultdict(_Sum)
    by_day = {day.date: _Sum() for day in span.days}
    days = iter(span.days)
    day = next(days)
    for outcome in outcomes:
        while outcome.created_at >= day.end:
            day = next(days)
        for sum_ in total, by_type[outcome.outcome_type], by_agent[outcome.agent_id], by_day[day.date]:
            sum_.add(outcome.value_usd)
    types = sorted(by_type.items(), key=lambda entry: (*entry[1].rank, entry[0]))
    agents = sorted(by_agent.items(), key=lambda entry: (*entry[1].rank, entry[0] is None, entry[0]))
    response = (
        f'{{"from":"{created_at(span.since)}","to":"{created_at(span.until)}","timezone":{compact(span.timezone)},{total}'
        f',"by_type":{_list("outcome_type", types)}'
        f',"by_agent":{_list("agent_id", agents)}'
        f',"by_day":{_list("date", by_day.items())}}}'
    )
    if len(response) + response.count('"') > MAX_PAGE_BYTES:  # Lambda's response has it as a JSON string
        raise BadRequest(
            "Invalid from", [Fault(field="from", message="must be later: too many agents for one response")]
        )
    return response


class _Sum:
    """How many outcomes, and what they are worth together."""

    def __init__(self) -> None:
        self.count = 0
        self.value = Decimal(0)

    def add(self, value: Decimal | None) -> None:
        self.count += 1
        if value is not None:
            self.value = _EXACT.add(self.value, value)

    @property
    def rank(self) -> tuple[Decimal, int]:
        """What comes first is worth more, else has more of them."""
        return self.value.copy_negate(), -self.count

    def __str__(self) -> str:
        """As members of a JSON object."""
        return f'"count":{self.count},"value_usd":{self.value.normalize(_EXACT):f}'


def _list(name: str, sums: Iterable[tuple[str | int | None, _Sum]]) -> str:
    return "[" + ",".join([f'{{"{name}":{compact(key)},{sum_}}}' for key, sum_ in sums]) + "]"


def _days(begin: int, end: int, zone: tzinfo) -> list[Day]:
    days = []
    date = _local(begin, zone).date()
    while begin < end:
        next_date = date + timedelta(days=1)
        until = min(end, queries.milliseconds(queries.first_instant(next_date, zone)))
        if begin < until:  # where clocks skipped a day (Apia, 2011-12-30), there is none
            days.append(Day(date.isoformat(), created_at(until)))
            begin = until
        date = next_date
    return days


def _local(milliseconds: int, zone: tzinfo) -> datetime:
    return (datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)).astimezone(zone)


def _wall_clock(milliseconds: int, zone: tzinfo) -> datetime:
    """What a clock in `zone` shows: a day there has 24 hours, also when clocks change."""
    return _local(milliseconds, zone).replace(tzinfo=None)
