"""Test concurrent callers in random orders, with faults and late writes.

Every answer must agree with the stored rows, and no request may be stored twice. SEEDS=5000 tries 5000 orders (`make
soak`). SEED=4711 tries only the order of this seed. A failed test prints its seed.
"""

import os
from collections.abc import Callable
from typing import Any

import pytest
from outcomes.totals import stored_sums

from local import moto_backend
from tests.figures import count
from tests.interleaving.planted import insert_over, without_condition
from tests.interleaving.run import run, run_puts_of_costs

SEEDS = {run: 75, run_puts_of_costs: 25}
"""Each planted fault is found by one of the first 39 seeds. 25 seeds take 1.5 s of processor time, and 0.4 s for costs.
"""
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


PLANTED = {
    "a correction goes by no version": (without_condition("OutcomesTable", "user_id", "Update"), 0),
    "sums are kept at once": (None, 38),
    "a key is remembered over one that is": (without_condition("IdempotencyTable", "key_sha256", "Put"), 0),
    "an outcome is put over one that is": (without_condition("OutcomesTable", "user_id", "Put", "PutItem"), 33),
    "an outcome is inserted over one that is": (None, 26),
    "costs of a day are put over a version": (without_condition("CostsTable", "user_id", "Put"), 0),
}
"""Planted faults, each with the seed that is tried first, because it has found the fault before."""


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(template: Any, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    planted, lately = PLANTED[fault]
    if fault == "sums are kept at once":
        monkeypatch.setattr(stored_sums, "SETTLED_SECONDS", 0)
    if fault == "an outcome is inserted over one that is":
        if "WITNESS" in os.environ:
            pytest.skip("DynamoDB Local sees at once that moto is wrong")
        monkeypatch.setattr(moto_backend.Handler, "_inserted", insert_over)
    of = run_puts_of_costs if "costs" in fault else run
    for seed in [lately, *range(300)]:
        try:
            of(seed, template, planted)
        except AssertionError:
            return
    pytest.fail(f"300 orders do not show that {fault}")
