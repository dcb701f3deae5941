"""Make text and amounts fit to be shown: no terminal, log or spreadsheet obeys what a server says."""

from __future__ import annotations

from decimal import Decimal
from unicodedata import category

_JOINERS = "\u200c\u200d"  # without them, emoji and some scripts read wrongly
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # also as wide as Chinese characters


def printable(text: str) -> str:
    """Put U+FFFD for what is no visible text: control characters, line ends, changes of the reading order."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _JOINERS or category(c) == "Zs" else "\ufffd" for c in text)


def cell(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would take for a formula.

    The rule is OWASP's (https://owasp.org/www-community/attacks/CSV_Injection), also behind blanks and what is unseen.
    """
    start = next((n for n, c in enumerate(text) if c.isprintable() and not c.isspace()), 0)
    return f"'{text}" if text.startswith(("\t", "\r", "\n")) or text.startswith(_FORMULA, start) else text


def money(value: Decimal | None) -> str:
    """Write dollars with at least two decimals, and all the digits that there are; nothing for None."""
    if value is None:
        return ""
    whole, _, fraction = f"{value.copy_abs():,f}".partition(".")
    return f"{'-' if value < 0 else ''}${whole}.{fraction.rstrip('0'):0<2}"
