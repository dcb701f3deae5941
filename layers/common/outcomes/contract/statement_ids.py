"""Read and write a statement's id in a URL, and the cursors of the list of statements."""

import re

from outcomes.errors import BadRequest, Fault

_ZONE_IN_PATH = "@[A-Za-z0-9_~.-]+"
_IN_PATH = f"[0-9]{{4}}-[0-9]{{2}}{_ZONE_IN_PATH}"
_NO_MONTH = f"[0-9]{{4}}(-Q[1-4])?{_ZONE_IN_PATH}"  # a quarter or a year, which stacks in development may have stored
CURSOR = f"([0-9]{{13}})-({_IN_PATH})"
_FROM_PATH, _TO_PATH = str.maketrans("~.", "/+"), str.maketrans("/+", "~.")


def id_in_path(text: str) -> str | None:
    """Read a statement's id from a path, where it is written like `2026-10@Europe~Berlin`.

    Return None if it is invalid. Raises BadRequest for the id of a quarter or a year: a statement is a month.
    """
    text = text.replace("%40", "@")
    if re.fullmatch(_NO_MONTH, text):
        from outcomes.contract.rules import calendar_month  # imported here, because it loads slowly

        raise BadRequest("Invalid period", [Fault(field="period", message=calendar_month().words)])
    return text.translate(_FROM_PATH) if re.fullmatch(_IN_PATH, text) else None


def cursor_after(place: str) -> str:
    """Return the cursor for the page of the list that begins after a statement.

    place: the statement's sort key in the list, `<13 digits>#<id>`; see `statements.statement_rows.place`.
    """
    return place.replace("#", "-").translate(_TO_PATH)


def read_cursor(cursor: str) -> str:
    """Return the `place` from which `cursor_after` made a cursor. Raises BadRequest for an invalid cursor."""
    found = re.fullmatch(CURSOR, cursor)
    if not found:
        raise BadRequest("Invalid cursor")
    return f"{found[1]}#{found[2].translate(_FROM_PATH)}"
