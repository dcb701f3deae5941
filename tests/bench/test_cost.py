"""The costs in docs/costs.md are what the script makes of its inputs."""

from pathlib import Path

import pytest

from bench import cost

COSTS = Path(__file__).parents[2] / "docs/costs.md"


def test_the_page_says_what_the_script_says() -> None:
    """If this fails, `make cost` was not run after a price, an item or the template of the text changed."""
    assert cost.rewritten(COSTS.read_text()) == COSTS.read_text()


def test_a_price_goes_into_the_sum() -> None:
    prices, assumed = cost.inputs()
    record, *_ = cost.calls(assumed)
    before = cost.parts(record, prices, assumed)
    after = cost.parts(record, prices | {"write_units_per_million": prices["write_units_per_million"] * 2}, assumed)
    assert after["DynamoDB"] == 2 * before["DynamoDB"]
    assert after | {"DynamoDB": 0} == before | {"DynamoDB": 0}


def test_a_text_without_marks_is_left_alone() -> None:
    with pytest.raises(ValueError, match="no marks"):
        cost.rewritten("# Outcomes API")
