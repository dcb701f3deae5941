"""Verify statements offline, as docs/statement-format.md says. Needs the package's extra `statements`.

This module is written from that page alone: sharing the API's code would repeat the API's mistakes.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import pairwise
from typing import Any

from outcomes_client._display import printable
from outcomes_client._errors import StatementError, missing

from ._definition import check_definition
from ._entries import Entry, read_entry
from ._months import VerifiedMonths, add_up
from ._reading import Leaf, Proven, Signed, compact, read_entries, read_keys, read_proof, read_statement, refuse
from ._sums import check_sums
from ._what_counts import Month, by_rule

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ModuleNotFoundError as exc:
    raise ImportError(missing(exc, "statements"), name=exc.name) from exc

__all__ = [
    "CAVEAT",
    "StatementError",
    "Verified",
    "VerifiedMonths",
    "issuer_of",
    "printable",
    "verify",
    "verify_months",
]

CAVEAT = "The signature proves what the platform said and when, not that it is true."


@dataclass(frozen=True)
class Verified:
    """The verified content. docs/statement-format.md describes its members.

    `totals` and `adjustments` are from the statement, or None if only a proof was verified. `entries` are from the
    proof. `by_rule` is what counts by the statement's definition, as of its `cut`; None without entries or without a
    definition. It has the parts of docs/definitions.md, with values as in the totals, and `no_rule_known`: what
    happened in a month whose statement was not given.
    """

    head: Mapping[str, Any]
    totals: Mapping[str, Any] | None
    adjustments: Sequence[Mapping[str, Any]] | None
    entries: Sequence[Mapping[str, Any]]
    by_rule: Mapping[str, Any] | None = None


def verify(
    statement: bytes | None = None,
    *,
    keys: bytes,
    entries: bytes | None = None,
    proof: bytes | None = None,
    previous: bytes | None = None,
) -> Verified:
    """Verify a statement, or a proof alone. All arguments are the bytes of files, as the API served them.

    Args:
        statement: None to verify only a proof.
        keys: the issuer's keys, obtained from another source than the statement.
        entries: the statement's entries, which must add up to its sums.
        proof: a proof of one outcome, which must belong to this statement.
        previous: the previous statement, which this statement must continue.

    Raises:
        StatementError: a check failed.
    """
    if statement is None and (proof is None or entries is not None or previous is not None):
        raise TypeError("verify takes a statement with entries, proof and previous statement, or a proof alone")
    verified, month = _verify(statement, keys, entries, proof, previous)
    return verified if month is None else replace(verified, by_rule=by_rule([month]))


def _verify(
    statement: bytes | None,
    keys: bytes,
    entries: bytes | None = None,
    proof: bytes | None = None,
    previous: bytes | None = None,
) -> tuple[Verified, Month | None]:
    """Verify as `verify` does. Also return the statement with its entries, if they were given."""
    month = None
    signed, sums = (None, {}) if statement is None else read_statement(statement)
    leaves = None if entries is None else read_entries(entries)
    proof_signed, proven = (None, []) if proof is None else read_proof(proof)
    main = signed or proof_signed
    assert main is not None  # noqa: S101 - for mypy: one of both is given
    _check_signature(main, read_keys(keys))
    if signed:
        listed = None if leaves is None else _check_entries(signed.head, leaves)
        if _digest(compact(sums).encode()) != signed.head["sums"]:
            refuse("totals", f"expected totals, adjustments, definition and salt with the hash {signed.head['sums']}")
        check_sums(signed.head, sums, listed)
        check_definition(sums["definition"])
        month = None if listed is None else Month(signed.head, sums["definition"], listed)
        if previous is not None:
            _check_previous(signed.head, previous)
        if proof_signed and proof_signed[1:] != signed[1:]:
            refuse("proof", f"expected a proof of {signed.head['id']} with the root {signed.head['root']}")
    verified = Verified(main.head, sums.get("totals"), sums.get("adjustments"), _check_proof(main.head, proven))
    return verified, month


def verify_months(
    statements: Sequence[bytes],
    *,
    keys: bytes,
    previous: bytes | None = None,
    entries: Sequence[bytes] | None = None,
) -> VerifiedMonths:
    """Verify the statements of consecutive months of one user and time zone, and add them up.

    Args:
        statements: their bytes, as the API served them, in any order.
        keys: the issuer's keys, obtained from another source than the statements.
        previous: the statement of the month before, which the earliest of these statements must continue.
        entries: the entries of each statement, in the order of `statements`, which must add up to its sums.

    Raises:
        StatementError: a check failed, or the months are not consecutive (`previous`).
    """
    if not statements:
        raise TypeError("verify_months takes at least one statement")
    files: Sequence[bytes | None] = entries or [None] * len(statements)
    if len(files) != len(statements):
        raise TypeError("verify_months takes the entries of each statement, or none")
    pairs = enumerate(zip(statements, files, strict=True), 1)
    found = [(*_verified(n, data, file, keys), data) for n, (data, file) in pairs]
    found.sort(key=lambda one: one[0].head["period"])
    months = add_up([each for each, _, _ in found])
    before = previous
    for each, _, data in found:
        if before is not None:
            _check_previous(each.head, before)
        before = data
    return replace(months, by_rule=by_rule([month for _, month, _ in found if month]))


def _verified(number: int, statement: bytes, entries: bytes | None, keys: bytes) -> tuple[Verified, Month | None]:
    try:
        return _verify(statement, keys, entries)
    except StatementError as exc:
        raise StatementError(exc.word, f"statement {number}: {str(exc).removeprefix(f'{exc.word}: ')}") from exc


def issuer_of(statement: bytes | None = None, proof: bytes | None = None) -> str:
    """Return the unverified issuer of a statement or, without a statement, of a proof. Raises StatementError."""
    signed = read_proof(proof or b"")[0] if statement is None else read_statement(statement)[0]
    return str(signed.head["issuer"])


def _check_signature(signed: Signed, keys: list[dict[str, Any]]) -> None:
    header, _, rest = signed.signature.partition(".")
    key = next((key for key in keys if header == _header(key)), None)
    if key is None:
        names = ", ".join(each["kid"] for each in keys) or "none is known"
        refuse("key", f"expected a signature by a key of {signed.head['issuer']}: {names}")
    begin, end, at = key["valid_from"], key["valid_until"], signed.head["issued_at"]
    if not begin <= at or (end is not None and not at < end):
        refuse("key", f"expected a key that is valid at {at}; {key['kid']} is from {begin} until {end}")
    try:
        public = Ed25519PublicKey.from_public_bytes(_unbase64url(key["x"]))
    except ValueError as exc:
        raise StatementError("key", f"expected {key['kid']} to be a public key of Ed25519") from exc
    payload, _, third = rest.partition(".")
    if payload != _base64url(signed.text.encode()):
        refuse("signature", "expected that what is signed is the head as it stands")
    try:
        public.verify(_unbase64url(third), f"{header}.{payload}".encode())
    except (InvalidSignature, ValueError) as exc:
        raise StatementError("signature", f"expected a signature of the head by {key['kid']}") from exc


def _check_entries(head: Mapping[str, Any], leaves: list[Leaf]) -> list[Entry]:
    if len(leaves) != head["size"]:
        refuse("size", f"expected {head['size']} entries, found {len(leaves)}")
    root = _root([leaf.hash for leaf in leaves]).hex()
    if root != head["root"]:
        refuse("root", f"expected {head['root']}, found {root}: an entry was changed, moved or replaced")
    entries = [read_entry("root", f"entry {n}", leaf.text, head) for n, leaf in enumerate(leaves)]
    for n, (earlier, later) in enumerate(pairwise(entries), 1):
        if not earlier.order < later.order:
            refuse("root", f"entry {n}: expected to be recorded after the entry before it")
    ids: set[str] = set()
    for n, entry in enumerate(entries):
        if entry.fields["id"] in ids:
            refuse("root", f"entry {n}: expected another id than those of the entries before it")
        ids.add(entry.fields["id"])
    return entries


def _check_previous(head: Mapping[str, Any], previous: bytes) -> None:
    if head["previous"] is None:
        refuse("previous", "expected none: this statement is the first of its chain")
    if _digest(previous) != head["previous"]:
        refuse("previous", f"expected bytes whose hash is {head['previous']}, found {_digest(previous)}")
    try:
        earlier = read_statement(previous)[0].head
    except StatementError as exc:
        raise StatementError("previous", f"expected a statement, but {exc}") from exc
    for name, expected in (("cut", head["from"]), ("user", head["user"]), ("timezone", head["timezone"])):
        if earlier[name] != expected:
            refuse("previous", f"expected its {name} to be {expected}, found {earlier[name]}")


def _check_proof(head: Mapping[str, Any], proven: list[Proven]) -> list[dict[str, Any]]:
    """Return the entries of a proof. Refuse the proof if one of its entries is not in the tree."""
    entries = []
    for n, one in enumerate(proven):
        what = f"entry {n} of the proof"
        if not (proven[n - 1].place if n else -1) < one.place < head["size"]:
            refuse("proof", f"{what}: expected an index above the one before, below {head['size']}, found {one.place}")
        if _climb(one, head["size"]) != head["root"]:
            refuse("proof", f"{what}: expected its path to lead to {head['root']}")
        entries.append(read_entry("proof", what, one.leaf.text, head).fields)
    outcomes = {each.get("outcome_id", each["id"]) for each in entries}
    if len(outcomes) > 1:
        refuse("proof", f"expected entries of one outcome, found {', '.join(map(str, sorted(outcomes)))}")
    return entries


def _root(hashes: list[bytes]) -> bytes:
    """Return the Merkle tree hash (RFC 9162, section 2.1.1): a node without a sibling moves up a level unchanged."""
    while len(hashes) > 1:
        pairs = [_node(hashes[n], hashes[n + 1]) for n in range(0, len(hashes) - 1, 2)]
        hashes = [*pairs, *hashes[len(pairs) * 2 :]]
    return hashes[0] if hashes else sha256().digest()


def _climb(one: Proven, size: int) -> str | None:
    """Return the root to which a path leads (RFC 9162, section 2.1.3.2), or None if its length is wrong."""
    place, last, hash_ = one.place, size - 1, one.leaf.hash
    for step in one.path:
        if last == 0:
            return None
        if place % 2 or place == last:
            hash_ = _node(step, hash_)
            while place % 2 == 0 and place:
                place, last = place >> 1, last >> 1
        else:
            hash_ = _node(hash_, step)
        place, last = place >> 1, last >> 1
    return None if last else hash_.hex()


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def _digest(data: bytes) -> str:
    return f"sha256:{sha256(data).hexdigest()}"


def _header(key: Mapping[str, Any]) -> str:
    return _base64url(compact({"alg": "EdDSA", "kid": key["kid"]}).encode())


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _unbase64url(text: str) -> bytes:
    """Decode base64url without padding. Raises ValueError if it is not the canonical encoding of its bytes."""
    data = urlsafe_b64decode(f"{text}{'=' * (-len(text) % 4)}")
    if _base64url(data) != text:
        raise ValueError("not base64url")
    return data
