"""Test all features at once, in random orders. EVERYTHING=5000 tries as many (`make soak`), SEED=4711 only this one."""

import os
from typing import Any

import pytest

from tests.figures import count
from tests.judge.machine import run_everything

ONE = os.environ.get("SEED")
SEEDS = int(os.environ.get("EVERYTHING") or 2)


@pytest.mark.parametrize("seed", [int(ONE)] if ONE else range(SEEDS))
def test_all_reads_agree_whatever_everyone_does(template: Any, seed: int) -> None:
    run_everything(seed, template)
    count(everything=1)
