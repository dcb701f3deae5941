"""Docstrings say what something is or does, not what it is about."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ["bench", "clients/python", "docs", "functions", "layers/common/outcomes", "local", "smoke", "tests"]
RIDDLES = re.compile(r"(As|How|Of|That|What|When|Where|Whether|Which|Who|Whom|Whose|Why)\b")


def test_no_docstring_begins_as_a_riddle() -> None:
    begun = []
    for path in (path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))):
        if "node_modules" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                docstring = ast.get_docstring(node) or ""
                if RIDDLES.match(docstring):
                    begun.append(f"{path.relative_to(ROOT)}, {getattr(node, 'name', 'the module')}: {docstring[:60]}")
    assert begun == []
