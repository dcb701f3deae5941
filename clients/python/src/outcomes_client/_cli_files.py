"""Read and write files of outcomes: `outcomes import` and `outcomes export`."""

from __future__ import annotations

import os
import stat
import sys
from collections import Counter
from enum import StrEnum
from typing import IO, Annotated, Literal

import typer

from ._cli_completion import files
from ._display import printable
from ._errors import missing
from ._terminal import Agent, Cookie, End, Start, Types, Url, connect, console


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
    report = console(stderr=True)
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


def _size(file: IO[bytes]) -> int | None:
    """Tell how many bytes there are, for a progress bar; None for a pipe or a terminal, whose end is not known."""
    status = os.fstat(file.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None
