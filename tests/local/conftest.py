"""Running stacks of other templates than our own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.local.stacks import Stack, running

PROJECT = Path(__file__).parent / "project"


@pytest.fixture(scope="session")
def echo_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run the project beside this file."""
    with running(tmp_path_factory.mktemp("echo"), "--template", str(PROJECT / "template.yaml")) as stack:
        yield stack


@pytest.fixture(scope="session")
def echo(echo_stack: Stack) -> Iterator[httpx.Client]:
    """Make a client of that project."""
    with httpx.Client(base_url=echo_stack.url, timeout=30) as client:
        yield client


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Copy the project, for a test to edit."""
    return shutil.copytree(PROJECT, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__"))
