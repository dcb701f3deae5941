"""Show totals of outcomes: `outcomes summary`."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import _terminal
from ._choices import Division
from ._cli_completion import time_zones
from ._cli_definitions import print_by_rule
from ._display import many, money, printable
from ._terminal import Agent, Cookie, End, Start, Statuses, Types, Url, connect, grid, numbers, print_json, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from ._client import OutcomesClient
    from ._models import ByRule, CostSummary, PeriodTotal, Summary, Total


MOST = 366  # the API's maximum number of days, weeks or months


def summary(
    days: Annotated[
        int | None, typer.Option(min=1, max=3652, help="The last so many days, including today.", show_default="30")
    ] = None,
    start: Start = None,
    end: End = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            autocompletion=time_zones, help="IANA time zone of the days; default UTC, with --counts the definitions'."
        ),
    ] = None,
    outcome_type: Types = None,
    agent: Agent = None,
    status: Statuses = None,
    by: Annotated[
        Division | None,
        typer.Option(help="Group by it; weeks and months up to ten years.", show_default="as fits --days, else day"),
    ] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Compare with the same length of time before.")] = False,
    cost: Annotated[
        bool, typer.Option("--cost", help="Also show what the agents cost; not with --type or --status.")
    ] = False,
    counts: Annotated[
        bool, typer.Option("--counts", help="Also show what counts by the user's definitions; not with --status.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the totals as JSON, for pipes.")] = False,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Show totals: overall, by day, type and agent."""
    for option, excluded, is_given in (
        ("--days", "--from and --to", days is not None and (start is not None or end is not None)),
        ("--cost", "--type and --status", cost and (outcome_type or status)),
        ("--counts", "--status", counts and status),
    ):
        if is_given:
            raise typer.BadParameter(f"cannot be combined with {excluded}", param_hint=option)
    asked = {"start": start, "end": end, "timezone": timezone, "agent_id": agent, "by": by}
    asked |= {"outcome_type": outcome_type, "status": status, "compare": "previous" if compare else None}
    with connect(url, cookie) as client:
        totals = _totals(client, asked, days, cost=cost, counts=counts)
        gaps = _gaps(client, totals, agent) if cost and not json else []
    if json:
        print_json(_summary_as_dict(totals, counts))
        return
    from rich.text import Text

    from ._models import CostSummary

    console = _terminal.console()
    console.print(
        Text.assemble((money(totals.value_usd), "bold"), f" in {many(totals.count, 'outcome')}"), soft_wrap=True
    )
    by_rule: ByRule | None = vars(totals).get("by_rule")
    if by_rule:
        console.print(Text.assemble((money(by_rule.counted.value_usd), "bold"), " counts"), soft_wrap=True)
    elif counts:
        console.print("What counts is not known: no definition, another time zone, or not whole days", soft_wrap=True)
    if totals.previous:
        console.print(_comparison(totals, totals.previous), soft_wrap=True)
    if isinstance(totals, CostSummary):
        console.print(" · ".join([_costs(totals), *gaps]), soft_wrap=True)
    owners = [(totals.confirmed, "confirmed"), (totals.disputed, "disputed")]
    if words := [f"{money(total.value_usd)} {name}" for total, name in owners if total.count]:
        console.print(" · ".join(words), soft_wrap=True)
    console.print(printable(f"{totals.start} to {totals.end}, {totals.timezone}"), style="dim", soft_wrap=True)
    _plot(totals, console)
    if by_rule:
        print()
        print_by_rule(by_rule)
    by_type: list[tuple[str, Total]] = [(one.outcome_type, one) for one in totals.by_type]
    by_agent: list[tuple[str, Total]] = [
        ("none" if one.agent_id is None else str(one.agent_id), one) for one in totals.by_agent
    ]
    others = totals.other_agents
    for heading, rows, last in (
        ("Type", by_type, []),
        ("Agent", by_agent, [(f"{others.agents:,} other agents", others)] if others else []),
    ):
        costs = ["Cost", "Per outcome"] if cost and heading == "Agent" else []
        table = grid(heading, *numbers("Count", "Value", *costs))
        for name, total in [*sorted(rows, key=lambda row: -row[1].value_usd), *last]:
            cells = [money(each) for each in _costs_of(total).values()]
            table.add_row(printable(name), f"{total.count:,}", money(total.value_usd), *cells)
        print()
        print_table(table)


def _totals(client: OutcomesClient, asked: dict[str, Any], days: int | None, *, cost: bool, counts: bool) -> Summary:
    """Read the totals of the last `days`, or of the period that is asked for."""
    if counts and asked["timezone"] is None:
        asked["timezone"] = next((each.timezone for each in client.list_definitions()), None)
    if days is not None:
        asked["start"] = (_today(asked["timezone"] or "UTC") - timedelta(days=days - 1)).isoformat()
        if asked["by"] is None and days > MOST:
            # Subtract one week from the maximum, because the period may begin and end with a partial week.
            asked["by"] = "week" if days < 7 * (MOST - 1) else "month"
    if not cost and not counts:
        return client.summary(**asked)
    del asked["status"]
    if not cost:
        return client.counted_summary(**asked)
    del asked["outcome_type"]
    return client.cost_summary(**asked, counted=counts)


def _costs(totals: CostSummary) -> str:
    if totals.cost_usd is None:
        return "cost unknown"
    ratio = "" if totals.ratio is None else f" · {totals.ratio:,f} times the cost"
    counted = "" if totals.net_counted_usd is None else f" · {money(totals.net_counted_usd)} net of what counts"
    known = f"known for {totals.known_days:,} of {totals.of_days:,} days"
    return f"{money(totals.cost_usd)} cost · {money(totals.net_usd)} net{ratio}{counted} · {known}"


def _gaps(client: OutcomesClient, totals: Summary, agent: Any) -> list[str]:
    """Say which days sources lack, without which cost and net must not be shown."""
    from ._errors import InvalidRequestError

    try:
        costs = client.list_costs(start=totals.start, end=totals.end, agent_id=agent, timezone=totals.timezone)
    except InvalidRequestError:  # the period is too long for a report of costs
        return [f"days that sources lack: outcomes costs list, {MOST} days at most"]
    lacks = [(each.source, [day.isoformat() for day in each.gaps]) for each in costs.by_source if each.gaps]
    return [
        f"{source} lacks {', '.join(gaps[:3])}{f' and {len(gaps) - 3:,} more' if len(gaps) > 3 else ''}"
        for source, gaps in lacks
    ]


def _costs_of(total: Total) -> dict[str, Decimal | None]:
    """Return `cost_usd` and `cost_per_outcome` of a total, or an empty dict if the total has no such fields."""
    return {name: vars(total)[name] for name in ("cost_usd", "cost_per_outcome") if name in vars(total)}


def _today(timezone: str) -> date:
    """Return today's date in a time zone. Use UTC if the name is unknown: the API then reports the error."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return datetime.now(ZoneInfo(timezone)).date()
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return datetime.now(UTC).date()


def _comparison(totals: Summary, before: PeriodTotal) -> str:
    """Compare totals with those of the previous period.

    The values are compared, or the counts if there are no values.
    """
    when = f"the {_length(before, totals.timezone)} before"
    counted = vars(before).get("counted_usd")
    figures = f"{money(before.value_usd)} in {before.count:,}{'' if counted is None else f', {money(counted)} counted'}"
    by_count = totals.value_usd == before.value_usd == 0
    now, then = (Decimal(one.count) if by_count else one.value_usd for one in (totals, before))
    if then <= 0:
        return f"{when}: {figures}"
    with localcontext(prec=1000):
        change = int(((now - then) / then * 100).to_integral_value(ROUND_HALF_UP))
    return f"{change:+,} %{' outcomes' if by_count else ''} against {when} ({figures})"


def _length(period: PeriodTotal, timezone: str) -> str:
    """Describe the length of a period, in local days if it consists of whole days."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        zone = ZoneInfo(timezone)
        start, end = (
            datetime.fromisoformat(at).astimezone(zone).replace(tzinfo=None) for at in (period.start, period.end)
        )
    except (ZoneInfoNotFoundError, ValueError, OverflowError, OSError):
        return "same length of time"
    days, rest = divmod(end - start, timedelta(days=1))
    if rest or days < 1:
        return "same length of time"
    return "day" if days == 1 else f"{days:,} days"


def _plot(totals: Summary, console: Console) -> None:
    """Draw one bar per day, or per week if the days do not fit. Beside very long values, there are no bars.

    A bar shows the value, or the count if there are no values.
    """
    from rich.bar import Bar

    weekly = len(totals.by_day) > 45
    heading = "Week of" if weekly or totals.by_week else "Month of" if totals.by_month else "Day"
    count: Counter[date] = Counter()
    value: dict[date, Decimal] = {}
    counted: dict[date, Decimal] = {}
    with localcontext(prec=1000):  # exact sums
        for day in totals.by_day or totals.by_week or totals.by_month:
            first = day.date - timedelta(days=day.date.weekday()) if weekly else day.date
            count[first] += day.count
            value[first] = value.get(first, Decimal(0)) + day.value_usd
            if (usd := vars(day).get("counted_usd")) is not None:
                counted[first] = counted.get(first, Decimal(0)) + usd
    lengths = {first: value[first] if any(value.values()) else Decimal(count[first]) for first in value}
    longest = max([*lengths.values(), Decimal(0)]) or Decimal(1)
    sums = {"Value": value, "Counted": counted} if counted else {"Value": value}
    longest_texts = [max((len(money(one)) for one in each.values()), default=0) for each in sums.values()]
    room = console.width - 23 - sum(longest_texts) - 2 * len(sums)
    has_bars = room >= 10
    table = grid(heading, *numbers("Count", *sums), *([""] if has_bars else []))
    for first, length in lengths.items():
        bar = [Bar(1, 0, max(0.0, float(length / longest)), width=room, color="green")] if has_bars else []
        table.add_row(first.isoformat(), f"{count[first]:,}", *(money(each[first]) for each in sums.values()), *bar)
    console.print(table) if has_bars else print_table(table)


def _summary_as_dict(totals: Summary, counts: bool) -> dict[str, Any]:
    """Return totals with the API's names and structure. counts: whether they say what counts."""
    from ._models import told

    names = {"cost_usd", "cost_per_outcome", "known_days", "of_days", "net_usd", "ratio"}
    if counts:
        names |= {"counted_usd", "waiting_usd", "net_counted_usd", "ratio_counted", "by_rule"}

    def total(one: Any, **name: object) -> dict[str, Any]:
        more = {name: told(value) for name, value in vars(one).items() if name in names}
        return {**name, "count": one.count, "value_usd": one.value_usd, **more}

    divided = {"by_week": totals.by_week, "by_month": totals.by_month}
    by, buckets = next(((name, there) for name, there in divided.items() if there), ("by_day", totals.by_day))
    before, others = totals.previous, totals.other_agents
    return {
        "from": totals.start,
        "to": totals.end,
        "timezone": totals.timezone,
        **total(totals),
        "confirmed": total(totals.confirmed),
        "disputed": total(totals.disputed),
        "voided": total(totals.voided),
        "by_type": [total(one, outcome_type=one.outcome_type) for one in totals.by_type],
        "by_agent": [total(one, agent_id=one.agent_id) for one in totals.by_agent],
        **({} if others is None else {"other_agents": total(others, agents=others.agents)}),
        by: [total(one, date=one.date.isoformat()) for one in buckets],
        **({} if before is None else {"previous": {"from": before.start, "to": before.end, **total(before)}}),
    }
