"""Docstrings say what something is or does, not what it is about."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ["bench", "clients/python", "docs", "functions", "layers/common/outcomes", "local", "smoke", "tests"]
RIDDLES = re.compile(r"(As|How|Of|That|What|When|Where|Whether|Which|Who|Whom|Whose|Why)\b")


def sources(folder: Path) -> Iterator[Path]:
    """List Python files, without a look at the thousands that npm installs."""
    for path, folders, files in folder.walk():
        folders[:] = sorted({*folders} - {"node_modules"})
        yield from (path / file for file in sorted(files) if file.endswith(".py"))


def test_no_docstring_begins_as_a_riddle() -> None:
    begun = []
    for path in (path for folder in FOLDERS for path in sources(ROOT / folder)):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                docstring = ast.get_docstring(node) or ""
                if RIDDLES.match(docstring):
                    begun.append(f"{path.relative_to(ROOT)}, {getattr(node, 'name', 'the module')}: {docstring[:60]}")
    assert begun == []
