"""Read what a person edits: the layer's limits and fields, template.yaml and, in words.yaml, the words for people."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from outcomes import limits
from outcomes.contract.models import NEW_OUTCOME, NewOutcome

from ops.template import declared_calls, parse_yaml
from release.contract.models import Json, value

ROOT = Path(__file__).parents[2]
UNITS = {"KiB": 2**10, "MiB": 2**20, "MB": 10**6}
LIMIT = re.compile(r"<([A-Z][A-Z_]+)(?::(\w+))?>")
"""A limit in a text, such as <MAX_TITLE>, <MAX_BODY_BYTES:KiB> (in a unit) or <MAX_CORRECTIONS:owner> (of a key), or
<RESOURCES>: the first parts of the paths under /api, such as `outcomes|keys`."""


def number(limit: re.Match[str]) -> str:
    """Return the number of a limit in a text, or the names of RESOURCES. Raises KeyError for an unknown name."""
    if limit[1] == "RESOURCES":
        paths = [call.path for call in declared_calls(template())]
        return "|".join(dict.fromkeys(path.split("/")[2] for path in paths if path.startswith("/api/")))
    found = vars(limits)[limit[1]]
    return str(found[limit[2]] if isinstance(found, dict) else found // UNITS.get(limit[2], 1))


@cache
def template() -> Any:
    return parse_yaml((ROOT / "template.yaml").read_text())


@cache
def words() -> Any:
    """Return words.yaml, with the numbers of limits, except in `sentences`, which has the limits' names."""
    text = Path(__file__).with_name("words.yaml").read_text()
    return parse_yaml(LIMIT.sub(number, text)) | {"sentences": parse_yaml(text)["sentences"]}


def fields() -> list[Json]:
    """Return the fields of an outcome, in the order of the model. Raises ValueError if one has no words."""
    said = words()["fields"]
    if differ := said.keys() ^ {*NewOutcome._fields}:
        raise ValueError(f"words.yaml and NewOutcome have different fields: {', '.join(differ)}")

    def field(name: str) -> Json:
        schema = NEW_OUTCOME.rules[NEW_OUTCOME.names[name]].json_schema
        return {
            "name": name,  # in answers
            "sent": NEW_OUTCOME.names[name],  # the name in requests
            "option": said[name].get("option", name),  # the name in commands
            "kind": value(schema, {}, {}).kind,
            "is_required": name not in NewOutcome._field_defaults,
            "schema": schema.get("anyOf", [schema])[0],  # without null
            "about": NewOutcome.__annotations__[name].__metadata__[1],  # what the layer says of it
            "said": said[name],  # its words for people
        }

    return [field(name) for name in NewOutcome._fields]
