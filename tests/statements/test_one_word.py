"""Test that all verifiers judge the files of a hostile issuer alike.

`make soak` sets HOSTILE to try 10,000 statements. The message of a failed test names the seed.
"""

import os

import pytest

from tests.statements import hostile, verifiers

HOSTILE = int(os.environ.get("HOSTILE") or 300)
OF_ONE_PROCESS = 100


@verifiers.needs_npm
@pytest.mark.parametrize("first", range(0, HOSTILE, OF_ONE_PROCESS))
def test_all_verifiers_judge_a_hostile_issuers_files_alike(first: int) -> None:
    made = [hostile.made(seed) for seed in range(first, first + OF_ONE_PROCESS)]
    for seed, (changes, files), (typescript, example) in zip(
        range(first, HOSTILE), made, verifiers.others([files for _, files in made]), strict=False
    ):
        said = f"seed {seed}, changed {', '.join(changes)}"
        python, sum_of_months = verifiers.python(files)
        assert typescript == [python, sum_of_months], said
        if example is not None and (python == "proof" or not isinstance(python, str)):
            assert example == "verified", said
        if example is not None and {*changes} <= {"order"}:
            assert example == (python if isinstance(python, str) and python != "proof" else "verified"), said
