"""make version: write the version of the root's pyproject.toml into every other file that states one."""

import re
import sys
import tomllib
from pathlib import Path

from ops.command import exit_code, positional

ROOT = Path(__file__).parents[1]

STATED = {
    "clients/python/pyproject.toml": [r'^version = "(.+)"'],
    "clients/typescript/package.json": [r'^  "version": "(.+)"'],
    "clients/typescript/package-lock.json": [r'^  "version": "(.+)"', r'^    "": \{\n.*\n      "version": "(.+)"'],
    "docs/examples/agents/package-lock.json": [r'^    "node_modules/outcomes-client": \{\n      "version": "(.+)"'],
    "docs/examples/nextjs/package-lock.json": [r'^    "node_modules/outcomes-client": \{\n      "version": "(.+)"'],
    "layers/common/outcomes/mcp/server.py": [r'^_SERVER = .*"version": "(.+)"'],
    "openapi.yaml": [r"^  version: (.+)"],
    "uv.lock": [r'^name = "outcomes-api"\nversion = "(.+)"', r'^name = "outcomes-client"\nversion = "(.+)"'],
}
"""The patterns that find the version in each file. The group of a pattern is the version."""


def main() -> int:
    """Run the command, and return the exit code of the process."""
    return exit_code(write_version)


def write_version() -> None:
    """Write the version into all files and print it."""
    positional()
    version = project_version()
    for file, patterns in STATED.items():
        for pattern in patterns:
            write(ROOT / file, pattern, expected(file, version))
    print(version)


def project_version() -> str:
    """Return the project's version."""
    version: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return version


def expected(file: str, version: str) -> str:
    """Return the version in the format of a file: `1.0.0.dev0` is `1.0.0-dev` to npm, `1.0.0rc1` is `1.0.0-rc.1`.

    Raises ValueError for other kinds of versions.
    """
    form = re.fullmatch(r"(\d+\.\d+\.\d+)(\.dev0|rc(\d+))?", version)
    if form is None:
        raise ValueError(f"version must be like 1.0.0, 1.0.0rc1 or 1.0.0.dev0, not {version}")
    if not file.endswith(".json") or not form[2]:
        return version
    return form[1] + (f"-rc.{form[3]}" if form[3] else "-dev")


def write(file: Path, pattern: str, version: str) -> None:
    """Replace the part of a file that matches the pattern's group. The pattern must match exactly once."""
    text = file.read_text()
    [match] = re.finditer(pattern, text, re.MULTILINE)
    file.write_text(text[: match.start(1)] + version + text[match.end(1) :])


if __name__ == "__main__":
    sys.exit(main())
