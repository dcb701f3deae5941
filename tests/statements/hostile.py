"""Make statements of a hostile issuer: odd values and random changes, hashed and signed anew at each level.

The changes know JSON, but not the format: members that the format gets later are changed, too.
"""

import json
import random as chances
import re
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from typing import Any

from outcomes.statements import format as statement_format
from outcomes.statements.format import RecordedCorrection
from outcomes.statements.signing_keys import jwk

from tests.statements import chance, example
from tests.statements.example import Entry, Statement

type Random = chances.Random
type Files = dict[str, bytes | None]

PREVIOUS = example.honest_files()["2026-09.json"]
KEYS = json.dumps({"keys": [jwk(example.KEY.public, "2026-07-01T00:00:00.000Z", None)]})

EMPTY = "\0empty"  # stands for an empty type, which no issuer of ours has, until the sums are made
TEXTS = ["", "a", "Z", "é", "\ue000", "\uffff", "\ufffd", "😀", "\U0010ffff", "\u2028", "\x7f", "null", "7", 'say "so"']
"""Texts that UTF-16, code points, cases or a missing value order differently, or that print oddly."""
AGENTS = [None, 0, 1, -5, 7, 12, 2**53 - 1]
MONEY = ["0", "-0.001", "0.1", "9007199254740993.5", "1" + "0" * 40, "0." + "0" * 120 + "1", "-99.99"]
VALUES: list[Any] = [
    *(None, True, 0, -1, 1, 2**53 - 1, 2**53, 1.5, [], {}, [[]], [None], {"1": 2, "0": 1}, {"b": 1, "1": 2}),
    *("", "0", "-0", "1e2", "0.00", "-0.00", "0.000", "1.10", "01", "2026", "2026-10-01T00:00:00.000Z", "\ud800"),
    json.loads("[" * 31 + "]" * 31),
    json.loads('{"a":' * 40 + "1" + "}" * 40),
    *("before,after", "__proto__", "constructor", "void", "confirmed", {"__proto__": 1}, {"before,after": "1"}),
    *(TEXTS + MONEY),
]
FRAGMENTS: list[str] = [
    *' \n\r\t\ufeff\u2028\0\x7f,:{}[]"\\/.-e',
    *("0", "1e1", "-0", ".0", "9007199254740993", "null", "NaN", "Infinity", "true", '"a":1,', '"a":1,"a":1,', "{},"),
    *("\\ud800", "\\udc00", "\\u0041", "\\/", "\\n", "\\u001F", "\\ud83d\\ude00", "😀", "\ue000"),
]
CHANGES = {"entry": 6, "lines": 1, "sums": 4, "order": 2, "head": 2, "keys": 2, "previous": 1, "times": 1}
"""The weight with which each change of a statement is drawn."""
BYTES = [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xf4\x90\x80\x80", b"\x00", b""]


@dataclass
class World:
    """A statement in parts, which get hashes and a signature at the end. changes: the names of what was changed."""

    head: dict[str, Any]
    sums: dict[str, Any]
    lines: list[Any]
    previous: bytes = PREVIOUS.encode()
    keys: bytes = KEYS.encode()
    changes: list[str] = field(default_factory=list)


def made(seed: int) -> tuple[list[str], Files]:
    """Return the names of the changes, and the files of a verification."""
    random = chances.Random(seed)  # noqa: S311 - repeatable
    world = _world(random)
    world.changes += random.choices([*CHANGES], [*CHANGES.values()], k=random.choice((0, 1, 1, 1, 2, 3)))
    for name in world.changes:
        match name:
            case "entry":
                _entry(random, world)
            case "order":
                _order(random, world)
            case "times":
                _times(random, world)
            case _:
                _part(random, world, name)
    return world.changes, _files(random, world)


def _world(random: Random) -> World:
    entries = chance.entries(random, random.randrange(7), agents=3)
    if random.random() < 0.7:
        entries = [_odd(random, entry) for entry in entries]
    entries = [*{entry.id: entry for entry in entries}.values()]
    world = parts(example.statement("2026-10", chance.OCTOBER, entries, PREVIOUS))
    if random.random() < 0.5:
        types = sorted({random.choice(TEXTS) for _ in range(random.randrange(4))})
        rules = [{**example.DEFINITION["types"][0], "outcome_type": type_} for type_ in (*types, "*")]
        world.sums["definition"] = example.DEFINITION | {"types": rules}
    return world


def parts(statement: Statement) -> World:
    """Take a statement apart."""
    value = json.loads(statement.text.replace(json.dumps(EMPTY), '""'))
    head, sums = json.loads(statement.head), value.copy()
    for name in [*head, "signature"]:
        del sums[name]
    for totals in [sums["totals"], *(each["totals"] for each in sums["adjustments"])]:
        totals["by_type"].sort(key=lambda row: row["outcome_type"])
        totals["by_agent"].sort(key=lambda row: (row["agent_id"] is not None, row["agent_id"]))
    lines = [
        {"salt": salt.hex(), "text": text.replace(json.dumps(EMPTY), '""')}
        for salt, text in zip(statement.salts, statement.texts, strict=True)
    ]
    return World(head, sums, lines)


def _odd(random: Random, entry: Entry) -> Entry:
    """Return an entry with odd values, which a format of texts allows."""
    id_ = random.choice(TEXTS) + random.choice(TEXTS) if random.random() < 0.5 else entry.id
    at = random.choice((entry.created_at, "2026-10-03T00:00:00.000Z"))
    type_ = random.choice([EMPTY, *TEXTS[1:]])
    agent = random.choice(AGENTS)
    if isinstance(entry, RecordedCorrection):
        after = entry.after._replace(outcome_type=type_, agent_id=agent)
        return entry._replace(id=id_, created_at=at, after=after, by=random.choice(TEXTS))
    value = entry.value_usd if random.random() < 0.5 else Decimal(random.choice(MONEY))
    return entry._replace(
        id=id_, created_at=at, outcome_type=type_, agent_id=agent, value_usd=value, title=random.choice(TEXTS)
    )


def written(value: Any) -> str:
    """Return compact JSON. An unpaired surrogate becomes an escape."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="backslashreplace").decode()


def _value(random: Random, value: Any) -> Any:
    """Return a JSON value with one change somewhere in it."""
    if isinstance(value, dict | list) and value and random.random() < 0.85:
        return changed_member(random, value)
    if isinstance(value, str) and random.random() < 0.5:
        return _text(random, value)
    if type(value) is int and random.random() < 0.5:
        return value + random.choice((-1, 1))
    return random.choice(VALUES)


def changed_member(random: Random, value: Any) -> Any:
    members: list[tuple[str, Any]] = [*value.items()] if isinstance(value, dict) else [("", each) for each in value]
    at = random.randrange(len(members))
    name, inner = members[at]
    match random.choice(("change", "change", "change", "change", "drop", "repeat", "swap", "rename", "add")):
        case "change":
            members[at] = name, _value(random, inner)
        case "drop":
            del members[at]
        case "repeat":
            members.insert(random.randrange(len(members) + 1), members[at])
        case "swap":
            other = random.randrange(len(members))
            members[at], members[other] = members[other], members[at]
        case "rename":
            members[at] = random.choice(("a", "1", "count", "outcome_id", "status", "__proto__", "", "a,b")), inner
        case "add":
            members.insert(at, (random.choice(("a", "0", "outcome_id", "__proto__")), random.choice(VALUES)))
    return dict(members) if isinstance(value, dict) else [each for _, each in members]


def _text(random: Random, text: str) -> str:
    """Insert a fragment into a text, or replace or remove a part."""
    spots = [0, len(text), *(match.end() for match in re.finditer(r'[{}\[\],:"]', text))]
    at = random.choice(spots) if random.random() < 0.7 else random.randrange(len(text) + 1)
    end = min(len(text), at + random.choice((0, 0, 0, 1, 2)))
    return text[:at] + random.choice([*FRAGMENTS, ""]) + text[end:]


def _entry(random: Random, world: World) -> None:
    lines = [line for line in world.lines if isinstance(line, dict) and isinstance(line.get("text"), str)]
    if not lines:
        return
    line = random.choice(lines)
    with suppress(ValueError):
        value = json.loads(line["text"])
        line["text"] = written(_value(random, value)) if random.random() < 0.7 else _text(random, line["text"])


def _order(random: Random, world: World) -> None:
    if len(world.lines) > 1:
        at = random.randrange(len(world.lines) - 1)
        world.lines[at : at + 2] = reversed(world.lines[at : at + 2])


def _part(random: Random, world: World, name: str) -> None:
    """Change something in a part. A change to another type of value is left out."""
    part = getattr(world, name)
    changed = _file(random, part) if isinstance(part, bytes) else _value(random, part)
    if type(changed) is type(part):
        setattr(world, name, changed)


def _times(random: Random, world: World) -> None:
    """Set the time of the signature and the key's validity to any texts, which are compared by code points."""
    world.head["issued_at"] = random.choice(TEXTS)
    with suppress(ValueError, LookupError, TypeError):
        keys = json.loads(world.keys)
        keys["keys"][0] |= {"valid_from": random.choice(TEXTS), "valid_until": random.choice((*TEXTS, None))}
        world.keys = json.dumps(keys).encode()


def _file(random: Random, data: bytes) -> bytes:
    """Change something in the JSON or the bytes of a file."""
    try:
        value = json.loads(data)
    except ValueError:
        return data
    if random.random() < 0.3:
        return changed_bytes(random, data)
    layout: dict[str, Any] = {"ensure_ascii": random.random() < 0.5, "indent": random.choice((None, 1))}
    return json.dumps(_value(random, value), **layout).encode(errors="backslashreplace")


def changed_bytes(random: Random, data: bytes) -> bytes:
    if random.random() < 0.5:
        return _text(random, data.decode(errors="replace")).encode(errors="backslashreplace")
    at = random.randrange(len(data) + 1)
    return data[:at] + random.choice(BYTES) + data[at + random.randrange(3) :]


def signed(world: World, *, is_stale: bool = False) -> tuple[str, str, str]:
    """Return a statement, its head and its signature. is_stale: whether hashes of changed parts stay as they were."""
    if not is_stale:
        tree = statement_format.MerkleTree()
        for line in world.lines:
            tree.append(_leaf(line))
        sums = statement_format.digest(written(world.sums))
        fresh = {"size": len(world.lines), "root": tree.root().hex(), "sums": sums}
        if "previous" in world.changes:
            fresh["previous"] = statement_format.digest(world.previous)
        world.head |= {name: value for name, value in fresh.items() if name in world.head}
    head = written(world.head)
    signature = example.KEY.sign(head)
    return f'{head[:-1]},{written(world.sums)[1:-1]},"signature":{written(signature)}}}', head, signature


def entries(world: World) -> str:
    return "".join(f"{written(line)}\n" for line in world.lines)


def _files(random: Random, world: World) -> Files:
    """Hash and sign the parts. Then, rarely, change the bytes of a file."""
    statement, head, signature = signed(world, is_stale=random.random() < 0.1)
    if random.random() < 0.03:
        statement = statement.replace(signature, written(_text(random, signature))[1:-1])
    files: Files = {
        "statement": statement.encode(),
        "entries": entries(world).encode(),
        "keys": world.keys,
        "previous": world.previous if random.random() < 0.6 else None,
        "proof": _proof(random, world, head, signature) if random.random() < 0.4 else None,
    }
    if random.random() < 0.08:
        files["entries"] = None
    if files["proof"] and random.random() < 0.1:
        files |= {"statement": None, "entries": None, "previous": None}
    if random.random() < 0.1:
        role = random.choice([role for role, data in files.items() if data])
        world.changes.append(f"bytes of the {role}")
        files[role] = changed_bytes(random, files[role] or b"")
    return files


def _leaf(line: Any) -> bytes:
    """Return the leaf of a line, or of nothing if the line is none."""
    try:
        return sha256(b"\0" + bytes.fromhex(line["salt"]) + line["text"].encode()).digest()
    except (AttributeError, KeyError, TypeError, ValueError):
        return sha256().digest()


def _proof(random: Random, world: World, head: str, signature: str) -> bytes | None:
    leaves = [_leaf(line) for line in world.lines]
    if not leaves:
        return None
    places = sorted(random.sample(range(len(leaves)), 1 if random.random() < 0.8 or len(leaves) < 2 else 2))
    paths = statement_format.inclusion_paths(leaves, places)
    entries = [
        {"index": place, **world.lines[place], "path": [step.hex() for step in path]}
        for place, path in zip(places, paths, strict=True)
        if isinstance(world.lines[place], dict)
    ]
    proof = {"head": json.loads(head), "signature": signature, "entries": entries}
    if random.random() < 0.4:
        world.changes.append("proof")
        proof = _value(random, proof)
    return written(proof).encode()
