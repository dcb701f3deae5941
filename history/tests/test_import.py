"""Test `make import-history`: files, mappings, refused rows, and whether the imported outcomes equal their source."""

import csv
import itertools
import json
import os
import random
import sys
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from outcomes.calendar import instants
from outcomes.contract import json_text
from outcomes.ledger import ulid
from outcomes.limits import MAX_TITLE
from outcomes.privacy.erasure import hashed
from outcomes.totals import settled_intervals

from functions.export_outcomes import app as export_outcomes
from functions.summarize_outcomes import app as summarize_outcomes
from history.mapper import ulid_of
from history.tests.imports import (
    SECRET,
    TARGET,
    Command,
    import_all,
    old_row,
    planned,
    write_ndjson,
)
from local.environment import REGION
from ops.errors import StackError
from smoke.model import Choice, added_up, said
from tests.aws import STACKS, aws_client, scan
from tests.corrections import pages
from tests.definitions.service import put
from tests.events import KEY, proxy_event, session
from tests.fields import UNSET
from tests.outcome_types import TYPES

pytestmark = pytest.mark.usefixtures("tables")

ROWS = int(os.environ.get("ROWS") or 1000)
"""Rows of the table that is compared with its source."""
HEADING = "id,user_id,agent_id,outcome_type,title,description,value_usd,metadata,created_at"
APRIL = 1_775_044_800_000  # 2026-04-01T12:00:00Z


def csv_file(folder: Path, *lines: str, heading: str = HEADING) -> Path:
    file = folder / "old.csv"
    file.write_text("\n".join([heading, *lines]) + "\n")
    return file


def listed(user_id: int = 42) -> list[Any]:
    """Return all outcomes of a user in the format of a list with include=ledger."""
    return list(itertools.chain.from_iterable(pages(session(user_id), limit="50", include="ledger")))


class TestRows:
    """Single rows are imported or refused."""

    def test_a_row_as_psql_writes_it_is_imported(self, tmp_path: Path) -> None:
        row = '17,42,7,deal_closed,"Renewed ""Acme""",,12.50,"{""a"": 1.50}",2026-04-01 14:00:00.123999+02'
        assert import_all(csv_file(tmp_path, row)) == 0

        [outcome] = listed()
        id_ = outcome.pop("id")
        assert instants.read(outcome["created_at"]) == APRIL + 123
        assert outcome == {
            "user_id": 42,
            "agent_id": 7,
            "outcome_type": "deal_closed",
            "title": 'Renewed "Acme"',
            "description": None,
            "value_usd": Decimal("12.5"),
            "metadata": {"a": Decimal("1.50"), "imported_id": "17"},
            "created_at": "2026-04-01T12:00:00.123Z",
            "occurred_at": "2026-04-01T12:00:00.123Z",
            "status": "recorded",
            "recorded_by": "key",
            "version": 0,
            **UNSET,
        }
        assert id_.startswith("01KN4EMBKV")

    @pytest.mark.parametrize("fields", [{"value_usd": 12.5, "user_id": 42}, {"value_usd": "12.50", "user_id": "42"}])
    def test_ndjson_may_contain_numbers_as_text(self, tmp_path: Path, fields: Any) -> None:
        assert import_all(write_ndjson(tmp_path / "old.ndjson", [old_row(1, APRIL, **fields)])) == 0
        assert [each["value_usd"] for each in listed()] == [Decimal("12.5")]

    def test_an_empty_user_is_nobody(self, tmp_path: Path) -> None:
        import_all(csv_file(tmp_path, "17,,7,deal_closed,Closed,,,,2026-04-01 12:00:00+00"))
        [item] = scan()
        assert item["user_id"]["S"].startswith("unassigned#")

    def test_columns_and_types_are_mapped(self, tmp_path: Path) -> None:
        file = csv_file(tmp_path, "17,42,won,Closed,2026-04-01 12:00:00Z", heading="uuid,owner,kind,title,at")
        columns = {"id": "uuid", "user_id": "owner", "outcome_type": "kind", "created_at": "at"}
        assert import_all(file, mapping={"columns": columns, "types": {"won": "deal_closed"}}) == 0
        assert [each["outcome_type"] for each in listed()] == ["deal_closed"]

    @pytest.mark.parametrize(
        ("row", "reason"),
        [
            ({"id": None}, "id is missing"),
            ({"id": [1]}, "id must be text or a number"),
            ({"outcome_type": "won"}, "Invalid outcome_type: 'won' is none of negotiation_complete"),
            ({"outcome_type": None}, "Invalid outcome_type"),
            ({"title": ""}, "title must be a string of 1 to "),
            ({"title": "x" * (MAX_TITLE + 1), "agent_id": 0}, "; agentId must be a whole number"),
            ({"value_usd": "NaN"}, "valueUsd must be a number"),
            ({"value_usd": "$1"}, "valueUsd must be a number"),
            ({"user_id": "x"}, "userId must be a whole number"),
            ({"metadata": []}, "metadata must be an object"),
            ({"metadata": {"a": "x" * (64 * 1024 - 10)}}, "imported_id included"),
            ({"metadata": {"imported_id": "2"}}, "metadata contains another imported_id"),
            ({"created_at": None}, "created_at must be an instant with offset"),
            ({"created_at": "2026-04-01 12:00:00"}, "created_at must be an instant with offset"),
            ({"created_at": "infinity"}, "created_at must be an instant with offset"),
            ({"created_at": "1999-12-31 23:59:59+00"}, "created_at must be from 2000-01-01T00:00:00.000Z until now"),
            ({"created_at": "2999-01-01 00:00:00+00"}, "until now"),
        ],
    )
    def test_any_other_row_is_refused_with_its_reason(
        self, tmp_path: Path, row: Any, reason: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = write_ndjson(tmp_path / "old.ndjson", [old_row(1, APRIL) | row, old_row(3, APRIL)])
        assert import_all(file) == 1
        [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("line ")]
        assert line.startswith("line 1: ")
        assert reason in line
        assert [each["metadata"]["imported_id"] for each in listed()] == ["3"]

    @pytest.mark.parametrize(
        ("lines", "reasons"),
        [
            (["1,42"], {2: "the row has 2 cells, and the heading 9"}),
            (['1,42,,"x" y,Closed,,,,2026-04-01 12:00:00+00'], {2: "expected after"}),
            (["\udcff"], {2: "the row has 1 cells"}),
            (['1,42,,deal_closed,"a', "1,4", "1,4"], {2: "unreadable up to line 4: unexpected end"}),
            (["", "1,42,,deal_closed,a\udcff,,,,2026-04-01 12:00:00+00"], {3: "title must be"}),
            (['1,42,,deal_closed,"a', 'b",,,,2026-04-01 12:00:00+00', "1,4"], {4: "the row has 2 cells"}),
            (2 * ["1,42,,deal_closed,a,,,,2026-04-01 12:00:00+00"], {3: "id and created_at are those of line 2"}),
        ],
    )
    def test_an_unreadable_row_of_csv_is_refused(
        self, tmp_path: Path, lines: list[str], reasons: dict[int, str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "old.csv"
        text = "\r\n".join([HEADING, *lines])
        file.write_bytes(b"\xef\xbb\xbf" + text.encode(errors="surrogateescape"))
        assert import_all(file) == len(reasons)
        said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("line ")]
        for line, (number, reason) in zip(said, reasons.items(), strict=True):
            assert line.startswith(f"line {number}: ")
            assert reason in line

    @pytest.mark.parametrize("line", ["[1]", "{", '{"id":NaN}', "[" * 100_000])
    def test_an_unreadable_line_of_ndjson_is_refused(self, tmp_path: Path, line: str) -> None:
        file = tmp_path / "old.jsonl"
        file.write_text(f"{line}\n\n{json.dumps(old_row(1, APRIL))}")
        assert import_all(file) == 1
        assert len(listed()) == 1


def source(file: Path) -> list[dict[str, Any]]:
    """Write a table of ROWS rows of two users as CSV. Return them as they should be listed, oldest first."""
    draw, expected = random.Random(7), []  # noqa: S311 - repeatable
    with file.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(HEADING.split(","))
        for number in range(ROWS):
            at = APRIL - 400 * 86_400_000 + number * (400 * 86_400_000 // ROWS)
            value = draw.choice([None, Decimal(draw.randrange(10**9)).scaleb(-2), Decimal("-0.1"), Decimal("1e-20")])
            row: dict[str, Any] = {
                "id": number,
                "user_id": draw.choice([42, 42, 43]),
                "agent_id": draw.choice([None, 1, 2, 30]),
                "outcome_type": draw.choice(TYPES),
                "title": draw.choice(["Closed", 'With "quotes", commas', "Two\nlines", "ünï \u2028 😀"]),
                "description": draw.choice([None, "More about it"]),
                "value_usd": value,
                "metadata": draw.choice([None, {"a": 1}, {"b": ["x", {"c": None}]}]),
            }
            psql = f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%S.%f}+00"
            cells = [row[name] if row[name] is not None else "" for name in HEADING.split(",")[:-2]]
            cells[6] = "" if value is None else f"{value:f}"
            table.writerow([*cells, json.dumps(row["metadata"]) if row["metadata"] else "", psql])
            listed_as = {"metadata": (row["metadata"] or {}) | {"imported_id": str(row.pop("id"))}}
            expected.append(
                row
                | listed_as
                | {"status": "recorded"}
                | {"created_at": instants.text(at), "occurred_at": instants.text(at)}
            )
    return expected


def exported(user_id: int) -> list[Any]:
    """Return all outcomes of a user from an export, newest first."""
    found: list[Any] = []
    query: dict[str, Any] = {"format": "ndjson"}
    while query.get("cursor", "") is not None:
        event = proxy_event("GET", "/api/outcomes/export", authorizer=session(user_id), query=query)
        response = export_outcomes.handler(event, None)
        found += [json_text.read(line) for line in response["body"].splitlines()]
        query["cursor"] = response["headers"].get("Next-Cursor")
    return found


def summary(user_id: int, choice: Choice, zone: str) -> Any:
    """Return a summary by month. Repeat the request until the totals are complete."""
    query: Any = {"from": choice.since, "to": choice.until, "timezone": zone, "by": "month"}
    event = proxy_event("GET", "/api/outcomes/summary", authorizer=session(user_id), query=query)
    while (response := summarize_outcomes.handler(event, None))["statusCode"] == 503:
        pass
    return json_text.read(response["body"])


def test_lists_exports_and_sums_equal_the_source(tmp_path: Path) -> None:
    """The environment variable ROWS=100000 makes this test compare more rows."""
    file = tmp_path / "old.csv"
    rows = source(file)
    choice = Choice(since=instants.text(APRIL - 300 * 86_400_000), until=instants.text(APRIL))
    for user_id in (42, 43):
        summary(user_id, choice, "UTC")  # stores sums before the import
    for _ in range(2):
        assert import_all(file) == 0
        for user_id in (42, 43):
            expected = [row for row in reversed(rows) if row["user_id"] == user_id]
            for found in (listed(user_id), exported(user_id)):
                assert [{name: each[name] for name in expected[0]} for each in found] == expected
            for zone in ("UTC", "America/New_York", "Asia/Kolkata"):
                sums = said(summary(user_id, choice, zone), "month")
                assert sums == added_up(expected, choice, zone, "month")


def test_stored_sums_of_outcomes_without_a_user_follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settled_intervals, "SAVED_PER_COST", 0)
    query: Any = {"userId": "none", "from": "2026-04-01", "to": "2026-04-02"}
    event = proxy_event("GET", "/api/outcomes/summary", authorizer=KEY | {"reads": "none"}, query=query)
    for number in (20, 40):
        rows = [old_row(1 + index, APRIL + index, user_id=None) for index in range(number)]
        import_all(write_ndjson(tmp_path / "old.ndjson", rows))
        for _ in range(2):  # the second summary reads stored sums
            assert json.loads(summarize_outcomes.handler(event, None)["body"])["count"] == number
    assert [row for row in scan("TotalsTable") if row["stretch"]["S"].startswith("UTC#")]


@pytest.fixture
def small_file(tmp_path: Path) -> Path:
    """Return a file with outcomes of two users and without a user. Its rows are written in six groups."""
    rows = [old_row(number, APRIL + number, user_id=(42, 43, None)[number % 3]) for number in range(18)]
    return write_ndjson(tmp_path / "old.ndjson", [{**row, "id": row["id"] or "0"} for row in rows])


def test_a_file_that_changes_during_an_import_is_an_error(small_file: Path) -> None:
    with planned(small_file) as plan:
        small_file.write_text(small_file.read_text().replace("2026", "2025"))
        with pytest.raises(StackError, match="has changed since the import began"):
            plan.write()


def test_writes_are_paced(small_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.append(now.pop() + seconds))
    import_all(small_file, TARGET._replace(units_per_second=2))
    assert now[0] == (18 - 6) / 2  # the import does not wait after its last six writes


@pytest.mark.parametrize("is_planned", [False, True])
def test_users_who_were_erased_before_or_after_the_plan_are_refused(
    small_file: Path, capsys: pytest.CaptureFixture[str], is_planned: bool
) -> None:
    def erase() -> None:
        row = {"user": {"S": hashed(SECRET, "42")}, "erasure": {"S": "2026-04-01T12:00:00.000Z"}}
        aws_client("dynamodb").put_item(TableName="ErasuresTable", Item=row)

    if not is_planned:
        erase()
    with planned(small_file) as plan:
        if is_planned:
            erase()
        plan.write()
    assert plan.refused == 6
    assert "line 1: user 42 was erased" in capsys.readouterr().out
    assert listed(42) == []
    assert len(listed(43)) == 6


def test_refused_rows_stay_in_the_output_while_a_terminal_shows_progress(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert import_all(write_ndjson(tmp_path / "old.ndjson", [{}])) == 1
    output, progress = capsys.readouterr()
    assert output.startswith("line 1: id is missing\n")
    assert "Reading" in progress


class TestTheCommand:
    def test_without_yes_it_only_shows(self, run: Command, small_file: Path) -> None:
        done = run(str(small_file))
        assert (done.returncode, done.stderr, scan()) == (0, "", [])
        assert done.stdout.splitlines() == [
            "            user  type                       outcomes  value_usd",
            "          nobody  deal_closed                       6  0.6",
            "              42  deal_closed                       6  0.6",
            "              43  deal_closed                       6  0.6",
            "18 outcomes of 2 users can be imported; 0 rows are refused.",
            *done.stdout.splitlines()[-2:],
        ]
        assert done.stdout.endswith("Nothing was written. Add YES=1 to import.\n")
        # These are 18 writes of outcomes, and two writes for each user and for each partition of outcomes without a
        # user.
        nobody = {f"unassigned#{ulid.shard(ulid_of(APRIL + number, str(number)), 16)}" for number in range(2, 18, 3)}
        units = 18 + 2 * (2 + len(nobody))
        assert f"\n{units} write units cost $0.00, and storage $0.00 a month. Writing takes" in done.stdout

    def test_with_yes_it_imports_and_fails_if_rows_were_refused(self, run: Command, small_file: Path) -> None:
        assert run(str(small_file), "--yes").returncode == 0
        with small_file.open("a") as file:
            file.write("{}\n")
        done = run(str(small_file), "--yes")
        assert (done.returncode, done.stderr) == (1, "")
        assert "line 19: id is missing" in done.stdout
        assert done.stdout.splitlines()[-1] == "0 outcomes were imported, 18 were there before, 1 rows were refused."

    @pytest.mark.parametrize(
        ("mapping", "says"),
        [
            ("[columns]\nkind = 'x'", "[columns] of the mapping names kind; known are id, user_id"),
            ("[columns]\nid = 1", "[columns] of the mapping must contain text only"),
            ("[column]\nid = 'x'", "the mapping has [columns] and [types], not column"),
            ("[columns", "cannot read the mapping"),
            ("[columns]\nid = 'uuid'", "has no column uuid, only id"),
            ("[columns]\nvalue_usd = 'amuont'", "has no column amuont, only id"),
            (None, "cannot read the mapping"),
        ],
    )
    def test_a_wrong_mapping_is_an_error(self, run: Command, tmp_path: Path, mapping: str | None, says: str) -> None:
        if mapping:
            (tmp_path / "map.toml").write_text(mapping)
        done = run(str(csv_file(tmp_path)), "--mapping", str(tmp_path / "map.toml"))
        assert done.returncode == 1
        assert says in done.stderr

    def test_a_mapped_name_must_be_in_a_row_of_ndjson(self, tmp_path: Path) -> None:
        rows = [old_row(1, APRIL), old_row(2, APRIL) | {"amount": 2}]
        assert (
            import_all(write_ndjson(tmp_path / "old.ndjson", rows), mapping={"columns": {"value_usd": "amount"}}) == 0
        )
        with pytest.raises(StackError, match=r"^no row of .*old.ndjson has amuont$"):
            import_all(tmp_path / "old.ndjson", mapping={"columns": {"title": "title", "value_usd": "amuont"}})

    @pytest.mark.parametrize(
        ("file", "says"),
        [
            ("", "FILE is missing"),
            ("old.txt", "FILE must end with .csv, .ndjson or .jsonl"),
            ("none.csv", "cannot read"),
            ("empty.csv", "must name each column once"),
        ],
    )
    def test_a_wrong_file_is_an_error(self, run: Command, tmp_path: Path, file: str, says: str) -> None:
        (tmp_path / "empty.csv").touch()
        done = run(str(tmp_path / file) if file else "")
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert says in done.stderr

    def test_an_unknown_or_older_stack_is_an_error(self, run: Command, small_file: Path) -> None:
        del STACKS[REGION, "outcomes-prod"]["ErasureSecretArn"]
        assert "outcomes-prod has no ErasureSecretArn: deploy this version first" in run(str(small_file)).stderr
        STACKS.clear()
        assert "does not exist" in run(str(small_file)).stderr


class TestDefinitions:
    """An import keeps old times of recording, so what it brings of closed months counts at once."""

    def test_it_says_before_it_writes_how_much_counts_at_once_by_whose_definitions(
        self, tmp_path: Path, run: Command
    ) -> None:
        types: Any = {"task_complete": {"when": "confirmed"}, "content_published": {"when": "never"}}
        types |= {"*": {"when": "unless_disputed", "eachUsd": 75, "basis": "estimated"}}
        assert put("2026-02", types, timezone="UTC") == (200, 1)
        now = instants.now()
        kinds = ["deal_closed", "task_complete", "content_published", "deal_closed", "deal_closed"]
        times = ["2026-02-03T12:00:00Z", "2026-02-03T12:00:00Z", "2026-02-03T12:00:00Z", "2026-01-31T23:59:59Z"]
        instants_of = [*map(instants.read, times), now]
        rows = [old_row(n, at, outcome_type=kind) for n, (kind, at) in enumerate(zip(kinds, instants_of, strict=True))]
        file = write_ndjson(
            tmp_path / "old.ndjson", [*rows, old_row(9, now, user_id=43), old_row(8, now, user_id=None)]
        )

        said = run(str(file)).stdout

        assert [line for line in said.splitlines() if line.startswith("user ")] == [
            "user 42, by the user's definitions: 1 ($75) count at once, 1 ($75) wait, 1 ($0.1) need the user's word, "
            "1 ($0.1) never count, 1 ($0.1) are from before."
        ]
        assert scan() == []
