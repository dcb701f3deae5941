"""Fill the templates, and put their blocks and the numbers of limits into the files that people read.

A template has the path of its file. It is the whole file, or blocks between marks, as in the file:

    # make contract: the fields
    ...
    # end of make contract
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from release.contract.source import LIMIT, ROOT, number, sentences

TEMPLATES = Path(__file__).with_name("templates")
BLOCK = re.compile(
    r"^[ \t]*(?:#|//|<!--) make contract: (.*?)(?: -->)?\n.*?^[ \t]*(?:#|//|<!--) end of make contract", re.M | re.S
)


def texts(folder: str, values: dict[str, Any]) -> dict[Path, str]:
    """Return the files in a folder that have blocks or sentences with limits. values: for the templates."""
    made: dict[Path, str] = {}
    environment = templates()
    for template in environment.list_templates(extensions=["jinja"]):
        if template.startswith(folder):
            target = ROOT / template.removesuffix(".jinja")
            rendered = environment.get_template(template).render(values)
            made[target] = with_blocks(target.read_text(), rendered, target) if BLOCK.search(rendered) else rendered
    for name, said in sentences().items():
        if name.startswith(folder):
            target = ROOT / name
            made[target] = with_numbers(made.get(target) or target.read_text(), said, target)
    return {target: formatted(text, target) if target.suffix == ".py" else text for target, text in made.items()}


def templates() -> Environment:
    """Return the environment of the templates."""
    environment = Environment(  # noqa: S701 - nothing is HTML
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"quoted": json.dumps, "camel": _camel}
    return environment


def _camel(name: str) -> str:
    return re.sub(r"_(.)", lambda letter: letter[1].upper(), name)


def formatted(text: str, target: Path) -> str:
    """Sort the imports of a Python module, and format it."""
    for command in (["check", "--fix", "--exit-zero", "--select=I"], ["format"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--quiet", f"--stdin-filename={target}", "-"]
        text = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True).stdout
    return text


def with_blocks(text: str, rendered: str, target: Path) -> str:
    """Replace the blocks of a text. Raises ValueError if text and template have not the same blocks."""
    blocks = {block[1]: block[0] for block in BLOCK.finditer(rendered)}
    found = [block[1] for block in BLOCK.finditer(text)]
    if sorted(found) != sorted(blocks):
        raise ValueError(f"{target} has the blocks {found}, but its template {[*blocks]}")
    return BLOCK.sub(lambda block: blocks[block[1]], text)


def with_numbers(text: str, said: list[str], target: Path) -> str:
    """Write the numbers of limits into the sentences of a text.

    Raises ValueError if the text lacks a sentence, or has it with different numbers, of which one is no such limit.
    """
    for sentence in said:
        plain = [re.escape(part) for part in LIMIT.sub("\0", sentence).split("\0")]
        found = {*re.findall(r"(?:\d+|\w+(?:\|\w+)+)".join(plain), text)}
        if len(found) != 1:
            raise ValueError(f"{target} has {found or 'nothing'} for {sentence!r}: change it in words.yaml, too")
        text = text.replace(found.pop(), LIMIT.sub(number, sentence))
    return text
