"""Each Python module in the folders of PRODUCT is short enough to be read in one go."""

from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRODUCT = ("clients/python/src", "functions", "layers", "ops", "release", "smoke")
ONE_CLASS = {f"clients/python/src/outcomes_client/{name}.py" for name in ("_client", "_async_client")}
"""A class of a client has a method for each call: its lines are signatures and docstrings, looked up one by one."""


def test_no_module_of_the_product_is_longer_than_400_lines() -> None:
    modules = chain.from_iterable((ROOT / folder).rglob("*.py") for folder in PRODUCT)
    lines = {str(module.relative_to(ROOT)): len(module.read_text().splitlines()) for module in modules}
    assert len(lines) > 100
    assert {name: count for name, count in lines.items() if count > 400 and name not in ONE_CLASS} == {}
