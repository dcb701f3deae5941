"""Make text and amounts fit to be shown: no terminal and no log obeys what a server says."""

from __future__ import annotations

from decimal import Decimal
from unicodedata import category

_JOINERS = "\u200c\u200d"  # without them, emoji and some scripts read wrongly


def printable(text: str) -> str:
    """Put U+FFFD for what is no visible text: control characters, line ends, changes of the reading order."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _JOINERS or category(c) == "Zs" else "\ufffd" for c in text)


def money(value: Decimal | None) -> str:
    """Write dollars with at least two decimals, and all the digits that there are; nothing for None."""
    if value is None:
        return ""
    whole, _, fraction = f"{value.copy_abs():,f}".partition(".")
    return f"{'-' if value < 0 else ''}${whole}.{fraction.rstrip('0'):0<2}"
