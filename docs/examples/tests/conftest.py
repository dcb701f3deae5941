"""Fixtures for the examples: npm packages, free ports and a browser."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browsers import chromium

EXAMPLES = Path(__file__).parents[1]


def installed(example: str) -> Path:
    """Return an example's folder. Skip the test if the example's npm packages are not installed, except in CI."""
    folder = EXAMPLES / example
    if not (folder / "node_modules/.package-lock.json").is_file() and "CI" not in os.environ:
        pytest.skip(f"{example}: its packages are not installed; run make examples, which needs a registry")
    return folder


def free_port() -> int:
    """Return a port that is not in use."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=20_000)  # Next.js is slow on a busy machine, and the feed polls every 5 s
    with chromium() as browser:
        yield browser
