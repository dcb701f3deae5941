"""Write openapi.yaml, the machine-readable contract.

Routes and API Gateway's own responses come from template.yaml; the fields of request bodies and all limits from the
layer; everything else, in a short form, from openapi.base.yaml.
"""

import json
import re
from functools import cache, partial
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import yaml
from outcomes.contract import json_text
from outcomes.contract.bodies import Body
from outcomes.contract.correction_rules import CorrectionType
from outcomes.contract.models import NEW_OUTCOME, NewOutcome
from outcomes.contract.outcome_fields import LATER
from outcomes.contract.rules import Rule
from outcomes.ledger.export import CSV_HEADING, csv_line, ndjson_line
from outcomes.ledger.items import outcome_item, outcome_json

from ops.template import Call, Loader, declared_calls, default_outcome_types, gateway_errors
from release.contract.blocks import templates
from release.contract.models import Json
from release.contract.source import LIMIT, fields, number, template, words
from release.version import project_version

ELSEWHERE = {"MISSING_AUTHENTICATION_TOKEN", "RESOURCE_NOT_FOUND", "UNSUPPORTED_MEDIA_TYPE"}
"""API Gateway's own answers that no request for a route gets, or that functions give, too."""


class _Loader(Loader):
    """Loads YAML with JSON's numbers in it. `1e-130` is text in YAML 1.1."""


_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"-?\d(\.\d+)?e[+-]\d+$"), [*"-0123456789"])
read = partial(yaml.load, Loader=_Loader)


@cache
def base() -> Any:
    """Return openapi.base.yaml, with a value for each <NAME>."""
    values = _values()
    text = Path(__file__).with_name("openapi.base.yaml").read_text()
    filled = LIMIT.sub(lambda name: values.get(name[1]) or number(name), text)
    return read(re.sub(r"<(\w+ )?([a-z_]+\.[\w.]+)>", _of_layer, filled))


def _values() -> dict[str, str]:
    """Return what a <NAME> of the base stands for, except limits."""
    sent = {field["sent"]: field["said"]["example"] for field in fields()}
    shorter = sent | {"description": None, "metadata": {"seats": 120}}
    listed, exported = (
        outcome_item(NewOutcome.parse(json_text.read(json.dumps(each)), session_user=None), "key", words()["example"])
        for each in (sent, shorter)
    )
    return {
        "VERSION": project_version(),
        "OUTCOME_TYPES": ", ".join(default_outcome_types(template())),
        "CORRECTIONS": templates().get_template("corrections.macro").render(types=CorrectionType),
        "INVALID_FIELDS": ", ".join(f"Invalid {name}" for name in NEW_OUTCOME.rules).replace(
            "outcomeType", "outcome_type"
        ),
        "EXAMPLE_ID": words()["example"],
        "NEW_EXAMPLE": json.dumps(sent),
        "LISTED_EXAMPLE": outcome_json(listed, include_ledger=False),
        "LEDGER_EXAMPLE": outcome_json(exported, include_ledger=True),
        "CSV_EXAMPLE": json.dumps(CSV_HEADING + csv_line(exported)),
        "NDJSON_EXAMPLE": json.dumps(ndjson_line(exported)),
    }


def _of_layer(name: re.Match[str]) -> str:
    """Return what a <dotted.NAME> of the base stands for: a value of the layer, a body's schema, or a part of this."""
    part, of = name.groups()
    if part == "rule ":
        body, _, field = of.rpartition(".")
        return json.dumps(resolve_name(f"outcomes.{body}").rules[field].words)
    found = resolve_name(f"outcomes.{of}")
    if isinstance(found, Rule):
        return json.dumps(found.json_schema | {"description": found.words})
    if not isinstance(found, Body):
        return found if isinstance(found, str) else ", ".join(f'"{each}"' for each in found)
    schema = found.json_schema()
    for field, more in words()["described"].get(of.rpartition(".")[2], {}).items():
        schema["properties"][field]["description"] += f". {more}"
    description = {"description": "Unknown fields are ignored and named in the header Ignored-Fields."}
    # With a session, the body needs no userId.
    required = [name for name in schema.pop("required") if name != "userId"]
    parts = {
        None: schema | description | ({"required": required} if required else {}),
        "fields ": schema["properties"],
        "absent ": {field: {"not": {}} for field in schema["properties"]},
        "stored ": _stored(found),
    }
    return json.dumps(parts[part])


def _stored(body: Body[Any]) -> Json:
    """Return the schemas of the fields in answers, without patterns: stored texts may be older than a pattern."""
    schemas = json.dumps({name: body.rules[sent].json_schema for name, sent in body.names.items()})
    stored = json.loads(schemas, object_hook=lambda part: {key: part[key] for key in part if key != "pattern"})
    ledger = {"description": "Only with `include=ledger`"}
    later = {f"{name}?": stored[name] | ledger for name in LATER[1:] if name in stored}
    return {name: schema for name, schema in stored.items() if name not in LATER} | later


def routes(base: Json, template: Json) -> list[Json]:
    """Return the routes in the order of the template: what it declares, and what the base says."""
    usual, schemas = base["x-security"], base["components"]["schemas"]

    def route(call: Call) -> Json:
        told = base["x-operations"][call.operation]
        return call._asdict() | {
            "tag": "statements" if "well-known" in call.path else call.path.removeprefix("/api").split("/")[1],
            "client": told.get("x-client"),  # the Python client's method that calls it
            "accepts": told.get("x-security", usual),  # the credentials
            "errors": _errors(told, schemas),  # those of its function, by status
            "told": told,
        }

    return [route(call) for call in declared_calls(template)]


def _errors(told: Json, schemas: Json) -> dict[int, list[str]]:
    parameters = told.get("parameters", [])
    in_headers = [each for each in parameters if each.get("in") == "header"]
    names = [each["name"] for each in parameters if each not in in_headers and each["name"] != "id"]
    usual = {503: ["Busy"]}
    if body := told.get("x-body", {}).get("schema"):
        sent: Json = (schemas[body] if isinstance(body, str) else body).get("properties", {})
        # A type that must be one of the deployment's has an error of its own.
        is_type = {name for name, schema in sent.items() if name == "outcomeType" and "OutcomeType" in str(schema)}
        names += ["outcome_type" if name in is_type else name for name in sent] + ["JSON"]
        usual[415] = ["Unsupported media type"]
    names += [each["name"] for each in in_headers if "pattern" in each["schema"]]
    said: dict[int, list[str]] = told["x-errors"]
    own = [] if "400" in told.get("responses", {}) else [*said.get(400, []), *(f"Invalid {name}" for name in names)]
    return usual | said | {400: [*dict.fromkeys(own)]}


def document() -> Any:
    """Return the whole document, OpenAPI 3.1, which the caller may change."""
    return merged(base(), template())


def merged(base: Json, template: Json) -> Any:
    """Merge a base with the routes and API Gateway's own errors of a template."""
    errors = [error for kind, error in gateway_errors(template).items() if kind not in ELSEWHERE]
    if "context.authorizer.paused" in str(template["Resources"]["OutcomesApi"]["Properties"]["GatewayResponses"]):
        errors.append((403, "Paused"))  # with the authorizer's context
    macro = templates().get_template("openapi.macro")
    return read(macro.render(base=base, routes=routes(base, template), gateway=errors, schema=_schema))


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
