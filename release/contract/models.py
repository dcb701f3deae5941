"""Describe the models of answers: their fields from the schemas of openapi.yaml, their words from words.yaml."""

import re
from typing import Any, NamedTuple

from outcomes.contract.outcome_fields import LATER

type Json = dict[str, Any]

OURS = {"from": "start", "to": "end"}
"""Names of fields that are keywords of a language, and the clients' names for them. Their instants stay text."""
KINDS = {"integer": "whole", "number": "amount", "string": "text", "object": "json", "boolean": "boolean"}
KINDS |= {"date-time": "instant", "date": "date"}
"""The kinds of plain values, by the format or the type in their schemas."""


class Value(NamedTuple):
    """A value in requests or answers."""

    kind: str  # the reader of a plain value, `choice`, `list`, `tuple` or `model`
    of: Any = None  # the TypeScript type of a choice, the value of a list's items, or the name of a model
    or_none: bool = False


def described(said: dict[str, Json], document: Json) -> dict[str, Json]:
    """Return the models in the order of the words. Raises ValueError if words name a field that a schema lacks."""
    schemas = document["components"]["schemas"]
    calls = [call for methods in document["paths"].values() for call in methods.values()]
    answers = {call["operationId"]: call["responses"]["200"]["content"] for call in calls}
    usual, models_said = said["usual"], {name: each for name, each in said.items() if name != "usual"}
    all_words: dict[str, Json] = {name: {"schema": name} | usual | each for name, each in models_said.items()}
    models = {words["schema"]: name for name, words in reversed(all_words.items())}  # the first of a schema
    made: dict[str, Json] = {}
    for name, words in all_words.items():
        part, *path = words["schema"].split("/")
        schema = schemas.get(part) or answers[part]["application/json"]["schema"]
        for step in path:
            schema = schema["properties"][step]["items"]
        fields = _fields(schema, words, schemas, models | words["uses"])
        of_base = {field["name"]: field["given"] for field in made[words["base"]]["fields"]} if words["base"] else {}
        own = [field for field in fields if of_base.get(field["name"]) != field["given"]]
        made[name] = {
            "name": name,
            "reader": re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(),  # the name of its reader in Python
            "fields": fields,  # required ones first
            # What the base lacks, or has with another type, beginning with fields that have no default.
            "own": sorted(own, key=lambda field: bool(field["default"])),
            "overridden": [field for field in own if field["name"] in of_base],
            "said": words,
        }
    return made


def _fields(schema: Json, words: Json, schemas: Json, models: dict[str, str]) -> list[Json]:
    required, older, defaults = [*schema["required"], *words["always"]], words["older"], words["defaults"]
    optional = [name for name in schema["properties"] if name not in [*required, *words["without"]]]
    names = [*dict.fromkeys([*words["first"], *required, *sorted(optional, key=LATER[1:].count)])]
    if unknown := {*older, *defaults, *words["fields"]} - {*names}:
        raise ValueError(f"words.yaml has fields that no schema has: {', '.join(sorted(unknown))}")

    def field(name: str) -> Json:
        found = value(schema["properties"][name], schemas, models)
        if name in OURS or name in words["texts"]:
            found = Value("text")
        if found.kind == "list" and words["tuples"]:
            found = found._replace(kind="tuple")
        is_old, is_optional = name not in (*older, *LATER[1:]), name not in required
        may_lack = is_optional or not is_old
        usual = ("field(default_factory=list)" if found.kind == "list" else "None") if is_optional else ""
        return {
            "name": name,  # in answers
            "ours": OURS.get(name, name),  # in the clients
            "value": found,  # in answers
            # In the clients, a value that an answer lacks is none, but a list is empty.
            "given": found._replace(or_none=True) if may_lack and found.kind != "list" else found,
            "is_old": is_old,  # whether answers of all versions have it
            "may_lack": may_lack,  # whether an answer may lack it
            "default": defaults.get(name, usual),  # in the Python class
        }

    return [field(name) for name in names]


def value(schema: Json, schemas: Json, models: dict[str, str]) -> Value:
    """Return the value that a schema describes. models: the models' names, by those of their schemas."""
    if "allOf" in schema or "anyOf" in schema:
        first = value((schema.get("allOf") or schema["anyOf"])[0], schemas, models)
        return first._replace(or_none=True) if "anyOf" in schema else first
    if name := schema.get("$ref", "").rpartition("/")[2]:
        if name in models:
            return Value("model", models[name])
        is_choice = name == "OutcomeType" or "enum" in schemas[name]
        named = "OutcomeStatus" if name == "Status" else name
        return Value("choice", named) if is_choice else value(schemas[name], schemas, models)
    if "enum" in schema:
        said = [f'"{one}"' for one in schema["enum"] if one is not None]
        return Value("choice", " | ".join(said), len(said) < len(schema["enum"]))
    types = schema.get("type", "string")  # a constant is text
    type_, *null = [types] if isinstance(types, str) else types
    if type_ == "array":
        return Value("list", value(schema["items"], schemas, models))
    if isinstance(schema.get("additionalProperties"), dict):
        return Value("changes")
    return Value(KINDS[schema.get("format", type_)], None, bool(null))
