"""Finds credentials where they must not be: in the functions' logs and metrics, and in answers.

As a pytest plugin (the conftest.py of the project names it) this watches all that a test run prints.
"""

from collections.abc import Generator, Iterable

import pytest

# How the credentials of the tests can be told: keys and secrets begin with the one, encrypted sessions with the other,
# {"alg":"dir in base64url.
MARKS = ("made-up-", "eyJhbGciOiJkaXIi")

# A part of a credential that is this long counts as the credential.
TELLING_LENGTH = 12


def leaks(text: str, credentials: Iterable[str]) -> set[str]:
    """List the credentials that the text has a part of."""
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
    """Fail a test when a credential is in what it printed or logged."""
    report = yield
    leaking = [title for title, text in report.sections if any(mark in text for mark in MARKS)]
    if leaking and report.when == "teardown":  # the last one, which has everything
        report.outcome = "failed"
        report.longrepr = f"A credential is in: {', '.join(leaking)}"
    return report
