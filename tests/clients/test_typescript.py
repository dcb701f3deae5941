"""Run the TypeScript client's own tests. Check the client's size in a page's bundle, and the files of its package."""

import gzip
import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.local.stacks import ROOT, Stack

CLIENT = ROOT / "clients/typescript"
TOOLS = CLIENT / "node_modules/.bin"
USER = 81_000

needs_npm = pytest.mark.skipif(
    not TOOLS.is_dir() and "CI" not in os.environ,
    reason="esbuild is not installed: make test installs it where there is npm",
)


def run(*command: str | Path, **environment: str) -> str:
    """Run a command in the client's folder, and return the output."""
    # Do not pass on the environment variables of the person who runs the tests.
    known = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "NODE_EXTRA_CA_CERTS")}
    done = subprocess.run(command, cwd=CLIENT, env={**known, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def bundle(folder: Path, *options: str | Path) -> None:
    run(TOOLS / "esbuild", *options, "--bundle", "--format=esm", "--log-level=warning", f"--outdir={folder}")


@needs_npm
@pytest.mark.parametrize("name", sorted(test.name.partition(".")[0] for test in (CLIENT / "tests").glob("*.test.ts")))
def test_its_own_tests_pass_on_the_running_stack(name: str, stack: Stack, tmp_path: Path) -> None:
    bundle(tmp_path, CLIENT / f"tests/{name}.test.ts", "--platform=node", "--out-extension:.js=.mjs")
    session = {"OUTCOMES_COOKIE": stack.cookie(USER), "OUTCOMES_USER_ID": str(USER)}
    command = ("node", "--test-reporter=tap", tmp_path / f"{name}.test.mjs")
    said = run(*command, OUTCOMES_URL=stack.url, INTERNAL_API_KEY=stack.key, **session)
    assert "\n# fail 0" in said
    if name == "cases":
        cases = json.loads((CLIENT.parent / "cases.json").read_text())["cases"]
        assert said.count("\nok ") == len(cases) + 3


@needs_npm
def test_it_adds_at_most_6_6_kb_to_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.ts"
    page.write_text(f'export {{ OutcomesClient, OutcomesError }} from "{CLIENT}/src/page.ts";')
    bundle(tmp_path, page, "--minify", "--target=es2022", "--charset=utf8")
    assert round(len(gzip.compress((tmp_path / "page.js").read_bytes(), 9)) / 1000, 1) <= 6.6  # with a new field, too


@needs_npm
def test_its_package_contains_only_its_modules() -> None:
    [package] = json.loads(run("npm", "pack", "--dry-run", "--json", "--ignore-scripts"))
    modules = {f"dist/{path.stem}.{end}" for path in (CLIENT / "src").iterdir() for end in ("js", "d.ts")}
    assert {file["path"] for file in package["files"]} - modules == {"README.md", "package.json"}
