"""Serve people and shell scripts: the command line."""

from __future__ import annotations

import sys
import time
from decimal import Decimal
from typing import Annotated, Any, override

import typer
import typer.core

from . import _cli_completion, _cli_corrections, _cli_files, _cli_keys, _cli_login, _cli_summary, _terminal
from ._display import money, printable
from ._models import OutcomeStatus, OutcomeType
from ._terminal import (
    Agent,
    Cookie,
    End,
    Start,
    Types,
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
    print_table,
    repeat,
    whole,
)


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

LONGEST_TYPE = max(map(len, OutcomeType))


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
    extra = ("Happened", "Status") if ledger or status else ()
    table = grid(*whole("Id"), *folded("When", *extra, "Type"), *whole("Agent"), *numbers("Value"), *folded("Title"))
    for one in page.outcomes:
        stands = (local(one.occurred_at), printable(one.status or "")) if extra else ()
        agent_text = "" if one.agent_id is None else str(one.agent_id)
        about = printable(one.outcome_type), agent_text, money(one.value_usd), printable(one.title)
        table.add_row(printable(one.id), local(one.created_at), *stands, *about)
    if page.outcomes:
        print_table(table)
    else:
        print("No outcomes.")
    if page.next_cursor:
        _terminal.console().print(f"More: --cursor {printable(page.next_cursor)}", soft_wrap=True)


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


app.command()(_cli_summary.summary)
app.command("import")(_cli_files.import_)
app.command()(_cli_files.export)


@app.command()
def mcp(url: Url = None) -> None:
    """Bridge an agent that speaks MCP by stdio to the API's tools.

    They are those of POST /mcp, by the key alone. With the platform's key, set OUTCOMES_USER_ID and OUTCOMES_AGENT_ID,
    so that the agent can record for nobody else; a key of its own says so itself.
    """
    from ._mcp import serve

    serve(connect(url, None))


app.command()(_cli_login.doctor)
app.command()(_cli_login.login)
app.command()(_cli_login.logout)
