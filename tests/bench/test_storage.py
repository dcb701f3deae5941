"""Test item sizes by DynamoDB's rules:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

from typing import Any

import pytest

from bench.storage import item_bytes, read_units, write_units


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": ""}, 0),
        ({"S": "Umsatz für März"}, 17),  # UTF-8
        ({"N": "0"}, 1),
        ({"N": "7"}, 2),
        ({"N": "42"}, 2),
        ({"N": "-42"}, 3),
        ({"N": "12480.5"}, 4),
        ({"N": "1000"}, 2),  # trailing zeros do not count
        ({"N": "0.0012"}, 2),
        ({"N": "1E+3"}, 2),
        ({"B": b"\0" * 16}, 16),
        ({"BOOL": True}, 1),
        ({"NULL": True}, 1),
        ({"M": {}}, 3),
        ({"M": {"a": {"B": b"\0" * 16}}}, 3 + 1 + 16 + 1),
        ({"L": [{"S": "ab"}, {"NULL": True}]}, 3 + 3 + 2),
    ],
)
def test_the_size_of_a_value(value: dict[str, Any], size: int) -> None:
    assert item_bytes({"name": value}) == len("name") + size


def test_an_unknown_type_of_value_is_an_error() -> None:
    with pytest.raises(ValueError, match="type NS"):
        item_bytes({"n": {"NS": ["1"]}})


def of_bytes(size: int) -> dict[str, Any]:
    return {"k": {"S": "x" * (size - 1)}}


@pytest.mark.parametrize(("size", "units"), [(1, 1), (1024, 1), (1025, 2), (66_000, 65)])
def test_each_item_written_is_rounded_up(size: int, units: int) -> None:
    assert write_units(of_bytes(size)) == units
    assert write_units(of_bytes(size), of_bytes(size)) == 2 * units


@pytest.mark.parametrize(("sizes", "units"), [([], 1), ([2048, 2048], 1), ([2048, 2049], 2), ([558] * 21, 3)])
def test_the_items_of_a_query_are_rounded_up_together(sizes: list[int], units: int) -> None:
    assert read_units(*map(of_bytes, sizes)) == units
