"""Read what a person edits: the layer's limits and fields and, in words.yaml, the words for people."""

import re
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from outcomes import limits
from outcomes.contract.models import NEW_OUTCOME, About, NewOutcome

from ops.template import declared_paths, parse_yaml

ROOT = Path(__file__).parents[2]
WORDS = Path(__file__).with_name("words.yaml")
UNITS = {"KiB": 2**10, "MiB": 2**20, "MB": 10**6}
LIMIT = re.compile(r"<([A-Z][A-Z_]+)(?::(\w+))?>")
"""A limit in a text, such as <MAX_TITLE>, <MAX_BODY_BYTES:KiB> (in a unit) or <MAX_CORRECTIONS:owner> (of a key).

<RESOURCES> are the first parts of the paths under /api, such as `outcomes|keys`.
"""


def number(limit: re.Match[str]) -> str:
    """Return the number of a limit in a text, or the names of RESOURCES. Raises KeyError for an unknown name."""
    if limit[1] == "RESOURCES":
        paths = declared_paths(template()["Resources"]["OutcomesApi"]["Properties"])
        return "|".join(dict.fromkeys(path.split("/")[2] for path in paths if path.startswith("/api/")))
    value = vars(limits)[limit[1]]
    if isinstance(value, dict):
        return str(value[limit[2]])
    return str(value // UNITS[limit[2]] if limit[2] else value)


@cache
def template() -> Any:
    return parse_yaml((ROOT / "template.yaml").read_text())


@cache
def words() -> Any:
    """Return words.yaml, with the numbers of limits."""
    return yaml.load(LIMIT.sub(number, WORDS.read_text()), yaml.CSafeLoader)  # this is as safe as safe_load, and faster


def sentences() -> Any:
    """Return the sentences of words.yaml that contain limits: lists by file, with the limits' names."""
    return yaml.load(WORDS.read_text(), yaml.CSafeLoader)["sentences"]


class Field(NamedTuple):
    """A field of an outcome, as templates use it.

    name, sent: in answers and in requests. type: `type`, `text`, `money`, `whole`, `json` or `instant`. schema: the
    JSON Schema of its value, without null. about: what the layer says of it. said: its words for people. option: the
    name of its parameter in commands.
    """

    name: str
    sent: str
    type: str
    is_required: bool
    schema: dict[str, Any]
    about: About
    said: dict[str, Any]
    option: str


def fields() -> list[Field]:
    """Return the fields of an outcome, in the order of the model. Raises ValueError if one has no words."""
    said = words()["fields"]
    if differ := said.keys() ^ {*NewOutcome._fields}:
        raise ValueError(f"words.yaml and NewOutcome have different fields: {', '.join(differ)}")
    return [_field(name, said[name]) for name in NewOutcome._fields]


def _field(name: str, said: dict[str, Any]) -> Field:
    sent, is_required = NEW_OUTCOME.names[name], name not in NewOutcome._field_defaults
    schema = NEW_OUTCOME.rules[sent].json_schema
    schema = schema if is_required else schema["anyOf"][0]
    named = {"integer": "whole", "number": "money", "object": "json", "string": "text"}
    type_ = "type" if "$ref" in schema else "instant" if "format" in schema else named[schema["type"]]
    about = NewOutcome.__annotations__[name].__metadata__[1]
    return Field(name, sent, type_, is_required, schema, about, said, said.get("option", name))
