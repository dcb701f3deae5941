"""Export outcomes as CSV (RFC 4180) or NDJSON, in parts that can be concatenated to one file.

The columns are the fields of a list with `include=ledger`, without `version`.
"""

import re
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from outcomes.aws.services import Item
from outcomes.contract.outcome_fields import KINDS, LATER, LISTED, Kind
from outcomes.ledger.items import later_json, occurred_at_of, outcome_json, recorded_by_json, status_of
from outcomes.ledger.store import Filters, OutcomeStore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Counts(Protocol):
        """Says what an outcome counts for: `totals.outcome_counts.OutcomeCounts`."""

        def member(self, item: Item) -> str: ...
        def cells(self, item: Item) -> list[str]: ...


# New columns are added at the end, for readers that access columns by position.
CSV_COLUMNS = ("id", "user_id", *LISTED, "created_at", "occurred_at", "status", "recorded_by", *LATER[1:])
CSV_HEADING = f"{','.join(CSV_COLUMNS)}\r\n"
COUNTS_COLUMNS = ("counts_state", "counts_on", "counts_usd", "imported")
_HEADING_WITH_COUNTS = f"{','.join((*CSV_COLUMNS, *COUNTS_COLUMNS))}\r\n"

_FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")
"""Characters that begin a formula in some spreadsheets: https://owasp.org/www-community/attacks/CSV_Injection.
The last four are the full-width forms."""
_SEPARATOR = re.compile("([;\t\r\n])")
"""Cell or line separators in spreadsheets that do not separate cells by commas, and so ignore the quotes around a
cell."""

# Some readers treat these characters as line ends. In JSON, they can occur unescaped only in strings.
_LINE_ENDS = {"\x85": "\\u0085", "\u2028": "\\u2028", "\u2029": "\\u2029"}


class Part(NamedTuple):
    """A part of an export, which consists of complete lines.

    next_cursor: the cursor of the next part, or None at the end.
    """

    text: str
    media_type: str
    next_cursor: str | None


def export(
    store: OutcomeStore,
    user_id: int | None,
    format_: str,
    cursor: str | None,
    filters: Filters,
    counts: "Counts | None" = None,
) -> Part:
    """Write as many of a user's outcomes after `cursor` as fit into a response, newest first.

    user_id: None for outcomes without a user. format_: one of `queries.EXPORT_FORMATS`. counts: adds what each outcome
    counts for. Raises BadRequest for an invalid cursor.
    """
    if format_ == "ndjson":
        page = store.page_by_size(user_id, partial(ndjson_line, counts=counts), cursor, filters)
        return Part("".join(page.outcomes), "application/x-ndjson", page.next_cursor)
    page = store.page_by_size(user_id, partial(csv_line, counts=counts), cursor, filters)
    # Only the first part has the heading; the media type's parameter `header` says whether a part has it (RFC 4180,
    # section 3).
    columns = _HEADING_WITH_COUNTS if counts else CSV_HEADING
    heading, presence = (columns, "present") if cursor is None else ("", "absent")
    text = heading + "".join(page.outcomes)
    return Part(text, f"text/csv; charset=utf-8; header={presence}", page.next_cursor)


def ndjson_line(item: Item, counts: "Counts | None" = None) -> str:
    """Write an outcome as a line of JSON. Escape all characters that some readers treat as a line end."""
    also = f'{later_json(item)},"status":"{status_of(item)}","recorded_by":{recorded_by_json(item)}'
    also += counts.member(item) if counts else ""
    line = f"{outcome_json(item, include_ledger=False)[:-1]},{also}}}\n"
    for char, escape in _LINE_ENDS.items():
        line = line.replace(char, escape)
    return line


def csv_line(item: Item, counts: "Counts | None" = None) -> str:
    """Write an outcome as a line of CSV. Null is an empty cell. Numbers are unquoted, even negative numbers."""
    instant, _, id_ = item["created_at"]["S"].partition("#")
    cells = [
        id_,
        user_id if (user_id := item["user_id"]["S"]).isdigit() else "",
        *_cells(item, _LISTED),
        instant,
        occurred_at_of(item),
        status_of(item),
        item["recorded_by"]["S"] if "recorded_by" in item else "",
        *_cells(item, _LATER),
        *(counts.cells(item) if counts else ()),
    ]
    return f"{','.join(cells)}\r\n"


def _columns(names: Sequence[str]) -> list[tuple[str, str, bool]]:
    """Return, for each field, its name, its type in DynamoDB, and whether its cell is quoted."""
    kinds = [KINDS[name] for name in names]
    return [
        (name, "N" if kind is Kind.NUMBER else "S", kind in _QUOTED) for name, kind in zip(names, kinds, strict=True)
    ]


_QUOTED = {Kind.TEXT, Kind.JSON}
_LISTED, _LATER = _columns(LISTED), _columns(LATER[1:])


def _cells(item: Item, columns: list[tuple[str, str, bool]]) -> list[str]:
    return [
        "" if name not in item else _text_cell(item[name][type_]) if is_quoted else item[name][type_]
        for name, type_, is_quoted in columns
    ]


def _text_cell(text: str) -> str:
    """Quote text. Put an apostrophe before text that a spreadsheet would treat as a formula.

    Also put one before such text that begins with apostrophes, so that an import can always remove it.
    """
    first, *more = _SEPARATOR.split(text)
    is_formula = _begins_formula(first) or text.lstrip("'").startswith(("\t", "\r", "\n"))
    cells = [f"'{each}" if _begins_formula(each.replace('"', "")) else each for each in more]
    doubled = f"{first}{''.join(cells)}".replace('"', '""')
    return f'"{"'" if is_formula else ""}{doubled}"'


def _begins_formula(text: str) -> bool:
    for char in text.lstrip("'"):
        if char.isprintable() and not char.isspace():
            return char in _FORMULA
    return False
