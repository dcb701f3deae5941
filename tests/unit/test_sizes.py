"""A module of the product is about one subject, and short enough to be read at once."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST = 400
GENERATED = {"clients/python/src/outcomes_client/_async_client.py"}


def test_no_module_of_the_product_is_too_long() -> None:
    modules = [
        each
        for folder in ("clients/python/src", "functions", "layers", "ops")
        for each in (ROOT / folder).rglob("*.py")
    ]
    lengths = {str(each.relative_to(ROOT)): len(each.read_text().splitlines()) for each in modules}
    assert modules
    assert {name for name, lines in lengths.items() if lines > MOST} - GENERATED == set()
