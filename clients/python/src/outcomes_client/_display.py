"""Format text and amounts for display, without characters that deceive the reader of a line."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._models import CountedOutcome

# docs/statement-format.md lists these characters: controls, line ends, invisible characters, changes of direction,
# unpaired surrogates and tags. The joiners U+200C and U+200D are kept, because emoji and some scripts need them.
_DECEIVING = re.compile(
    "[\0-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    """Replace each character that could deceive the reader of a line with U+FFFD."""
    return _DECEIVING.sub("\ufffd", text)


def quoted(text: str) -> str:
    """Return a text of somebody else between quotes, printable and with escaped quotes."""
    import json

    return json.dumps(printable(text), ensure_ascii=False)


def money(value: Decimal | None) -> str:
    """Format dollars with all their digits and at least two decimals; "" for None."""
    if value is None:
        return ""
    whole, _, fraction = f"{value.copy_abs():,f}".partition(".")
    return f"{'-' if value < 0 else ''}${whole}.{fraction.rstrip('0'):0<2}"


def many(count: float | Decimal, what: str) -> str:
    """Return a number with its noun: `1 day`, `1,200 days`."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def counts_for(outcome: CountedOutcome) -> str:
    """Say what an outcome counts for, such as `waiting, $40.00 on 2027-01-15`; "" for a disputed or void one."""
    counts = outcome.counts
    if counts is None:
        return ""
    worth = money(counts.usd) + ("" if counts.on is None else f" on {counts.on}")
    return printable(", ".join(filter(None, [counts.state, worth.strip(), "imported" if outcome.imported else ""])))
