"""Outcomes as lines of a file: CSV (RFC 4180) or NDJSON. Parts, one after the other, are the file.

Columns are those of a list, and all that the ledger adds but `version`.
"""

import re
from typing import NamedTuple

from outcomes.aws.services import Item
from outcomes.contract.outcome_fields import KINDS, LATER, LISTED, Kind
from outcomes.ledger.items import later_json, occurred_at_of, outcome_json, recorded_by_json, status_of
from outcomes.ledger.store import Filters, OutcomeStore

# One that is added comes last, for who counts them.
CSV_COLUMNS = ("id", "user_id", *LISTED, "created_at", "occurred_at", "status", "recorded_by", *LATER[1:])
_WRITTEN = frozenset(name for name, kind in KINDS.items() if kind in {Kind.TEXT, Kind.JSON})
CSV_HEADING = f"{','.join(CSV_COLUMNS)}\r\n"

_FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")
"""Text that begins so, some spreadsheets run: https://owasp.org/www-community/attacks/CSV_Injection. The latter four
are as wide as Chinese characters."""
_SEPARATOR = re.compile("([;\t\r\n])")
"""Between cells or lines, where a spreadsheet does not separate by commas: then no quote within a cell protects it."""

# JSON has them nowhere but in strings, and escapes all others itself.
_LINE_ENDS = {"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}


class Part(NamedTuple):
    """A part of an export: whole lines, each with its end. next_cursor: where the next part begins, None at the end."""

    text: str
    media_type: str
    next_cursor: str | None


def export(store: OutcomeStore, user_id: int, format_: str, cursor: str | None, filters: Filters) -> Part:
    """Write as many of a user's outcomes that come after `cursor` as a response holds, newest first; none is void.

    format_: one of `queries.EXPORT_FORMATS`.

    Raises BadRequest for a cursor that no page gave.
    """
    if format_ == "ndjson":
        page = store.page_by_size(user_id, ndjson_line, cursor, filters)
        return Part("".join(page.outcomes), "application/x-ndjson", page.next_cursor)
    page = store.page_by_size(user_id, csv_line, cursor, filters)
    # The heading is that of the whole file, and `header` says of the part whether it is there (RFC 4180, section 3).
    heading, presence = (CSV_HEADING, "present") if cursor is None else ("", "absent")
    text = heading + "".join(page.outcomes)
    return Part(text, f"text/csv; charset=utf-8; header={presence}", page.next_cursor)


def ndjson_line(item: Item) -> str:
    """Write an outcome as a line of JSON, also to readers that take more characters than LF for the end of a line."""
    also = f'{later_json(item)},"status":"{status_of(item)}","recorded_by":{recorded_by_json(item)}'
    line = f"{outcome_json(item, include_ledger=False)[:-1]},{also}}}\n"
    for char, escape in _LINE_ENDS.items():
        line = line.replace(char, escape)
    return line


def csv_line(item: Item) -> str:
    """Write an outcome as a line of CSV. What is null is empty, a number is one to spreadsheets, also below zero."""
    instant, _, id_ = item["created_at"]["S"].partition("#")
    cells = [
        id_,
        item["user_id"]["S"],
        *[_cell(name, item) for name in LISTED],
        instant,
        occurred_at_of(item),
        status_of(item),
        item["recorded_by"]["S"] if "recorded_by" in item else "",
        *[_cell(name, item) for name in LATER[1:]],
    ]
    return f"{','.join(cells)}\r\n"


def _cell(name: str, item: Item) -> str:
    if name not in item:
        return ""
    value: str = item[name].get("N") or item[name]["S"]
    return _text_cell(value) if name in _WRITTEN else value


def _text_cell(text: str) -> str:
    """Quote text that somebody wrote, with an apostrophe before what a spreadsheet would take for a formula."""
    first, *more = _SEPARATOR.split(text)
    is_formula = _begins_formula(first) or (not first and text[0] != ";")
    cells = [f"'{each}" if _begins_formula(each.replace('"', "")) else each for each in more]
    doubled = f"{first}{''.join(cells)}".replace('"', '""')
    return f'"{"'" if is_formula else ""}{doubled}"'


def _begins_formula(text: str) -> bool:
    return next((char for char in text if char.isprintable() and not char.isspace()), "") in _FORMULA
