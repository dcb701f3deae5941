"""Put and list watches, and the setting of the digest: `outcomes watches`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._cli_completion import time_zones
from ._display import many, money, printable
from ._terminal import (
    Cookie,
    Json,
    Url,
    advising,
    connect,
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
    from ._models import Watch

app = typer.Typer(help="Be told when figures cross a line.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="Your name of the watch, such as deals.")]
User = Annotated[
    int | None,
    typer.Option(min=1, help="The user whose watches; only with the platform's key. Default OUTCOMES_USER_ID."),
]
IfVersion = Annotated[int | None, typer.Option(min=0, help="Only instead of this version; 0: only if there is none.")]
ADVICE = "It may have been written: check with `outcomes watches list`."


@app.command("list")
def list_(user: User = None, json: Json = False, url: Url = None, cookie: Cookie = None) -> None:
    """List the watches, with their present figures, and the setting of the digest."""
    with connect(url, cookie) as client:
        found = client.list_watches(user_id=user)
    if json:
        from ._models import told

        print_json(told(found))
        return
    if found.watches:
        table = grid(*whole("Id", "Name", "Measure", "Of", "Period"), *numbers("Figure", "Target"), *whole("Last told"))
        for each in found.watches:
            last = max(each.told, key=lambda telling: telling.at, default=None)
            row = each.id, each.name, each.measure, _filters(each), each.period.name if each.period else ""
            share = f" at {last.percent} %" if last and each.every else ""
            told_at = f"{last.type}{share}, {local(last.at)}" if last else ""
            figure = printable(each.status or "") if each.figure is None else _amount(each, each.figure)
            table.add_row(*map(printable, row), figure, _amount(each, each.target), printable(told_at))
        print_table(table)
    else:
        print("No watch.")
    if found.digest:
        print(f"Digest: each {found.digest.day} at {found.digest.hour}:00, {printable(found.digest.timezone)}")


@app.command()
def show(id_: Id, user: User = None, url: Url = None, cookie: Cookie = None) -> None:
    """Show a watch as JSON, with its present figure and what was told."""
    from ._models import told

    with connect(url, cookie) as client:
        print_json(told(client.get_watch(id_, user_id=user)))


@app.command()
def put(
    id_: Id,
    file: Annotated[typer.FileBinaryRead, json_argument("watch")],
    if_version: IfVersion = None,
    user: User = None,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Put a watch."""
    watch = json_file(file)
    with connect(url, cookie) as client, advising(ADVICE):
        print(f"Version {client.put_watch(id_, watch, if_version=if_version, user_id=user)}")


@app.command()
def delete(id_: Id, if_version: IfVersion = None, user: User = None, url: Url = None, cookie: Cookie = None) -> None:
    """Delete a watch."""
    with connect(url, cookie) as client, advising(ADVICE):
        print(f"Deleted version {client.delete_watch(id_, if_version=if_version, user_id=user)}")


@app.command()
def digest(
    day: Annotated[str, typer.Option(help="The day of the week, such as monday.")] = "monday",
    hour: Annotated[int, typer.Option(min=0, max=23, help="The hour of that day.")] = 8,
    timezone: Annotated[
        str, typer.Option(autocompletion=time_zones, help="The user's IANA time zone, such as Europe/Berlin.")
    ] = "UTC",
    off: Annotated[bool, typer.Option("--off", help="Send no digest any more.")] = False,
    user: User = None,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Send a digest each week, or none any more."""
    with connect(url, cookie) as client, advising(ADVICE):
        if off:
            print(f"Deleted version {client.delete_digest(user_id=user)}")
        else:
            setting: dict[str, Any] = {"timezone": timezone, "day": day, "hour": hour}
            print(f"Version {client.put_digest(setting, user_id=user)}")


def _filters(watch: Watch) -> str:
    """Say of which outcomes or costs a watch is."""
    agent = None if watch.agent_id is None else f"agent {watch.agent_id}"
    return ", ".join(filter(None, [watch.outcome_type, agent])) or "all"


def _amount(watch: Watch, value: Any) -> str:
    if watch.every is not None:
        return money(value)
    return many(value, "day") if watch.measure == "silence" else f"{value:,}"
