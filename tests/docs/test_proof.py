"""docs/proof.md says what `make proof` runs, and its figures are those of the last run."""

import pytest

from tests import proof


def test_each_part_has_a_figure_on_the_page_and_each_figure_a_part() -> None:
    named = {part for _, part, _, _ in proof.FIGURE.findall(proof.PAGE.read_text())}
    assert named == proof.PARTS.keys()


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
