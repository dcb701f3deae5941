"""Share what the commands have in common: options, columns, and what is shown where."""

from __future__ import annotations

import logging
import re
import sys
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any, override

import typer

from ._display import printable
from ._models import OutcomeType

# What help and version do not need is imported where it is used: httpx and rich, and what reads answers.
if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Column, Table

    from ._client import OutcomesClient

LOG = logging.getLogger("outcomes_client")

Url = Annotated[str | None, typer.Option(envvar="OUTCOMES_URL", help="The API's base URL.", show_default=False)]
Cookie = Annotated[
    str | None, typer.Option(envvar="OUTCOMES_COOKIE", help="The session as name=value.", show_default=False)
]
Types = Annotated[list[OutcomeType] | None, typer.Option("--type", help="Only this type; may be repeated.")]
Agent = Annotated[int | None, typer.Option("--agent", min=1, help="Only this agent.")]
Start = Annotated[str | None, typer.Option("--from", help="From this ISO 8601 instant or date on.")]
End = Annotated[str | None, typer.Option("--to", help="Before this ISO 8601 instant or date.")]


class _Warnings(logging.Handler):
    """Shows on standard error what the client warns of: why a call takes longer, and what was not read."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        print(f"outcomes: {printable(record.getMessage())}", file=sys.stderr)


def show_warnings() -> None:
    """Show the client's warnings to who runs the command."""
    LOG.handlers = [_Warnings()]
    LOG.propagate = False  # the SDK of MCP shows what comes to the root, too


def new_key() -> str:
    """Name a piece of work that has no name: a random UUID."""
    from uuid import uuid4

    return str(uuid4())


_OPTIONS = {
    "outcomeType": "--type",
    "outcomeTypes": "--type",
    "outcome_type": "--type",
    "valueUsd": "--value",
    "maxValueUsd": "--max-value",
    "agentId": "--agent",
    "userId": "--user",
    "occurredAt": "--at",
    "expiresAt": "--expires",
    "overlapHours": "--overlap",
}


def by_options(said: str) -> str:
    """Name options of the command where the API names fields of a request."""
    return re.sub(r"\b(?:changes\.)?([A-Za-z_]+)\b", lambda name: _OPTIONS.get(name[1], name[0]), said)


def repeat(key: str) -> str:
    """Say how a call can be repeated without counting twice."""
    return f"Safe to repeat with --idempotency-key {key}"


def decimal(text: str) -> Decimal:
    """Read an option that is a number."""
    try:
        value = Decimal(text)
    except InvalidOperation as exc:
        raise typer.BadParameter("not a number") from exc
    if not value.is_finite():
        raise typer.BadParameter("not a finite number")
    return value


def json_object(text: str) -> dict[str, Any]:
    """Read an option that is a JSON object."""
    from . import _json

    try:
        value = _json.decode(text.encode())
    except ValueError as exc:
        raise typer.BadParameter(f"not JSON: {exc}") from exc
    if not isinstance(value, dict):
        raise typer.BadParameter("not a JSON object")
    return value


def moment(text: str) -> date | str:
    """Read an option that is a date, or else an instant, which is for the API to judge."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return text


def connect(url: str | None, cookie: str | None) -> OutcomesClient:
    """Make the client of a command."""
    from . import _login
    from ._client import OutcomesClient

    return OutcomesClient(**_login.settings(url, cookie))


def console(stderr: bool = False) -> Console:
    """Open a console that takes text as text: no markup, no emoji codes, no colouring of what looks like code."""
    from rich.console import Console

    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


def local(moment: datetime | None) -> str:
    """Write an instant by this machine's clock, to the minute; nothing for None."""
    return "" if moment is None else moment.astimezone().strftime("%Y-%m-%d %H:%M")


def whole(*headings: str) -> list[Column]:
    """Make columns that no terminal wraps: half an id is another one."""
    from rich.table import Column

    return [Column(heading, no_wrap=True) for heading in headings]


def folded(*headings: str) -> list[Column]:
    """Make columns that a narrow terminal wraps rather than cuts off, dates between their parts."""
    from rich.table import Column

    return [Column(each, overflow="fold", min_width=_LEAST.get(each, len(each))) for each in headings]


def numbers(*headings: str) -> list[Column]:
    """Make columns that a narrow terminal wraps last of all: half a number is another number."""
    from rich.table import Column

    return [Column(heading, justify="right", no_wrap=True) for heading in headings]


def grid(*headings: str | Column, show_header: bool = True) -> Table:
    """Begin a table without lines around its cells."""
    from rich.table import Table

    return Table(*headings, box=None, pad_edge=False, show_header=show_header)


_LEAST = dict.fromkeys(("When", "Happened", "Ends", "Last used", "Rotated"), 10) | {
    "Status": 9,
    "Made by": 8,
    "Name": 12,
    "Title": 16,
}


def print_table(table: Table) -> None:
    """Print a table, wider than the terminal rather than with less than its columns have to show."""
    from rich.cells import cell_len

    least = 0
    for column in table.columns:
        shown = [str(column.header), *(map(str, column.cells) if column.no_wrap else ())]
        least += 2 + max(column.min_width or 0, *map(cell_len, shown))
    wide = console()
    wide.width = max(wide.width, least)
    wide.print(table)


def print_json(value: object) -> None:
    """Print JSON, for pipes."""
    print(shown(value))


def shown(value: object) -> str:
    """Write JSON as one line that no terminal obeys."""
    from . import _json

    return _json.shown(value)
