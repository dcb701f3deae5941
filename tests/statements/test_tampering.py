"""Test that the Python client's verifier refuses a statement if anything in one of its files was changed.

The changes are random. `make soak` sets TAMPERINGS to try 10,000 of them. The message of a failed test names the seed.
The cases that both clients share have the word with which each kind of change is refused.
"""

import json
import os
from random import Random
from typing import Any

import pytest
from outcomes_client.statements import StatementError, verify

from tests.figures import count
from tests.statements import chance, hostile

TAMPERINGS = int(os.environ.get("TAMPERINGS") or 300)
OF_ONE_STATEMENT = 50
WORDS = {
    "statement": {"format", "key", "signature", "totals"},
    "entries": {"format", "size", "root"},
    "proof": {"format", "proof"},
    "previous": {"previous"},
}
"""The words with which a verifier refuses a changed file, whose hashes and signature are still those of before."""


def made(random: Random) -> dict[str, bytes]:
    statement = chance.statement(random, random.randrange(2, 40), previous=hostile.PREVIOUS)
    fields = json.loads(random.choice(statement.texts))
    proof = statement.proof(fields.get("outcome_id", fields["id"]))
    texts = {"statement": statement.text, "entries": statement.entries(), "proof": proof, "previous": hostile.PREVIOUS}
    return {role: text.encode() for role, text in texts.items()} | {"keys": hostile.KEYS.encode()}


def content(role: str, file: bytes) -> Any:
    """Return what a verifier reads: of entries and proofs the values, and of statements each byte."""
    if role == "entries":
        return [json.loads(line) for line in file.splitlines()]
    return json.dumps(json.loads(file), sort_keys=True) if role == "proof" else file


def tampered(random: Random, role: str, file: bytes) -> bytes:
    """Change a value or the bytes of a file."""
    if random.random() < 0.3:
        return hostile.changed_bytes(random, file)
    if role == "entries":
        lines = hostile.changed_member(random, content(role, file))
        return "".join(f"{hostile.written(line)}\n" for line in lines).encode()
    value = json.loads(file)
    if role == "proof" and random.random() < 0.7:
        value["entries"][0] = hostile.changed_member(random, value["entries"][0])
    else:
        value = hostile.changed_member(random, value)
    return hostile.written(value).encode()


def refusal(files: dict[str, bytes]) -> str | None:
    """Return the word with which the verifier refuses files."""
    try:
        verify(**files)
    except StatementError as refused:
        return refused.word
    return None


@pytest.mark.parametrize("first", range(0, TAMPERINGS, OF_ONE_STATEMENT))
def test_whatever_is_changed_is_refused_with_a_word_of_its_file(first: int) -> None:
    right = made(Random(first))  # noqa: S311 - repeatable
    assert refusal(right) is None
    said: set[tuple[str, str | None]] = set()
    for seed in range(first, first + OF_ONE_STATEMENT):
        random = Random(seed)  # noqa: S311 - repeatable
        role = random.choice([*WORDS])
        file = tampered(random, role, right[role])
        word = refusal(right | {role: file})
        is_same = word is None and content(role, file) == content(role, right[role])
        assert is_same or word in WORDS[role], f"seed {seed}, {role}: {word}"
        said.add((role, word))
    count(tamperings=OF_ONE_STATEMENT)
    assert len(said) > len(WORDS)
