"""Pin the newest build backends by hash in the root's pyproject.toml, as a part of `make upgrade`."""

import re
import subprocess
import sys

from ops.command import exit_code, positional
from release.version import ROOT

UV = ROOT / ".tools/bin/uv"
PINS = re.compile(r"(?<=^build-constraint-dependencies = \[\n).*?(?=^\]$)", re.MULTILINE | re.DOTALL)


def main() -> int:
    """Run the command, and return the exit code of the process."""
    return exit_code(pin)


def pin() -> None:
    """Resolve the pinned packages again and write them."""
    positional()
    file = ROOT / "pyproject.toml"
    text = file.read_text()
    resolved = subprocess.run(
        [UV, "pip", "compile", "--quiet", "--generate-hashes", "--no-header", "--no-annotate", "-"],
        input="\n".join(names(text)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    file.write_text(repinned(text, resolved.stdout))


def names(text: str) -> list[str]:
    """Return the names of the packages that are pinned in a pyproject.toml."""
    return re.findall(r'requirement = "(.+?)==', PINS.findall(text)[0])


def repinned(text: str, requirements: str) -> str:
    """Replace the pins with these requirements, which are in pip's format with hashes."""
    pins = ""
    for requirement, hashes in re.findall(r"^(\S+==\S+)((?:\s+(?:\\\s+)?--hash=\S+)+)", requirements, re.MULTILINE):
        lines = "".join(f'        "{hashed}",\n' for hashed in re.findall(r"--hash=(\S+)", hashes))
        pins += f'    {{ requirement = "{requirement}", hashes = [\n{lines}    ] }},\n'
    return PINS.sub(pins, text, count=1)


if __name__ == "__main__":
    sys.exit(main())
