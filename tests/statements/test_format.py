"""The texts, hashes and signatures of statements agree with docs/statement-format.md and its example."""

import json
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import pytest
from joserfc import jws
from joserfc.jwk import OKPKey
from outcomes.contract.json_text import compact
from outcomes.statements import format as statement_format
from outcomes.statements.format import MerkleTree, inclusion_paths, leaf, money, salt

from tests.statements import example

PAGE = (Path(__file__).parents[2] / "docs" / "statement-format.md").read_text()
FILES = example.files()


def test_the_example_is_written_by_this_code() -> None:
    written = {file.name: file.read_bytes().decode() for file in example.FOLDER.iterdir() if file.name != "cases.json"}
    assert written == FILES, "run `python -m tests.statements.example`; clients refuse a changed format"


def test_the_pages_vectors_are_those_of_the_example() -> None:
    tree = MerkleTree()
    rows = [f"| none | | | | `{tree.root().hex()}` |"]
    for place, line in enumerate(FILES["2026-08.ndjson"].splitlines()):
        text = json.loads(line)["text"]
        salt_ = salt(b"the salt key of 2026-08", json.loads(text)["id"])
        tree.append(leaf_ := leaf(salt_, text))
        rows.append(f"| {place} | {len(text.encode())} | `{salt_.hex()}` | `{leaf_.hex()}` | `{tree.root().hex()}` |")
    assert "\n".join(rows) in PAGE
    for vector in example.SECRET, f"`{example.KEY.public}`", f"`{example.KEY.id}`":
        assert vector in PAGE


def test_strings_are_escaped_as_the_page_says() -> None:
    short = {8: "b", 9: "t", 10: "n", 12: "f", 13: "r", 0x22: '"', 0x5C: "\\"}
    for code in [*range(0x100), 0x2028, 0xFEFF, 0x1F389]:
        escaped = f"\\{short[code]}" if code in short else f"\\u{code:04x}" if code < 0x20 else chr(code)
        assert compact(chr(code)) == f'"{escaped}"'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("12500.50", "12500.5"),
        ("9E+1", "90"),
        ("-99.99", "-99.99"),
        ("1e-130", f"0.{'0' * 129}1"),
        ("-999999999999999.99999999999999999999999", "-999999999999999.99999999999999999999999"),
    ],
)
def test_money_has_neither_exponent_nor_trailing_zeros(value: str, text: str) -> None:
    assert money(Decimal(value)) == text


@pytest.mark.filterwarnings(
    "ignore:EdDSA is deprecated"
)  # RFC 9864 deprecates the name EdDSA, but verifiers would need a newer library for the new names
def test_another_library_verifies_a_signature() -> None:
    key = OKPKey.import_key(next(key for key in json.loads(FILES["keys.json"])["keys"] if not key["valid_until"]))
    statement = json.loads(FILES["2026-10.json"])
    verified = jws.deserialize_compact(statement["signature"], key, algorithms=["EdDSA"])
    assert verified.payload.decode() == compact(dict(list(statement.items())[:13]))
    assert key.thumbprint() == example.KEY.id


def rfc_9162_root(leaves: list[bytes]) -> bytes:
    """Return the Merkle root by the recursion of RFC 9162, section 2.1.1."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256().digest()
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\1" + rfc_9162_root(leaves[:k]) + rfc_9162_root(leaves[k:])).digest()


def rfc_9162_path(place: int, leaves: list[bytes]) -> list[bytes]:
    """Return the inclusion path by the recursion of RFC 9162, section 2.1.3.1."""
    if len(leaves) == 1:
        return []
    k = 1 << (len(leaves) - 1).bit_length() - 1
    if place < k:
        return [*rfc_9162_path(place, leaves[:k]), rfc_9162_root(leaves[k:])]
    return [*rfc_9162_path(place - k, leaves[k:]), rfc_9162_root(leaves[:k])]


def test_trees_of_all_sizes_have_the_roots_and_paths_of_the_rfc() -> None:
    leaves: list[bytes] = []
    tree = MerkleTree()
    for size in range(34):
        assert tree.root() == rfc_9162_root(leaves)
        paths = inclusion_paths(leaves, range(size))
        assert paths == [rfc_9162_path(place, leaves) for place in range(size)]
        leaves.append(leaf(bytes(16), str(size)))
        tree.append(leaves[-1])


def test_lines_of_entries_are_ascii_which_no_reader_splits() -> None:
    assert FILES["2026-08.ndjson"].isascii()
    assert statement_format.entry_line(bytes(16), "a\u2028b") == f'{{"salt":"{"00" * 16}","text":"a\\u2028b"}}\n'
