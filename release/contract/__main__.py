"""make contract: write, or with --check compare, everything that repeats the contract."""

import subprocess
import sys
import tomllib
from pathlib import Path

import yaml
from outcomes.contract.outcome_fields import LATER

from clients.python.copied_functions import FUNCTIONS
from ops.command import Parser, exit_code
from ops.errors import StackError
from ops.template import default_outcome_types
from release.contract import blocks, models, openapi
from release.contract.models import Json
from release.contract.source import ROOT, fields, template, words


def main() -> int:
    parser = Parser(prog="python -m release.contract")
    parser.add_argument("--check", action="store_true", help="only name the files that differ")
    return exit_code(lambda: make(check=parser.parse_args().check))


def make(*, check: bool) -> int:
    """Write the files. Raises StackError, which says what is wrong. check: only name the files that differ."""
    try:
        if write(blocks.texts("layers/", {"fields": fields()}), check) and not check:
            # Everything else is made from the layer, whose old modules are loaded.
            return subprocess.run([sys.executable, "-m", "release.contract"], cwd=ROOT).returncode
        if write(blocks.texts("", values()), check) and check:
            raise StackError("These files are not what `make contract` writes: run it.")
    except (ValueError, yaml.YAMLError) as fault:
        raise StackError(str(fault)) from fault
    return 0


def values() -> Json:
    """Return what the templates use."""
    document = openapi.document()
    ordered = {field["name"]: field for field in fields()}
    return {
        **words(),
        "fields": [*ordered.values()],
        "options": [ordered[name] for name in words()["fields"]],
        "later": [ordered[name] for name in LATER],
        "types": default_outcome_types(template()),
        "template": template(),
        "routes": openapi.routes(openapi.base(), template()),
        "pages": openapi.base()["x-pages"],
        "document": document,
        "schemas": document["components"]["schemas"],
        "models": models.described(words()["models"], document),
        "copied": FUNCTIONS,
        "root": ROOT,
        "pyproject": tomllib.loads((ROOT / "pyproject.toml").read_text()),
    }


def write(made: dict[Path, str], check: bool) -> bool:
    """Write and name the files whose text differs. Return whether there were any."""
    differ = [path for path, text in made.items() if path.read_text() != text]
    for path in differ:
        print(path.relative_to(ROOT))
        if not check:
            path.write_text(made[path])
    return bool(differ)


if __name__ == "__main__":
    sys.exit(main())
