"""Test valid and invalid bearer keys."""

import pytest
from outcomes.auth.keys import MAX_KEY_LENGTH, bearer, fingerprint, is_valid, parse_fingerprints

FINGERPRINTS = parse_fingerprints(f"{fingerprint('current')},{fingerprint('previous')}")


@pytest.mark.parametrize("key", ["current", "previous"])
def test_a_key_with_one_of_the_fingerprints_is_valid(key: str) -> None:
    assert is_valid(key, FINGERPRINTS)


@pytest.mark.parametrize("key", ["removed", "curren", "currentt", "Current", "current ", fingerprint("current"), "\0"])
def test_any_other_key_is_invalid(key: str) -> None:
    assert not is_valid(key, FINGERPRINTS)


def test_a_key_of_more_than_512_characters_is_invalid() -> None:
    for length, valid in ((MAX_KEY_LENGTH, True), (MAX_KEY_LENGTH + 1, False)):
        assert is_valid("k" * length, parse_fingerprints(fingerprint("k" * length))) is valid


def test_without_fingerprints_no_key_is_valid() -> None:
    assert not is_valid("current", ())


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("", []),
        ("  ", []),
        (" , ,", []),
        (fingerprint("a"), ["a"]),
        (fingerprint("a").upper(), ["a"]),
        (f" {fingerprint('a')} , {fingerprint('b')}\n", ["a", "b"]),
        (f"{fingerprint('a')},,{fingerprint('b')},", ["a", "b"]),
    ],
)
def test_fingerprints_are_read_from_a_comma_separated_list(text: str, known: list[str]) -> None:
    assert [digest.hex() for digest in parse_fingerprints(text)] == [fingerprint(key) for key in known]


@pytest.mark.parametrize("entry", ["a-key-by-mistake", fingerprint("a")[:-1], fingerprint("a") + "00", "\u0663" * 64])
def test_an_invalid_fingerprint_is_not_quoted(entry: str) -> None:
    with pytest.raises(ValueError, match="Entry 2 of the key fingerprints is not a SHA-256 in hex") as raised:
        parse_fingerprints(f"{fingerprint('a')},{entry}")
    assert entry not in str(raised.value)


@pytest.mark.parametrize(
    ("authorization", "key"),
    [
        *(([header], "abc") for header in ("Bearer abc", "bearer abc", "BEARER abc", "  Bearer   abc  ")),
        (["Bearer a.b-c_d~e+f/g="], "a.b-c_d~e+f/g="),
        *(([header], None) for header in ("", "Bearer", "Bearer ", "Bearerabc", "Basic abc", "abc")),
        *(([header], None) for header in ("Bearer schl\u00fcssel", "Bearer \ud800", "\u212aBearer abc")),
        ([], None),
        (["Bearer abc", "Bearer abc"], None),
        (["Bearer abc", "Basic abc"], None),
    ],
)
def test_the_key_is_the_value_of_the_only_bearer_header(authorization: list[str], key: str | None) -> None:
    assert bearer(authorization) == key
