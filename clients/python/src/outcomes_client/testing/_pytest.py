"""The fixture `outcomes_fake`, which pytest finds by the package's entry point."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from . import OutcomesFake


@pytest.fixture
def outcomes_fake() -> Iterator[OutcomesFake]:
    """A fake of the Outcomes API with empty tables: `url`, `key`, `client`, `recorded`, `fail`, `delay`, ..."""
    from . import OutcomesFake  # imported here, so that tests without the fixture do not wait for the import

    with OutcomesFake() as fake:
        yield fake
