"""Describe the models of answers: their fields from the schemas of openapi.yaml, their words from words.yaml."""

import re
from typing import Any, NamedTuple

from outcomes.contract.outcome_fields import LATER

type Json = dict[str, Any]

OURS = {"from": "start", "to": "end"}
"""Names of fields that are keywords of a language, and the clients' names for them. Their instants stay text."""
NAMED = {"Status": "OutcomeStatus"}
"""Schemas of choices for which TypeScript has another name."""
UNSAID: Json = {
    **{"base": "", "without": (), "older": (), "texts": (), "fields": {}, "defaults": {}},
    **{"first": (), "tuples": False, "secret": "", "as_dict": "", "together": ""},
}
"""The defaults of what the words of a model say."""
KINDS = {"integer": "whole", "number": "amount", "string": "text", "object": "json"}


class Value(NamedTuple):
    """A value in an answer.

    kind: the reader of a plain value, `choice`, `list` or `model`. of: the TypeScript type of a choice, the value of a
    list's items, or the name of a model.
    """

    kind: str
    of: Any = None
    or_none: bool = False


class Field(NamedTuple):
    """A field of a model.

    name, ours: in answers and in Python. value: in answers. is_old: whether answers of all versions have it. may_lack:
    whether an answer may lack it. default: in the Python class, or "".
    """

    name: str
    ours: str
    value: Value
    is_old: bool
    may_lack: bool
    default: str

    @property
    def given(self) -> Value:
        """The value in the clients, which is none if the answer lacks it. A list is empty."""
        return self.value._replace(or_none=self.value.or_none or (self.may_lack and self.value.kind != "list"))


class Model(NamedTuple):
    """A model of answers.

    fields: required ones first. own: those that the base lacks, and `overridden`: those that it has with another type.
    kw_only: whether fields without default follow fields of the base with one.
    """

    name: str
    fields: list[Field]
    own: list[Field]
    overridden: list[Field]
    kw_only: bool
    said: Json

    @property
    def reader(self) -> str:
        """The name of its reader in Python."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", self.name).lower()


def described(said: dict[str, Json], document: Json) -> list[Model]:
    """Return the models in the order of the words. Raises ValueError if words name a field that a schema lacks."""
    schemas = document["components"]["schemas"]
    answers = {
        operation["operationId"]: operation["responses"]["200"]["content"]
        for methods in document["paths"].values()
        for operation in methods.values()
    }
    said = {name: UNSAID | {"schema": name} | words for name, words in said.items()}
    models = {words["schema"]: name for name, words in said.items()}
    made: dict[str, Model] = {}
    for name, words in said.items():
        part, *path = words["schema"].split("/")
        schema = schemas.get(part) or answers[part]["application/json"]["schema"]
        for step in path:
            schema = schema["properties"][step]["items"]
        fields = _fields(schema, words, schemas, models)
        of_base = {field.name: field for field in made[words["base"]].fields} if words["base"] else {}
        own = [each for each in fields if each.name not in of_base or of_base[each.name].given != each.given]
        own.sort(key=lambda each: bool(each.default))
        kw_only = any(each.default for each in of_base.values())
        made[name] = Model(name, fields, own, [each for each in own if each.name in of_base], kw_only, words)
    return [*made.values()]


def _fields(schema: Json, words: Json, schemas: Json, models: dict[str, str]) -> list[Field]:
    required, older, defaults = schema["required"], words["older"], words["defaults"]
    optional = [name for name in schema["properties"] if name not in [*required, *words["without"]]]
    names = [*dict.fromkeys([*words["first"], *required, *sorted(optional, key=LATER[1:].count)])]
    if unknown := {*older, *defaults, *words["fields"]} - {*names}:
        raise ValueError(f"words.yaml has fields that no schema has: {', '.join(sorted(unknown))}")

    def field(name: str) -> Field:
        value = _value(schema["properties"][name], schemas, models)
        if name in OURS or name in words["texts"]:
            value = Value("text")
        if value.kind == "list" and words["tuples"]:
            value = value._replace(kind="tuple")
        is_old, is_optional = name not in (*older, *LATER[1:]), name not in required
        usual = ("field(default_factory=list)" if value.kind == "list" else "None") if is_optional else ""
        default = defaults.get(name, usual)
        return Field(name, OURS.get(name, name), value, is_old, is_optional or not is_old, default)

    return [field(name) for name in names]


def _value(schema: Json, schemas: Json, models: dict[str, str]) -> Value:
    if "allOf" in schema:
        return _value(schema["allOf"][0], schemas, models)
    if "anyOf" in schema:
        return _value(schema["anyOf"][0], schemas, models)._replace(or_none=True)
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name in models:
            return Value("model", models[name])
        if name == "OutcomeType" or "enum" in schemas[name]:
            return Value("choice", NAMED.get(name, name))
        return Value("instant") if name == "Instant" else _value(schemas[name], schemas, models)
    if "enum" in schema:
        said = [f'"{one}"' for one in schema["enum"] if one is not None]
        return Value("choice", " | ".join(said), len(said) < len(schema["enum"]))
    types = schema.get("type", "string")  # a constant is text
    type_, *null = [types] if isinstance(types, str) else types
    if type_ == "array":
        return Value("list", _value(schema["items"], schemas, models))
    if isinstance(schema.get("additionalProperties"), dict):
        return Value("changes")
    if schema.get("format") == "date":
        return Value("date")
    return Value(KINDS[type_], None, bool(null))
