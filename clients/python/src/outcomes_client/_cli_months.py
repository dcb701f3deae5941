"""Show what `outcomes verify` found in the statements of several months."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from ._cli_statements import _changes, _named, _tallies

if TYPE_CHECKING:
    from .statements import VerifiedMonths

_NAMES = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def shown(months: VerifiedMonths, given: Collection[str]) -> Iterator[str]:
    """Yield the lines to print. given: the names of the files that were given."""
    heads = [each.head for each in months.statements]
    yield from map(_named, heads)
    yield from _tallies(name_of(heads[0]["period"], heads[-1]["period"]), months.totals)
    yield from _changes(months.changes)
    yield "Not verified: whether the sums follow from the entries (--entries, of one statement at a time)."
    if heads[0]["previous"] and "previous" not in given:
        yield f"Not verified: whether they continue the statement before (--previous), {heads[0]['previous']}."


def name_of(first: str, last: str) -> str:
    """Name a range of months: "October to December 2026", or "November 2026 to January 2027"."""
    (year, month), (last_year, last_month) = (period.split("-") for period in (first, last))
    begin = _NAMES[int(month) - 1] + ("" if year == last_year else f" {year}")
    return f"{begin} to {_NAMES[int(last_month) - 1]} {last_year}"
