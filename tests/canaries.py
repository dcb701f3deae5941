"""Find leaked credentials in logs, metrics and answers.

The project's conftest.py also loads it as a pytest plugin, which checks all output of tests.
"""

from collections.abc import Generator, Iterable

import pytest

# Credentials in tests have these prefixes: keys and secrets begin with "made-up-", encrypted sessions with {"alg":"dir
# in base64url.
MARKS = ("made-up-", "eyJhbGciOiJkaXIi")

# This many consecutive characters of a credential count as a leak.
TELLING_LENGTH = 12


def leaks(text: str, credentials: Iterable[str]) -> set[str]:
    """Return the credentials that appear in the text, in whole or in part."""
    return {
        credential
        for credential in credentials
        if any(
            credential[start : start + TELLING_LENGTH] in text
            for start in range(max(1, len(credential) - TELLING_LENGTH + 1))
        )
    }


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that printed or logged a credential."""
    report = yield
    leaking = [title for title, text in report.sections if any(mark in text for mark in MARKS)]
    if leaking and report.when == "teardown":  # only the report of the last phase contains all output
        report.outcome = "failed"
        report.longrepr = f"A credential is in: {', '.join(leaking)}"
    return report
