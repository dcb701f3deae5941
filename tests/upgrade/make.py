"""make golden: save this version's code, stored rows and answers in tests/upgrade/1.0.

Until v1.0.0 is tagged, run it again after each intended change of stored data. Afterwards it refuses to run.
"""

import json
import sys
import tarfile
import tomllib
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from subprocess import check_output
from typing import Any

from packaging.version import Version

from ops.command import exit_code, positional
from ops.errors import StackError
from ops.template import parse_yaml
from tests.conftest import ROOT
from tests.people import snapshot
from tests.upgrade.stack import Call, Rows, Stack
from tests.upgrade.story import Story, tell

RELEASE = Version("1.0.0")
FOLDER = Path(__file__).parent / "1.0"
LAYER, FUNCTIONS = ROOT / "layers/common", ROOT / "functions"
SALT = "1.0"
RENEW = f"Until v{RELEASE} is tagged, `make golden` renews tests/upgrade/1.0 on purpose."


def version() -> Version:
    return Version(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])


def tags() -> list[str]:
    return check_output(["git", "tag", "--list"], cwd=ROOT, text=True).split()


def is_released(version: Version, tags: list[str]) -> bool:
    """Return whether 1.0.0 is released: a tag exists, or, in a clone without tags, the version is later."""
    return f"v{RELEASE}" in tags or version > RELEASE


def sources() -> Iterator[tuple[str, bytes]]:
    """Yield names and contents of the deployed files, for the archive."""
    for folder in (LAYER / "outcomes", FUNCTIONS):
        for file in sorted(folder.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                yield str(file.relative_to(folder.parent)), file.read_bytes()


def pack(sources: Iterable[tuple[str, bytes]]) -> bytes:
    """Return an archive whose bytes depend only on the names and contents of the files."""
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w:xz") as archive:
        for name, content in sources:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, BytesIO(content))
    return packed.getvalue()


def unpack(to: Path) -> None:
    with tarfile.open(FOLDER / "code.tar.xz") as archive:
        archive.extractall(to, filter="data")


def files(story: Story, rows: Rows) -> dict[str, str]:
    """Return the contents of the files that save a story, by name. Each line is a row or a call as JSON."""
    tables = [{"table": table, "row": row} for table, rows in rows.items() for row in rows]
    return {"rows.ndjson": _ndjson(tables), "calls.ndjson": _ndjson([call._asdict() for call in story.calls])}


def read(stack: Stack) -> Story:
    """Fill the tables with the rows that the release saved, and return the release's story."""
    stack.clear()
    for line in (FOLDER / "rows.ndjson").read_text().splitlines():
        kept = json.loads(line)
        stack.fill({kept["table"]: [kept["row"]]})
    calls = [Call(**json.loads(line)) for line in (FOLDER / "calls.ndjson").read_text().splitlines()]
    return Story(calls, snapshot())


def write() -> None:
    with Stack.running(parse_yaml((ROOT / "template.yaml").read_text())) as stack:
        story = tell(stack, stack.start(LAYER, FUNCTIONS, SALT))
        texts = files(story, stack.all_rows())
    FOLDER.mkdir(exist_ok=True)
    for name, text in texts.items():
        (FOLDER / name).write_text(text)
    (FOLDER / "code.tar.xz").write_bytes(pack(sources()))


def main() -> int:
    return exit_code(renew)


def renew() -> None:
    positional()
    if is_released(version(), tags()):
        raise StackError(f"{RELEASE} is released: what it stored must never be renewed.")
    write()


def _ndjson(objects: list[Any]) -> str:
    return "".join(f"{json.dumps(each)}\n" for each in objects)


if __name__ == "__main__":
    sys.exit(main())
