"""Make and verify statements: `outcomes statement` and `outcomes verify`."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._cli_completion import time_zones
from ._display import many, money, printable, quoted
from ._errors import NotFoundError, StatementError
from ._terminal import Cookie, Url, connect

if TYPE_CHECKING:
    from .statements import Verified, VerifiedMonths


def _file(words: str) -> Any:
    return typer.Option(exists=True, dir_okay=False, metavar="FILE", help=words)


def statement(
    period: Annotated[str, typer.Argument(metavar="PERIOD", help="A month, such as 2026-10.")],
    timezone: Annotated[
        str | None, typer.Option(autocompletion=time_zones, help="IANA time zone of the month; default UTC.")
    ] = None,
    entries: Annotated[
        str | None, typer.Option(metavar="FILE", help="Also write the entries, from which the sums follow.")
    ] = None,
    proof: Annotated[
        str | None, typer.Option(metavar="OUTCOME", help="Print a proof of this outcome instead, without any sum.")
    ] = None,
    trust_keys: Annotated[
        bool, typer.Option("--trust-keys", help="Keep the API's keys for the issuer that its statement names.")
    ] = False,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Print the signed statement of a month that is over.

    Save the output as it is: `outcomes verify` refuses any other layout. The issuer's public keys are kept for
    `outcomes verify`: from the API if it has the issuer's address, else from the issuer itself.
    """
    from . import _kept_keys
    from ._exporting import is_output, replaced

    if entries is not None and is_output(entries):
        raise typer.BadParameter(
            "must be another file than standard output, which gets the statement", param_hint="--entries"
        )
    with connect(url, cookie) as client:
        made = client.make_statement(period, timezone)
        head = json.loads(made)
        said = _kept_keys.keep(f"{head.get('issuer')}", client, trusted=trust_keys)
        print(printable(said), file=sys.stderr)
        if entries is not None:
            with replaced(entries) as opened:
                for part in client.statement_entries(f"{head.get('id')}"):
                    opened.write(part.text.encode())
        if proof is not None:
            made = client.statement_proof(f"{head.get('id')}", proof)
    sys.stdout.flush()
    sys.stdout.buffer.write(made)
    sys.stdout.buffer.flush()


def verify(
    statement: Annotated[
        list[Path] | None,
        typer.Argument(
            exists=True,
            dir_okay=False,
            metavar="STATEMENT...",
            help="One, or those of consecutive months to add up; not needed for a proof.",
        ),
    ] = None,
    entries: Annotated[
        list[Path] | None,
        _file("Its entries, from which its sums must follow; of several statements, repeat it in their order."),
    ] = None,
    proof: Annotated[Path | None, _file("A proof of one outcome.")] = None,
    previous: Annotated[Path | None, _file("The statement of the month before.")] = None,
    keys: Annotated[
        Path | None, _file("The issuer's keys; default those that `outcomes statement` kept for this issuer.")
    ] = None,
    against: Annotated[
        bool, typer.Option("--against", help="Also ask the API whether it still says the same.")
    ] = False,
    url: Url = None,
    cookie: Cookie = None,
) -> None:
    """Verify one or several statements, or a proof, offline. With entries, also show what counts by the payer's rules.

    A refusal begins with the first check that failed: format, key, signature, size, root, totals, adjustments,
    definition, previous or proof.
    """
    if not statement and (proof is None or entries or previous is not None):
        raise typer.BadParameter("needed, except to verify only a --proof", param_hint="STATEMENT")
    several = len(statement or ()) > 1
    if several and proof is not None:
        raise typer.BadParameter("only of one statement", param_hint="--proof")
    if entries and len(entries) != len(statement or ()):
        raise typer.BadParameter("one for each statement, in their order", param_hint="--entries")
    from . import _kept_keys

    try:
        from . import statements
    except ImportError as exc:
        print(exc, file=sys.stderr)
        raise typer.Exit(2) from exc
    # Read each file once, because it may be a pipe.
    texts, lists = ([file.read_bytes() for file in each or ()] for each in (statement, entries))
    files = {
        "statement": texts[0] if texts else None,
        "entries": lists[0] if lists else None,
        "proof": None if proof is None else proof.read_bytes(),
        "previous": None if previous is None else previous.read_bytes(),
    }
    issuer = statements.issuer_of(files["statement"], files["proof"])
    known, origins = _kept_keys.read(issuer) if keys is None else _kept_keys.given(issuer, keys)
    for line in origins:
        print(printable(line))
    given = [name for name, data in files.items() if data is not None or (against and name == "entries")]
    lines: Iterable[str]
    if several:
        months = statements.verify_months(texts, keys=known, previous=files["previous"], entries=lists or None)
        every, lines = months.statements, _months_shown(months, given)
    else:
        verified = statements.verify(**files, keys=known)
        every, lines = [verified], _shown(verified, given)
    for each in every if against else ():
        _compare_with_api(each, known, url, cookie)
    for line in lines:
        print(printable(line))
    print(statements.CAVEAT)


def _shown(verified: Verified, given: Iterable[str]) -> Iterable[str]:
    head = verified.head
    yield _named(head)
    if verified.totals is not None:
        yield from _tallies("Total", verified.totals)
    yield from _changes(verified.adjustments or ())
    yield from _parts(verified.by_rule)
    for fields in verified.entries:
        what = quoted(fields["title"]) if "title" in fields else f"{fields['type']} of {fields['outcome_id']}"
        yield f"Contains {fields['id']}, recorded {fields['created_at']}: {what}"
    if verified.entries:
        yield "A proof shows what was recorded, not that nothing corrects it later."
    if verified.totals is not None and "entries" not in given:
        yield "Not verified: whether the sums follow from the entries (--entries)."
    if verified.totals is not None and head["previous"] and "previous" not in given:
        yield f"Not verified: whether it continues the statement before (--previous), {head['previous']}."


def _named(head: Mapping[str, Any]) -> str:
    return f"Verified: {head['id']} of {head['issuer']}, signed {head['issued_at']}"


def _changes(adjustments: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for each in adjustments:
        yield from _tallies(f"Change of {each['from']} to {each['to']}", each["totals"])


def _tallies(what: str, totals: Mapping[str, Any]) -> Iterable[str]:
    yield f"{what}: {_total(totals)}"
    for tally in ("confirmed", "disputed", "voided"):
        if totals[tally]["count"] or Decimal(totals[tally]["value_usd"]):
            yield f"  {tally}: {_total(totals[tally])}"


def _parts(by_rule: Mapping[str, Any] | None) -> Iterable[str]:
    """Yield what counts by the definitions of the statements."""
    if by_rule is None:
        return
    yield f"By the payer's rules, as of {by_rule['as_of']}:"
    for name, part in by_rule.items():
        if name == "as_of" or (name == "no_rule_known" and not part["count"]):
            continue
        words = [f"{money(Decimal(each['value_usd']))} on {each['on']}" for each in part.get("closes", ())]
        if estimated := Decimal(part.get("estimated_usd", 0)):
            words.append(f"{money(estimated)} of it estimated")
        yield ", ".join([f"  {name.replace('_', ' ')}: {_total(part)}", *words])


def _total(total: Mapping[str, Any]) -> str:
    return f"{many(total['count'], 'outcome')}, {money(Decimal(total['value_usd']))}"


def _compare_with_api(verified: Verified, keys: bytes, url: str | None, cookie: str | None) -> None:
    """Refuse a statement if the API has no statement for this period, a different one, or different entries."""
    from . import statements

    id_ = verified.head["id"]
    with connect(url, cookie) as client:
        try:
            live = client.get_statement(id_)
            entries = "".join([part.text for part in client.statement_entries(id_)]).encode()
        except NotFoundError as exc:
            said = "expected the API to have this statement of the session's user, but it has none"
            raise StatementError("signature", said) from exc
    found = json.loads(live)
    for name, expected in verified.head.items():
        if found.get(name) != expected:
            raise StatementError(
                "signature", f"expected the API to say {name} {expected}, but it says {found.get(name)}"
            )
    statements.verify(live, keys=keys, entries=entries)


def _months_shown(months: VerifiedMonths, given: Collection[str]) -> Iterator[str]:
    """Yield the lines to print. given: the names of the files that were given."""
    heads = [each.head for each in months.statements]
    yield from map(_named, heads)
    yield from _tallies(_name_of(heads[0]["period"], heads[-1]["period"]), months.totals)
    yield from _changes(months.changes)
    yield from _parts(months.by_rule)
    if "entries" not in given:
        yield "Not verified: whether the sums follow from the entries (--entries, of each statement)."
    if heads[0]["previous"] and "previous" not in given:
        yield f"Not verified: whether they continue the statement before (--previous), {heads[0]['previous']}."


def _name_of(first: str, last: str) -> str:
    """Name a range of months: "October to December 2026", or "November 2026 to January 2027"."""
    from calendar import month_name

    (year, month), (last_year, last_month) = (period.split("-") for period in (first, last))
    begin = month_name[int(month)] + ("" if year == last_year else f" {year}")
    return f"{begin} to {month_name[int(last_month)]} {last_year}"
