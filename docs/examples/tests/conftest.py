"""Fixtures for the examples: what npm has installed, a local stack that knows the page's origin, and a browser."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browsers import chromium

EXAMPLES = Path(__file__).parents[1]


def installed(example: str) -> Path:
    """Find the folder of an example whose packages are installed. The test is skipped where they are not, but in CI."""
    folder = EXAMPLES / example
    if not (folder / "node_modules/.package-lock.json").is_file() and "CI" not in os.environ:
        pytest.skip(f"{example}: npm has not installed its packages; make examples does, where there is a registry")
    return folder


def free_port() -> int:
    """Choose a port of this machine that nobody has."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=20_000)  # Next.js and a feed that looks every 5 s, on a machine that is busy
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Make the folder of the last run's pictures, ignored by git like pytest's own cache."""
    folder = EXAMPLES.parents[1] / ".artefacts"
    folder.mkdir(exist_ok=True)
    (folder / ".gitignore").write_text("*\n")
    return folder
