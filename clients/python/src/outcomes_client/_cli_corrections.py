"""Show, correct, confirm and dispute outcomes from the command line."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._cli_completion import files
from ._display import counts_for, money, printable
from ._terminal import (
    Cookie,
    Type,
    Url,
    WithCounts,
    advising,
    connect,
    console,
    decimal,
    folded,
    grid,
    json_object,
    local,
    moment,
    new_key,
    print_json,
    print_table,
    repeat,
    shown,
)

if TYPE_CHECKING:
    from ._client import OutcomesClient
    from ._models import Corrected, Correction

OutcomeId = Annotated[str, typer.Argument(metavar="ID", help="The outcome's id, as `outcomes list` shows it.")]
OneOf = Annotated[str | None, typer.Argument(metavar="ID", help="The outcome's id, as `outcomes list` shows it.")]
File = Annotated[
    typer.FileBinaryRead | None,
    typer.Option(
        "--from",
        metavar="FILE|-",
        autocompletion=files,
        help="Outcomes instead of ID: an id in each line, JSON Lines with `id`, or CSV with a column `id`.",
    ),
]
Reason = Annotated[str, typer.Option(help="The reason, which the owner sees; 1 to 500 characters.")]
User = Annotated[
    int | None,
    typer.Option(min=1, help="The outcome's user; only with the platform's key. Default OUTCOMES_USER_ID, else none."),
]
Key = Annotated[str | None, typer.Option(help="A name for this correction; repeated calls with it count once.")]


class Clearable(StrEnum):
    """The optional fields of an outcome, which can be cleared."""

    # make contract: fields that can be cleared
    DESCRIPTION = "description"
    VALUE = "value"
    AGENT = "agent"
    METADATA = "metadata"
    AT = "at"
    # end of make contract


def get(
    outcome_id: OutcomeId,
    counts: WithCounts = False,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON, for pipes.")] = False,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Show one outcome and its corrections, oldest first."""
    with connect(url, cookie) as client:
        found = client.get_counted(outcome_id) if counts else client.get(outcome_id)
    if json:
        print_json({"outcome": found.outcome.as_dict(), "corrections": [one.as_dict() for one in found.corrections]})
        return
    from ._models import CountedOutcome

    one = found.outcome
    about = grid(show_header=False)
    for name, text in (
        # make contract: fields shown
        ("Title", one.title),
        ("Status", one.status),
        ("Type", one.outcome_type),
        ("Agent", None if one.agent_id is None else str(one.agent_id)),
        ("Value", money(one.value_usd)),
        ("Happened", local(one.occurred_at)),
        ("Recorded", f"{local(one.created_at)} by {one.recorded_by or 'unknown'}"),
        ("About", one.description),
        ("Metadata", None if one.metadata is None else shown(one.metadata)),
        # end of make contract
        ("Counts", counts_for(one) if isinstance(one, CountedOutcome) else ""),
    ):
        if text:
            about.add_row(name, printable(text))
    console().print(about)
    if found.corrections:
        history = grid(*folded("When", "What", "By", "Why", "Changes"))
        for each in found.corrections:
            words = local(each.created_at), each.type, each.by or "unknown", each.reason or "", _changes(each)
            history.add_row(*map(printable, words))
        console().print()
        print_table(history)


def amend(
    outcome_id: OutcomeId,
    reason: Reason,
    # make contract: options of amend
    outcome_type: Type | None = None,
    title: Annotated[
        str | None,
        typer.Option(help="What was achieved."),
    ] = None,
    value: Annotated[
        Decimal | None,
        typer.Option(parser=decimal, metavar="USD", help="Its value in US dollars."),
    ] = None,
    agent: Annotated[
        int | None,
        typer.Option(min=1, help="The agent that did it."),
    ] = None,
    description: Annotated[
        str | None,
        typer.Option(help="Details."),
    ] = None,
    metadata: Annotated[
        dict[str, Any] | None,
        typer.Option(parser=json_object, metavar="JSON", help="Any JSON object."),
    ] = None,
    at: Annotated[
        Any,
        typer.Option(parser=moment, metavar="WHEN", help="When it happened: an RFC 3339 instant, or a date in UTC."),
    ] = None,
    # end of make contract
    clear: Annotated[list[Clearable] | None, typer.Option(help="Remove a field; may be repeated.")] = None,
    user: User = None,
    idempotency_key: Key = None,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Correct an outcome. Its history keeps what was recorded."""
    named = {
        # make contract: changes
        "outcome_type": outcome_type,
        "title": title,
        "value_usd": value,
        "agent_id": agent,
        "description": description,
        "metadata": metadata,
        "occurred_at": at,
        # end of make contract
    }
    changes: dict[str, Any] = {name: new for name, new in named.items() if new is not None}
    # make contract: cleared fields
    fields = {
        Clearable.VALUE: "value_usd",
        Clearable.AGENT: "agent_id",
        Clearable.AT: "occurred_at",
    }
    # end of make contract
    for one in clear or ():
        name = fields.get(one, str(one))
        if name in changes:
            raise typer.BadParameter(f"{one} is changed and cleared: use one of the two", param_hint="--clear")
        changes[name] = None
    with connect(url, cookie) as client:
        _do(lambda key: client.amend(outcome_id, reason, changes, user_id=user, idempotency_key=key), idempotency_key)


def void(
    reason: Reason,
    outcome_id: OneOf = None,
    file: File = None,
    user: User = None,
    idempotency_key: Key = None,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Withdraw an outcome, or those in a file, for good. They no longer count."""
    with connect(url, cookie) as client:
        if (chosen := _only(outcome_id, file)) is not None:
            _do(lambda key: client.void(chosen, reason, user_id=user, idempotency_key=key), idempotency_key)
        else:
            _do_all(client, "void", file, reason, user, idempotency_key)


def confirm(
    outcome_id: OneOf = None,
    file: File = None,
    reason: Annotated[str | None, typer.Option(help="The reason, in 1 to 500 characters.")] = None,
    idempotency_key: Key = None,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Confirm an outcome, or those in a file, as its owner."""
    with connect(url, cookie) as client:
        if (chosen := _only(outcome_id, file)) is not None:
            _do(lambda key: client.confirm(chosen, reason, idempotency_key=key), idempotency_key)
        else:
            _do_all(client, "confirm", file, reason, None, idempotency_key)


def dispute(
    reason: Annotated[str, typer.Option(help="What is wrong, in 1 to 500 characters.")],
    outcome_id: OneOf = None,
    file: File = None,
    idempotency_key: Key = None,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Dispute an outcome, or those in a file, as its owner. They no longer count."""
    with connect(url, cookie) as client:
        if (chosen := _only(outcome_id, file)) is not None:
            _do(lambda key: client.dispute(chosen, reason, idempotency_key=key), idempotency_key)
        else:
            _do_all(client, "dispute", file, reason, None, idempotency_key)


def uphold(
    outcome_id: OutcomeId,
    reason: Reason,
    user: User = None,
    idempotency_key: Key = None,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Dismiss the dispute of an outcome. It counts again.

    Needs the platform's key. Use it if the owner was wrong. The outcome's status becomes recorded.
    """
    with connect(url, cookie) as client:
        _do(lambda key: client.uphold(outcome_id, reason, user_id=user, idempotency_key=key), idempotency_key)


def assign(
    outcome_id: OutcomeId,
    user: Annotated[int, typer.Argument(min=1, metavar="USER", help="The id of the user to whom it belongs.")],
    url: Url = None,
) -> None:
    """Give an outcome without a user to a user.

    Needs the platform's key. Prints the id of the user's new outcome; the original outcome becomes void. Repeating the
    command is safe.
    """
    with connect(url, None) as client:
        print(printable(client.assign(outcome_id, user)))


def _do(correct: Callable[[str], Corrected], idempotency_key: str | None) -> None:
    """Run a correction. Print its id on standard output for scripts, and the rest on standard error."""
    key = new_key() if idempotency_key is None else idempotency_key
    with advising(f"The correction may have been made. {repeat(key)}"):
        corrected = correct(key)
        if corrected.replayed:
            print("Already done under this key.", file=sys.stderr)
        title = "" if corrected.outcome is None else f"{corrected.outcome.title}: "
        print(printable(f"{title}now {corrected.status}"), file=sys.stderr)
        print(printable(corrected.id))


def _only(outcome_id: str | None, file: Iterable[bytes] | None) -> str | None:
    """Return the id, or None if there is a file instead."""
    if (outcome_id is None) is (file is None):
        raise typer.BadParameter("give either an id or --from", param_hint="ID")
    return outcome_id


def _do_all(
    client: OutcomesClient,
    kind: str,
    file: Iterable[bytes] | None,
    reason: str | None,
    user: int | None,
    idempotency_key: str | None,
) -> None:
    """Correct all outcomes of a file."""
    key = new_key() if idempotency_key is None else idempotency_key
    correct_all(client, kind, ids_of(file or (), "--from"), reason, user, key, repeat(key))


def ids_of(file: Iterable[bytes], option: str) -> dict[str, None]:
    """Read outcomes' ids from the file of an option, as `correct_all` takes them."""
    from . import _importing

    try:
        return dict.fromkeys(_importing.ids(file))
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint=option) from exc


def correct_all(
    client: OutcomesClient,
    kind: str,
    versions: Mapping[str, int | None],
    reason: str | None,
    user: int | None,
    key: str,
    again: str,
) -> None:
    """Correct outcomes, and exit with 1 if not all are corrected. Name on standard error those that were refused.

    versions: by the outcomes' ids, the version that each must still have, or None. key: the idempotency key of each.
    again: how to repeat the command.
    """
    from ._errors import OutcomesError
    from ._refusals import why

    corrections = [
        {"id": id_, "type": kind, "userId": user, "ifVersion": version, "idempotencyKey": key}
        for id_, version in versions.items()
    ]
    with advising(f"Some may have been corrected. {again}"):
        failed: OutcomesError | None = None
        try:
            results = client.correct_many(corrections, reason=reason)
        except OutcomesError as failure:
            failed, results = failure, failure.corrections
        tally = Counter(each.status for each in results)
        unsent = [each.retryable or (failed is not None and each.error == str(failed)) for each in results]
        for each, later in zip(results, unsent, strict=True):
            if not each.ok and not later:
                print(printable(f"{each.id}: {why(each)}"), file=sys.stderr)
        left = sum(unsent)
        refused = len(results) - tally["corrected"] - tally["replayed"] - left
        print(f"{tally['corrected']:,} corrected, {tally['replayed']:,} already done, {refused:,} refused", end="")
        print(f", {left:,} to be sent again" if left else "")
        if left:
            print(f"Not everything was sent. {again}.", file=sys.stderr)
        if failed:
            raise failed
    if refused or left:
        raise typer.Exit(1)


def _changes(correction: Correction) -> str:
    changes = (correction.changes or {}).items()
    return "; ".join(f"{name}: {_side(change, 'before')} -> {_side(change, 'after')}" for name, change in changes)


def _side(change: dict[str, Any], name: str) -> str:
    """Format the value before or after a change. The API omits long metadata of old corrections."""
    return shown(change[name]) if name in change else "..."
