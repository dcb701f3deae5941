"""Test concurrent callers in random orders, with faults and late writes.

Every answer must agree with the stored rows, and no request may be stored twice. SEEDS=5000 tries 5000 orders (`make
soak`). SEED=4711 tries only the order of this seed. A failed test prints its seed.
"""

import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.figures import count
from tests.interleaving.run import run, run_puts_of_costs

SEEDS = {run: 50, run_puts_of_costs: 25}
"""25 seeds take 1.5 s of processor time, and 0.4 s for costs."""
MANY = os.environ.get("SEEDS")
ONE = os.environ.get("SEED")
TOGETHER = 25


@pytest.mark.parametrize(
    ("of", "first"),
    [
        (of, first)
        for of, seeds in SEEDS.items()
        for first in ([int(ONE)] if ONE else range(0, int(MANY or seeds), TOGETHER))
    ],
)
def test_every_answer_is_true_in_any_order(template: Any, of: Callable[..., None], first: int) -> None:
    for seed in range(first, first + (1 if ONE else TOGETHER)):
        of(seed, template)
        count(schedules=1)
