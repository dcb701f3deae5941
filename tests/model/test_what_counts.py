"""What sums of entries say about what counts equals a loop over the outcomes.

HISTORIES=10000 tries as many (`make soak`). A failed test prints its seed.
"""

import os

import pytest

from tests.figures import count
from tests.model.what_counts import run

HISTORIES = int(os.environ.get("HISTORIES", "150"))
TOGETHER = 500


@pytest.mark.parametrize("first", range(0, HISTORIES, TOGETHER))
def test_what_counts_equals_a_loop_over_the_outcomes(first: int) -> None:
    waiting, seeds = 0, range(first, min(first + TOGETHER, HISTORIES))
    for seed in seeds:
        try:
            waiting += run(seed)
        except Exception as failure:
            failure.add_note(f"The history of seed {seed}")
            raise
    count(histories=len(seeds))
    assert waiting > len(seeds) / 4
