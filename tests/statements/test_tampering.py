"""Test that the Python client's verifier accepts our statements, and refuses changed ones for the expected reason.

The changes are random. `make soak` sets TAMPERINGS to try 10,000 of them. The message of a failed test names the seed.
"""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import pytest
from outcomes.statements.signing_keys import SigningKey, jwk
from outcomes_client.statements import StatementError, verify

from tests.statements import chance, example

TAMPERINGS = int(os.environ.get("TAMPERINGS") or 300)
OF_ONE_STATEMENT = 50
PREVIOUS = example.honest_files()["2026-09.json"]
KEYS = json.dumps({"keys": [jwk(example.KEY.public, "2026-07-01T00:00:00.000Z", None)]})
HEXADECIMAL = "0123456789abcdef"


@dataclass
class Files:
    """The texts of all files that a verification reads. lines: the lines of the file of entries."""

    statement: str
    lines: list[str]
    proof: str
    previous: str = PREVIOUS
    keys: str = KEYS

    def verify(self) -> None:
        verify(
            self.statement.encode(),
            keys=self.keys.encode(),
            entries="".join(self.lines).encode(),
            proof=self.proof.encode(),
            previous=self.previous.encode(),
        )


def made(random: Random) -> Files:
    statement = chance.statement(random, random.randrange(2, 40), previous=PREVIOUS)
    fields = json.loads(random.choice(statement.texts))
    proof = statement.proof(fields.get("outcome_id", fields["id"]))
    return Files(statement.text, statement.entries().splitlines(keepends=True), proof)


def other(random: Random, text: str, alphabet: str) -> str:
    """Return a text of the same length that differs in one character."""
    at = random.randrange(len(text))
    return text[:at] + random.choice(alphabet.replace(text[at], "")) + text[at + 1 :]


def member(files: Files, *path: str | int) -> str:
    """Return the value of a statement's member, as JSON."""
    value = json.loads(files.statement)
    for step in path:
        value = value[step]
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def change(files: Files, name: str, text: str) -> None:
    """Replace the value of a statement's member. The new value is JSON."""
    assert text != member(files, name)
    files.statement = files.statement.replace(f'"{name}":{member(files, name)}', f'"{name}":{text}', 1)


def drop(files: Files, random: Random) -> None:
    del files.lines[random.randrange(len(files.lines))]


def add(files: Files, random: Random) -> None:
    files.lines.insert(random.randrange(len(files.lines)), random.choice(files.lines))


def swap(files: Files, random: Random) -> None:
    first, second = random.sample(range(len(files.lines)), 2)
    files.lines[first], files.lines[second] = files.lines[second], files.lines[first]


def amend(files: Files, random: Random) -> None:
    at = random.randrange(len(files.lines))
    line = json.loads(files.lines[at])
    files.lines[at] = json.dumps(line | {"text": other(random, line["text"], "x0,")}) + "\n"


def salt(files: Files, random: Random) -> None:
    at = random.randrange(len(files.lines))
    line = json.loads(files.lines[at])
    files.lines[at] = json.dumps(line | {"salt": other(random, line["salt"], HEXADECIMAL)}) + "\n"


def total(files: Files, random: Random) -> None:
    totals = json.loads(member(files, "totals"))
    part = random.choice([totals, totals["confirmed"], totals["disputed"], totals["voided"], *totals["by_agent"]])
    part[random.choice(["count", "value_usd"])] = random.choice(
        [random.randrange(10**6), f"{random.randrange(10**6)}.00"]
    )
    change(files, "totals", json.dumps(totals, separators=(",", ":")))


def adjustment(files: Files, random: Random) -> None:
    adjustments = json.loads(member(files, "adjustments"))
    if adjustments:
        adjustments.pop(random.randrange(len(adjustments)))
    else:
        adjustments = [{}]
    change(files, "adjustments", json.dumps(adjustments, separators=(",", ":")))


def definition(files: Files, random: Random) -> None:
    change(files, "definition", random.choice(["{}", '{"from":"2026-10"}']))


def sums_salt(files: Files, random: Random) -> None:
    change(files, "sums_salt", f'"{other(random, json.loads(member(files, "sums_salt")), HEXADECIMAL)}"')


def head(files: Files, random: Random) -> None:
    name = random.choice(["id", "issuer", "user", "timezone", "from", "cut", "previous", "root", "sums"])
    change(files, name, f'"{other(random, json.loads(member(files, name)), "0a")}"')


def size(files: Files, random: Random) -> None:
    change(files, "size", str(len(files.lines) + random.choice([-1, 1, 1000])))


def period(files: Files, random: Random) -> None:
    change(files, "period", random.choice(['"2026-09"', '"2026-11"', '"2025-10"']))


def signed_by_another(files: Files, random: Random) -> None:
    key = SigningKey(str(random.random()))
    signed = key.sign(files.statement[: files.statement.index(',"totals"')] + "}")
    change(files, "signature", f'"{signed}"')


def other_key(files: Files, random: Random) -> None:
    keys = json.loads(KEYS)
    keys["keys"][0]["x"] = SigningKey(str(random.random())).public
    files.keys = json.dumps(keys)


def signature(files: Files, random: Random) -> None:
    first, *rest = json.loads(member(files, "signature")).split(".")
    at = random.randrange(2)
    rest[at] = other(random, rest[at], "AQgw_-")
    change(files, "signature", f'"{".".join([first, *rest])}"')


def key_id(files: Files, random: Random) -> None:
    first, *rest = json.loads(member(files, "signature")).split(".")
    change(files, "signature", f'"{".".join([other(random, first, "AQgw_-"), *rest])}"')


def layout(files: Files, random: Random) -> None:
    at = random.choice([match.end() for match in re.finditer('":|,(?=")|{', files.statement)])
    files.statement = files.statement[:at] + random.choice(" \n\t") + files.statement[at:]


def duplicate(files: Files, random: Random) -> None:
    name = random.choice(["totals", "size", "signature", "root"])
    repeated = f'"{name}":{member(files, name)},'
    files.statement = files.statement.replace(repeated[:-1], repeated + repeated[:-1], 1)


def previous(files: Files, random: Random) -> None:
    files.previous = other(random, files.previous, "x0 ")


def proven(files: Files, random: Random) -> None:
    proof = json.loads(files.proof)
    entry = random.choice(proof["entries"])
    name = random.choice(["text", "salt", "path", "index"])
    if name == "path":
        at = random.randrange(len(entry["path"]))
        entry["path"][at] = other(random, entry["path"][at], HEXADECIMAL)
    elif name == "index":
        entry["index"] = random.choice([place for place in range(-1, len(files.lines) + 2) if place != entry["index"]])
    else:
        entry[name] = other(random, entry[name], HEXADECIMAL)
    files.proof = json.dumps(proof)


KINDS: list[tuple[Callable[[Files, Random], None], str]] = [
    (drop, "size"),
    (add, "size"),
    (swap, "root"),
    (amend, "root"),
    (salt, "root"),
    (total, "totals"),
    (adjustment, "totals"),
    (definition, "totals"),
    (sums_salt, "totals"),
    (head, "signature"),
    (size, "signature"),
    (period, "signature"),
    (signature, "signature"),
    (other_key, "signature"),
    (signed_by_another, "key"),
    (key_id, "key"),
    (layout, "format"),
    (duplicate, "format"),
    (previous, "previous"),
    (proven, "proof"),
]


@pytest.mark.parametrize("first", range(0, TAMPERINGS, OF_ONE_STATEMENT))
def test_random_tampering_is_refused_with_the_right_word(first: int) -> None:
    right = made(Random(first))  # noqa: S311 - repeatable
    right.verify()
    for seed in range(first, first + OF_ONE_STATEMENT):
        tamper, word = KINDS[seed % len(KINDS)]
        files = Files(right.statement, [*right.lines], right.proof)
        tamper(files, Random(seed))  # noqa: S311 - repeatable
        with pytest.raises(StatementError) as refused:
            files.verify()
        assert refused.value.word == word, f"seed {seed}, {tamper.__name__}: {refused.value}"
