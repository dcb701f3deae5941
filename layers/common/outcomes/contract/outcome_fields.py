"""Define the fields of an outcome, for code that stores, lists, exports or corrects outcomes.

The fields and their rules are in `models`, which code that only reads does not load.
"""

from enum import StrEnum


class Kind(StrEnum):
    """The kind of a field's value. DynamoDB stores numbers as N and all other kinds as S.

    TEXT: free text. NAME: a name that the contract defines. JSON: JSON text. INSTANT: an instant in the format of
    `instants.text`.
    """

    NUMBER = "number"
    TEXT = "text"
    NAME = "name"
    JSON = "json"
    INSTANT = "instant"


# make contract: fields
KINDS = {
    "outcome_type": Kind.NAME,
    "title": Kind.TEXT,
    "description": Kind.TEXT,
    "value_usd": Kind.NUMBER,
    "agent_id": Kind.NUMBER,
    "metadata": Kind.JSON,
    "occurred_at": Kind.INSTANT,
}
"""All fields except `user_id`."""
# end of make contract

LISTED = ("agent_id", "outcome_type", "title", "description", "value_usd", "metadata")
"""The fields in every list. Never add a field."""

LATER = tuple(name for name in KINDS if name not in LISTED)
"""The fields that are only in lists with `include=ledger`. A field that is not set is null, except for the first field,
`occurred_at`."""
