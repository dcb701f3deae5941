"""The Makefile on a machine that lacks the programs it needs."""

import json
import re
import shutil
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from .conftest import ROOT

EXAMPLES = sorted(ROOT.glob("docs/examples/*/package.json"))


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Make a fresh clone, in a folder with a blank in its name; nothing is installed."""
    folder = tmp_path / "my clone"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml", "uv.lock", ".python-version"):
        shutil.copy(ROOT / name, folder)
    return folder


def make(clone: Path, target: str, *settings: str, **programs: str) -> subprocess.CompletedProcess[str]:
    """Run make, with `settings` (NAME=value), where only make itself and the given programs (name to script) exist."""
    tools = clone / "machine"
    tools.mkdir()
    for tool in ("make", "sh", "sed", "expand", "touch"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    for name, script in programs.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    return subprocess.run(
        ["make", target, *settings],
        cwd=clone,
        env={"PATH": str(tools), "HOME": str(clone)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def own_lines(stderr: str) -> list[str]:
    """List our lines of the output, without make's own last one."""
    return [line for line in stderr.splitlines() if not line.startswith("make:") and not line.startswith("Installing")]


@pytest.mark.parametrize(
    ("programs", "says"),
    [
        ({}, "python3 is needed: install it, then run make again."),
        ({"python3": "exit 1"}, "pip is needed (python3 -m pip): install it, then run make again."),
        (
            {"python3": 'case "$*" in *install*) exit 1;; esac'},
            "pip could not install uv: see above, and whether this machine reaches PyPI.",
        ),
    ],
)
def test_what_is_missing_is_said_in_one_line(clone: Path, programs: dict[str, str], says: str) -> None:
    done = make(clone, "run", **programs)

    assert done.returncode != 0
    assert own_lines(done.stderr) == [says]


def test_a_machine_that_cannot_have_python_3_13_is_told_so_in_one_line(clone: Path) -> None:
    tools = clone / ".tools"
    version = re.search(r"^UV_VERSION := (\S+)$", (clone / "Makefile").read_text(), re.MULTILINE)
    assert version
    (tools / f"uv-{version[1]}.dist-info").mkdir(parents=True)
    (tools / f"uv-{version[1]}.dist-info/METADATA").touch()
    (tools / "bin").mkdir()
    (tools / "bin/uv").write_text("#!/bin/sh\nexit 2\n")
    (tools / "bin/uv").chmod(0o755)

    done = make(clone, "run")

    assert done.returncode != 0
    assert own_lines(done.stderr) == [
        "Python 3.13 is not on this machine and could not be downloaded: install it, then run make again."
    ]


def test_run_hands_over_what_is_switched_off_and_other_parameters(clone: Path) -> None:
    version = re.search(r"^UV_VERSION := (\S+)$", (clone / "Makefile").read_text(), re.MULTILINE)
    assert version
    viewer = "local/viewer/package-lock.json"
    for file in (f".tools/uv-{version[1]}.dist-info/METADATA", ".venv/bin/python", ".venv/installed", viewer):
        (clone / file).parent.mkdir(parents=True, exist_ok=True)
        (clone / file).touch()
    (clone / ".venv/bin/python").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (clone / ".venv/bin/python").chmod(0o755)

    done = make(clone, "run", "CORE=1", "OFF=Export,ModelTools", "PARAMETERS=Totals=On Tracing='a b'")

    given = [
        "-m",
        "local",
        "--data",
        ".local",
        "--core",
        "--off=Export,ModelTools",
        "--parameters=Totals=On Tracing='a b'",
    ]
    assert done.stdout.splitlines() == given


@pytest.mark.parametrize(
    ("programs", "says"),
    [({}, []), ({"npm": "exit 1"}, ["npm could not install the viewer: /docs says where openapi.yaml is."])],
)
def test_the_stack_runs_without_the_viewer_of_the_reference(
    clone: Path, programs: dict[str, str], says: list[str]
) -> None:
    version = re.search(r"^UV_VERSION := (\S+)$", (clone / "Makefile").read_text(), re.MULTILINE)
    assert version
    installed = (f".tools/uv-{version[1]}.dist-info/METADATA", ".venv/installed", "local/viewer/package-lock.json")
    for file in (*installed, ".venv/bin/python"):
        (clone / file).parent.mkdir(parents=True, exist_ok=True)
        (clone / file).touch(0o755)
    (clone / ".venv/bin/python").write_text('#!/bin/sh\necho "runs $2"\n')

    done = make(clone, "run", **programs)

    assert (done.returncode, done.stdout) == (0, "runs local\n")
    assert own_lines(done.stderr) == says


@pytest.mark.parametrize(("settings", "fails"), [([], False), (["CI=true"], True)])
@pytest.mark.parametrize(
    ("target", "folder", "says"),
    [
        (
            "check-dashboard",
            "dashboard",
            [
                "npm is not installed: tests of accessibility are skipped.",
                "NOT CHECKED: the dashboard, for want of npm.",
            ],
        ),
        (
            "check-typescript",
            "clients/typescript",
            [
                "npm is not installed: tests of the TypeScript client are skipped.",
                "NOT CHECKED: the TypeScript client, for want of npm.",
            ],
        ),
    ],
)
def test_what_needs_npm_is_not_checked_without_it_which_only_ci_minds(
    clone: Path, target: str, folder: str, says: list[str], settings: list[str], fails: bool
) -> None:
    (clone / folder).mkdir(parents=True)
    (clone / folder / "package-lock.json").touch()

    done = make(clone, target, *settings)

    assert (done.returncode != 0) is fails
    assert own_lines(done.stderr) == says


@pytest.mark.parametrize(("settings", "fails"), [([], False), (["CI=true"], True)])
def test_examples_are_not_tried_without_npm_which_only_ci_minds(clone: Path, settings: list[str], fails: bool) -> None:
    example = clone / "docs/examples/nextjs"
    example.mkdir(parents=True)
    (example / "package.json").touch()
    version = re.search(r"^UV_VERSION := (\S+)$", (clone / "Makefile").read_text(), re.MULTILINE)
    assert version
    locks = [f"{folder}/package-lock.json" for folder in ("dashboard", "clients/typescript", "docs/examples/nextjs")]
    for file in (*locks, f".tools/uv-{version[1]}.dist-info/METADATA", ".venv/installed"):
        (clone / file).parent.mkdir(parents=True, exist_ok=True)
        (clone / file).touch()

    done = make(clone, "examples", *settings)

    assert (done.returncode != 0) is fails
    assert own_lines(done.stderr)[-1] == "NOT TRIED: the examples, for want of npm or of their packages."


@pytest.mark.parametrize(
    "folder",
    ["dashboard", "clients/typescript", "local/viewer", *(str(path.parent.relative_to(ROOT)) for path in EXAMPLES)],
)
def test_what_npm_installs_is_pinned_and_comes_from_no_registry_in_particular(folder: str) -> None:
    locked = json.loads((ROOT / folder / "package-lock.json").read_text())["packages"]
    package = json.loads((ROOT / folder / "package.json").read_text())
    root = locked.pop("")

    for kind in ("dependencies", "devDependencies"):
        assert root.get(kind) == package.get(kind)
    wanted = package.get("devDependencies", {}) | package.get("dependencies", {})
    if "outcomes-client" in wanted:  # ours, out of its folder
        assert wanted.pop("outcomes-client") == locked.pop("node_modules/outcomes-client")["resolved"]
    versions = {name: version.rpartition("@")[2] for name, version in wanted.items()}  # of an alias, npm:ai@6.0.325
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == versions
    assert all("integrity" in package and "resolved" not in package for package in locked.values())


def test_make_alone_lists_every_target(clone: Path) -> None:
    done = make(clone, "help")

    targets = set(re.findall(r"^([a-z]+):", (clone / "Makefile").read_text(), re.MULTILINE)) - {"install"}
    assert done.returncode == 0
    assert set(re.findall(r"^  make ([a-z]+)  +\S", done.stdout, re.MULTILINE)) == targets


def test_whatever_is_measured_must_be_covered() -> None:
    """A part without a gate of its own would hide behind those that are covered better."""
    recipe = subprocess.run(["make", "-n", "coverage"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    gates = {
        pattern: int(percent)
        for patterns, percent in re.findall(r"'([^'=]+)=(\d+)'", recipe)
        for pattern in patterns.split(",")
    }
    measured = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["coverage"]["run"]
    assert measured["branch"]
    for folder in measured["source"]:
        [least] = [percent for pattern, percent in gates.items() if fnmatch(f"{folder}/", pattern)]
        assert least >= 95, folder
