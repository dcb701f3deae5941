"""Apply changes of the contract: each patch is all that a person writes, and `make contract` writes the rest.

The patches are also the examples of docs/extending.md. All are applied to one copy, for the tests that they concern
most; `make soak` runs all tests with each alone (WHOLE=1).
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from release.contract.source import ROOT

HERE = Path(__file__).parent
WHOLE = "WHOLE" in os.environ
INSTALLED = (
    # All tests, some of which install, need an environment of the copy's own: they would break this one.
    *(() if WHOLE else (".venv",)),
    ".tools",
    *(f"{folder}/node_modules" for folder in ("dashboard", "clients/typescript", "local/viewer")),
)
MOST = {"field": 3, "route": 5, "limit": 1}
"""The number of files that a person may have to change, beside the module that computes a route's answer."""
COMPUTES = "layers/common/outcomes/totals/summary.py"
SUITES = [
    *("clients/python/tests/test_cases.py", "clients/python/tests/test_contract.py"),
    "tests/clients/test_typescript.py::test_its_own_tests_pass_on_the_running_stack[cases]",
    "tests/clients/test_typescript.py::test_it_adds_at_most_6_6_kb_to_a_page",
    *("tests/unit/test_every_field.py", "tests/unit/test_events.py"),
    "tests/statements/test_service.py::test_totals_and_all_adjustments_of_a_month_are_its_summary[0]",
    *("tests/docs/test_every_route.py", "tests/docs/test_proxies.py", "tests/unit/test_every_route.py"),
    *("tests/unit/test_models.py", "tests/unit/test_tools_of_frameworks.py"),
    "tests/auth/test_who_may_call.py::test_who_reads_whose_outcomes",
    "tests/auth/test_who_may_call.py::test_the_tables_have_every_route",
]
"""The tests that the changes concern most."""


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
    run(folder, "git", "add", "--all", "--intent-to-add")  # some tests read git's list of files
    for name in INSTALLED:
        if (ROOT / name).exists():
            (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.mark.parametrize(("change", "most"), MOST.items())
def test_a_change_is_in_few_files(change: str, most: int) -> None:
    by_hand = re.findall(r"^\+\+\+ b/(.*)$", (HERE / f"{change}.patch").read_text(), re.MULTILINE)
    assert len({*by_hand} - {COMPUTES}) <= most, by_hand


@pytest.mark.parametrize("changes", [[change] for change in MOST] if WHOLE else [[*MOST]], ids=" and ".join)
def test_make_contract_writes_the_rest(changes: list[str], tmp_path: Path) -> None:
    tree = copied(tmp_path)
    python: str | Path = sys.executable
    if WHOLE:
        run(tree, "make", "install")
        python = tree / ".venv/bin/python"
    run(tree, "git", "apply", *(HERE / f"{change}.patch" for change in changes))
    # -o: what is installed is up to date, although its links are older than the copied lock files.
    # Minifying the page takes longer than writing all else, so only `make soak` does so. Here, it is only bundled.
    unbundled = [] if WHOLE else ["has_npm=false"]
    run(tree, "make", "-o", "install", "-o", "dashboard/node_modules/.package-lock.json", *unbundled, "contract")
    if unbundled and (esbuild := tree / "dashboard/node_modules/.bin/esbuild").exists():
        run(
            tree, esbuild, "dashboard/src/feed/element.js", "dashboard/src/feed/more.js", "--bundle", "--outdir=.parsed"
        )
    # The awaiting client's calls are those of the other, which `make contract` has copied. Of all routes' failures,
    # `make test` itself tries those of the old routes.
    only = "not AsyncOutcomesClient and (not test_a_failing_table or listAgents)"
    tests = [*SUITES, "--numprocesses=0", "--assert=plain", "-k", only]
    if WHOLE:
        from tests.upgrade import make  # imported late, because it loads moto

        if not make.is_released(make.version(), make.tags()):
            run(tree, python, "-m", "tests.upgrade.make")  # make golden
        tests = ["--numprocesses=2", "--ignore=tests/change/test_change_cost.py"]
    run(tree, python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
