"""Finds leaked credentials in logs, metrics and answers.

As a pytest plugin, named in the project's conftest.py, it checks all output of tests.
"""

from collections.abc import Generator, Iterable

import pytest

# Prefixes of the tests' credentials: of keys and secrets, and of encrypted sessions, {"alg":"dir in base64url.
MARKS = ("made-up-", "eyJhbGciOiJkaXIi")

# The length of a part that counts as the credential.
TELLING_LENGTH = 12


def leaks(text: str, credentials: Iterable[str]) -> set[str]:
    """Return the credentials of which the text has a part."""
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
    if leaking and report.when == "teardown":  # the last report has all output
        report.outcome = "failed"
        report.longrepr = f"A credential is in: {', '.join(leaking)}"
    return report
