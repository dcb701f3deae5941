"""Test the text format of agent keys, and its checksum."""

import re
import subprocess
import sys
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outcomes.keys import key_text

from tests.conftest import ROOT

KEY = "oc_0123456789abcdef_000000000000000000000000000000002HE1O8"
ID = "0123456789abcdef"
EXPRESSION = re.compile(r"\boc_[0-9A-Za-z]{16}_[0-9A-Za-z]{38}\b")


def test_a_key_is_read_by_its_id() -> None:
    assert key_text.read_id(KEY) == ID


def test_a_new_key_is_valid() -> None:
    id_ = key_text.new_id()
    key = key_text.new_key(id_)
    assert key_text.read_id(key) == id_
    assert EXPRESSION.fullmatch(key)


def test_no_two_keys_are_alike() -> None:
    keys = {key_text.new_key(ID) for _ in range(1000)}
    assert len(keys) == len({key_text.new_id() for _ in keys}) == 1000
    assert len({key[20:52] for key in keys}) == 1000
    assert set("".join(key[20:52] for key in keys)) == set(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    )


@pytest.mark.parametrize(
    "text",
    [
        *("", "oc_", KEY[:-1], KEY[1:], KEY.lower(), f"OC_{KEY[3:]}", "x" * len(KEY)),
        *(f"{KEY}0", f" {KEY}", f"{KEY}\n", KEY[:-6] + "000000", KEY[:-7] + "1" + KEY[-6:]),
        *(KEY.replace("oc_", "ocx"), KEY.replace("oc_01", "oc_10"), KEY.replace("_0000", "_00_0")),
        *(KEY.replace("f_0", "f-0"), KEY.replace("f_0", "f00"), KEY.replace("abcdef", "abcdéf")),
    ],
)
def test_a_forged_cut_or_mistyped_key_is_invalid(text: str) -> None:
    assert key_text.read_id(text) is None


@given(st.integers(0, len(KEY) - 1), st.characters())
def test_any_changed_character_makes_a_key_invalid(place: int, character: str) -> None:
    other = KEY[:place] + character + KEY[place + 1 :]
    assert (key_text.read_id(other) is not None) == (other == KEY)


@given(st.text(max_size=80))
def test_random_text_is_no_key(text: str) -> None:
    assert key_text.read_id(text) is None
    assert key_text.read_id(f"oc_{text}") is None


def test_an_id_is_sixteen_letters_and_digits() -> None:
    assert key_text.is_id(ID)
    for other in ("", ID[1:], f"{ID}0", "user#42", "0123456789abcdé0", "0123456789abcd-_", "\u0660" * 16):
        assert not key_text.is_id(other)


def test_the_stored_digest_is_sha_256() -> None:
    assert key_text.digest(KEY) == sha256(KEY.encode()).hexdigest()


def test_the_documented_expression_finds_keys_in_any_text() -> None:
    assert EXPRESSION.pattern in (key_text.__doc__ or "")
    for text in (f"KEY={KEY}", f'"{KEY}"', f"Bearer {KEY}\n", f"https://x/?key={KEY}&y"):
        assert EXPRESSION.findall(text) == [KEY]
    assert not EXPRESSION.search(f"{KEY}0")


def test_reading_a_key_loads_nothing_slow() -> None:
    """Run Python without installed packages, because some of them are loaded at every start of Python."""
    script = """
import sys; bare = set(sys.modules)
import hashlib, hmac, os; bare |= set(sys.modules)  # every key needs these
import outcomes.keys.key_text
print(*sorted(set(sys.modules) - bare))
"""
    done = subprocess.run(
        [sys.executable, "-S", "-c", script],
        env={"PYTHONPATH": str(ROOT / "layers/common")},
        capture_output=True,
        text=True,
        check=True,
    )
    ours = {"outcomes", "outcomes.keys", "outcomes.keys.key_text"}
    assert set(done.stdout.split()) <= ours | {"binascii", "gc"}
