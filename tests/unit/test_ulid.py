"""ULIDs contain their creation time in milliseconds. ULIDs of one process sort in creation order."""

import re
from itertools import pairwise

import pytest
from outcomes.ledger import ulid

NOON = 1_775_044_800_000  # 2026-04-01T12:00:00Z


def test_an_id_is_a_ulid_of_its_millisecond() -> None:
    # The specification's example for this instant: https://github.com/ulid/spec
    assert re.fullmatch("01ARYZ6S41[0-9A-HJKMNP-TV-Z]{16}", ulid.new(1469918176385))


def test_ids_of_one_millisecond_rise_even_if_an_id_of_another_millisecond_is_made_in_between() -> None:
    """For example, a correction gets an id that is one millisecond later than its outcome's id."""
    first, _, second = (ulid.new(instant) for instant in (NOON, NOON + 1, NOON))
    assert first < second


@pytest.mark.parametrize("drawn", [b"\0", b"\xff"])
def test_ids_rise_within_their_millisecond_for_extreme_random_bytes(
    drawn: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ulid, "_last", None)
    monkeypatch.setattr("os.urandom", lambda size: drawn * size)
    ids = [ulid.new(NOON) for _ in range(1000)]
    assert all(first < second for first, second in pairwise(ids))
    assert {ulid.milliseconds(id_) for id_ in ids} == {NOON}


def test_two_copies_of_a_process_make_different_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    ulid.new(NOON)
    last = ulid._last
    first = ulid.new(NOON)
    monkeypatch.setattr(ulid, "_last", last)
    assert ulid.new(NOON) != first
