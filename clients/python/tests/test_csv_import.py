"""Import CSV in the format of the API's export."""

from __future__ import annotations

from pathlib import Path

import pytest
from outcomes.ledger.export import _text_cell
from outcomes_client._importing import Line, outcome_rows, unguarded

from clients.python.tests.conftest import Api, Outcomes


def rows(text: str) -> list[Line]:
    return list(outcome_rows(text.encode(errors="surrogateescape").splitlines(keepends=True)))


GUARDED = [
    *(
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
    ),
    *("'=1", "''=1", "' '=1", "'\t1", "';=1", "a;'=1", "a;'\"=1", "a;'b", "x"),
]


@pytest.mark.parametrize("text", GUARDED)
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
