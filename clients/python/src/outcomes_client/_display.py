"""Format text and amounts for display, without control characters that a server may have sent."""

from __future__ import annotations

from decimal import Decimal
from unicodedata import category

_JOINERS = "\u200c\u200d"  # joiners are kept, because emoji and some scripts need them


def printable(text: str) -> str:
    """Replace control characters, line ends and changes of text direction with U+FFFD."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _JOINERS or category(c) == "Zs" else "\ufffd" for c in text)


def money(value: Decimal | None) -> str:
    """Format dollars with all their digits and at least two decimals; "" for None."""
    if value is None:
        return ""
    whole, _, fraction = f"{value.copy_abs():,f}".partition(".")
    return f"{'-' if value < 0 else ''}${whole}.{fraction.rstrip('0'):0<2}"
