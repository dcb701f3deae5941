"""Serve people and shell scripts: the command line."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal, override

import typer
import typer.core

from . import _cli_completion, _cli_corrections, _cli_keys, _terminal
from ._cli_completion import files, time_zones
from ._display import money, printable
from ._errors import missing
from ._models import Division, OutcomeStatus, OutcomeType, PeriodTotal, Summary, Total
from ._terminal import (
    Cookie,
    Url,
    connect,
    decimal,
    folded,
    grid,
    json_object,
    local,
    moment,
    new_key,
    numbers,
    print_json,
    repeat,
    whole,
)

if TYPE_CHECKING:
    from rich.table import Table

    from ._client import OutcomesClient


class _Commands(typer.core.TyperGroup):
    """Says of a wrong value what is wrong with it, without what pydantic begins with."""

    @override
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as wrong:
            wrong.message = wrong.message.removeprefix("Value error, ")
            raise


app = typer.Typer(
    cls=_Commands,
    epilog="Exit codes: 0 done, 1 refused or failed, 2 wrong usage. The key comes from INTERNAL_API_KEY, or is kept by "
    "login: an argument would be seen by everyone on the machine.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,  # it is a command, as people know it of others
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # help in frames would take as long again
)


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"outcomes {version('outcomes-client')}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Record the valuable work that agents finish, exactly once, and read it back."""


app.add_typer(_cli_corrections.app)
app.add_typer(_cli_keys.app, name="keys")
app.add_typer(_cli_completion.app)

MOST = 366  # days, weeks or months of a summary
LONGEST_TYPE = max(map(len, OutcomeType))

Types = Annotated[list[OutcomeType] | None, typer.Option("--type", help="Only this type; may be repeated.")]
Agent = Annotated[int | None, typer.Option("--agent", min=1, help="Only this agent.")]
Start = Annotated[str | None, typer.Option("--from", help="From this ISO 8601 instant or date on.")]
End = Annotated[str | None, typer.Option("--to", help="Before this ISO 8601 instant or date.")]


@app.command()
def record(
    outcome_type: Annotated[OutcomeType, typer.Option("--type", help="What kind of work was finished.")],
    title: Annotated[str, typer.Option(help="What was achieved, in 1 to 200 characters.")],
    value: Annotated[Decimal | None, typer.Option(parser=decimal, metavar="USD", help="What it is worth.")] = None,
    agent: Annotated[int | None, typer.Option(min=1, help="The agent that did it.")] = None,
    user: Annotated[int | None, typer.Option(min=1, help="For whom; counts only with a key.")] = None,
    description: Annotated[str | None, typer.Option(help="More about it, up to 1000 characters.")] = None,
    metadata: Annotated[
        dict[str, Any] | None, typer.Option(parser=json_object, metavar="JSON", help="Any JSON object.")
    ] = None,
    at: Annotated[
        Any,
        typer.Option(
            parser=moment, metavar="WHEN", help="When it happened, if not now: an ISO 8601 instant, or a date in UTC."
        ),
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The name of this piece of work: what is repeated with it counts once.")
    ] = None,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Record one outcome and print its id."""
    key = new_key() if idempotency_key is None else idempotency_key
    with connect(url, cookie) as client:
        try:
            recorded = client.record(
                outcome_type,
                title,
                description=description,
                value_usd=value,
                agent_id=agent,
                user_id=user,
                metadata=metadata,
                occurred_at=at,
                idempotency_key=key,
            )
        except KeyboardInterrupt:
            print(f"interrupted: it may have been recorded. {repeat(key)}", file=sys.stderr)
            raise typer.Exit(1) from None
    if recorded.replayed:
        print("Already recorded under this key.", file=sys.stderr)
    print(printable(recorded.id))


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=50, help="How many.")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Where to go on, as the page before said.")] = None,
    outcome_type: Types = None,
    agent: Agent = None,
    start: Start = None,
    end: End = None,
    status: Annotated[
        list[OutcomeStatus] | None, typer.Option(help="Only what stands so; may be repeated. Means --ledger.")
    ] = None,
    ledger: Annotated[
        bool, typer.Option("--ledger", help="Also when it happened, where it stands, and what is void.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the page as JSON, for pipes.")] = False,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Show the newest outcomes of the session's user."""
    with connect(url, cookie) as client:
        page = client.list(
            limit=limit,
            cursor=cursor,
            outcome_type=outcome_type,
            agent_id=agent,
            start=start,
            end=end,
            status=status,
            ledger=ledger or bool(status),
        )
    if json:
        print_json({"outcomes": [one.as_dict() for one in page.outcomes], "next_cursor": page.next_cursor})
        return
    standing = ("Happened", "Status") if ledger or status else ()
    table = grid(*whole("Id"), *folded("When", *standing, "Type"), "Agent", *numbers("Value"), *folded("Title"))
    for one in page.outcomes:
        stands = (local(one.occurred_at), printable(one.status or "")) if standing else ()
        agent_text = "" if one.agent_id is None else str(one.agent_id)
        about = printable(one.outcome_type), agent_text, money(one.value_usd), printable(one.title)
        table.add_row(printable(one.id), local(one.created_at), *stands, *about)
    console = _terminal.console()
    console.print(table if page.outcomes else "No outcomes.")
    if page.next_cursor:
        console.print(f"More: --cursor {printable(page.next_cursor)}", soft_wrap=True)


@app.command()
def watch(
    interval: Annotated[float, typer.Option(min=0.2, max=3600, metavar="SECONDS", help="Between two looks.")] = 2.0,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, max=50, help="How many of the last to begin with.")
    ] = 10,
    outcome_type: Types = None,
    agent: Agent = None,
    json: Annotated[bool, typer.Option("--json", help="Print each as a line of JSON, for pipes.")] = False,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Show outcomes as they are recorded, until Ctrl-C.

    A line for each of the session's user. While there is no answer it waits, says so, and then goes on with what came
    meanwhile.
    """
    from . import _watching

    with connect(url, cookie) as client:
        try:
            waits = False
            for found, failure in _watching.follow(client, lines, {"outcome_type": outcome_type, "agent_id": agent}):
                if failure is not None and not waits:
                    print(printable(f"outcomes: {failure}; waiting for it to come back"), file=sys.stderr)
                elif failure is None and waits:
                    print("outcomes: it is back", file=sys.stderr)
                waits = failure is not None
                for one in found:
                    if json:
                        print_json(one.as_dict())
                    else:
                        agent_text = "-" if one.agent_id is None else str(one.agent_id)
                        type_ = f"{printable(one.outcome_type):<{LONGEST_TYPE}}"
                        about = f"{type_} {agent_text:>5} {money(one.value_usd) or '-':>14}"
                        print(f"{one.created_at.astimezone():%Y-%m-%d %H:%M:%S}  {about}  {printable(one.title)}")
                sys.stdout.flush()  # at once, also into a pipe
                time.sleep(interval)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None  # as a shell says of what Ctrl-C ended


@app.command()
def summary(
    days: Annotated[
        int | None, typer.Option(min=1, max=3652, help="The last so many days, today among them.", show_default="30")
    ] = None,
    start: Start = None,
    end: End = None,
    timezone: Annotated[
        str | None, typer.Option(autocompletion=time_zones, help="IANA name, for where days begin; default UTC.")
    ] = None,
    outcome_type: Types = None,
    agent: Agent = None,
    by: Annotated[
        Division | None,
        typer.Option(help="Days, or weeks or months, which may be ten years.", show_default="what fits into --days"),
    ] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Also with the same length of time before.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the totals as JSON, for pipes.")] = False,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Show what outcomes add up to: in all, by day, type and agent."""
    if days is not None:
        if start is not None or end is not None:
            raise typer.BadParameter("says the same as --from and --to: give one or the other", param_hint="--days")
        start = (_today(timezone or "UTC") - timedelta(days=days - 1)).isoformat()
        if by is None and days > MOST:
            by = "week" if days < 7 * (MOST - 1) else "month"  # where weeks are cut, there is one more
    with connect(url, cookie) as client:
        totals = client.summary(
            start=start,
            end=end,
            timezone=timezone,
            outcome_type=outcome_type,
            agent_id=agent,
            by=by,
            compare="previous" if compare else None,
        )
    if json:
        print_json(_summary_as_dict(totals))
        return
    from rich.text import Text

    console = _terminal.console()
    noun = "outcome" if totals.count == 1 else "outcomes"
    console.print(Text.assemble((money(totals.value_usd), "bold"), f" in {totals.count:,} {noun}"))
    if totals.previous:
        console.print(_against(totals, totals.previous), soft_wrap=True)
    owners = [(totals.confirmed, "confirmed"), (totals.disputed, "disputed")]
    if words := [f"{money(total.value_usd)} {name}" for total, name in owners if total.count]:
        console.print(" · ".join(words))
    console.print(printable(f"{totals.start} to {totals.end}, {totals.timezone}"), style="dim", soft_wrap=True)
    console.print(_plot(totals, console.width))
    by_type: list[tuple[str, Total]] = [(one.outcome_type, one) for one in totals.by_type]
    by_agent: list[tuple[str, Total]] = [
        ("none" if one.agent_id is None else str(one.agent_id), one) for one in totals.by_agent
    ]
    others = totals.other_agents
    for heading, rows, last in (
        ("Type", by_type, []),
        ("Agent", by_agent, [(f"{others.agents:,} other agents", others)] if others else []),
    ):
        table = grid(heading, *numbers("Count", "Value"))
        for name, total in [*sorted(rows, key=lambda row: -row[1].value_usd), *last]:
            table.add_row(printable(name), f"{total.count:,}", money(total.value_usd))
        console.print()
        console.print(table)


@app.command("import")
def import_(
    file: Annotated[
        typer.FileBinaryRead,
        typer.Argument(metavar="FILE|-", autocompletion=files, help="JSON Lines or CSV; - for standard input."),
    ],
    layout: Annotated[
        Literal["jsonl", "csv"] | None,
        typer.Option("--format", help="What it is.", show_default="csv where the name ends so, else jsonl"),
    ] = None,
    scope: Annotated[
        str, typer.Option(help="Sets lines apart that are equal to ones imported before, and yet new work.")
    ] = "",
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Record every line of a file, once however often it is run.

    Each line is a request body of the API, or a line of an export, which keeps the time when it happened: without the
    platform's key, or a key with the scope backfill, that may be 34 days ago at most. Lines are told apart by what they
    say and by how many equal ones stand before them, so that an interrupted import may be repeated within 35 days (as
    long as the API remembers). A line that is added or edited is a new outcome; the outcome of a line that is removed
    stays. Give --scope (a date, say) when a new file says the same as an old one and means new work.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from . import _importing

    as_csv = file.name.lower().endswith(".csv") if layout is None else layout == "csv"
    parsed = _importing.keyed(_importing.csv_rows(file) if as_csv else _importing.json_lines(file), scope)
    tally: Counter[str] = Counter()
    unread: Counter[str] = Counter()
    report = _terminal.console(stderr=True)
    reached, mend = 0, ""
    with connect(url, cookie) as client:
        bar = Progress(
            BarColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            console=report,
            transient=True,
            disable=not report.is_terminal,
        )
        with bar:
            task = bar.add_task("", total=_size(file))
            try:
                for outcomes, failure in _importing.record(client, parsed):
                    for one in outcomes:
                        tally[one.status] += 1
                        tally["unassigned"] += one.unassigned
                        unread.update(set(one.ignored_fields))
                        if one.reason and failure is None:
                            report.print(printable(f"line {one.line.number}: {one.reason}"), soft_wrap=True)
                    reached = outcomes[-1].line.number
                    bar.update(task, advance=sum(one.line.size for one in outcomes), description=f"{reached:,} lines")
                    if failure is not None:
                        report.print(
                            printable(f"stopped before the end, near line {reached}: {failure}"), soft_wrap=True
                        )
                        tally["stopped"] = 1
                        mend = "" if failure.retryable else "Mend what is named above first. "
            except _importing.HeadingError as exc:
                raise typer.BadParameter(str(exc), param_hint="FILE") from exc
            except KeyboardInterrupt:
                report.print(f"interrupted after line {reached}")
                tally["stopped"] = 1
    again = f", {tally['unsent']:,} to be sent again" if tally["unsent"] else ""
    print(f"{tally['created']:,} recorded, {tally['replayed']:,} already there, {tally['refused']:,} refused{again}")
    for name, count in unread.items():
        which = "1 line has" if count == 1 else f"{count:,} lines have"
        print(printable(f"The API did not read {name}, which {which}."), file=sys.stderr)
    if of_nobody := tally["unassigned"]:
        which = "1 line is" if of_nobody == 1 else f"{of_nobody:,} lines are"
        print(f"{which} of no user, so in nobody's feed: say userId, or set OUTCOMES_USER_ID.", file=sys.stderr)
    if tally["stopped"] or tally["unsent"]:
        then = f"{mend}The same command then goes on" if mend else "Run it again"
        print(f"Not everything was sent. {then}: nothing is recorded twice.", file=sys.stderr)
    if tally["refused"] or tally["stopped"] or tally["unsent"]:
        raise typer.Exit(1)


class Format(StrEnum):
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


@app.command()
def export(
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="Where to; - is standard output.")
    ] = "-",
    layout: Annotated[
        Format, typer.Option("--format", help="JSON Lines, CSV with a heading, or Parquet.")
    ] = Format.JSONL,
    outcome_type: Types = None,
    agent: Agent = None,
    start: Start = None,
    end: End = None,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Write all outcomes that are not void, newest first.

    They are the session's user's. A file is there when all of it is; until then, and if that fails, it is as it was
    before. Parquet needs the package's extra parquet; what an outcome is worth is exact there, with 23 decimal places.
    """
    from . import _exporting

    try:
        write = _exporting.writer(layout.value)
    except ModuleNotFoundError as exc:
        print(missing(exc, "parquet"), file=sys.stderr)
        raise typer.Exit(2) from exc
    if layout is Format.PARQUET and output == "-" and sys.stdout.isatty():
        raise typer.BadParameter("Parquet is no text for a terminal: name a file", param_hint="--output")
    with connect(url, cookie) as client:
        parts = client.export(
            "csv" if layout is Format.CSV else "ndjson", outcome_type=outcome_type, agent_id=agent, start=start, end=end
        )
        try:
            with _exporting.replaced(output) as file:
                write(file, (part.text for part in parts))
        except BrokenPipeError:
            raise  # whoever read has read enough, which is said to nobody
        except OSError as exc:
            print(f"outcomes: {output}: {exc.strerror}", file=sys.stderr)
            raise typer.Exit(1) from exc


@app.command()
def mcp(url: Url = None) -> None:
    """Bridge an agent that speaks MCP by stdio to the API's tools.

    They are those of POST /mcp, by the key alone. With the platform's key, set OUTCOMES_USER_ID and OUTCOMES_AGENT_ID,
    so that the agent can record for nobody else; a key of its own says so itself.
    """
    from ._mcp import serve

    serve(connect(url, None))


@app.command()
def doctor(url: Url = None, cookie: Cookie = None) -> None:
    """Say what is wrong with URL, key, session, clock or version. Records nothing."""
    with connect(url, cookie) as client:
        if not _healthy(client):
            raise typer.Exit(1)


@app.command()
def login(url: Url = None, cookie: Cookie = None) -> None:
    """Try URL, key and session, and keep them for later commands.

    What neither an option nor a variable says is asked for. They are kept in a file that nobody else can read, and
    count where variables and options say nothing.
    """
    from . import _login
    from ._client import OutcomesClient

    key = os.environ.get("INTERNAL_API_KEY")
    asks = sys.stdin.isatty()
    if asks and not url:
        url = typer.prompt("URL of the API", err=True).strip()
    if asks and not (key or cookie):
        key = _unseen("Key")
        cookie = _unseen("Session as name=value")
    if not url or not (key or cookie):
        missing = "a key, a session or both are needed. Nothing was kept." if asks else _SET
        print(f"outcomes: {missing}", file=sys.stderr)
        raise typer.Exit(2)
    with OutcomesClient(url, key, cookie=cookie) as client:
        if not _healthy(client):
            print("Nothing was kept.", file=sys.stderr)
            raise typer.Exit(1)
        try:
            file = _login.keep(client._address)
        except OSError as exc:
            print(f"outcomes: {exc.filename}: {exc.strerror}. Nothing was kept.", file=sys.stderr)
            raise typer.Exit(1) from exc
    print(f"Kept in {file}, until `outcomes logout`.", file=sys.stderr)


_SET = "set OUTCOMES_URL, and INTERNAL_API_KEY or OUTCOMES_COOKIE, or both"


def _unseen(what: str) -> str:
    """Ask for what the terminal does not show; spaces around it come of copying."""
    typed: str = typer.prompt(
        f"{what} (unseen; empty for none)", default="", hide_input=True, show_default=False, err=True
    )
    return typed.strip()


@app.command()
def logout() -> None:
    """Remove what login kept on this machine. Key and session stay valid."""
    from . import _login

    print("Removed." if _login.forget() else "There is nothing to remove.", file=sys.stderr)


def _healthy(client: OutcomesClient) -> bool:
    """Show what the doctor finds; tell whether all is well."""
    from rich.text import Text

    from ._doctor import examine

    console = _terminal.console()
    healthy = True
    for finding in examine(client):
        healthy = healthy and finding.ok
        mark = ("ok   ", "green") if finding.ok else ("wrong", "bold red")
        console.print(Text.assemble(mark, "  ", printable(finding.text)), soft_wrap=True)
    return healthy


def _size(file: IO[bytes]) -> int | None:
    """Tell how many bytes there are, for a progress bar; None for a pipe or a terminal, whose end is not known."""
    status = os.fstat(file.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def _today(timezone: str) -> date:
    """Tell the date in a time zone; in UTC where there is none of that name, which the API then says."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return datetime.now(ZoneInfo(timezone)).date()
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return datetime.now(UTC).date()


def _against(totals: Summary, before: PeriodTotal) -> str:
    """Say how totals are against those before: by value, or by count where nothing had one."""
    when = f"the {_length(before, totals.timezone)} before"
    figures = f"{money(before.value_usd)} in {before.count:,}"
    by_count = totals.value_usd == before.value_usd == 0
    now, then = (Decimal(one.count) if by_count else one.value_usd for one in (totals, before))
    if then <= 0:
        return f"{when}: {figures}"
    with localcontext(prec=1000):
        change = int(((now - then) / then * 100).to_integral_value(ROUND_HALF_UP))
    return f"{change:+,} %{' outcomes' if by_count else ''} against {when} ({figures})"


def _length(period: PeriodTotal, timezone: str) -> str:
    """Say how long a period is by the clocks there: in days, if it is of whole ones."""
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


def _plot(totals: Summary, width: int) -> Table:
    """Draw one bar a day, or a week where days do not fit on a screen; by value, or by count where nothing has one."""
    from rich.bar import Bar

    weekly = len(totals.by_day) > 45
    heading = "Week of" if weekly or totals.by_week else "Month of" if totals.by_month else "Day"
    count: Counter[date] = Counter()
    value: dict[date, Decimal] = {}
    with localcontext(prec=1000):  # every digit of the sum of a week
        for day in totals.by_day or totals.by_week or totals.by_month:
            first = day.date - timedelta(days=day.date.weekday()) if weekly else day.date
            count[first] += day.count
            value[first] = value.get(first, Decimal(0)) + day.value_usd
    lengths = {first: value[first] if any(value.values()) else Decimal(count[first]) for first in value}
    longest = max([*lengths.values(), Decimal(0)]) or Decimal(1)
    table = grid(heading, *numbers("Count", "Value"), "")
    room = max(10, width - 25 - max((len(money(one)) for one in value.values()), default=0))
    for first, length in lengths.items():
        bar = Bar(1, 0, max(0.0, float(length / longest)), width=room, color="green")
        table.add_row(first.isoformat(), f"{count[first]:,}", money(value[first]), bar)
    return table


def _summary_as_dict(totals: Summary) -> dict[str, Any]:
    """Write totals as the API does."""

    def total(one: Any, **name: object) -> dict[str, Any]:
        return {**name, "count": one.count, "value_usd": one.value_usd}

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
