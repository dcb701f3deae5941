"""Test `make import-history UNDO=1`, and importing again what was undone."""

import itertools
import json
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from outcomes.aws.connection import Connection
from outcomes.aws.services import DynamoDB
from outcomes.contract import instants
from outcomes.events.stream import entry_key_of, event_of
from outcomes.totals.imports import Imports

from bench.storage import TRANSACTION, item_bytes, read_units, write_units
from ops.errors import StackError
from ops.history import undo, writer
from ops.history.mapper import next_round
from tests import streams
from tests.aws import aws_client, scan
from tests.conftest import RunMain
from tests.corrections import BODIES, OWNER, assign, correct, get, get_without_user, ledger, listed, summary
from tests.events import KEY
from tests.faults import THROTTLED, Fault, Request, answered, error, lost, vanished
from tests.interleaving.schedule import Killed
from tests.ops.imports import Command, deployed_command, dying_at, import_all, old_row, undo_all, write_ndjson
from tests.people import record, restore, rows_of, snapshot, two_shards

pytestmark = pytest.mark.usefixtures("tables")

DAY = 86_400_000


def days_ago(days: int) -> int:
    return instants.now() - days * DAY


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file with outcomes of two users and without a user, three of each."""
    rows = [old_row(number + 1, days_ago(9) + number, user_id=(42, 43, None)[number % 3]) for number in range(9)]
    return write_ndjson(tmp_path / "old.ndjson", rows)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Return a file with two outcomes of user 42, of nine days and one day ago."""
    return write_ndjson(tmp_path / "small.ndjson", [old_row(1, days_ago(9)), old_row(2, days_ago(1))])


@pytest.fixture
def run(run_main: RunMain) -> Command:
    return deployed_command(run_main)


def statuses() -> list[str]:
    """Return the statuses of user 42's outcomes, oldest first."""
    return [each["status"] for each in reversed(ledger())]


def end_statement(days: int) -> str:
    """Store the end of a statement of user 42, as many days ago, and return it."""
    cut = instants.text(days_ago(days))
    key = {"user_id": {"S": "42"}, "stretch": {"S": "import"}}
    row = aws_client("dynamodb").get_item(TableName="TotalsTable", Key=key).get("Item", {})
    aws_client("dynamodb").put_item(TableName="TotalsTable", Item=key | Imports.of(row)._replace(cut=cut).item())
    return cut


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


class TestRounds:
    def test_what_was_undone_is_imported_again_under_other_ids(
        self, file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        import_all(file)
        first = [each["id"] for each in ledger()]
        undo_all(file)
        assert import_all(file) == 0
        output = capsys.readouterr().out.splitlines()
        assert sorted(output[-11:-2]) == [f"line {number}: undone, import with ROUND=2" for number in range(1, 10)]
        assert output[-2:] == [
            "9 outcomes were undone.",
            "0 outcomes were imported, 0 were there before, 0 rows were refused.",
        ]
        for says in ("9 outcomes were imported, 0 were", "0 outcomes were imported, 9 were"):
            assert import_all(file, last_round=2) == 0
            assert f"{says} there before, 0 rows were refused." in capsys.readouterr().out
        assert sorted(each["id"] for each in listed()) == sorted(map(next_round, first))
        assert [each["created_at"] for each in listed()] == [instants.text(int(i)) for i in created(file)]

        undo_all(file)
        assert "0 outcomes were undone, 9 were undone before" in capsys.readouterr().out
        undo_all(file, last_round=2)
        assert "9 outcomes were undone, 0 were undone before" in capsys.readouterr().out
        assert listed() == []
        assert import_all(file, last_round=2) == 0
        assert "import with ROUND=3" in capsys.readouterr().out
        import_all(file, last_round=3)
        assert len(listed()) == 3

    @pytest.mark.parametrize(("last_round", "count"), [(1, 1), (2, 2)])
    @pytest.mark.usefixtures("no_waiting")
    def test_what_was_undone_is_noticed_behind_new_rows(
        self,
        small: Path,
        last_round: int,
        count: int,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """The import only reads before it writes until a read finds nothing."""
        monkeypatch.setattr(writer, "OUTCOMES_PER_BATCH", 1)
        import_all(small)
        undo_all(small)
        rows = [json.loads(line) for line in small.read_text().splitlines()]
        write_ndjson(small, [old_row(3, days_ago(9)), rows[0]])
        import_all(small, last_round=last_round)
        assert len(listed()) == count
        output = capsys.readouterr().out
        assert f"\n{count} outcomes were imported, 0 were there before" in output
        assert ("line 2: undone, import with ROUND=2" in output) is (last_round == 1)

    def test_ids_of_all_rounds_differ_and_stay_in_their_partition(self) -> None:
        ids = ["01KN4EMBKV0000000000000000", "01KN4EMBKV0000000000000001", "01KN4EMBKVZZZZZZZZZZZZZZZZ"]
        for id_ in list(ids):
            for _ in range(99):
                ids.append(later := next_round(id_))
                assert (later[:10], later[-1]) == (id_[:10], id_[-1])
                id_ = later
        assert len({*ids}) == 300

    @pytest.mark.parametrize("seed", range(6))
    def test_no_row_ever_counts_twice(self, small: Path, seed: int, capsys: pytest.CaptureFixture[str]) -> None:
        """Import, undo and correct at random, and compare with a model: the statuses of each row's rounds."""
        draw = Random(seed)  # noqa: S311 - repeatable
        rows: list[list[str]] = [[], []]
        for _ in range(14):
            rounds, force, corrects = draw.randint(1, 3), draw.random() < 1 / 3, draw.randrange(5)
            if corrects == 0 and (standing := listed()):
                chosen, kind = draw.choice(standing), draw.choice(["dispute", "void"])
                assert correct(chosen["id"], OWNER if kind == "dispute" else KEY, BODIES[kind])[0] in {200, 409}
                rows[int(chosen["title"][-1]) - 1][-1] = "disputed" if kind == "dispute" else "void"
            elif corrects < 3:
                imported = [row for row in rows if len(row) < rounds and set(row) <= {"undone"}]
                for row in imported:
                    row.append("recorded")
                assert import_all(small, last_round=rounds) == 0
                assert f"{len(imported)} outcomes were imported" in capsys.readouterr().out
            else:
                undone = [
                    row
                    for row in rows
                    if row and len(row) <= rounds and (row[-1] == "recorded" or (force and row[-1] == "disputed"))
                ]
                for row in undone:
                    row[-1] = "undone"
                undo_all(small, force=force, last_round=rounds)
                assert f"{len(undone)} outcomes were undone" in capsys.readouterr().out
            found: list[list[str]] = [[], []]
            for each in ledger():
                found[int(each["title"][-1]) - 1].append(each["status"])
            expected = [["void" if each == "undone" else each for each in row] for row in rows]
            assert [sorted(each) for each in found] == [sorted(each) for each in expected]
            assert summary()["count"] == sum(row[-1:] == ["recorded"] for row in rows)


def created(file: Path) -> list[int]:
    """Return the instants of user 42's rows, newest first."""
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return sorted((instants.read(row["created_at"]) for row in rows if row["user_id"] == 42), reverse=True)


class TestFaults:
    @pytest.mark.parametrize("when", ["before", "after"])
    @two_shards()
    def test_an_undo_that_was_killed_goes_on(
        self, file: Path, when: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(undo, "ROWS_PER_TRANSACTION", 2)
        import_all(file)
        whole = snapshot()
        for call in itertools.count(1):
            restore(whole)
            try:
                with patch.object(Connection, "post", dying_at(call, when)):
                    undo_all(file)
                break
            except Killed:
                capsys.readouterr()
                undo_all(file)
                says = capsys.readouterr().out.splitlines()[-1].split(", ")
                assert sum(int(each.split()[0]) for each in says[:2]) == 9
            assert all_void_once()
        assert call > 15

    @pytest.mark.parametrize("fault", [lost, vanished, error(THROTTLED), error("InternalServerError", status=500)])
    @pytest.mark.usefixtures("no_waiting")
    def test_each_outcome_is_voided_and_counted_once_under_faults(
        self, file: Path, fault: Fault, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Fail two thirds of all attempts at random, so that some calls exhaust their attempts."""
        import_all(file)
        post, draw = Connection.post, Random(7)  # noqa: S311 - repeatable

        def faulty_post(connection: Connection, headers: Any, body: bytes, until: float, **more: Any) -> Any:
            send = partial(post, connection, headers, body, until, **more)
            request = Request(headers["x-amz-target"].rpartition(".")[2], json.loads(body))
            return send() if draw.random() < 1 / 3 else fault(request, send)

        monkeypatch.setattr(Connection, "post", faulty_post)
        undo_all(file)
        monkeypatch.setattr(Connection, "post", post)
        assert all_void_once()
        assert "9 outcomes were undone, 0 were undone before" in capsys.readouterr().out

    @pytest.mark.parametrize("missed", ["the import", "a dispute", "an undo"])
    @pytest.mark.usefixtures("no_waiting")
    def test_reads_that_miss_the_last_second_are_noticed(
        self, small: Path, missed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
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

    @pytest.mark.usefixtures("no_waiting")
    def test_without_an_answer_it_ends(self, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        import_all(small)
        monkeypatch.setattr(writer, "PATIENCE_SECONDS", 0)
        monkeypatch.setattr(Connection, "post", lambda *_, **__: vanished(Request("", {}), lambda: answered(200, {})))
        with pytest.raises(StackError, match="run the same command to go on"):
            undo_all(small)


def all_void_once() -> bool:
    """Check that each outcome is void by exactly one entry."""
    items = scan()
    outcomes = {item["created_at"]["S"][-26:]: item for item in items if "title" in item}
    entries = [item["outcome"]["S"] for item in items if "outcome" in item]
    assert all(item["version"] == {"N": "1"} and item["standing"] == {"S": "void"} for item in outcomes.values())
    return sorted(entries) == sorted(outcomes)


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
        assert run(str(small), "--undo", "--yes", "--round", "2").returncode == 0
        assert listed() == []

    def test_a_row_is_found_even_if_it_breaks_rules_that_were_added_since(self, run: Command, small: Path) -> None:
        import_all(small)
        fields = {"outcome_type": "won", "title": "", "value_usd": "$", "metadata": [], "agent_id": 0}
        rows = [json.loads(line) | fields for line in small.read_text().splitlines()]
        write_ndjson(small, [*rows, {}])
        done = run(str(small), "--undo", "--yes")
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
                for round_ in ("0", "100", "1e1", "٣")
            ),
        ],
    )
    def test_wrong_options_are_errors(self, run: Command, small: Path, arguments: list[str], says: str) -> None:
        done = run(str(small), *arguments)
        assert (done.returncode, done.stderr.count("\n"), rows_of(42)) == (1, 1, {})
        assert says in done.stderr
