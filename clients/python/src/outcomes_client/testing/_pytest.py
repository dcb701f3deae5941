"""The fixture `outcomes_fake`, which pytest finds by the package's entry point."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from . import OutcomesFake


@pytest.fixture
def outcomes_fake() -> Iterator[OutcomesFake]:
    """A fake of the Outcomes API with empty tables: `url`, `key`, `client`, `recorded`, `fail`, `delay`, ..."""
    with OutcomesFake() as fake:
        yield fake
