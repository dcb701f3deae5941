"""Import and export files of outcomes: `outcomes import` and `outcomes export`."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ._cli_completion import files
from ._display import many, printable
from ._errors import LimitError, OutcomesError, missing
from ._terminal import (
    Agent,
    Cookie,
    End,
    Order,
    RecordedBy,
    Start,
    Statuses,
    Types,
    Url,
    WithCounts,
    connect,
    console,
    file_size,
    progress_bar,
)

if TYPE_CHECKING:
    from ._client import OutcomesClient

LIMITED = 3  # the exit code if an agent key's daily limit ended an import
_TRY = 10.0  # seconds to ask how much an agent key may still record


def import_(
    file: Annotated[
        typer.FileBinaryRead,
        typer.Argument(metavar="FILE|-", autocompletion=files, help="JSON Lines or CSV; - for standard input."),
    ],
    layout: Annotated[
        Literal["jsonl", "csv"] | None,
        typer.Option("--format", help="The file's format.", show_default="csv if the name ends in .csv, else jsonl"),
    ] = None,
    scope: Annotated[str, typer.Option(help="Makes lines new work although equal ones were imported before.")] = "",
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Record each line of a file once, even if you run it again.

    A line is a request body of the API or a line of an export. It keeps the time of the work, which may be at most 34
    days ago unless the key is the platform's or has the scope backfill. A line's idempotency key is made from its
    content and the number of equal lines before it, so an interrupted import can be repeated for 35 days. An added or
    edited line is a new outcome; the outcome of a removed line stays. Give --scope (such as a date) if a new file
    repeats lines of an old one and they are new work.

    If the agent key's daily limit is reached, the exit code is 3, and the same command goes on the next day.
    """
    from . import _importing

    as_csv = file.name.lower().endswith(".csv") if layout is None else layout == "csv"
    parsed = _importing.keyed(_importing.outcome_rows(file) if as_csv else _importing.json_lines(file), scope)
    tally: Counter[str] = Counter()
    unread: Counter[str] = Counter()
    report = console(stderr=True)
    reached, fix = 0, ""
    with connect(url, cookie) as client, progress_bar(report) as bar:
        task = bar.add_task("", total=file_size(file))
        if left := _left_today(client):
            report.print(left)
        try:
            for outcomes, failure in _importing.record(client, parsed):
                for one in outcomes:
                    tally[one.status] += 1
                    tally["unassigned"] += one.unassigned
                    unread.update(set(one.ignored_fields))
                    if one.reason and (failure is None or one.status == "refused"):
                        report.print(printable(f"line {one.line.number}: {one.reason}"), soft_wrap=True)
                reached = outcomes[-1].line.number
                bar.update(task, advance=sum(one.line.size for one in outcomes), description=f"{reached:,} lines")
                if failure is not None:
                    report.print(printable(f"stopped before the end, near line {reached}: {failure}"), soft_wrap=True)
                    tally["stopped"] = 1
                    is_fault = not failure.retryable and not isinstance(failure, LimitError)
                    fix = "Fix what is named above first. " if is_fault else ""
        except _importing.HeadingError as exc:
            raise typer.BadParameter(str(exc), param_hint="FILE") from exc
        except KeyboardInterrupt:
            report.print(f"interrupted after line {reached}")
            tally["stopped"] = 1
    _conclude(tally, unread, fix)


def _conclude(tally: Counter[str], unread: Counter[str], fix: str) -> None:
    """Say what became of all lines, and exit with a code that is not 0 if not all are recorded."""
    again = f", {tally['unsent']:,} to be sent again" if tally["unsent"] else ""
    again += f", {tally['limited']:,} beyond the key's daily limit" if tally["limited"] else ""
    print(f"{tally['created']:,} recorded, {tally['replayed']:,} already there, {tally['refused']:,} refused{again}")
    for name, count in unread.items():
        print(printable(f"The API ignored {name} in {many(count, 'line')}."), file=sys.stderr)
    if unassigned := tally["unassigned"]:
        without = f"{many(unassigned, 'line')} recorded for no user, which is in nobody's feed"
        advice = "`outcomes assign` gives them to one. Imported again with a user, they would count twice"
        print(f"{without}: {advice}.", file=sys.stderr)
    if tally["stopped"] or tally["unsent"]:
        then = f"{fix}The same command then continues" if fix else "Run it again"
        then = f"{fix}The same command goes on when the key may record again" if tally["limited"] else then
        print(f"Not everything was sent. {then}: nothing is recorded twice.", file=sys.stderr)
    if tally["limited"]:
        raise typer.Exit(LIMITED)
    if tally["refused"] or tally["stopped"] or tally["unsent"]:
        raise typer.Exit(1)


def _left_today(client: OutcomesClient) -> str:
    """Return how many lines an agent key may still record today. Return an empty text if it has no limit."""
    if client._calls.defaults.owner != "key":
        return ""
    from . import _answers, _readers
    from ._http import OWN_KEY_PATH, Reply, Request
    from ._steps import Send

    # Ask once: the import itself will meet any fault, if it matters, and tries until its deadline.
    answer = client._send(Send(Request("GET", OWN_KEY_PATH), _TRY))
    if not isinstance(answer, Reply) or answer.status != 200:
        return ""
    try:
        key = _answers.model(_readers.agent_key)(answer)
    except OutcomesError:
        return ""
    if key.max_per_day is None or key.recorded_today is None:
        return ""
    return f"The key records {key.max_per_day:,} a day; about {key.max_per_day - key.recorded_today:,} are left today."


def export(
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FILE", help="The file to write; - for standard output.")
    ] = "-",
    layout: Annotated[
        Literal["jsonl", "csv", "parquet"],
        typer.Option("--format", help="JSON Lines, CSV with a heading, or Parquet."),
    ] = "jsonl",
    outcome_type: Types = None,
    agent: Agent = None,
    start: Start = None,
    end: End = None,
    status: Statuses = None,
    order: Order = "recorded",
    recorded_by: RecordedBy = None,
    counts: WithCounts = False,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Write all outcomes that are not void, newest first.

    Exports the outcomes of the session's or agent key's user; --status void includes void ones. The file is replaced
    only once the export is complete; if it fails, the old file stays. Parquet needs the package's extra parquet, and
    stores values exactly, with 23 decimal places.
    """
    from . import _exporting

    try:
        write = _exporting.writer(layout, counts=counts)
    except ModuleNotFoundError as exc:
        print(missing(exc, "parquet"), file=sys.stderr)
        raise typer.Exit(2) from exc
    if layout == "parquet" and output == "-" and sys.stdout.isatty():
        raise typer.BadParameter("Parquet is binary: name a file, or use a pipe", param_hint="--output")
    with connect(url, cookie) as client:
        parts = client.export(
            "csv" if layout == "csv" else "ndjson",
            outcome_type=outcome_type,
            agent_id=agent,
            start=start,
            end=end,
            status=status,
            time=None if order == "recorded" else order,
            recorded_by=recorded_by,
            counts=counts,
        )
        with _exporting.replaced(output) as file:
            write(file, (part.text for part in parts))
