"""Define the command line `outcomes`."""

from __future__ import annotations

import inspect
import os
import sys
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, override

import typer
import typer.core

from . import (
    _cli_completion,
    _cli_corrections,
    _cli_costs,
    _cli_definitions,
    _cli_files,
    _cli_keys,
    _cli_login,
    _cli_statements,
    _cli_summary,
    _cli_watches,
    _terminal,
)
from ._choices import OutcomeStatus, OutcomeType
from ._display import counts_for, money, printable
from ._terminal import (
    Agent,
    Cookie,
    End,
    Order,
    RecordedBy,
    Start,
    Type,
    Types,
    Url,
    WithCounts,
    advising,
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
    print_table,
    repeat,
    whole,
)

if TYPE_CHECKING:
    from ._models import Page


class _Commands(typer.core.TyperGroup):
    """Strips pydantic's prefix "Value error, " from messages about wrong values."""

    @override
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as wrong:
            wrong.message = wrong.message.removeprefix("Value error, ")
            raise


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"outcomes {version('outcomes-client')}")
        raise typer.Exit


def options(
    _: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Record the valuable work that agents finish, exactly once, and read it back."""


LONGEST_TYPE = max(map(len, OutcomeType))

Limit = Annotated[int, typer.Option(min=1, max=50, help="How many outcomes.")]
Cursor = Annotated[str | None, typer.Option(help="Where to continue, as printed below the previous page.")]
_WITH_TIMES: dict[str, Any] = {
    "ledger": True,
    "status": [each for each in OutcomeStatus if each is not OutcomeStatus.VOID],
}
"""Arguments of a list that adds when outcomes happened, but no void outcomes."""

JsonPage = Annotated[bool, typer.Option("--json", help="Print the page as JSON, for pipes.")]


def record(
    outcome_type: Type,
    # make contract: options of record
    title: Annotated[
        str,
        typer.Option(help="What was achieved, in 1 to 200 characters."),
    ],
    value: Annotated[
        Decimal | None,
        typer.Option(parser=decimal, metavar="USD", help="Its value in US dollars."),
    ] = None,
    agent: Annotated[
        int | None,
        typer.Option(min=1, help="The agent that did it."),
    ] = None,
    user: Annotated[
        int | None,
        typer.Option(min=1, help="The outcome's user; ignored without a key."),
    ] = None,
    description: Annotated[
        str | None,
        typer.Option(help="Details, up to 1000 characters."),
    ] = None,
    metadata: Annotated[
        dict[str, Any] | None,
        typer.Option(parser=json_object, metavar="JSON", help="Any JSON object."),
    ] = None,
    at: Annotated[
        Any,
        typer.Option(
            parser=moment, metavar="WHEN", help="When it happened, if not now: an RFC 3339 instant, or a date in UTC."
        ),
    ] = None,
    # end of make contract
    idempotency_key: Annotated[
        str | None, typer.Option(help="A name for this piece of work; repeated calls with it count once.")
    ] = None,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Record one outcome and print its id."""
    key = new_key() if idempotency_key is None else idempotency_key
    with connect(url, cookie) as client, advising(f"The outcome may have been recorded. {repeat(key)}"):
        recorded = client.record(
            outcome_type,
            title,
            # make contract: arguments of record
            description=description,
            value_usd=value,
            agent_id=agent,
            user_id=user,
            metadata=metadata,
            occurred_at=at,
            # end of make contract
            idempotency_key=key,
        )
        if recorded.replayed:
            print("Already recorded under this key.", file=sys.stderr)
        print(printable(recorded.id))


def list_(
    limit: Limit = 20,
    cursor: Cursor = None,
    outcome_type: Types = None,
    agent: Agent = None,
    start: Start = None,
    end: End = None,
    status: Annotated[
        list[OutcomeStatus] | None,
        typer.Option(help="Only outcomes with this status; may be repeated. Implies --ledger."),
    ] = None,
    order: Order = "recorded",
    recorded_by: RecordedBy = None,
    ledger: Annotated[
        bool, typer.Option("--ledger", help="Add status and time of recording (When), and include void outcomes.")
    ] = False,
    counts: WithCounts = False,
    json: JsonPage = False,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Show the newest outcomes of the session's or agent key's user."""
    with_status = ledger or bool(status)
    shown: dict[str, Any] = (
        {"status": status, "ledger": with_status} if with_status or (json and not counts) else _WITH_TIMES
    )
    asked: dict[str, Any] = {
        "limit": limit,
        "cursor": cursor,
        "outcome_type": outcome_type,
        "agent_id": agent,
        "start": start,
        "end": end,
        "time": None if order == "recorded" else order,
        "recorded_by": recorded_by,
    }
    with connect(url, cookie) as client:
        page = client.list_counted(**asked, status=shown["status"]) if counts else client.list(**asked, **shown)
    _print_page(page, json=json, with_status=with_status)


def unassigned(
    limit: Limit = 20,
    cursor: Cursor = None,
    json: JsonPage = False,
    url: Url = None,
) -> None:
    """Show the newest outcomes without a user.

    `outcomes assign` gives them to a user. Needs the platform's key.
    """
    with connect(url, None) as client:
        page = client.list(limit=limit, cursor=cursor, user_id="none", **({} if json else _WITH_TIMES))
    _print_page(page, json=json, with_status=False)


def _print_page(page: Page, *, json: bool, with_status: bool) -> None:
    if json:
        print_json({"outcomes": [one.as_dict() for one in page.outcomes], "next_cursor": page.next_cursor})
        return
    from ._models import CountedOutcome, CountedPage

    extra = ("Happened", "Status") if with_status else ()
    last = ("Counts", "Title") if isinstance(page, CountedPage) else ("Title",)
    table = grid(*whole("Id"), *folded("When", *extra, "Type"), *whole("Agent"), *numbers("Value"), *folded(*last))
    for one in page.outcomes:
        # An older API does not say when outcomes happened.
        times = [local(one.created_at), local(one.occurred_at)] if extra else [local(one.occurred_at or one.created_at)]
        stands = [printable(one.status or "")] if extra else []
        agent_text = "" if one.agent_id is None else str(one.agent_id)
        about = printable(one.outcome_type), agent_text, money(one.value_usd)
        counted = [counts_for(one)] if isinstance(one, CountedOutcome) else []
        table.add_row(printable(one.id), *times, *stands, *about, *counted, printable(one.title))
    if page.outcomes:
        print_table(table, is_list=True)
    else:
        print("No outcomes on this page." if page.next_cursor else "No outcomes.")
    if page.next_cursor:
        _terminal.console().print(f"More: --cursor {printable(page.next_cursor)}", soft_wrap=True)


def watch(
    interval: Annotated[
        float, typer.Option(min=0.2, max=3600, metavar="SECONDS", help="Time between two polls.")
    ] = 2.0,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, max=50, help="How many earlier outcomes to show first.")
    ] = 10,
    outcome_type: Types = None,
    agent: Agent = None,
    json: Annotated[bool, typer.Option("--json", help="Print each outcome as a line of JSON, for pipes.")] = False,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Show outcomes as they are recorded, until Ctrl-C.

    Prints a line for each outcome of the session's or agent key's user. If the API does not answer, it says so,
    retries, and then shows what was recorded in the meantime.
    """
    from . import _watching

    with connect(url, cookie) as client:
        waits = False
        for found, failure in _watching.follow(client, lines, {"outcome_type": outcome_type, "agent_id": agent}):
            if failure is not None and not waits:
                print(printable(f"outcomes: {failure}; retrying until the API answers"), file=sys.stderr)
            elif failure is None and waits:
                print("outcomes: the API answers again", file=sys.stderr)
            waits = failure is not None
            for one in found:
                if json:
                    print_json(one.as_dict())
                else:
                    agent_text = "-" if one.agent_id is None else str(one.agent_id)
                    type_ = f"{printable(one.outcome_type):<{LONGEST_TYPE}}"
                    about = f"{type_} {agent_text:>5} {money(one.value_usd) or '-':>14}"
                    print(f"{local(one.created_at, '%Y-%m-%d %H:%M:%S')}  {about}  {printable(one.title)}")
            sys.stdout.flush()  # flush, because output to a pipe is buffered
            time.sleep(interval)


def mcp(url: Url = None) -> None:
    """Bridge an MCP client on stdio to the API's tools.

    Forwards messages to POST /mcp; needs a key. With the platform's key, set OUTCOMES_USER_ID and OUTCOMES_AGENT_ID, so
    that the agent can record only for these. An agent key has these limits already.
    """
    from ._mcp import serve

    serve(connect(url, None))


def fake(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 4010,
    user: Annotated[int, typer.Option(min=1, help="The user of the printed session.")] = 42,
) -> None:
    """Serve a fake of the API for tests, in memory, until Ctrl-C.

    Prints its URL, its key and a session as environment variables. POST /fake/fail, /fake/delay and /fake/session, and
    GET /fake/recorded, do what the fixture `outcomes_fake` of pytest does.
    """
    from .testing import OutcomesFake

    try:
        served = OutcomesFake(port)
    except OSError as exc:
        print(f"outcomes: cannot listen on port {port}: {exc.strerror}", file=sys.stderr)
        raise typer.Exit(1) from None
    with served:
        said = {"OUTCOMES_URL": served.url, "INTERNAL_API_KEY": served.key, "OUTCOMES_COOKIE": served.session(user)}
        # flush at once, because a script may wait for these lines
        print("\n".join(f"{name}={value}" for name, value in said.items()), flush=True)
        served.wait()


COMMANDS: dict[str, Callable[..., None] | typer.Typer] = {
    "record": record,
    "list": list_,
    "unassigned": unassigned,
    "watch": watch,
    "summary": _cli_summary.summary,
    "import": _cli_files.import_,
    "export": _cli_files.export,
    "statement": _cli_statements.statement,
    "verify": _cli_statements.verify,
    "mcp": mcp,
    "fake": fake,
    "doctor": _cli_login.doctor,
    "login": _cli_login.login,
    "logout": _cli_login.logout,
    "get": _cli_corrections.get,
    "amend": _cli_corrections.amend,
    "void": _cli_corrections.void,
    "confirm": _cli_corrections.confirm,
    "dispute": _cli_corrections.dispute,
    "uphold": _cli_corrections.uphold,
    "assign": _cli_corrections.assign,
    "keys": _cli_keys.app,
    "costs": _cli_costs.app,
    "definition": _cli_definitions.app,
    "watches": _cli_watches.app,
    "completion": _cli_completion.completion,
}
"""The functions of the commands, and the groups of commands, in the order of the help."""


def app_for(arguments: Sequence[str]) -> typer.Typer:
    """Return the command line, with the commands that these arguments can run.

    Typer takes longer to read the options of all commands than to start. So a command is alone in its command line, and
    the help of all commands lists them without their options.
    """
    first = arguments[0] if arguments else "--help"
    if "_OUTCOMES_COMPLETE" in os.environ:
        return _app_of(*COMMANDS)
    return _app_of(first) if first in COMMANDS else _app_of(*COMMANDS, lists=first in ("-h", "--help", "--version"))


@cache
def _app_of(*names: str, lists: bool = False) -> typer.Typer:
    """Return a command line with these commands. lists: only list them."""
    app = typer.Typer(
        cls=_Commands,
        epilog="Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 daily limit. The key comes from "
        "INTERNAL_API_KEY or `outcomes login`, never from an option, which other users of the machine could see.",
        no_args_is_help=True,
        add_help_option=len(names) > 1,  # an option --help that is not given would import pydantic before each command
        context_settings={"help_option_names": ["-h", "--help"]},
        add_completion=False,  # the command `outcomes completion` replaces typer's options
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # importing rich would double the time of --help
    )
    app.callback()(options)
    for name in names:
        command = COMMANDS[name]
        if lists:
            about = command.info.help if isinstance(command, typer.Typer) else inspect.getdoc(command)
            app.command(name, help=about)(lambda: None)
        elif isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app
