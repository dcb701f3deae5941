"""Run the examples in the documentation that show how to test agents."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.examples.tests.conftest import EXAMPLES, free_port

ROOT = EXAMPLES.parents[1]


def block(page: str, language: str, begin: str) -> str:
    """Return a page's code block that begins with this text."""
    blocks: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    [found] = [each for each in blocks if each.startswith(begin)]
    return found


def test_an_agents_ci_in_python(tmp_path: Path) -> None:
    (tmp_path / "test_agent.py").write_text(block("docs/local.md", "python", "from datetime"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "4 passed" in run.stdout, run.stdout


def test_an_agents_ci_in_typescript(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = block("clients/typescript/README.md", "js", "// agent.test.mjs")
    (tmp_path / "agent.test.mjs").write_text(example.replace("4010", str(free_port())))
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules/outcomes-client").symlink_to(ROOT / "clients/typescript")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    run = subprocess.run(["node", "--test"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
