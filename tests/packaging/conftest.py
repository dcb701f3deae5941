"""Run `make build` once for each test run and architecture."""

import fcntl
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ops.template import parse_yaml

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Build:
    architecture: str
    folder: Path

    @property
    def template(self) -> dict[str, Any]:
        template: dict[str, Any] = parse_yaml((self.folder / "template.yaml").read_text())
        return template

    @property
    def layer(self) -> Path:
        """Return the layer's folder, which is mounted as /opt on Lambda."""
        return self.folder / "CommonLayer"


def build(architecture: str, folder: Path) -> Build:
    # If make runs these tests, their own `make build` must not inherit the options of that make.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", "build", f"ARCH={architecture}", f"BUILD_DIR={folder}"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return Build(architecture, folder)


def build_once(architecture: str, factory: pytest.TempPathFactory) -> Build:
    """Build once for all test processes: the first process builds, the others wait and use its build."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / architecture
    with (shared / f"{architecture}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return Build(architecture, folder) if folder.exists() else build(architecture, folder)


@pytest.fixture(scope="session")
def arm64(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return build_once("arm64", tmp_path_factory)


@pytest.fixture(scope="session")
def x86_64(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return build_once("x86_64", tmp_path_factory)


@pytest.fixture(params=["arm64", "x86_64"])
def built(request: pytest.FixtureRequest) -> Build:
    build: Build = request.getfixturevalue(request.param)
    return build
