"""python -m tests.clients.public_api: print the public API of both clients and of the command, to compare two commits.

Names, signatures and docstrings of the Python client, options and help of the command, and the declarations of the
TypeScript client with their comments.
"""

import inspect
import re
import subprocess
import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

MODULES = ("outcomes_client", "outcomes_client.statements", "outcomes_client.testing")
TYPESCRIPT = Path(__file__).parents[2] / "clients/typescript"
INTERNAL = {"answers", "json", "parsing", "readers"}
"""Modules of the TypeScript client that its package does not export."""


def python() -> Iterator[str]:
    """Yield the public names of the Python client, with signatures and docstrings."""
    for module in map(import_module, MODULES):
        for name in sorted(getattr(module, "__all__", vars(module))):
            value = getattr(module, name)
            if name.startswith("_") or inspect.ismodule(value) or not hasattr(value, "__doc__"):
                continue
            yield f"{module.__name__}.{name}{_signature(value)}\n{_indented(value.__doc__)}"
            for member, one in inspect.getmembers(value) if inspect.isclass(value) else ():
                if not member.startswith("_") and (inspect.isfunction(one) or isinstance(one, property)):
                    yield f"{module.__name__}.{name}.{member}{_signature(one)}\n{_indented(one.__doc__)}"


def command() -> Iterator[str]:
    """Yield the commands, with their options and help."""
    import typer.main
    from outcomes_client import _cli

    def told(name: str, one: Any) -> Iterator[str]:
        yield f"{name}\n{_indented(one.help)}"
        for option in one.params:
            yield f"    {' '.join(option.opts)} {option.metavar} {option.default!r} {getattr(option, 'help', '')}"
        for part, each in getattr(one, "commands", {}).items():
            yield from told(f"{name} {part}", each)

    yield from told("outcomes", typer.main.get_command(_cli.app_for(["--all"])))


def typescript() -> Iterator[str]:
    """Yield the declarations that the TypeScript client's package contains."""
    with tempfile.TemporaryDirectory() as folder:
        tsc = TYPESCRIPT / "node_modules/.bin/tsc"
        subprocess.run([tsc, "--project", "tsconfig.build.json", "--outDir", folder], cwd=TYPESCRIPT, check=True)
        for file in sorted(Path(folder).rglob("*.d.ts")):
            if file.name.removesuffix(".d.ts") not in INTERNAL:
                yield f"{file.name}\n{file.read_text()}"


def _signature(value: Any) -> str:
    try:
        # Addresses of default values differ in each process.
        return re.sub(r" at 0x\w+", "", str(inspect.signature(value)))
    except (TypeError, ValueError):
        return ""


def _indented(words: str | None) -> str:
    return "\n".join(f"    {line}" for line in inspect.cleandoc(words or "").splitlines())


if __name__ == "__main__":
    for part in (python, command, typescript):
        print(*part(), sep="\n")
