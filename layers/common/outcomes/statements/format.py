"""Write the texts and hashes of statements in the format of docs/statement-format.md.

A published format never changes: a new format gets a different name, see FORMAT.
"""

import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from typing import Any, NamedTuple

from outcomes.contract.json_text import compact
from outcomes.contract.status import CountedFields
from outcomes.contract.sums import EXACT

FORMAT = "outcomes-statement/1"
SALT_BYTES = 16
_CHANGES = ("outcome_type", "title", "description", "value_usd", "agent_id", "metadata", "occurred_at")
"""The fields whose changes are in an amend's entry, in this order. Never add a field: a verifier would refuse it."""

SUMS = "sums"
"""The name that `salt` gets for the sums. No entry has this id."""


class RecordedOutcome(NamedTuple):
    """An outcome as it was recorded, before any correction.

    metadata: JSON text, as stored. occurred_at, created_at: in the format of `instants.text`.
    """

    id: str
    agent_id: int | None
    outcome_type: str
    title: str
    description: str | None
    value_usd: Decimal | None
    metadata: str | None
    occurred_at: str
    created_at: str
    recorded_by: str | None


class RecordedCorrection(NamedTuple):
    """A correction.

    changes: for an amend, the values of each sent field before and after, typed as in RecordedOutcome.
    before, after: the outcome's counted fields before and after the correction.
    """

    id: str
    outcome_id: str
    type: str
    reason: str | None
    by: str
    created_at: str
    changes: Mapping[str, tuple[Any, Any]] | None
    before: CountedFields
    after: CountedFields


class ProofEntry(NamedTuple):
    """An entry with its inclusion path. place: its index among the leaves, from 0."""

    place: int
    salt: bytes
    text: str
    path: Sequence[bytes]


def outcome_text(outcome: RecordedOutcome) -> str:
    """Return the canonical text of a recorded outcome."""
    return compact(dict(_member(name, value) for name, value in zip(outcome._fields, outcome, strict=True)))


def correction_text(correction: RecordedCorrection) -> str:
    """Return the canonical text of a correction."""
    changes = correction.changes
    return compact(
        correction._asdict()
        | {
            "changes": None
            if changes is None
            else dict(_change(name, *changes[name]) for name in _CHANGES if name in changes),
            "before": _counted(correction.before),
            "after": _counted(correction.after),
        }
    )


def money(value: Decimal) -> str:
    """Write an amount of money for an entry: without exponent or trailing zeros."""
    return f"{value.normalize(EXACT) if value else Decimal(0):f}"


def digest(data: str | bytes) -> str:
    return f"sha256:{sha256(data.encode() if isinstance(data, str) else data).hexdigest()}"


def salt(key: bytes, name: str) -> bytes:
    """Return the salt of an entry or, for SUMS, of the sums. key: the statement's salt key. name: the entry's id."""
    return hmac.digest(key, name.encode(), "sha256")[:SALT_BYTES]


def leaf(salt: bytes, text: str) -> bytes:
    return sha256(b"\0" + salt + text.encode()).digest()


class MerkleTree:
    """The tree of RFC 9162, section 2.1. To save memory, it keeps only its complete subtrees, largest first."""

    def __init__(self) -> None:
        self.size = 0
        self._subtrees: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        self.size += 1
        self._subtrees.append(leaf)
        merges = (self.size & -self.size).bit_length() - 1  # the number of trailing zero bits in the size
        for _ in range(merges):
            right = self._subtrees.pop()
            self._subtrees.append(_node(self._subtrees.pop(), right))

    def root(self) -> bytes:
        if not self._subtrees:
            return sha256().digest()
        *lefts, root = self._subtrees
        for left in reversed(lefts):
            root = _node(left, root)
        return root


def inclusion_paths(leaves: Sequence[bytes], places: Iterable[int]) -> list[list[bytes]]:
    """Return the inclusion paths (RFC 9162, section 2.1.3.1) of the leaves at these places."""
    levels = [leaves]
    while len(level := levels[-1]) > 1:
        pairs = [_node(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        levels.append([*pairs, level[-1]] if len(level) % 2 else pairs)
    return [
        [level[place >> height ^ 1] for height, level in enumerate(levels) if place >> height ^ 1 < len(level)]
        for place in places
    ]


def head_text(
    *,
    issuer: str,
    user: str,
    period: str,
    timezone: str,
    begin: str,
    cut: str,
    previous: str | None,
    size: int,
    root: bytes,
    issued_at: str,
    sums: str,
) -> str:
    """Return the text of the head, which gets signed.

    previous: the previous statement's digest. sums: the sums' text.
    """
    return compact(
        {
            "format": FORMAT,
            "id": f"{period}@{timezone}",
            "issuer": issuer,
            "user": user,
            "period": period,
            "timezone": timezone,
            "from": begin,
            "cut": cut,
            "previous": previous,
            "size": size,
            "root": root.hex(),
            "issued_at": issued_at,
            "sums": digest(sums),
        }
    )


def statement_text(head: str, sums: str, signature: str) -> str:
    """Return the text of a statement: the members of the head, the sums, and the signature."""
    return f'{head[:-1]},{sums[1:-1]},"signature":"{signature}"}}'


def definition_text(month: str, timezone: str, dispute_days: int, types: Iterable[Mapping[str, Any]]) -> str:
    """Return the text of a definition. month: its first month. types: its rules, as the API lists them."""
    rules = [{**each, "each_usd": None if each["each_usd"] is None else money(each["each_usd"])} for each in types]
    return compact({"from": month, "timezone": timezone, "dispute_days": dispute_days, "types": rules})


def proof_text(head: str, signature: str, entries: Iterable[ProofEntry]) -> str:
    listed = [
        {"index": place, "salt": salt.hex(), "text": text, "path": [each.hex() for each in path]}
        for place, salt, text, path in entries
    ]
    return f'{{"head":{head},"signature":"{signature}","entries":{compact(listed)}}}'


def entry_line(salt: bytes, text: str) -> str:
    """Return an entry's line of NDJSON, in ASCII: some readers would end a line at other characters, such as U+2028."""
    return json.dumps({"salt": salt.hex(), "text": text}, separators=(",", ":")) + "\n"


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def _member(name: str, value: Any) -> tuple[str, Any]:
    if name == "metadata":
        return "metadata_sha256", None if value is None else digest(value)
    return name, money(value) if isinstance(value, Decimal) else value


def _change(name: str, before: Any, after: Any) -> tuple[str, dict[str, Any]]:
    named, before = _member(name, before)
    return named, {"before": before, "after": _member(name, after)[1]}


def _counted(fields: CountedFields) -> dict[str, Any]:
    return {
        "status": fields.status,
        "value_usd": None if fields.value_usd is None else money(fields.value_usd),
        "outcome_type": fields.outcome_type,
        "agent_id": fields.agent_id,
        "occurred_at": fields.occurred_at,
    }
