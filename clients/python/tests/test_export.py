"""Export with the clients and the command. Files are written atomically."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from outcomes.ledger.export import CSV_COLUMNS
from outcomes_client import BrokenAnswerError, OutcomesClient, OutcomesError
from outcomes_client._exporting import write_csv, write_parquet
from outcomes_client._json import encode
from pyarrow import parquet

from clients.python.tests.conftest import ONE_TRY, Api, Outcomes, everywhere
from tests.fields import UNSET

ROW = {
    **{"id": "x", "user_id": 42, "agent_id": 7, "outcome_type": "deal_closed", "title": "T", "description": None},
    **{"value_usd": Decimal("-5"), "metadata": {"n": Decimal("1.50")}, "created_at": "2026-04-01T12:00:00.000Z"},
    **{"occurred_at": "2026-03-31T07:30:00.123Z", "status": "confirmed", "recorded_by": "key"},
    **UNSET,
}


@pytest.fixture
def feed(client: OutcomesClient) -> None:
    """Record enough outcomes for three parts of an export."""
    client.record_many(
        {"outcomeType": "task_complete", "title": f"No. {n}", "valueUsd": Decimal("0.10"), "userId": 42, "agentId": n}
        for n in range(1, 61)
    )


def line(**changes: Any) -> str:
    return encode({**ROW, **changes}).decode() + "\n"


@pytest.mark.usefixtures("feed")
def test_a_long_export_has_parts_and_resumes_after_any(client: OutcomesClient) -> None:
    parts = list(client.export("ndjson"))
    assert len(parts) > 2
    assert sum(part.text.count("\n") for part in parts) == 60
    assert list(client.export("ndjson", cursor=parts[0].next_cursor)) == parts[1:]
    assert "".join(part.text for part in client.export()).count("id,user_id") == 1
    assert len(list(client.export(agent_id=3, outcome_type="task_complete"))) == 1


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "text/html"}, b"<html>\n"),
        ({"Content-Type": "application/x-ndjson"}, b"{}\n"),
        ({"Content-Type": "text/csv"}, b"id\r\nx"),
        ({"Content-Type": "text/csv"}, b"\xff\n"),
    ],
)
def test_a_malformed_part_of_an_export_is_a_broken_answer(api: Api, headers: dict[str, str], body: bytes) -> None:
    api.door.upstream = lambda *_: (200, headers, body)
    with OutcomesClient(**{**api.settings, "retry": ONE_TRY}) as client, pytest.raises(BrokenAnswerError):
        next(client.export())


# The command


@everywhere
def test_export_writes_everything(api: Api, client: OutcomesClient, outcomes: Outcomes, tmp_path: Path) -> None:
    for title, agent in (("No. 0", 1), ('ü, \u2028 "x"', 2), ("No. 2", 1)):
        client.record("task_complete", title, value_usd=Decimal("0.10"), agent_id=agent, user_id=api.user)
    run = outcomes("export")
    assert (run.code, run.err) == (0, "")
    rows = [json.loads(each, parse_float=Decimal) for each in run.out.removesuffix("\n").split("\n")]
    assert [{name: row[name] for name in one} for row, one in zip(rows, api.recorded(), strict=True)] == api.recorded()
    assert sorted(rows[0]) == sorted(CSV_COLUMNS)
    file = tmp_path / "out.csv"
    assert outcomes("export", "--format", "csv", "--output", str(file), "--agent", "1").code == 0
    assert list(tmp_path.iterdir()) == [file]
    with file.open(newline="") as text:
        assert [(row["title"], row["value_usd"]) for row in csv.DictReader(text)] in (
            [("No. 2", "0.1"), ("No. 0", "0.1")],
            [("No. 2", "0.10"), ("No. 0", "0.10")],
        )


@everywhere
def test_parquet_has_a_type_for_each_column_and_every_digit(
    api: Api, client: OutcomesClient, outcomes: Outcomes, tmp_path: Path
) -> None:
    long = Decimal("999999999999999.99999999999999999999999")
    client.record("deal_closed", "Long", value_usd=long, agent_id=7, user_id=api.user, metadata={"n": 0.1})
    client.record("deal_closed", "None", user_id=api.user)
    file = tmp_path / "out.parquet"
    assert outcomes("export", "--format", "parquet", "-o", str(file)).code == 0
    table = parquet.read_table(file)
    assert table.schema.names == [*CSV_COLUMNS]
    kinds = {str(table.schema.field(name).type) for name in ("user_id", "value_usd", "created_at", "title")}
    assert kinds == {"int64", "decimal128(38, 23)", "timestamp[ms, tz=UTC]", "string"}
    without, full = table.to_pylist()
    assert (full["value_usd"], full["agent_id"], full["metadata"]) == (long, 7, '{"n":0.1}')
    assert (without["value_usd"], without["agent_id"], without["metadata"]) == (None, None, None)
    assert [row["id"] for row in (without, full)] == [one["id"] for one in api.recorded()]


def test_parquet_has_the_values_of_the_lines() -> None:
    file, long = io.BytesIO(), {"n": Decimal("9" * 5000)}
    write_parquet(file, [line(), "", line(id="y", recorded_by=None, metadata=long) + line(id="z", value_usd=0)])
    first, second, third = parquet.read_table(file).to_pylist()
    assert first == {
        **ROW,
        "metadata": '{"n":1.50}',
        **{name: datetime.fromisoformat(str(ROW[name])) for name in ("created_at", "occurred_at")},
    }
    assert (second["recorded_by"], third["value_usd"]) == (None, 0)
    assert second["metadata"] == encode(long).decode()
    waiting = {"state": "waiting", "on": "2026-05-15", "usd": Decimal("0.10")}
    write_parquet(file := io.BytesIO(), [line(counts=waiting, imported=True) + line(counts=None)], counts=True)
    waits, disputed = parquet.read_table(file).to_pylist()
    names = ("counts_state", "counts_on", "counts_usd", "imported")
    assert [waits[name] for name in names] == ["waiting", date(2026, 5, 15), Decimal("0.10"), True]
    assert [disputed[name] for name in names] == [None] * 4


@pytest.mark.parametrize("value", [Decimal("1e-24"), Decimal("-0.123456789012345678901234"), Decimal(10**15)])
def test_parquet_refuses_values_that_it_would_round(value: Decimal) -> None:
    with pytest.raises(OutcomesError, match=r"outcome x has more digits than decimal\(38, 23\)"):
        write_parquet(io.BytesIO(), [line(value_usd=value)])
    with pytest.raises(OutcomesError, match="outcome x has more digits"):
        write_parquet(io.BytesIO(), [line(counts={"state": "counted", "on": None, "usd": value})], counts=True)


@pytest.mark.parametrize("text", ["[]\n", "x\n", line(metadata=[]), line(created_at="now"), '{"status":"void"}\n'])
def test_a_malformed_line_of_an_export_is_a_broken_answer(text: str) -> None:
    with pytest.raises(BrokenAnswerError):
        write_parquet(io.BytesIO(), [text])


@pytest.mark.usefixtures("feed")
@pytest.mark.parametrize("layout", ["jsonl", "csv", "parquet"])
def test_an_export_that_fails_leaves_the_file_as_it_was(
    api: Api, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, layout: str
) -> None:
    monkeypatch.setenv("OUTCOMES_DEADLINE", "2")
    file = tmp_path / "out"
    file.write_text("before")
    current = api.door.upstream

    def ends(method: str, target: str, *rest: Any) -> Any:
        return (400, {}, b'{"error":"Invalid cursor"}') if "cursor" in target else current(method, target, *rest)

    api.door.upstream = ends
    run = outcomes("export", "--format", layout, "-o", str(file))
    assert (run.code, run.err) == (1, "outcomes: 400 Invalid cursor\n")
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


def test_export_replaces_links_and_writes_private_files(outcomes: Outcomes, tmp_path: Path) -> None:
    victim, link, named, open_to_all = (tmp_path / name for name in ("victim", "link", "link.part", "all"))
    victim.write_text("before")
    for planted in (link, named):
        planted.symlink_to(victim)
    open_to_all.touch(0o666)
    for output in (link, open_to_all):
        assert outcomes("export", "--format", "csv", "-o", str(output)).code == 0
        assert (output.is_symlink(), output.stat().st_mode & 0o777) == (False, 0o600)
        assert output.read_text().startswith("id,")
    assert (victim.read_text(), named.is_symlink()) == ("before", True)


def test_a_file_name_may_have_the_greatest_length(
    outcomes: Outcomes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert outcomes("export", "-o", "x" * 255).code == 0


def test_a_name_of_standard_output_is_written_and_not_replaced(tmp_path: Path) -> None:
    """As root, a file would replace the machine's /dev/stdout."""
    (name := tmp_path / "stdout").symlink_to("/dev/fd/1")
    script = (
        "import sys; from outcomes_client._exporting import replaced\nwith replaced(sys.argv[1]) as f: f.write(b'1')"
    )
    with (tmp_path / "file").open("w") as file:
        subprocess.run([sys.executable, "-c", f"{script}\nprint(2)", name], stdout=file, check=True)
    assert ((tmp_path / "file").read_text(), name.is_symlink()) == ("12\n", True)


@pytest.mark.parametrize("layout", ["jsonl", "csv", "parquet"])
def test_a_pipe_is_written_and_not_replaced(outcomes: Outcomes, tmp_path: Path, layout: str) -> None:
    pipe, file = tmp_path / "pipe", tmp_path / "file"
    os.mkfifo(pipe)
    with open(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), "rb") as reading:
        assert outcomes("export", "--format", layout, "-o", str(pipe)).code == 0
        outcomes("export", "--format", layout, "-o", str(file))
        assert reading.read() == file.read_bytes()
    assert pipe.is_fifo()


def test_a_file_that_cannot_be_written_is_named(outcomes: Outcomes, tmp_path: Path) -> None:
    run = outcomes("export", "-o", str(tmp_path / "none" / "out"))
    assert (run.code, run.err) == (1, f"outcomes: {tmp_path}/none/out: No such file or directory\n")


def test_csv_is_unchanged_in_a_file_and_without_control_characters_on_a_terminal() -> None:
    text = 'id,title\r\n1,"\x1b]0;t\x07\u202eü\n"\r\n'
    file, terminal = io.BytesIO(), io.BytesIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    for output in (file, terminal):
        write_csv(output, [text])
    assert file.getvalue().decode() == text
    assert terminal.getvalue().decode() == 'id,title\r\n1,"\ufffd]0;t\ufffd\ufffdü\n"\r\n'


def test_parquet_is_not_written_to_a_terminal(outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert outcomes("export", "--format", "parquet").code == 2
