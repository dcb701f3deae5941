"""Options, tables and output that the commands share."""

from __future__ import annotations

import logging
import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal, override

import typer

from ._choices import OutcomeStatus, OutcomeType, Time
from ._cli_completion import files
from ._display import printable
from ._errors import OutcomesError

# httpx, rich and other slow modules are imported where they are used, because --help and --version do not need them.
if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Column, Table

    from ._client import OutcomesClient

LOG = logging.getLogger("outcomes_client")

Url = Annotated[str | None, typer.Option(envvar="OUTCOMES_URL", help="The API's base URL.", show_default=False)]
Cookie = Annotated[
    str | None, typer.Option(envvar="OUTCOMES_COOKIE", help="The session as name=value.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for pipes.")]


def outcome_types() -> list[str]:
    """Return the default types, for shell completion. A deployment may have other types."""
    return [*OutcomeType]


def agent_or_none(text: str) -> int | Literal["none"]:
    """Parse the agent of a filter: an agent's number, or "none" for outcomes without an agent."""
    if text == "none":
        return "none"
    if not (text.isascii() and text.isdigit() and int(text)):
        raise typer.BadParameter("must be a whole number from 1, or none")
    return int(text)


Type = Annotated[str, typer.Option("--type", autocompletion=outcome_types, help="The kind of work.")]
Types = Annotated[
    list[str] | None,
    typer.Option("--type", autocompletion=outcome_types, help="Only this type; may be repeated."),
]
Agent = Annotated[
    Any,
    typer.Option(
        "--agent", parser=agent_or_none, metavar="ID|none", help="Only this agent; none: outcomes without an agent."
    ),
]
Statuses = Annotated[
    list[OutcomeStatus] | None, typer.Option("--status", help="Only outcomes with this status; may be repeated.")
]
Order = Annotated[
    Time, typer.Option("--time", help="The time of --from, --to and the order: when recorded, or when it happened.")
]
WithCounts = Annotated[
    bool, typer.Option("--counts", help="Add what each outcome counts for by the user's definitions.")
]
RecordedBy = Annotated[
    str | None, typer.Option(metavar="key:ID", help="Only what this agent key recorded, live or not.")
]
Start = Annotated[str | None, typer.Option("--from", help="Only from this ISO 8601 instant or date on.")]
End = Annotated[str | None, typer.Option("--to", help="Only before this ISO 8601 instant or date.")]


class _Warnings(logging.Handler):
    """Prints the client's warnings on standard error."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        print(f"outcomes: {printable(record.getMessage())}", file=sys.stderr)


def show_warnings() -> None:
    """Print the client's warnings on standard error, once each."""
    LOG.handlers = [_Warnings()]
    LOG.propagate = False  # handlers of the root logger would print the warnings again


def new_key() -> str:
    """Return a random idempotency key."""
    from uuid import uuid4

    return str(uuid4())


_OPTIONS = {
    # make contract: options of fields
    "outcomeType": "--type",
    "outcome_type": "--type",
    "valueUsd": "--value",
    "agentId": "--agent",
    "userId": "--user",
    "occurredAt": "--at",
    # end of make contract
    "idempotencyKey": "--idempotency-key",
}
_KEY_OPTIONS = {
    "outcomeTypes": "--type",
    "maxValueUsd": "--max-value",
    "maxPerDay": "--max-per-day",
    "expiresAt": "--expires",
    "overlapHours": "--overlap",
}


def by_options(said: str, command: str) -> str:
    """Replace the names of request fields in an error text with the options of a command, or of a group of them."""
    options = _OPTIONS | _KEY_OPTIONS if command == "keys" else _OPTIONS
    if command in ("definition", "watches"):  # they send what is in a file, as the API names it
        options = {"userId": "--user"}
    said = re.sub(r"\b(?:changes\.)?([A-Za-z_]+)\b", lambda name: options.get(name[1], name[0]), said)
    if command not in ("keys", "record"):  # others send what is in a file, which may have null
        return said
    return re.sub(r"(--max-per-day must [^;]*), or null", r"\1, or unlimited", said).replace(", or null", "")


def repeat(key: str) -> str:
    """Return a hint that explains how to repeat a call so that it counts only once."""
    import shlex

    return f"Safe to repeat with --idempotency-key {shlex.quote(key)}"


@contextmanager
def advising(advice: str) -> Iterator[None]:
    """Print advice if a call may have taken effect, but its result is lost.

    The result is lost without a valid answer, after Ctrl-C, or if standard output cannot be written. After a retryable
    failure, `main` says how to repeat the call.
    """
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"Interrupted. {advice}", file=sys.stderr)
        raise typer.Exit(1) from None
    except (OSError, OutcomesError) as lost:
        if isinstance(lost, OSError) or (lost._maybe_done and not lost.retryable):
            print(advice, file=sys.stderr)
        raise


def decimal(text: str) -> Decimal:
    """Parse a number given as an option."""
    try:
        value = Decimal(text)
    except InvalidOperation as exc:
        raise typer.BadParameter("not a number") from exc
    if not value.is_finite():
        raise typer.BadParameter("not a finite number")
    return value


def json_object(text: str) -> dict[str, Any]:
    """Parse a JSON object given as an option."""
    from . import _json

    try:
        value = _json.decode(text.encode())
    except ValueError as exc:
        raise typer.BadParameter(f"not JSON: {exc}") from exc
    if not isinstance(value, dict):
        raise typer.BadParameter("not a JSON object")
    return value


def moment(text: str) -> date | str:
    """Parse a date given as an option. Return other text unchanged: the API validates instants."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return text


def connect(url: str | None, cookie: str | None) -> OutcomesClient:
    """Create a command's client from its options, the environment and the saved login."""
    from . import _login
    from ._client import OutcomesClient

    return OutcomesClient(**_login.settings(url, cookie))


def console(stderr: bool = False) -> Console:
    """Return a console that prints text unchanged: without markup, emoji codes and highlighting."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def progress_bar(report: Console) -> Progress:
    """Return a progress bar, which is shown only on a terminal and disappears at its end."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn()
    return Progress(*columns, console=report, transient=True, disable=not report.is_terminal)


def file_size(file: IO[bytes]) -> int | None:
    """Return the size of a file in bytes, for a progress bar.

    Return None for a pipe or a terminal, whose size is unknown.
    """
    status = os.fstat(file.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def local(moment: datetime | None, pattern: str = "%Y-%m-%d %H:%M") -> str:
    """Format an instant in local time, by default to the minute; "" for None."""
    if moment is None:
        return ""
    with suppress(OverflowError):  # locally, it is after the year 9999
        moment = moment.astimezone()
    return moment.strftime(pattern)


def whole(*headings: str) -> list[Column]:
    """Return columns that are never wrapped, because a part of an id would look like an id."""
    from rich.table import Column

    return [Column(heading, no_wrap=True) for heading in headings]


def folded(*headings: str) -> list[Column]:
    """Return columns that a narrow terminal wraps between words."""
    from rich.table import Column

    return [Column(heading, overflow="fold") for heading in headings]


def numbers(*headings: str) -> list[Column]:
    """Return right-aligned columns that are never wrapped, because a part of a number would look like a number."""
    from rich.table import Column

    return [Column(heading, justify="right", no_wrap=True) for heading in headings]


def grid(*headings: str | Column, show_header: bool = True) -> Table:
    """Return a table without borders."""
    from rich.table import Table

    return Table(*headings, box=None, pad_edge=False, show_header=show_header)


def print_table(table: Table, *, is_list: bool = False) -> None:
    """Print a table. No cell is cut, and no word is broken.

    If a terminal is too narrow for the columns, each row becomes a paragraph. Elsewhere, the table may be wider.

    is_list: whether a pipe or a file gets one line for each row, with tabs between the cells, for other programs.
    """
    from rich.cells import cell_len

    rows = [[str(column.header) for column in table.columns]]
    rows += [list(map(str, cells)) for cells in zip(*(column.cells for column in table.columns), strict=True)]
    if is_list and not sys.stdout.isatty():
        print("\n".join(map("\t".join, rows)))
        return
    terminal, needed = console(), -2
    for number, column in enumerate(table.columns):
        cells = [row[number] for row in rows]
        words = cells if column.no_wrap else [word for cell in cells for word in cell.split()]
        column.min_width = max(map(cell_len, words))
        needed += column.min_width + 2
    if needed <= terminal.width or not sys.stdout.isatty():
        terminal.width = max(terminal.width, needed)
        terminal.print(table)
        return
    from textwrap import TextWrapper

    paragraph = TextWrapper(terminal.width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    for row in rows:
        # TextWrapper counts characters, so fill up those that take two columns.
        wide = "".join(each + "\0" * (cell_len(each) - 1) for each in "  ".join(filter(None, row)))
        print(paragraph.fill(wide).replace("\0", ""))


def print_json(value: object) -> None:
    """Print JSON, for pipes."""
    print(shown(value))


def shown(value: object) -> str:
    """Write JSON as one line without control characters."""
    from . import _json

    return _json.shown(value)


def json_argument(what: str) -> Any:
    """Return the argument of a file for `json_file`."""
    said = f"The {what} as JSON, as in the API's request; - for standard input."
    return typer.Argument(metavar="FILE|-", autocompletion=files, help=said)


def json_file(file: typer.FileBinaryRead) -> dict[str, Any]:
    """Read a JSON object from a file. The API validates it."""
    from . import _json

    try:
        value = _json.decode(file.read())
    except ValueError as exc:
        raise typer.BadParameter(f"not JSON: {exc}", param_hint="FILE") from exc
    if not isinstance(value, dict):
        raise typer.BadParameter("not a JSON object", param_hint="FILE")
    return value
