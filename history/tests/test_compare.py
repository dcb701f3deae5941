"""Test `make import-history COMPARE=1`."""

import time
from pathlib import Path
from typing import Any

import pytest
from outcomes.errors import Busy, StillAddingUp
from outcomes.totals.materialized import Totals

from history.tests.imports import Command, import_all, old_row, write_ndjson
from tests.aws import scan
from tests.corrections import BODIES, correct, ledger
from tests.events import KEY
from tests.people import two_shards

pytestmark = pytest.mark.usefixtures("tables")

OCTOBER_2001, MAY_2014, JUNE_2014, APRIL_2026 = (
    1_002_000_000_000,
    1_400_000_000_000,
    1_402_000_000_000,
    1_775_044_800_000,
)
HEADING = "            user  month      in file    in API  value_usd in file, in API"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rows = [
        old_row(1, OCTOBER_2001),
        old_row(2, MAY_2014),
        old_row(3, MAY_2014, value_usd=None),
        old_row(4, JUNE_2014, user_id=43, value_usd="-1000000.01"),
        old_row(5, APRIL_2026, user_id=None),
    ]
    return write_ndjson(tmp_path / "old.ndjson", rows)


@two_shards()
def test_equal_sums_of_all_time_are_shown_by_user_and_month(run: Command, file: Path) -> None:
    import_all(file)
    run("none.csv")  # forget the output of the import
    stored = scan()
    done = run(str(file), "--compare")
    assert (done.returncode, done.stderr, scan()) == (0, "", stored)
    assert done.stdout.splitlines() == [
        HEADING,
        "          nobody  2026-04          1         1  0.1, 0.1",
        "              42  2001-10          1         1  0.1, 0.1",
        "              42  2014-05          2         2  0.1, 0.1",
        "              43  2014-06          1         1  -1000000.01, -1000000.01",
        "4 months are equal, 0 differ.",
    ]


@two_shards()
def test_sums_that_differ_are_a_failure(run: Command, file: Path) -> None:
    import_all(file)
    write_ndjson(file, [old_row(1, OCTOBER_2001), old_row(4, JUNE_2014, user_id=43), old_row(9, APRIL_2026)])
    [other] = [each["id"] for each in ledger() if each["created_at"].startswith("2001")]
    correct(other, KEY, BODIES["void"])
    done = run(str(file), "--compare")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines()[-6:] == [
        HEADING,
        "              42  2001-10          1         0  0.1, 0  differs",
        "              42  2014-05          0         2  0, 0.1  differs",
        "              42  2026-04          1         0  0.1, 0  differs",
        "              43  2014-06          1         1  0.1, -1000000.01  differs",
        "0 months are equal, 4 differ.",
    ]


@pytest.mark.parametrize("failure", [StillAddingUp, Busy])
def test_sums_that_take_several_calls_are_waited_for(
    run: Command, file: Path, failure: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_ndjson(file, [old_row(1, APRIL_2026)])
    import_all(file)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
    aggregate, calls = Totals.aggregate, [0]

    def slow(self: Totals, *more: Any) -> Any:
        aggregate(self, *more)
        calls[0] += 1
        if calls[0] < 3:  # the sums so far must not be counted again
            raise failure

    monkeypatch.setattr(Totals, "aggregate", slow)
    assert "1 months are equal, 0 differ." in run(str(file), "--compare").stdout
    assert calls == [3]
