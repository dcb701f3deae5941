"""Read the files that a verifier gets: statements, entries, proofs, keys. A malformed file fails the check `format`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from typing import Any, NamedTuple, NoReturn

from outcomes_client._errors import StatementError

Kinds = Mapping[str, tuple[type, ...]]
"""The members of an object, and the types that each may have."""

FORMAT = "outcomes-statement/1"
_HEAD: Kinds = {
    **dict.fromkeys(("format", "id", "issuer", "user", "period", "timezone", "from", "cut"), (str,)),
    "previous": (str, type(None)),
    "size": (int,),
    **dict.fromkeys(("root", "issued_at", "sums"), (str,)),
}
_SUMS: Kinds = {
    **{"totals": (dict,), "adjustments": (list,)},
    **{"definition": (dict, type(None)), "sums_salt": (str,)},
}
_SIGNATURE: Kinds = {"signature": (str,)}
_PROOF: Kinds = {"head": (dict,), **_SIGNATURE, "entries": (list,)}
_KEY: Kinds = {**dict.fromkeys(("kid", "x", "valid_from"), (str,)), "valid_until": (str, type(None))}
_LINE: Kinds = {"salt": (str,), "text": (str,)}
_NUMBERS_END = 2**53
_MONTH = re.compile("[0-9]{4}-(0[1-9]|1[0-2])")
_NAME = re.compile("[a-z][a-z0-9_]*")
_DEEPEST = 32
_HASH, _SALT = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{32}")

compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _whole(number: str) -> int:
    """Read a number. Refuse NaN, Infinity, and numbers that verifiers in other languages read differently."""
    value = float(number)
    if not value.is_integer() or abs(value) >= _NUMBERS_END:
        raise ValueError(f"a number is not whole, or has a magnitude of {_NUMBERS_END} or more")
    return int(value)


_loads = partial(json.loads, parse_int=_whole, parse_float=_whole, parse_constant=_whole)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a member occurs twice")
    return value


class Signed(NamedTuple):
    """The head of a statement or a proof, with its signature. `text` is the exact text of the head."""

    head: dict[str, Any]
    text: str
    signature: str


class Leaf(NamedTuple):
    hash: bytes
    text: str


class Proven(NamedTuple):
    """An entry of a proof. `place` is the entry's index among the leaves."""

    place: int
    leaf: Leaf
    path: list[bytes]


def refuse(word: str, why: str) -> NoReturn:
    raise StatementError(word, why)


def _check_nesting(what: str, value: Any, names: re.Pattern[str] | None = None) -> None:
    """Refuse what not all languages read alike: deep nesting, and names of members of which JavaScript moves some."""
    level = [value]
    for _ in range(_DEEPEST):
        if names and not all(names.fullmatch(name) for each in level if isinstance(each, dict) for name in each):
            refuse("format", f"{what}: expected members with other names")
        parents = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        level = [part for parent in parents for part in parent]
    if level:
        refuse("format", f"{what}: expected less deep nesting")


def exact(text: str) -> Any:
    """Parse JSON. Raises ValueError if the text has extra whitespace, unnecessary escapes or duplicate members."""
    try:
        value = _loads(text)
        written = compact(value)
    except RecursionError as exc:
        raise ValueError("it is nested too deeply") from exc
    if written != text:
        raise ValueError("it has blanks, other escapes or duplicate members")
    return value


def read_statement(data: bytes) -> tuple[Signed, dict[str, Any]]:
    """Return a statement's head with its signature, and its sums: totals, adjustments, definition and salt."""
    try:
        value = exact(data.decode())
    except ValueError as exc:
        raise StatementError("format", f"expected the statement's bytes as the API served them, but {exc}") from exc
    _check_nesting("the statement", value, _NAME)
    kinds = {**_HEAD, **_SUMS, **_SIGNATURE}
    members("format", "the statement", value, kinds)
    if list(value) != list(kinds):
        refuse("format", f"expected the members in the order {', '.join(kinds)}")
    return _signed(value), {name: value[name] for name in _SUMS}


def read_entries(data: bytes) -> list[Leaf]:
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    return [_leaf(f"entry {n}", _parsed(f"entry {n}", line), _LINE) for n, line in enumerate(lines)]


def read_proof(data: bytes) -> tuple[Signed, list[Proven]]:
    value = members("format", "the proof", _parsed("the proof", data), _PROOF)
    signed = _signed(members("format", "the proof's head", value["head"], _HEAD) | value)
    if not value["entries"]:
        refuse("format", "expected at least one entry in the proof")
    return signed, [_proven(f"entry {n} of the proof", each) for n, each in enumerate(value["entries"])]


def read_keys(data: bytes) -> list[dict[str, Any]]:
    """Return all Ed25519 keys of a file, each with only the members that verification needs."""
    value = _parsed("the keys", data)
    _check_nesting("the keys", value)
    keys = value.get("keys") if isinstance(value, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        refuse("format", "the keys: expected an object with a list of keys")
    ours = [key for key in keys if (key.get("kty"), key.get("crv")) == ("OKP", "Ed25519")]
    return [members("format", "a key", {name: key[name] for name in _KEY if name in key}, _KEY) for key in ours]


def members(word: str, what: str, value: Any, kinds: Kinds) -> dict[str, Any]:
    """Return an object, after checking the names and kinds of its members."""
    if not isinstance(value, dict) or value.keys() != kinds.keys():
        refuse(word, f"{what}: expected an object with the members {', '.join(kinds)}")
    for name, types in kinds.items():
        if type(value[name]) not in types:
            refuse(word, f"{what}: expected {name} to be of the kind {types[0].__name__}")
    return value


def _signed(value: dict[str, Any]) -> Signed:
    head = {name: value[name] for name in _HEAD}
    if head["format"] != FORMAT:
        refuse("format", f"expected {FORMAT}, found {head['format']}")
    if not _MONTH.fullmatch(head["period"]):
        refuse("format", f"expected the period to be a month such as 2026-10, found {head['period']}")
    return Signed(head, compact(head), value["signature"])


def _proven(what: str, value: Any) -> Proven:
    leaf = _leaf(what, value, {"index": (int,), **_LINE, "path": (list,)})
    return Proven(value["index"], leaf, [_bytes(f"the path of {what}", step, _HASH) for step in value["path"]])


def _leaf(what: str, value: Any, kinds: Kinds) -> Leaf:
    members("format", what, value, kinds)
    # All salts have the same length. Otherwise, the first bytes of a text could be presented as a part of its salt.
    return Leaf(
        sha256(b"\0" + _bytes(f"the salt of {what}", value["salt"], _SALT) + value["text"].encode()).digest(),
        value["text"],
    )


def _bytes(what: str, text: object, pattern: re.Pattern[str]) -> bytes:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        refuse("format", f"{what}: expected lower-case hexadecimal digits, {pattern.pattern}")
    return bytes.fromhex(text)


def _parsed(what: str, data: bytes) -> Any:
    """Parse JSON that has no duplicate members and no unpaired surrogates. Its layout does not matter."""
    try:
        value = _loads(data.decode(), object_pairs_hook=_distinct)
        if b"\\u" in data:
            compact(value).encode()
        return value
    except (ValueError, RecursionError) as exc:
        raise StatementError("format", f"{what}: expected JSON without duplicate members, but {exc}") from exc
