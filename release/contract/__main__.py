"""make contract: write, or with --check compare, everything that repeats the contract."""

import subprocess
import sys
from pathlib import Path

from release.contract import awaiting, blocks, openapi, pages
from release.contract.source import ROOT, fields

LAYER = "layers/"


def texts() -> dict[Path, str]:
    """Return the text of each file that is written, in whole or in part."""
    document = openapi.document()
    made = blocks.texts("", pages.values(document)) | {openapi.TARGET: openapi.text(document)}
    return made | awaiting.texts(made)


def main(*, check: bool) -> int:
    """Write the files. check: only name the files that differ. Return 1 for such a file, or for a fault, else 0."""
    try:
        if write(blocks.texts(LAYER, {"fields": fields()}), check) and not check:
            # Everything else is made from the layer, whose old modules are loaded.
            return subprocess.run([sys.executable, "-m", "release.contract"], cwd=ROOT).returncode
        differ = write(texts(), check)
    except ValueError as fault:
        print(fault, file=sys.stderr)
        return 1
    if check and differ:
        print("These files are not what `make contract` writes: run it.", file=sys.stderr)
    return int(check and differ)


def write(made: dict[Path, str], check: bool) -> bool:
    """Write and name the files whose text differs. Return whether there were any."""
    differ = [path for path, text in made.items() if path.read_text() != text]
    for path in differ:
        print(path.relative_to(ROOT))
        if not check:
            path.write_text(made[path])
    return bool(differ)


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv))
