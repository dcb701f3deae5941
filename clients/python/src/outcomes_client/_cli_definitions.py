"""Show and put the definitions of which outcomes count: `outcomes definition`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ._display import money, printable
from ._terminal import (
    Cookie,
    End,
    Json,
    Start,
    Url,
    advising,
    connect,
    folded,
    grid,
    json_argument,
    json_file,
    local,
    numbers,
    print_json,
    print_table,
    whole,
)

if TYPE_CHECKING:
    from ._models import ByRule, TypeByRule

app = typer.Typer(help="Say which outcomes count, as the user who pays.", no_args_is_help=True)

File = Annotated[typer.FileBinaryRead, json_argument("definition")]


@app.command()
def show(
    user: Annotated[
        int | None,
        typer.Option(
            min=1, help="The user whose definitions; only with the platform's key, if PlatformMayRead is true."
        ),
    ] = None,
    json: Json = False,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Show the definitions, newest first."""
    with connect(url, cookie) as client:
        definitions = client.list_definitions(user_id=user)
    if json:
        from ._models import told

        print_json({"definitions": told(definitions)})
        return
    if not definitions:
        print("No definition: all that agents claim is shown, and nothing says what counts.")
    for number, each in enumerate(definitions):
        print(
            *([] if number == 0 else [""]),
            f"From {printable(each.start)} on, in {printable(each.timezone)}: version {each.version},"
            f" put {local(each.put_at)}. Dispute days: {each.dispute_days}",
            sep="\n",
        )
        table = grid(*whole("Type", "Counts"), *numbers("Each"), *folded("Basis", "Note"))
        for rule in each.types:
            worth = "" if rule.each_usd is None else money(rule.each_usd)
            table.add_row(*map(printable, (rule.outcome_type, rule.when, worth, rule.basis, rule.note or "")))
        print_table(table)


@app.command()
def put(
    month: Annotated[str, typer.Argument(metavar="MONTH", help="The first month in which it holds, such as 2026-12.")],
    file: File,
    if_version: Annotated[
        int | None, typer.Option(min=0, help="Only instead of this version; 0: only if none begins with this month.")
    ] = None,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Say which outcomes count from a month on. Needs the session of the user who pays."""
    definition = json_file(file)
    advice = "The definition may have been put: check with `outcomes definition show`."
    with connect(url, cookie) as client, advising(advice):
        print(f"Version {client.put_definition(month, definition, if_version=if_version)}")


@app.command("try")
def try_(
    file: File,
    start: Start = None,
    end: End = None,
    json: Json = False,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Show what would count in a period by a definition, by default in the last 30 days. Nothing is stored.

    The period must consist of whole days of the definition's time zone.
    """
    definition = json_file(file)
    with connect(url, cookie) as client:
        found = client.try_definition(definition, start=start, end=end)
    if json:
        from ._models import told

        print_json({"by_rule": told(found)})
        return
    if found is None:
        raise typer.BadParameter(
            "must begin and end with a day of the definition's time zone", param_hint="--from, --to"
        )
    print_by_rule(found)


def print_by_rule(found: ByRule) -> None:
    """Print what counts: the five parts by type, and when what waits will count."""
    names = {"counted": "Counted", "waiting": "Waiting", "unconfirmed": "Unconfirmed", "not_counted": "Not counted"}
    if found.before_rules.count:
        names["before_rules"] = "Before rules"
    table = grid(*whole("Type"), *numbers(*names.values()))
    rows: list[tuple[str, ByRule | TypeByRule]] = [("all", found)]
    rows += [(one.outcome_type, one) for one in found.by_type]
    for type_, each in rows:
        table.add_row(printable(type_), *(money(vars(each)[name].value_usd) for name in names))
    print_table(table)
    for day in found.waiting.closes:
        print(f"{money(day.value_usd)} count on {day.on}, unless disputed")
    for name in ("counted", "waiting", "unconfirmed"):
        if estimated := vars(found)[name].estimated_usd:
            print(f"{money(estimated)} of {names[name].lower()} is estimated")
