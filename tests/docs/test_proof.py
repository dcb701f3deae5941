"""docs/proof.md says what `make proof` runs, and its figures are those of the last run."""

import tomllib
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests import proof, witness


def test_each_part_has_a_figure_on_the_page_and_each_figure_a_part() -> None:
    named = {part for _, part, _, _ in proof.FIGURE.findall(proof.PAGE.read_text())}
    assert named == proof.PARTS.keys() | {"rehearse"}  # `make rehearse` leaves its figures there, too


def test_only_figures_of_parts_that_were_run_are_written() -> None:
    page = "| <!-- model.states -->1<!-- --> states | <!-- orders.tests -->2<!-- --> |"
    written = proof.filled(page, {"model": {"states": 348937}})
    assert written == "| <!-- model.states -->348,937<!-- --> states | <!-- orders.tests -->2<!-- --> |"


def test_an_unknown_part_is_refused_before_anything_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["proof", "modell"])
    assert proof.main() == 2
    assert "no part modell: model, orders" in capsys.readouterr().err


def test_without_java_a_part_with_dynamodb_local_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "which", lambda _: None)
    monkeypatch.setattr("sys.argv", ["proof"])
    assert proof.main() == 2
    assert capsys.readouterr().err.startswith("DynamoDB Local needs java: install it")


def test_each_difference_that_is_allowed_between_the_engines_has_a_reason() -> None:
    listed = tomllib.loads((proof.ROOT / "tests/engines.toml").read_text())["difference"]
    assert {each["name"] for each in listed if each["reason"]} == witness.DIFFERENCES.keys()


def item(key: str) -> dict[str, dict[str, str]]:
    return {"id": {"S": key}}


def test_only_pages_that_go_on_may_end_differently() -> None:
    long, short = {"Items": [item("a"), item("b")]}, {"Items": [item("a")]}
    allows = witness.DIFFERENCES["where a page ends"]
    assert allows(long, short | {"LastEvaluatedKey": item("a")})
    assert allows(short | {"LastEvaluatedKey": item("a")}, long)
    assert not allows(long, short)
    assert not allows(long, {"Items": [item("b")], "LastEvaluatedKey": item("b")})
    assert not allows(long, ("ConditionalCheckFailedException", [], []))


def test_a_part_that_fails_leaves_no_figures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(proof, "FOLDER", tmp_path)
    monkeypatch.setattr("subprocess.run", lambda *_, **__: CompletedProcess((), 1))
    (tmp_path / "model.json").write_text('{"tests":7}')
    assert not proof.prove("model", proof.PARTS["model"])
    assert proof.figures() == {}
