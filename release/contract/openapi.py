"""Write openapi.yaml, the machine-readable contract.

Routes and API Gateway's own responses come from template.yaml; the fields of request bodies and all limits from the
layer; everything else, in a short form, from openapi.base.yaml.
"""

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import yaml
from outcomes import limits
from outcomes.contract import json_text
from outcomes.contract.bodies import Body
from outcomes.contract.correction_rules import CorrectionType
from outcomes.contract.models import NEW_OUTCOME, NewOutcome
from outcomes.contract.outcome_fields import LATER
from outcomes.contract.rules import Rule
from outcomes.ledger.export import CSV_HEADING, csv_line, ndjson_line
from outcomes.ledger.items import outcome_item, outcome_json

from ops.template import declared_paths, default_outcome_types
from release.contract.blocks import templates
from release.contract.source import ROOT, fields, template, words
from release.version import project_version

BASE = Path(__file__).with_name("openapi.base.yaml")
TARGET = ROOT / "openapi.yaml"
EXAMPLE = "01KN4EMBG0QK3YB9X6N1V8ZT5R"
"""The id of the outcome in examples."""

type Json = dict[str, Any]


class _Loader(yaml.CSafeLoader):
    """Loads YAML with JSON's numbers in it. `1e-130` is text in YAML 1.1."""


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"-?\d(\.\d+)?e[+-]\d+$"), [*"-0123456789"])


@cache
def base() -> Json:
    """Return openapi.base.yaml, with a value for each <NAME>."""
    values = _values()
    filled = re.sub(r"<([A-Z_]+)>", lambda name: values[name[1]], BASE.read_text())
    filled = re.sub(r"<(\w+ )?([a-z_]+\.[\w.]+)>", _of_layer, filled)
    made: Json = yaml.load(filled, _Loader)  # noqa: S506 (_Loader is a safe loader)
    return made


def document() -> Json:
    """Return the whole document, OpenAPI 3.1, which the caller may change."""
    return merged(base(), template()["Resources"]["OutcomesApi"]["Properties"])


def text(document: Json) -> str:
    """Write the document as it is committed."""
    heading = "# `make contract` wrote this from release/contract/openapi.base.yaml, template.yaml and the models.\n"
    return heading + yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def merged(base: Json, api: Json) -> Json:
    """Merge a base with the routes and the responses of `api`, the API in template.yaml."""
    template = templates().get_template("paths.macro")
    rendered = template.render(
        base=base,
        paths=declared_paths(api),
        gateway=_gateway_errors(api["GatewayResponses"]),
        usual_body=f"At most {limits.MAX_BODY_BYTES} bytes.",
        schema=_schema,
        errors=errors,
        tag=tag,
    )
    schemas = {name: _schema(each) for name, each in base["components"]["schemas"].items()}
    made = {name: each for name, each in base.items() if not name.startswith(("x-", "components"))} | {
        "paths": yaml.load(rendered, _Loader),  # noqa: S506 (_Loader is a safe loader)
        "components": base["components"] | {"schemas": schemas},
    }
    # Copied, so that no part occurs twice: YAML would have aliases, which not all tools that read OpenAPI know.
    copied: Json = json.loads(json.dumps(made))
    return copied


def errors(told: Json, schemas: Json) -> dict[int, list[str]]:
    """Return the texts of `error` that an operation's function answers, by status.

    told: the operation in the base. schemas: those of the base.
    """
    parameters = told.get("parameters", [])
    in_headers = [each for each in parameters if each.get("in") == "header"]
    invalid = [f"Invalid {each['name']}" for each in parameters if each not in in_headers and each["name"] != "id"]
    usual = {503: ["Busy"]}
    if body := told.get("x-body", {}).get("schema"):
        sent: Json = (schemas[body] if isinstance(body, str) else body).get("properties", {})
        invalid += [*_invalid(sent), "Invalid JSON"]
        usual[415] = ["Unsupported media type"]
    invalid += [f"Invalid {each['name']}" for each in in_headers if "pattern" in each["schema"]]
    said: dict[int, list[str]] = told["x-errors"]
    own = [] if "400" in told.get("responses", {}) else [*said.get(400, []), *invalid]
    return usual | said | {400: [*dict.fromkeys(own)]}


def _invalid(sent: Iterable[str]) -> list[str]:
    return [f"Invalid {'outcome_type' if name == 'outcomeType' else name}" for name in sent]


def tag(path: str) -> str:
    """Return the tag of a path's operations, by which viewers and code generators group them."""
    name = path.removeprefix("/api/").strip("/").partition("/")[0]
    return "statements" if name == ".well-known" else name


def _schema(short: Json | str) -> Json:
    """Complete the short form of a schema, which openapi.base.yaml describes."""
    if isinstance(short, str):
        name, _, null = short.partition(" or ")
        reference = {"$ref": f"#/components/schemas/{name}"}
        return {"anyOf": [reference, {"type": "null"}]} if null else reference
    made: Json = {}
    for key, value in short.items():
        if key in ("members", "known-members"):
            required = [name for name in value if not name.endswith("?")]
            properties = {name.removesuffix("?"): _schema(each) for name, each in value.items()}
            made |= {"type": "object", "required": required, "properties": properties}
            made |= {"additionalProperties": False} if key == "members" else {}
        elif key == "properties":
            made[key] = {name: _schema(each) for name, each in value.items()}
        elif key in ("anyOf", "oneOf", "allOf"):
            made[key] = [_schema(each) for each in value]
        else:
            made[key] = _schema(value) if key == "items" or isinstance(value, dict) else value
    return made


def _values() -> dict[str, str]:
    """Return what a <NAME> of the base stands for."""
    sent = {field.sent: field.said["example"] for field in fields()}
    shorter = sent | {"description": None, "metadata": {"seats": 120}}
    listed, exported = (
        outcome_item(NewOutcome.parse(json_text.read(json.dumps(each)), session_user=None), "key", EXAMPLE)
        for each in (sent, shorter)
    )
    return {name: str(value) for name, value in vars(limits).items() if isinstance(value, int)} | {
        "VERSION": project_version(),
        "OUTCOME_TYPES": ", ".join(default_outcome_types(template())),
        "CORRECTIONS": templates().get_template("corrections.macro").render(types=CorrectionType),
        "INVALID_FIELDS": ", ".join(_invalid(NEW_OUTCOME.rules)),
        "EXAMPLE_ID": EXAMPLE,
        "NEW_EXAMPLE": json.dumps(sent),
        "LISTED_EXAMPLE": outcome_json(listed, include_ledger=False),
        "LEDGER_EXAMPLE": outcome_json(exported, include_ledger=True),
        "CSV_EXAMPLE": json.dumps(CSV_HEADING + csv_line(exported)),
        "NDJSON_EXAMPLE": json.dumps(ndjson_line(exported)),
    }


def _of_layer(name: re.Match[str]) -> str:
    """Return what a <dotted.NAME> of the base stands for: a value of the layer, a body's schema, or a part of this."""
    if name[1] == "rule ":
        body, _, field = name[2].rpartition(".")
        return json.dumps(resolve_name(f"outcomes.{body}").rules[field].words)
    found = resolve_name(f"outcomes.{name[2]}")
    if isinstance(found, Rule):
        return json.dumps(found.json_schema | {"description": found.words})
    if not isinstance(found, Body):
        return found if isinstance(found, str) else ", ".join(f'"{each}"' for each in found)
    schema = found.json_schema()
    for field, more in words()["described"].get(name[2].rpartition(".")[2], {}).items():
        schema["properties"][field]["description"] += f". {more}"
    parts = {
        None: _request(schema),
        "fields ": schema["properties"],
        "absent ": {field: {"not": {}} for field in schema["properties"]},
        "stored ": _stored(found),
    }
    return json.dumps(parts[name[1]])


def _request(schema: Json) -> Json:
    # With a session, the body needs no userId.
    required = [name for name in schema.pop("required") if name != "userId"]
    schema |= {"description": "Unknown fields are ignored and named in the header Ignored-Fields."}
    return schema | ({"required": required} if required else {})


def _stored(body: Body[Any]) -> Json:
    """Return the schemas of the fields in answers, which lack the descriptions and the patterns of requests.

    Stored texts may be older than a pattern.
    """
    stored = {name: _without_pattern(body.rules[sent].json_schema) for name, sent in body.names.items()}
    ledger = {"description": "Only with `include=ledger`"}
    later = {f"{name}?": stored[name] | ledger for name in LATER[1:] if name in stored}
    return {name: schema for name, schema in stored.items() if name not in LATER} | later


def _without_pattern(schema: Json) -> Json:
    kept = {name: value for name, value in schema.items() if name != "pattern"}
    return kept | {"anyOf": [_without_pattern(each) for each in schema["anyOf"]]} if "anyOf" in schema else kept


def _gateway_errors(responses: Json) -> list[tuple[int, str]]:
    """Return the status and the error of API Gateway's own responses to requests for these routes."""
    elsewhere = {"MISSING_AUTHENTICATION_TOKEN", "RESOURCE_NOT_FOUND", "UNSUPPORTED_MEDIA_TYPE"}
    usual = {"DEFAULT_4XX": 400, "DEFAULT_5XX": 500}
    return [
        (told.get("StatusCode") or usual[kind], json.loads(told["ResponseTemplates"]["application/json"])["error"])
        for kind, told in responses.items()
        if kind not in elsewhere
    ]
