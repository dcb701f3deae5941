"""The fields of an outcome by name, for who stores, lists, exports or corrects one. What each may say is in `models`.

Apart from that, as who only reads loads no rules of bodies.
"""

from enum import StrEnum


class Kind(StrEnum):
    """A kind of value: how it is stored, and what is to be done before it is shown.

    Numbers are stored as N, all others as S: texts, which anybody may have written; names, which are among those of the
    contract; JSON as its text; instants as `instants.text` has them.
    """

    NUMBER = "number"
    TEXT = "text"
    NAME = "name"
    JSON = "json"
    INSTANT = "instant"


KINDS = {
    "outcome_type": Kind.NAME,
    "title": Kind.TEXT,
    "description": Kind.TEXT,
    "value_usd": Kind.NUMBER,
    "agent_id": Kind.NUMBER,
    "metadata": Kind.JSON,
    "occurred_at": Kind.INSTANT,
}
"""All that an outcome says, but whose it is. A field that is added comes last."""

LISTED = ("agent_id", "outcome_type", "title", "description", "value_usd", "metadata")
"""Those that every list has had from the beginning, and to which none is added."""

LATER = tuple(name for name in KINDS if name not in LISTED)
"""Those that are told together with where an outcome stands. Null unless given, but for the first, `occurred_at`."""
