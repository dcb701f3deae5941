"""Apply changes of the contract: each patch is all that a person writes, and `make contract` writes the rest.

The patches are also the examples of docs/extending.md. `make soak` runs all tests with each of them (WHOLE=1).
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from release.contract.source import ROOT

HERE = Path(__file__).parent
INSTALLED = (
    ".venv",
    ".tools",
    *(f"{folder}/node_modules" for folder in ("dashboard", "clients/typescript", "local/viewer")),
)
ALWAYS = ["clients/python/tests/test_cases.py", "clients/python/tests/test_contract.py"]
SUITES = {
    "field": (
        3,
        [
            *(
                "tests/unit/test_every_field.py",
                "tests/unit/test_events.py",
                "tests/clients",
                "tests/bench/test_cost.py",
            ),
            "tests/statements/test_service.py::test_totals_and_all_adjustments_of_a_month_are_its_summary",
        ],
    ),
    "route": (6, ["tests/docs/test_every_route.py", "tests/docs/test_proxies.py", "tests/unit/test_every_route.py"]),
    "limit": (1, ["tests/unit/test_models.py", "tests/unit/test_tools_of_frameworks.py"]),
}
"""For each patch, the number of files that a person may have to change, and the tests that it concerns most.

Of the six files of a route, one is the module that computes the answer."""


def run(folder: Path, *command: str | Path) -> None:
    paths = (folder / "clients/python/src", folder / "layers/common", folder)
    known = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "CI", "NODE_EXTRA_CA_CERTS")}
    done = subprocess.run(
        command, cwd=folder, env=known | {"PYTHONPATH": ":".join(map(str, paths))}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def copied(folder: Path) -> Path:
    """Copy the tree, with links to what is installed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    names = [name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
        (folder / name).chmod((ROOT / name).stat().st_mode)
    run(folder, "git", "init", "--quiet")
    run(folder, "git", "add", "--all")  # some tests read git's list of files
    for name in INSTALLED:
        if (ROOT / name).exists():
            (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.mark.parametrize("change", SUITES)
def test_a_change_is_in_few_files_and_make_contract_writes_the_rest(change: str, tmp_path: Path) -> None:
    patch = HERE / f"{change}.patch"
    most, suites = SUITES[change]
    by_hand = re.findall(r"^\+\+\+ b/(.*)$", patch.read_text(), re.MULTILINE)
    assert len(by_hand) <= most, by_hand

    tree = copied(tmp_path)
    run(tree, "git", "apply", patch)
    # -o: what is installed is up to date, although its links are older than the copied lock files.
    run(tree, "make", "-o", "install", "-o", "dashboard/node_modules/.package-lock.json", "contract")
    tests = [*ALWAYS, *suites, "--numprocesses=0"]
    if "WHOLE" in os.environ:
        from tests.upgrade import make  # imported late, because it loads moto

        if not make.is_released(make.version(), make.tags()):
            run(tree, sys.executable, "-m", "tests.upgrade.make")  # make golden
        tests = ["--numprocesses=2", "--ignore=tests/change/test_change_cost.py"]
    run(tree, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
