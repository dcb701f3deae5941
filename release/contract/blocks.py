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
from functools import cache, partial
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from outcomes.contract.bodies import request_name

from release.contract.source import LIMIT, ROOT, number, words

RUFF = [sys.executable, "-m", "ruff", "format", "--quiet", "-"]
BLOCK = re.compile(
    r"^[ \t]*(?:#|//|<!--) make contract: (.*?)(?: -->)?\n.*?^[ \t]*(?:#|//|<!--) end of make contract", re.M | re.S
)


def texts(folder: str, values: dict[str, Any]) -> dict[Path, str]:
    """Return the files in a folder that have templates or sentences with limits. values: for the templates."""
    environment, said = templates(), words()["sentences"]
    of_templates = {name.removesuffix(".jinja") for name in environment.list_templates(["jinja"])}

    @cache
    def written(name: str) -> str:
        target = ROOT / name
        text = target.read_text()
        if name in of_templates:
            rendered = environment.get_template(f"{name}.jinja").render(values, written=written)
            text = with_blocks(text, rendered, target) if BLOCK.match(rendered.lstrip()) else rendered
        text = with_numbers(text, said.get(name, []), target)
        if target.suffix == ".py":
            text = subprocess.run(RUFF, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout
        return text

    return {ROOT / name: written(name) for name in sorted(of_templates | said.keys()) if name.startswith(folder)}


def templates() -> Environment:
    loader = FileSystemLoader(Path(__file__).with_name("templates"))
    environment = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701
    in_yaml = partial(yaml.safe_dump, sort_keys=False, allow_unicode=True, width=120)
    environment.filters |= {"quoted": json.dumps, "yaml": in_yaml, "camel": request_name, "instead": _instead}
    return environment


def _instead(text: str, old: str, new: str) -> str:
    if old not in text:
        raise ValueError(f"A template replaces {old!r}, which the text lacks")
    return text.replace(old, new)


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
