"""After an erasure, nobody can find a text of the user in the tables, not even by guessing it from a dictionary."""

import hmac
import json
import zlib
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest
from outcomes.statements import chain

from functions.erase_user import app as erase_user
from tests.aws import aws_client
from tests.corrections import OWNER, assign, correct
from tests.events import KEY
from tests.people import make_key, moto_tables, record, rows_of, two_shards
from tests.statements.conftest import Clock
from tests.statements.service import BERLIN, ask, entries, made

pytestmark = pytest.mark.usefixtures("no_waiting")


class Dictionary:
    """Texts of the user, each with the place where it was written."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}

    def word(self, place: str) -> str:
        """Return a text that no other call returns."""
        word = f"Text {len(self.places)} of the user"
        self.places[word] = place
        return word

    def found(self) -> set[tuple[str, str]]:
        """Search all tables for each text, its SHA-256 and its HMACs. Return each hit's table and place."""
        tables = {name: [*values(rows)] for name, rows in rows_of(None).items()}
        # An HMAC hides a text only if no table contains the HMAC's key. So try every value that may be a key.
        keys = {value for of_table in tables.values() for value in of_table if 16 <= len(value) <= 64}
        joined = {name: b"\n".join(of_table) for name, of_table in tables.items()}
        found = set()
        for text, place in self.places.items():
            data = text.encode()
            digests = [sha256(data).digest(), *(hmac.digest(key, data, "sha256") for key in keys)]
            traces = [data, *(trace for digest in digests for trace in notations(digest))]
            found |= {(name, place) for name, stored in joined.items() if any(trace in stored for trace in traces)}
        return found


def notations(digest: bytes) -> list[bytes]:
    """Return the beginning of a digest in bytes, hex and Base64.

    Idempotency keys contain only the first 16 bytes of digests.
    """
    return [digest[:16], digest[:16].hex().encode(), b64encode(digest[:15])]


def values(attribute: Any) -> Iterator[bytes]:
    """Yield all names and values in rows. For each compressed value, also yield the decompressed value."""
    match attribute:
        case dict():
            for name, value in attribute.items():
                yield name.encode()
                yield from values(value)
        case list():
            for value in attribute:
                yield from values(value)
        case bytes():
            yield attribute
            try:
                yield zlib.decompress(attribute)
            except zlib.error:
                return
        case str():
            yield attribute.encode()


def live(clock: Clock, dictionary: Dictionary, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write texts wherever callers can, with and without idempotency keys, and store statements that contain them."""
    word = dictionary.word
    for key, with_key in ((None, ""), ("deal-4711", " with an idempotency key")):
        clock.at("2026-09-15T12:00:00Z")
        note = word(f"note{with_key}")
        dictionary.places[f'{{"note":"{note}"}}'] = f"metadata{with_key}"
        texts: dict[str, Any] = {"title": word(f"title{with_key}"), "description": word(f"description{with_key}")}
        outcome = record(key=key, **texts, metadata={"note": note})
        changes = {"title": word(f"new title{with_key}"), "description": word(f"new description{with_key}")}
        amend = {"type": "amend", "reason": word(f"reason{with_key}"), "changes": changes, "userId": 42}
        assert correct(outcome, KEY, amend, key=key)[0] == 200
        assert correct(outcome, OWNER, {"type": "dispute", "reason": word(f"dispute{with_key}")}, key=key)[0] == 200
        original = record(None, key, title=word(f"original{with_key}"))
        changes = {"title": word(f"original's new title{with_key}")}
        amend |= {"reason": word(f"original's reason{with_key}"), "changes": changes, "userId": None}
        assert correct(original, KEY, amend, key=key)[0] == 200
        assert assign(original, 42)[0] == 200
    make_key(42, word("name of an agent key"))
    clock.at("2026-10-15T12:00:00Z")
    record(title=word("title of October"))
    record(title=word("another title of October"))
    clock.at("2026-11-20T12:00:00Z")
    dictionary.places[made("2026-09")] = "statement"
    for line in entries(f"2026-09@{BERLIN}").splitlines():
        dictionary.places[json.loads(line)["text"]] = "entry"
    monkeypatch.setattr(chain, "MAX_ENTRIES", 1)
    assert ask("2026-10")[0] == 503  # over MAX_ENTRIES: the call stores its unfinished work


@two_shards()
def test_no_table_has_a_byte_from_which_a_dictionary_finds_a_text(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    dictionary = Dictionary()
    live(clock, dictionary, monkeypatch)
    # Before the erasure, the search finds every text except the texts of entries, because their stored digests are
    # salted.
    before = dictionary.found()
    assert {place for _, place in before} == {*dictionary.places.values()} - {"entry"}
    keyed = {(table, place) for table, place in before if table == "IdempotencyTable"}
    assert {f"{each} with an idempotency key" for each in ("metadata", "title", "new description", "dispute")} <= {
        place for _, place in keyed
    }

    aws_client("secretsmanager").create_secret(Name="ErasureSecret", SecretString="a secret of the stack")
    monkeypatch.setattr(erase_user.erasures, "_secret", b"")
    answer: dict[str, Any] = {"wait": 0, "done": False}
    while not answer["done"]:
        clock.now += answer["wait"] * 1000
        answer = erase_user.handler({"user_id": 42}, None)

    # After the erasure, only digests in idempotency keys of the outcome without a user remain. They expire after at
    # most 35 days, as docs/data-requests.md says.
    assert dictionary.found() == {(table, place) for table, place in keyed if place.startswith("original")}
    assert {"OutcomesTable", "IdempotencyTable", "StatementsTable", "ErasuresTable"} <= rows_of(None).keys()
    clock.now += 35 * 24 * 60 * 60 * 1000
    assert all(int(row["expires_at"]["N"]) * 1000 <= clock.now for row in rows_of(None)["IdempotencyTable"])
    del moto_tables()["IdempotencyTable"]
    assert dictionary.found() == set()
