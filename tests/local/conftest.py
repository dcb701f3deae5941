"""Fixtures: a running stack of the small template in `project`, and editable copies of that folder."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.local.stacks import Stack, running

PROJECT = Path(__file__).parent / "project"


@pytest.fixture(scope="session")
def echo_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("echo"), "--template", str(PROJECT / "template.yaml")) as stack:
        yield stack


@pytest.fixture(scope="session")
def echo(echo_stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=echo_stack.url, timeout=30) as client:
        yield client


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a copy of the project that a test may edit."""
    return shutil.copytree(PROJECT, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__"))
