"""Manage agent keys from the command line: `outcomes keys`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ._choices import OutcomeStatus
from ._cli_completion import files
from ._cli_corrections import Reason, correct_all, ids_of
from ._display import many, money, printable
from ._errors import ConfigurationError, ForbiddenError, InvalidRequestError, OutcomesError
from ._http import AGENT_KEY, NOT_BY_SESSION, SESSION, id_of_key
from ._terminal import (
    Cookie,
    Types,
    Url,
    advising,
    connect,
    decimal,
    folded,
    grid,
    local,
    moment,
    new_key,
    numbers,
    print_json,
    print_table,
    whole,
)

if TYPE_CHECKING:
    from ._client import OutcomesClient
    from ._models import NewAgentKey, Outcome

app = typer.Typer(
    help="Create, list, rotate, pause, clean and revoke agent keys. Needs the session or the platform's key.",
    no_args_is_help=True,
)

User = Annotated[
    int | None,
    typer.Option(min=1, help="The user whose keys to manage; only with the platform's key. Default OUTCOMES_USER_ID."),
]
KeyId = Annotated[
    str, typer.Argument(metavar="ID", parser=id_of_key, help="The key's id, as `outcomes keys list` shows it.")
]


class Scope(StrEnum):
    """Permissions of a key."""

    RECORD = "record"
    READ = "read"
    CORRECT = "correct"
    BACKFILL = "backfill"
    COST = "cost"


def per_day(text: str) -> int | Literal["unlimited"]:
    """Parse a number of outcomes a day, or `unlimited`."""
    if text == "unlimited":
        return "unlimited"
    if not text.isascii() or not text.isdigit():
        raise typer.BadParameter("neither a whole number nor `unlimited`")
    return int(text)


@app.command()
def create(
    name: Annotated[str, typer.Option(help="What it is for, in 1 to 80 characters.")],
    agent: Annotated[int | None, typer.Option(min=1, help="Only for this agent.")] = None,
    outcome_types: Types = None,
    max_value: Annotated[
        Decimal | None,
        typer.Option(parser=decimal, metavar="USD", help="Only values up to this amount, positive or negative."),
    ] = None,
    max_per_day: Annotated[
        Any,
        typer.Option(
            metavar="N",
            parser=per_day,
            help="How many outcomes and corrections it may record in a UTC day, or unlimited.",
            show_default="as the deployment says",
        ),
    ] = None,
    scopes: Annotated[
        list[Scope] | None, typer.Option("--scope", help="A permission; may be repeated.", show_default="record")
    ] = None,
    expires: Annotated[
        Any,
        typer.Option(parser=moment, metavar="WHEN", help="When it expires: an RFC 3339 instant, or a date in UTC."),
    ] = None,
    user: User = None,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Create a key for one agent. It is printed only once."""
    advice = "The key may exist: check `outcomes keys list`, and revoke a key that nobody has."
    with connect(url, cookie) as client, advising(advice):
        made = client.create_key(
            name,
            user_id=user,
            agent_id=agent,
            outcome_types=outcome_types or None,
            max_value_usd=max_value,
            max_per_day=max_per_day,
            scopes=scopes or None,
            expires_at=expires,
        )
        _show(made)


@app.command("list")
def list_(
    user: User = None,
    json: Annotated[bool, typer.Option("--json", help="Print the keys as JSON, for pipes.")] = False,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """List a user's active keys, newest first, without their secrets."""
    with connect(url, cookie) as client:
        keys = client.list_keys(user)
    if json:
        print_json([one.as_dict() for one in keys])
        return
    if not keys:
        print("No keys.")
        return
    bounds = *whole("Agent"), *folded("Types"), *numbers("At most", "Today"), *folded("Scopes", "Ends")
    table = grid(*whole("Id"), *folded("Name"), *bounds, *folded("Last used", "Made by", "Rotated"))
    for one in keys:
        table.add_row(
            printable(one.id),
            printable(one.name),
            "any" if one.agent_id is None else str(one.agent_id),
            "all" if one.outcome_types is None else printable(", ".join(one.outcome_types)),
            money(one.max_value_usd) or "any",
            "any" if one.max_per_day is None else f"{one.recorded_today} of {one.max_per_day}",
            printable(", ".join(one.scopes)),
            local(one.expires_at) or "never",
            f"paused {local(one.paused_at)}" if one.paused_at else local(one.last_used_at) or "never",
            printable(one.made_by or ""),
            f"{local(one.rotated_at)} by {printable(one.rotated_by or 'unknown')}" if one.rotated_at else "",
        )
    print_table(table, is_list=True)


@app.command()
def rotate(
    key_id: KeyId,
    overlap: Annotated[
        int | None,
        typer.Option(min=0, max=168, metavar="HOURS", help="How long the old secret stays valid.", show_default="24"),
    ] = None,
    user: User = None,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Replace the secret of a key. The key keeps its id and limits.

    The new secret is printed only once.
    """
    advice = (
        "The key may have been rotated. Rotating it again would invalidate the secret in use: create a new key, or "
        "wait until the overlap is over."
        if overlap != 0
        else "The key may have been rotated, and then no secret is known that works: rotate it again."
    )
    with connect(url, cookie) as client, advising(advice):
        try:
            made = client.rotate_key(key_id, user_id=user, overlap_hours=overlap)
        except ForbiddenError as refused:
            if not refused.details and not client._address.has_agent_key:
                refused.args = ("403 Forbidden: the platform rotates only keys that it made: let the user rotate it",)
            raise
        _show(made)


@app.command()
def pause(key_id: KeyId, user: User = None, url: Url = None, cookie: Cookie = None) -> None:
    """Pause a key, from its next call on. Its id and limits stay, and rotating does not resume it."""
    with connect(url, cookie) as client:
        client.pause_key(key_id, user_id=user)
    print("Paused.", file=sys.stderr)


@app.command()
def resume(key_id: KeyId, user: User = None, url: Url = None, cookie: Cookie = None) -> None:
    """Let a paused key be used again."""
    with connect(url, cookie) as client:
        client.resume_key(key_id, user_id=user)
    print("Resumed.", file=sys.stderr)


@app.command()
def clean(
    key_id: KeyId,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Only what it recorded from this ISO 8601 instant or date on."),
    ] = None,
    file: Annotated[
        typer.FileBinaryRead | None,
        typer.Option(
            "--ids",
            metavar="FILE|-",
            autocompletion=files,
            help="These outcomes, if the platform may not read: an id in each line, JSON Lines with `id`, or CSV with "
            "a column `id`.",
        ),
    ] = None,
    dispute: Annotated[bool, typer.Option("--dispute", help="Dispute them as their owner instead.")] = False,
    reason: Reason = "Recorded with a leaked key",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    user: User = None,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Void what a key recorded, such as a leaked one. The session also pauses the key if it is active.

    Shows how much it is, and asks. What the owner has confirmed is named and stays. If the command is interrupted, run
    it again: it continues. Revoke an expired key first, which cannot be paused. The platform's key needs --user, and
    PlatformMayRead=true or --ids, of which it voids only what nobody has corrected.
    """
    if (since is None) is (file is None):
        raise typer.BadParameter("give --since or --ids", param_hint="--since")
    # The platform, which may not read, cannot see what the owner has confirmed.
    chosen: Mapping[str, int | None] | None = None if file is None else dict.fromkeys(ids_of(file, "--ids"), 0)
    verb = "dispute" if dispute else "void"
    with connect(url, cookie) as client:
        user_id = _platforms_user(client, user, dispute=dispute)
        if chosen is not None and user_id is None:
            raise typer.BadParameter("the session reads what the key recorded: give --since", param_hint="--ids")
        live = {key.id: key for key in client.list_keys()} if user_id is None else {}
        active = key_id in live and not live[key_id].paused_at
        if user_id is None and key_id not in live:
            gone = (
                f"No live key of this user has the id {key_id}, so none is paused. If it has expired, revoke it first."
            )
            print(printable(gone), file=sys.stderr)
        found = _recorded(client, key_id, since, user_id, dispute=dispute) if chosen is None else []
        versions, stay = _divided(found, dispute=dispute) if chosen is None else (chosen, [])
        if chosen is None:
            worth = money(sum((one.value_usd or Decimal(0) for one in found), Decimal(0)))
            text = f"Recorded by {key_id} since {since}, and not {verb}{'d or void' if dispute else ''}:"
            confirmed = f", {len(stay):,} of them confirmed" if stay else ""
            print(printable(f"{text} {many(len(found), 'outcome')}, worth {worth}{confirmed}."), file=sys.stderr)
        if not yes and (active or versions):
            does = f"Pause the key, and {verb}" if active else verb.capitalize()
            typer.confirm(f"{does} {many(len(versions), 'outcome')}?", abort=True, err=True)
        if active:
            client.pause_key(key_id)
            print("Paused.", file=sys.stderr)
            # The key may have recorded more until now.
            found = _recorded(client, key_id, since, user_id, dispute=dispute)
            versions, stay = _divided(found, dispute=dispute)
        for id_ in stay:
            print(printable(f"{id_}: confirmed by the owner, so it stays"), file=sys.stderr)
        # A list has only what is left, but a file is the same each time, so its corrections must be, too.
        key = new_key() if chosen is None else f"clean-{verb}-{key_id}"
        correct_all(client, verb, versions, reason, user_id, key, "Run it again: it continues")
    if stay:
        raise typer.Exit(1)


def _divided(found: list[Outcome], *, dispute: bool) -> tuple[Mapping[str, int | None], list[str]]:
    """Return what is corrected, and the ids of what stays, because the owner has confirmed it.

    What is voided must have the listed version: the owner may confirm it until then.
    """
    versions: dict[str, int | None] = {}
    stay = []
    for one in found:
        if not dispute and one.status == OutcomeStatus.CONFIRMED:
            stay.append(one.id)
        else:
            versions[one.id] = None if dispute else one.version
    return versions, stay


def _platforms_user(client: OutcomesClient, user: int | None, *, dispute: bool) -> int | None:
    """Return the user for whom the platform's key corrects, or None if the session does. Raises ConfigurationError.

    As in the other commands for keys, the session goes before the platform's key if no user is named.
    """
    owner = client._calls.defaults.owner
    if owner == "key" and not dispute:
        raise ConfigurationError(f"Cleaning needs {SESSION} or the platform's key, not {AGENT_KEY}: unset it")
    if user is not None and owner == "session":
        raise ConfigurationError(NOT_BY_SESSION)
    if dispute and user is not None:
        raise ConfigurationError(f"{SESSION[0].upper()}{SESSION[1:]} disputes for its own user: leave out --user")
    if dispute or owner == "session":
        if not client._address.cookie:
            raise ConfigurationError(f"Disputing needs {SESSION}")
        return None
    if not (client._address.api_key or client._address.cookie):
        raise ConfigurationError(f"Cleaning needs {SESSION}, or the platform's key (INTERNAL_API_KEY)")
    user_id = client._calls.whose(user)
    if user_id is None and client._address.cookie:
        client._address = replace(client._address, api_key=None)  # which would be used to void
    elif user_id is None:
        raise typer.BadParameter("the platform's key corrects outcomes of a user", param_hint="--user")
    return user_id


def _recorded(
    client: OutcomesClient, key_id: str, since: str | None, user_id: int | None, *, dispute: bool
) -> list[Outcome]:
    """Return what a key recorded and can be voided or disputed."""
    done = {OutcomeStatus.VOID, OutcomeStatus.DISPUTED} if dispute else {OutcomeStatus.VOID}
    chosen: dict[str, Any] = {"start": since, "status": [one for one in OutcomeStatus if one not in done]}
    try:
        return [*client.iterate(recorded_by=f"key:{key_id}", ledger=True, user_id=user_id, **chosen)]
    except InvalidRequestError as refused:
        if refused.error == "Invalid from":
            raise typer.BadParameter(
                "no ISO 8601 instant or date that the API takes", param_hint="--since"
            ) from refused
        raise
    except ForbiddenError as refused:
        if user_id is not None:
            refused.args = (f"{refused}; give --ids, or let the platform read with PlatformMayRead=true",)
        raise


@app.command()
def revoke(
    key_id: KeyId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    user: User = None,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Revoke a key with all its secrets, from the next call on."""
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Revoke {key_id}? Calls with it will be refused.", abort=True, err=True)
    with connect(url, cookie) as client:
        try:
            was_live = key_id in {key.id for key in client.list_keys(user)}
        except OutcomesError:
            was_live = True  # unknown: revoke it all the same
        client.revoke_key(key_id, user_id=user)
    gone = f"No live key of this user had the id {key_id}. If one that has expired has it, that one is revoked."
    print("Revoked." if was_live else printable(gone), file=sys.stderr)


def _show(made: NewAgentKey) -> None:
    """Print the key on standard output for scripts, and the rest on standard error."""
    print(f"Key {printable(made.id)} of user {made.user_id}. Its secret is shown only once:", file=sys.stderr)
    print(printable(made.key))
