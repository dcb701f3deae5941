"""Put and read the costs of agents: `outcomes costs`."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ._cli_completion import files, time_zones
from ._display import money, printable
from ._errors import (
    CapabilityOffError,
    ConfigurationError,
    ConflictError,
    ForbiddenError,
    InvalidRequestError,
    OutcomesError,
)
from ._terminal import (
    Agent,
    Cookie,
    End,
    Json,
    Start,
    Url,
    advising,
    connect,
    console,
    decimal,
    file_size,
    folded,
    grid,
    local,
    numbers,
    print_json,
    print_table,
    progress_bar,
    whole,
)

if TYPE_CHECKING:
    from ._cost_importing import Charges, Map
    from ._models import CostDay, CostLine, CostVersion

app = typer.Typer(help="Put and read what agents cost, by UTC day and source.", no_args_is_help=True)

Day = Annotated[str, typer.Argument(metavar="DATE", help="A UTC day, such as 2026-11-26.")]
Source = Annotated[str, typer.Argument(metavar="SOURCE", help="Where the costs come from, such as openai.")]
User = Annotated[
    int | None,
    typer.Option(min=1, help="The user whose costs; only with the platform's key. Default OUTCOMES_USER_ID."),
]


@app.command("import")
def import_(
    file: Annotated[
        typer.FileBinaryRead, typer.Argument(metavar="FILE|-", autocompletion=files, help="- for standard input.")
    ],
    layout: Annotated[
        Literal["focus", "csv", "ndjson"],
        typer.Option("--format", help="A FOCUS 1.x billing export, or lines with date, source and cost."),
    ],
    user: User = None,
    mapping: Annotated[
        typer.FileBinaryRead | None,
        typer.Option("--map", autocompletion=files, help="A TOML file that says which charge is whose."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also replace days that lose lines of agents or labels.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the sums. Send nothing.")] = False,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Add up the charges of a file, and put the costs of each day and source.

    A day has one line for each agent and label. If a day has more than 200 lines, the smallest lines are added up in
    the line `other` of their agent. A charge that no rule of the map matches is unallocated. A charge counts on the UTC
    day on which it begins. If you import the same file again, nothing changes. The exit code is 1 if a line or a day
    was refused.
    """
    from . import _cost_importing, _importing, _settings

    try:
        rules = _cost_importing.Map(b"" if mapping is None else mapping.read())
    except _cost_importing.MapError as exc:
        raise typer.BadParameter(printable(str(exc)), param_hint="--map") from exc
    if user is None and rules.names_users:  # a rule may name the default user, too: add up their costs together
        user = _settings.whole("OUTCOMES_USER_ID")
    charges = _cost_importing.Charges(layout, rules, user)
    report = console(stderr=True)
    refused = 0
    with progress_bar(report) as bar:
        task = bar.add_task("", total=file_size(file))
        try:
            for line in charges.read(file):
                bar.update(task, advance=line.size, description=f"{line.number:,} lines")
                if line.fault:
                    refused += 1
                    report.print(printable(f"line {line.number}: {line.fault}"), soft_wrap=True)
        except _importing.HeadingError as exc:
            raise typer.BadParameter(str(exc), param_hint="FILE") from exc
    tally = Counter(lines=refused)
    if dry_run:
        _print_sums(charges)
    else:
        tally += _put(charges, rules, replace, url, cookie)
        print(f"{tally['put']:,} days put, {tally['unchanged']:,} unchanged, {tally['refused']:,} refused")
    for key, day in charges.sorted_days():
        if day.lacks:
            more = f" and {len(day.lacks) - 5:,} more" if len(day.lacks) > 5 else ""
            report.print(printable(f"{key} lacks {'; '.join(day.lacks[:5])}{more}"), soft_wrap=True)
    if rules.unused:
        report.print(f"These rules of the map assigned no charge: {', '.join(map(str, rules.unused))}", soft_wrap=True)
    if tally["lines"] or tally["refused"] or tally["stopped"]:
        raise typer.Exit(1)


def _put(charges: Charges, rules: Map, replace: bool, url: str | None, cookie: str | None) -> Counter[str]:
    """Put each day, and print each refused day. Return how many days were put, unchanged and refused."""
    from . import _cost_importing

    tally: Counter[str] = Counter()
    report = console(stderr=True)
    days = [(key, day) for key, day in charges.sorted_days() if day.lines]
    with connect(url, cookie) as client, progress_bar(report) as bar:
        if rules.names_users and client._calls.defaults.owner != "body":
            raise typer.BadParameter("only the platform's key puts costs of several users", param_hint="--map")
        task = bar.add_task("", total=len(days))
        try:
            for key, day in days:
                bar.update(task, advance=1, description=str(key))
                try:
                    is_put = _cost_importing.store(client, key, day, replace_lost=replace)
                    tally["put" if is_put else "unchanged"] += 1
                except (_cost_importing.DayError, ConflictError, ForbiddenError, InvalidRequestError) as exc:
                    if isinstance(exc, ForbiddenError) and not exc.details:  # the credential may not put any costs
                        raise
                    tally["refused"] += 1
                    report.print(printable(f"{key} refused: {exc}"), soft_wrap=True)
        except ConfigurationError:
            raise
        except (OutcomesError, KeyboardInterrupt) as exc:
            tally["stopped"] = 1
            said = "interrupted" if isinstance(exc, KeyboardInterrupt) else f"stopped: {exc}"
            again = "" if isinstance(exc, CapabilityOffError) else ". Run it again: what is put already stays as it is."
            report.print(printable(f"{said}{again}"), soft_wrap=True)
    return tally


def _print_sums(charges: Charges) -> None:
    """Print the cost of each agent by day, and the cost of all agents."""
    sums: dict[tuple[date, int | None, int | None], Decimal] = {}
    with localcontext(prec=1000):  # exact sums
        for key, day in charges.days.items():
            for line in day.lines.values():
                row = key.date, key.user_id, line.agent_id
                sums[row] = sums.get(row, Decimal(0)) + line.cost_usd
        total = sum(sums.values(), Decimal(0))
    users = {user for _, user, _ in sums}
    table = grid(*whole("Day", *(["User"] if len(users) > 1 else []), "Agent"), *numbers("Cost"))
    for (date_, user, agent), cost in sorted(sums.items(), key=lambda row: (row[0][0], row[0][1] or 0, row[0][2] or 0)):
        of_user = [str(user)] if len(users) > 1 else []
        table.add_row(date_.isoformat(), *of_user, "unallocated" if agent is None else str(agent), money(cost))
    print_table(table)
    print(f"Total: {money(total)}. Nothing was sent.")


@app.command()
def add(
    day: Annotated[str, typer.Option("--date", metavar="DATE", help="The UTC day, such as 2026-11-26.")],
    source: Annotated[str, typer.Option(help="Where the cost comes from, such as runs.")],
    cost: Annotated[Decimal, typer.Option(parser=decimal, metavar="USD", help="The cost; negative for a credit.")],
    agent: Annotated[int | None, typer.Option(min=1, help="The agent; if none, the cost is unallocated.")] = None,
    label: Annotated[str | None, typer.Option(help="What it was for, such as a model.")] = None,
    quantity: Annotated[
        Decimal | None, typer.Option(parser=decimal, metavar="NUMBER", help="How much was bought.")
    ] = None,
    unit: Annotated[str | None, typer.Option(help="The unit of --quantity, such as tokens.")] = None,
    user: User = None,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Add a cost, such as the cost of one run, to a UTC day of a source.

    The cost is added to the line with the same agent and label. Others may add to the same day at the same time. Run
    the command once for each cost. If it fails without an answer, the cost may have been added: check with `outcomes
    costs get` before you run it again.
    """
    from ._models import CostLine

    line = CostLine(cost, agent, quantity, unit or None, label or None)  # the API stores empty texts as null
    advice = "The cost may have been added: check with `outcomes costs get` before you run it again."
    with connect(url, cookie) as client, advising(advice):
        print(f"Version {client._run(client._calls.add_costs(day, source, line, user))}")


@app.command()
def get(
    day: Day,
    source: Source,
    versions: Annotated[bool, typer.Option("--versions", help="Also earlier versions.")] = False,
    user: User = None,
    json: Json = False,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Show the costs of a UTC day from a source."""
    with connect(url, cookie) as client:
        found = client.get_costs(day, source, versions=versions, user_id=user)
    if json:
        from ._models import told

        document = told(found)
        print_json(document if versions else {name: document[name] for name in document if name != "versions"})
        return
    table = grid(*numbers("Version"), *folded("When", "By"), *whole("Agent"), *numbers("Cost", "Quantity"), "Label")
    shown: list[CostDay | CostVersion] = [found, *found.versions]
    for version in shown:
        about = str(version.version), local(version.put_at), printable(version.put_by)
        for line in version.lines or ():
            table.add_row(*about, *_cells(line))
            about = "", "", ""
        if not version.lines:
            table.add_row(*about, "deleted" if version.lines is None else "no lines", "", "", "")
    print_table(table)


def _cells(line: CostLine) -> tuple[str, ...]:
    quantity = "" if line.quantity is None else f"{line.quantity:,f} {printable(line.unit or '')}".strip()
    agent = "unallocated" if line.agent_id is None else str(line.agent_id)
    return agent, money(line.cost_usd), quantity, printable(line.label or "")


@app.command("list")
def list_(
    start: Start = None,
    end: End = None,
    agent: Agent = None,
    timezone: Annotated[
        str | None, typer.Option(autocompletion=time_zones, help="IANA time zone of --from and --to; default UTC.")
    ] = None,
    user: Annotated[
        int | None,
        typer.Option(min=1, help="The user whose costs; only with the platform's key, if PlatformMayRead is true."),
    ] = None,
    json: Json = False,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Show costs by UTC day, agent and source, by default of the last 30 days."""
    with connect(url, cookie) as client:
        costs = client.list_costs(start=start, end=end, agent_id=agent, timezone=timezone, user_id=user)
    if json:
        from ._models import told

        print_json(told(costs))
        return
    print(f"{_known(costs.cost_usd)}, known for {costs.known_days:,} of {costs.of_days:,} days")
    days = grid(*whole("Day"), *numbers("Cost"), *folded("Sources"))
    for day in costs.by_day:
        days.add_row(day.date.isoformat(), _known(day.cost_usd), printable(", ".join(day.sources)))
    agents = grid(*whole("Agent"), *numbers("Cost"))
    for one in costs.by_agent:
        agents.add_row("unallocated" if one.agent_id is None else str(one.agent_id), money(one.cost_usd))
    sources = grid(*whole("Source"), *numbers("Cost", "Days"), *folded("Gaps"))
    for each in costs.by_source:
        gaps = ", ".join(day.isoformat() for day in each.gaps)
        sources.add_row(printable(each.source), money(each.cost_usd), f"{each.known_days:,}", gaps)
    for table in (days, agents, sources):
        if table.row_count:
            print()
            print_table(table)


def _known(cost: Decimal | None) -> str:
    return "unknown" if cost is None else money(cost)
