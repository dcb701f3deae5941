"""Test the byte format of materialized totals.

A later release either reads this format correctly or ignores the bytes.
"""

from decimal import Decimal

import pytest
from outcomes.contract.sums import Cell, Sums
from outcomes.totals import codec


def golden() -> Sums:
    """Return totals whose values are large, small, zero or negative."""
    sums = Sums()
    for day, type_, agent, tally, count, value in (
        ("2026-04-01", "deal_closed", None, 0, 3, "3000.5"),
        ("2026-04-01", "deal_closed", 7, 0, 82, "310712"),
        ("2026-04-01", "deal_closed", 7, 2, 1, "99"),
        ("2026-04-02", "task_complete", 9_007_199_254_740_991, 0, 1, "0"),
        ("2026-04-05", "negotiation_complete", 7, 3, 12, "-0.000001"),
        ("2026-04-05", "deal_closed", 7, 1, 1, "999999999999999"),
    ):
        sums.of(Cell(day, type_, agent))[tally].add(count, Decimal(value))
        sums.touch(day, "2026-04-05")
    return sums


def plain(sums: Sums) -> object:
    cells = [(cell, [(sum_.count, sum_.exact) for sum_ in tallies]) for cell, tallies in sums.sorted()]
    return cells, sums.days


def test_any_flipped_bit_is_detected_or_harmless() -> None:
    [part] = codec.write(golden())
    for bit in range(len(part) * 8):
        damaged = bytearray(part)
        damaged[bit // 8] ^= 1 << bit % 8
        read = Sums()
        try:
            codec.read(bytes(damaged), read)
        except codec.Damaged:
            assert not read.by_cell
        else:
            assert plain(read) == plain(golden()), f"bit {bit}"


def test_truncated_bytes_are_damaged() -> None:
    [part] = codec.write(golden())
    for length in range(len(part)):
        with pytest.raises(codec.Damaged):
            codec.read(part[:length], Sums())


def test_bytes_of_another_dictionary_are_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    [part] = codec.write(golden())
    monkeypatch.setattr(codec, "_WORDS", codec._WORDS.replace(b"\ndeal_closed", b"\ninvoice_paid,\ndeal_closed"))
    with pytest.raises(codec.Damaged):
        codec.read(part, Sums())
