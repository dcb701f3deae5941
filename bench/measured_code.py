"""Tells what RESULTS.md was measured of, so that a test can say when that is no longer what is deployed."""

import ast
from hashlib import sha256
from pathlib import Path
from typing import override

from local.template_text import parse_yaml

ROOT = Path(__file__).parents[1]
CODE = ("functions", "layers/common/outcomes")
BUILT_BY = ("layers/common/Makefile", "layers/common/requirements.txt")


def digest() -> str:
    """Compute a digest of all that is deployed and takes time: code, packages, how they are built, memory.

    Comments, docstrings and layout take none, so they do not change it.
    """
    parts = {path: _code(ROOT / path) for path in _python_files()}
    parts |= {path: (ROOT / path).read_text() for path in BUILT_BY}
    parts |= {f"memory of {function}": str(megabytes) for function, megabytes in memory().items()}
    return sha256("\0".join(f"{name}\0{parts[name]}" for name in sorted(parts)).encode()).hexdigest()


def memory() -> dict[str, int]:
    """Read from the template how many MB each function gets."""
    template = parse_yaml((ROOT / "template.yaml").read_text())
    usual = template["Globals"]["Function"]["MemorySize"]
    return {
        name: int(resource["Properties"].get("MemorySize", usual))
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }


def _python_files() -> list[str]:
    return [str(path.relative_to(ROOT)) for folder in CODE for path in (ROOT / folder).rglob("*.py")]


def _code(path: Path) -> str:
    return ast.dump(_WithoutTexts().visit(ast.parse(path.read_text())))


class _WithoutTexts(ast.NodeTransformer):
    @override
    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else node
