"""Fixtures: tables that each contain rows of several users."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import template_tables


@pytest.fixture(scope="session")
def lives(template: Any) -> dict[str, Any]:
    """Fill the tables with rows of the users 42 and 43 and of no user.

    This happens only once, because it takes longer than most tests.
    """
    # Imported late, because the process that distributes the tests needs neither functions nor moto.
    from tests.people import live, record, snapshot, two_shards

    with template_tables(template), two_shards():
        live(42)
        live(43)
        record(None, key="deal-4711")
        return snapshot()


@pytest.fixture
def person(tables: dict[str, str], lives: dict[str, Any]) -> Iterator[None]:
    """Fill the tables with a copy of the rows that `lives` has written."""
    from tests.people import restore, two_shards

    assert tables.keys() == lives.keys()
    restore(lives)
    with two_shards():
        yield
