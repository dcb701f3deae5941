"""Test `make import-history UNDO=1`, and importing again what was undone."""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from outcomes.aws.services import DynamoDB
from outcomes.calendar import instants
from outcomes.events.stream import entry_key_of, event_of

from bench.storage import TRANSACTION, item_bytes, read_units, write_units
from history.tests.imports import (
    Command,
    days_ago,
    end_statement,
    import_all,
    old_row,
    statuses,
    undo_all,
    write_ndjson,
)
from tests import streams
from tests.aws import scan
from tests.corrections import BODIES, OWNER, assign, correct, get, get_without_user, ledger, listed, summary
from tests.events import KEY
from tests.outcome_types import TYPES
from tests.people import record, restore, rows_of, snapshot

pytestmark = pytest.mark.usefixtures("tables")


class TestWhatIsVoided:
    def test_exactly_the_rows_of_the_file_that_an_import_created(
        self, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        import_all(write_ndjson(tmp_path / "other.ndjson", [old_row(100, days_ago(3))]))
        recorded = record()
        import_all(file)
        write_ndjson(file, [json.loads(line) for line in file.read_text().splitlines()] + [old_row(99, days_ago(1))])
        capsys.readouterr()

        undo_all(file)
        assert {each["id"] for each in listed()} == {recorded, *(e["id"] for e in ledger() if e["title"] == "Deal 100")}
        assert statuses() == ["void"] * 3 + ["recorded"] * 2
        assert summary()["voided"] == {"count": 3, "value_usd": Decimal("0.3")}
        output = capsys.readouterr().out.splitlines()
        assert output[1:4] == [f"{user:>16}  deal_closed                       3  0.3" for user in ("nobody", 42, 43)]
        assert output[4:] == [
            "9 outcomes were undone, 0 were undone before, 0 are left, 1 are not there, 0 rows were refused."
        ]

    def test_a_void_is_a_correction_by_the_platform_at_the_present_time(self, small: Path) -> None:
        import_all(small)
        began = instants.text(instants.now())
        undo_all(small)
        outcome = get(ledger()[0]["id"])[1]
        [correction] = outcome["corrections"]
        assert outcome["outcome"]["version"] == 1
        assert began <= correction.pop("created_at") <= instants.text(instants.now())
        assert {**correction, "id": ""} == {"id": "", "type": "void", "reason": "Its import was undone", "by": "key"}
        entries = [item for item in scan() if "outcome" in item]
        assert [entry["imported"] for entry in entries] == [{"BOOL": True}] * 2

    def test_no_event_tells_of_it(self, small: Path) -> None:
        streams.turn_on("OutcomesTable")
        import_all(small)
        undo_all(small)
        records = streams.records("OutcomesTable")
        assert [each["eventName"] for each in records].count("MODIFY") == 2
        entries = {item["created_at"]["S"][-26:]: item for item in scan() if "outcome" in item}
        assert [event_of(each, entries) for each in records] == [None] * len(records)
        assert [entry_key_of(each) for each in records] == [None] * len(records)

    @pytest.mark.parametrize("type_", ["amend", "confirm", "dispute", "void"])
    def test_a_row_that_was_corrected_is_named_and_left_unless_forced(
        self, small: Path, type_: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        import_all(small)
        id_ = ledger()[0]["id"]
        assert correct(id_, OWNER if type_ in {"confirm", "dispute"} else KEY, BODIES[type_])[0] == 200
        status = get(id_)[1]["outcome"]["status"]
        undo_all(small)
        assert statuses() == ["void", status]
        output = capsys.readouterr().out.splitlines()
        reason = "voided since the import" if status == "void" else f"corrected since the import, and now {status}"
        assert f"line 2: {reason}" in output
        assert "1 outcomes were undone, 0 were undone before, 1 are left, 0 are not there" in output[-1]

        undo_all(small, force=True)
        assert statuses() == ["void", "void"]
        left = int(type_ == "void")
        counts = f"{1 - left} outcomes were undone, 1 were undone before, {left} are left, 0 are not there"
        assert counts in capsys.readouterr().out
        assert summary()["count"] == summary()["disputed"]["count"] == summary()["confirmed"]["count"] == 0

    def test_an_outcome_that_was_assigned_is_left(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        file = write_ndjson(tmp_path / "old.ndjson", [old_row(1, days_ago(9), user_id=None)])
        import_all(file)
        [item] = scan()
        assert assign(item["created_at"]["S"][-26:])[0] == 200
        undo_all(file, force=True)
        assert "line 1: assigned to a user since the import" in capsys.readouterr().out
        assert statuses() == ["recorded"]
        assert import_all(file, last_round=2) == 0
        assert "0 outcomes were imported, 1 were there before" in capsys.readouterr().out

    def test_rows_before_the_end_of_a_statement_are_named_and_left_unless_forced(
        self, small: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        import_all(small)
        cut = end_statement(5)
        before = f"created_at is before {cut}, the end of a statement of the user"
        undo_all(small)
        assert statuses() == ["recorded", "void"]
        assert f"line 1: {before}\n" in capsys.readouterr().out
        undo_all(small, force=True)
        assert statuses() == ["void", "void"]
        assert f"line 1: cannot be imported again: {before}\n" in capsys.readouterr().out

        assert import_all(small) == 0
        output = capsys.readouterr().out
        assert f"line 1: undone, and {before}\nline 2: undone, import with ROUND=2\n" in output
        assert import_all(small, last_round=2) == 1
        assert sorted(statuses()) == ["recorded", "void", "void"]
        assert f"line 1: {before}\n" in capsys.readouterr().out

    def test_an_outcome_without_a_user_is_voided_in_its_partition(self, file: Path) -> None:
        import_all(file)
        undo_all(file)
        nobodys = [item for item in scan() if item["user_id"]["S"].startswith("unassigned") and "title" in item]
        for item in nobodys:
            outcome = get_without_user(item["created_at"]["S"][-26:])
            assert (outcome["outcome"]["status"], len(outcome["corrections"])) == ("void", 1)
        assert len(nobodys) == 3


@pytest.mark.parametrize("missed", ["the import", "a dispute", "an undo"])
@pytest.mark.usefixtures("no_waiting")
def test_reads_that_miss_the_last_second_are_noticed(
    small: Path, missed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = snapshot()
    import_all(small)
    if missed != "the import":
        stale = snapshot()
        correct(ledger()[0]["id"], OWNER, BODIES["dispute"]) if missed == "a dispute" else undo_all(small)
    call = DynamoDB.call

    def late(self: DynamoDB, operation: str, request: Any, **more: Any) -> Any:
        if operation != "BatchGetItem" or request["RequestItems"].get("OutcomesTable", {}).get("ConsistentRead", 1):
            return call(self, operation, request, **more)
        present = snapshot()
        restore(stale)
        answer = call(self, operation, request, **more)
        restore(present)
        return answer

    monkeypatch.setattr(DynamoDB, "call", late)
    capsys.readouterr()
    undo_all(small)
    assert {
        "the import": "2 outcomes were undone, 0 were undone before, 0 are left, 0 are not there",
        "a dispute": "1 outcomes were undone, 0 were undone before, 1 are left, 0 are not there",
        "an undo": "0 outcomes were undone, 2 were undone before, 0 are left, 0 are not there",
    }[missed] in capsys.readouterr().out


def counted(table: Mapping[str, Any], operation: str, request: Any) -> float:
    """Return the units of a request as DynamoDB counts them, given the items after the request."""
    if operation == "BatchGetItem":
        [wanted] = request["RequestItems"].values()
        items = [table.get(key["created_at"]["S"]) for key in wanted["Keys"] if "created_at" in key]
        return sum(read_units(item or {}) * (1 if wanted["ConsistentRead"] else 0.5) for item in items)
    if operation == "TransactWriteItems":
        keys = [next(iter(each.values())) for each in request["TransactItems"]]
        places = [(each.get("Key") or each["Item"])["created_at"]["S"] for each in keys]
        return TRANSACTION * write_units(*(table[place] for place in places))
    return 1


def test_a_row_of_a_kilobyte_takes_at_most_five_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB counts the larger of an item's sizes before and after a write. A void adds some 100 bytes."""
    rows = [old_row(n, days_ago(30) + n, description="x" * 720) for n in range(200)]
    file = write_ndjson(tmp_path / "old.ndjson", rows)
    import_all(file)
    calls: list[tuple[str, Any]] = []
    call = DynamoDB.call

    def counting(self: DynamoDB, operation: str, request: Any, **more: Any) -> Any:
        calls.append((operation, request))
        return call(self, operation, request, **more)

    monkeypatch.setattr(DynamoDB, "call", counting)
    undo_all(file)
    table = {item["created_at"]["S"]: item for item in scan()}
    assert 950 < max(map(item_bytes, table.values())) <= 1024
    assert sum(counted(table, *each) for each in calls) / len(rows) <= 5


class TestTheCommand:
    def test_without_yes_it_only_shows(self, run: Command, file: Path) -> None:
        import_all(file)
        before = snapshot()
        run("none.csv")  # forget the output of the import
        done = run(str(file), "--undo")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines() == [
            "            user  type                       outcomes  value_usd",
            *(f"{user:>16}  deal_closed                       3  0.3" for user in ("nobody", 42, 43)),
            "36 write units cost $0.00. Writing takes at least 0 minutes.",
            "9 outcomes can be undone, 0 were undone before, 0 are left, 0 are not there, 0 rows were refused.",
            "Nothing was written. Add YES=1 to undo.",
        ]
        assert all(before[name].items == table.items for name, table in snapshot().items() if name == "OutcomesTable")
        assert statuses() == ["recorded"] * 3

    @pytest.mark.parametrize(
        ("force", "counts"), [([], "1 outcomes can be undone"), (["--force"], "2 outcomes can be undone")]
    )
    def test_without_yes_it_names_the_rows_before_the_end_of_a_statement(
        self, run: Command, small: Path, force: list[str], counts: str
    ) -> None:
        import_all(small)
        cut = end_statement(5)
        done = run(str(small), "--undo", *force)
        reason = f"created_at is before {cut}, the end of a statement of the user"
        assert f"line 1: {'cannot be imported again: ' if force else ''}{reason}\n" in done.stdout
        assert f"\n{counts}, 0 were undone before, {1 - len(force)} are left" in done.stdout
        assert statuses() == ["recorded", "recorded"]

    def test_with_yes_it_undoes_and_rows_that_are_left_are_no_failure(self, run: Command, small: Path) -> None:
        import_all(small)
        correct(ledger()[0]["id"], OWNER, BODIES["dispute"])
        for undone, before in ((1, 0), (0, 1)):
            done = run(str(small), "--undo", "--yes")
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout.splitlines()[-1] == (
                f"{undone} outcomes were undone, {before} were undone before, 1 are left, 0 are not there, "
                "0 rows were refused."
            )
        assert run(str(small), "--undo", "--yes", "--force").returncode == 0
        assert statuses() == ["void", "void"]
        done = run(str(small), "--yes", "--round", "2")
        assert (done.returncode, done.stdout.splitlines()[-1][:24]) == (0, "2 outcomes were imported")
        done = run(str(small), "--undo", "--yes")
        assert "\n2 of those undone before were imported again, and count: undo them with their ROUND.\n" in done.stdout
        assert (
            run(str(small), "--yes").stdout.splitlines()[-1][:50]
            == "0 outcomes were imported, 2 were there before, 0 r"
        )
        assert run(str(small), "--undo", "--yes", "--round", "2").returncode == 0
        assert listed() == []

    def test_a_row_is_found_even_if_it_breaks_rules_that_were_added_since(self, run: Command, small: Path) -> None:
        import_all(small)
        fields = {"outcome_type": "won", "title": "", "value_usd": "$", "metadata": [], "agent_id": 0}
        rows = [json.loads(line) | fields for line in small.read_text().splitlines()]
        write_ndjson(small, [*rows, {}])
        mapping = small.with_suffix(".toml")
        mapping.write_text(f'[types]\n{TYPES[0]} = "no_longer_allowed"')
        done = run(str(small), "--undo", "--yes", "--mapping", str(mapping))
        assert (done.returncode, done.stderr, statuses()) == (0, "", ["void", "void"])
        assert "line 3: id is missing\n" in done.stdout
        assert done.stdout.splitlines()[-1].startswith("2 outcomes were undone")
        assert done.stdout.endswith("0 are not there, 1 rows were refused.\n")

    def test_a_row_that_is_not_there_and_refused_is_a_failure_unless_it_may_be_skipped(
        self, run: Command, small: Path
    ) -> None:
        import_all(small)
        end_statement(0)
        done = run(str(small), "--yes")
        assert (done.returncode, done.stdout.splitlines()[-1]) == (
            0,
            "0 outcomes were imported, 2 were there before, 0 rows were refused.",
        )
        with small.open("a") as file:
            file.write(json.dumps(old_row(3, days_ago(9))))
        assert "0 outcomes of 0 users can be imported; 1 rows are refused." in run(str(small)).stdout
        for more, code in ((), 1), (("--skip-refused",), 0):
            done = run(str(small), "--yes", *more)
            assert done.returncode == code
            assert "line 3: created_at is before" in done.stdout
            assert done.stdout.endswith("0 outcomes were imported, 2 were there before, 1 rows were refused.\n")

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["--force"], "FORCE=1 is only for UNDO=1"),
            (["--compare", "--yes"], "COMPARE=1 only compares: leave out UNDO=1 and YES=1"),
            (["--compare", "--undo"], "COMPARE=1 only compares: leave out UNDO=1 and YES=1"),
            *(
                (["--round", round_], "ROUND must be a whole number from 1 to 99")
                for round_ in ("0", "100", "00999", "1e1", "٣")
            ),
        ],
    )
    def test_wrong_options_are_errors(self, run: Command, small: Path, arguments: list[str], says: str) -> None:
        done = run(str(small), *arguments)
        assert (done.returncode, done.stderr.count("\n"), rows_of(42)) == (1, 1, {})
        assert says in done.stderr
