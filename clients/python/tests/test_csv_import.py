"""Import CSV in the format of the API's export."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from outcomes.ledger.export import _text_cell
from outcomes_client import OutcomesClient
from outcomes_client._importing import Line, outcome_rows, unguarded

from clients.python.tests.conftest import Api, Outcomes, everywhere


def rows(text: str) -> list[Line]:
    return list(outcome_rows(text.encode(errors="surrogateescape").splitlines(keepends=True)))


@everywhere
def test_importing_an_exported_csv_twice_records_once(
    api: Api, client: OutcomesClient, outcomes: Outcomes, tmp_path: Path
) -> None:
    title, about = "=1+1; @you", 'two\n-lines, "quoted"'
    client.record(
        "deal_closed",
        title,
        description=about,
        value_usd=Decimal("-12.50"),
        agent_id=7,
        user_id=api.user,
        metadata={"k": "=x"},
    )
    client.record("task_complete", "plain", user_id=api.user)
    file = str(tmp_path / "outcomes.CSV")
    assert outcomes("export", "--format", "csv", "-o", file).code == 0
    before = api.recorded()
    for said in ("2 recorded, 0 already there", "0 recorded, 2 already there"):
        assert outcomes("import", file).out == f"{said}, 0 refused\n"
    after = api.recorded()
    assert len(after) == 4

    def content(listed: list[dict[str, object]]) -> list[dict[str, object]]:
        kept = [{name: value for name, value in one.items() if name not in ("id", "created_at")} for one in listed]
        return sorted(kept, key=lambda one: str(one["title"]))

    assert content(after[:2]) == content(before)


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@x",
        "\uff1d1",
        " =1",
        "a;=1",
        "a\t-1\r\n@x",
        "\t1",
        "\r=1",
        ';"=1"',
        ";",
        "it's",
        "'",
        "''",
        "'=1",
        "''=1",
        "' '=1",
        "'\t1",
        "';=1",
        "a;'=1",
        "a;'\"=1",
        "a;'b",
        "x",
    ],
)
def test_an_import_removes_the_guards_of_formulas(text: str) -> None:
    [line] = rows(f"outcome_type,title\r\ndeal_closed,{_text_cell(text)}\r\n")
    assert line.body == {"outcome_type": "deal_closed", "title": text}
    assert unguarded("'tis") == "'tis"


def test_refused_lines_are_named_and_the_rest_is_recorded(outcomes: Outcomes, tmp_path: Path, api: Api) -> None:
    file = tmp_path / "work"
    file.write_bytes(
        b"\xef\xbb\xbfoutcome_type,title,user_id,value_usd,metadata\r\n"
        b'deal_closed,"two\nlines",42,1.50,\r\n'
        b"deal_closed,short,42\r\n"
        b"deal_closed,much,42,much,\r\n"
        b"deal_closed,map,42,,{\r\n"
        b"deal_closed,\xff,42,,\r\n"
        b'deal_closed,"a"b,42,,\r\n'
        b"\r\n"
        b"dance,unknown,42,,\r\n"
        b"deal_closed,last,42,,\r\n"
    )
    run = outcomes("import", "--format", "csv", str(file))
    assert (run.code, run.out) == (1, "2 recorded, 0 already there, 6 refused\n")
    said = run.err.splitlines()
    for line, start in zip(
        said,
        [
            "line 4: Invalid line: it has 3 cells, and the heading 5",
            "line 5: Invalid line: value_usd cannot be read",
            "line 6: Invalid line: metadata cannot be read",
            "line 7: Invalid line: ",
            "line 8: Invalid line: ",
            "line 10: Invalid outcome_type",
        ],
        strict=True,
    ):
        assert line.startswith(start)
    assert [one["title"] for one in api.recorded()] == ["last", "two\nlines"]


@pytest.mark.parametrize("heading", ["", "title\n", "outcome_type;title\n", "outcome_type,title,title\n", '"'])
def test_a_file_without_a_heading_is_wrong_usage(outcomes: Outcomes, tmp_path: Path, api: Api, heading: str) -> None:
    file = tmp_path / "work.csv"
    file.write_text(heading + "deal_closed,x\n" * bool(heading))
    run = outcomes("import", str(file))
    assert (run.code, run.out) == (2, "")
    assert "outcome_type" in run.err
    assert not api.recorded()
