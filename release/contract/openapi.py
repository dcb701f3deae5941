"""Merge openapi.base.yaml, template.yaml and the models into openapi.yaml, the machine-readable contract.

Routes and API Gateway's own responses come from template.yaml. The fields of request bodies and all limits come from
the package outcomes.contract. Everything else comes from openapi.base.yaml.
"""

import json
import re
from pathlib import Path
from typing import Any

import yaml
from outcomes import limits
from outcomes.auth.encrypted_cookies import AUTHJS, NEXT_AUTH
from outcomes.auth.sessions import STORED_COOKIE
from outcomes.contract.agent_key_bodies import NEW_AGENT_KEY, ROTATION, Scope
from outcomes.contract.correction_rules import ASSIGNMENT, CHANGES, HEAD, REASON, SOME_CHANGE, CorrectionType
from outcomes.contract.costs import COST_LINE, COST_USER, SOURCE
from outcomes.contract.models import NEW_OUTCOME
from outcomes.contract.outcome_fields import LATER
from outcomes.contract.outcome_type import PATTERN
from outcomes.contract.queries import EXPORT_FORMATS
from outcomes.contract.statement_ids import CURSOR
from outcomes.contract.statements import STATEMENT_REQUEST
from outcomes.contract.status import STATUSES
from outcomes.ledger.export import CSV_COLUMNS
from outcomes.mcp.server import VERSIONS

from ops.template import declared_paths, default_outcome_types, parse_yaml
from release.contract.source import ROOT
from release.contract.source import fields as table
from release.version import project_version

BASE = Path(__file__).with_name("openapi.base.yaml")
TARGET = ROOT / "openapi.yaml"

type Json = dict[str, Any]


def document() -> Json:
    """Merge the whole document, OpenAPI 3.1."""
    api = parse_yaml((ROOT / "template.yaml").read_text())["Resources"]["OutcomesApi"]["Properties"]
    return merged(_filled(BASE.read_text()), api)


def merged(text: str, api: Json) -> Json:
    """Merge a base, whose names are filled, with the routes and the responses of `api`, the API in template.yaml."""
    base: Json = yaml.load(text, yaml.CSafeLoader)  # this is as safe as safe_load, and faster
    operations, refusals, details, security = (
        base.pop(f"x-{part}") for part in ("operations", "refusals", "details", "security")
    )
    gateway = _gateway_errors(api["GatewayResponses"])

    def operation(path: str, route: Json) -> Json:
        described: Json = operations[route["operationId"]]
        ours = described.pop("x-errors")
        for ours_alone in ("x-client", "x-rows"):
            described.pop(ours_alone, None)
        for status in sorted(ours.keys() | gateway.keys()):
            errors = list(dict.fromkeys([*ours.get(status, []), *gateway.get(status, [])]))
            described["responses"].setdefault(str(status), _error_response(refusals[status], errors, details))
        schemes: list[Json] = [{scheme: []} for scheme in described.pop("x-security", security)]
        return {"operationId": route["operationId"], "tags": [tag(path)], "security": schemes} | described

    paths = {
        path: {method: operation(path, route) for method, route in methods.items() if "security" in route}
        for path, methods in declared_paths(api).items()
    }
    components = base.pop("components")
    return base | {"paths": paths, "components": components}


def tag(path: str) -> str:
    """Return the tag of a path's operations, by which viewers and code generators group them."""
    name = path.removeprefix("/api/").strip("/").partition("/")[0]
    return "statements" if name == ".well-known" else name


def text(document: Json) -> str:
    """Write the document as it is committed."""
    heading = "# `make contract` wrote this from release/contract/openapi.base.yaml, template.yaml and the models.\n"
    return heading + yaml.dump(document, Dumper=_WithoutAliases, sort_keys=False, allow_unicode=True, width=120)


def operations() -> tuple[Json, list[str]]:
    """Return the operations of the base, by their names, and the credentials that they usually accept."""
    base = yaml.load(_filled(BASE.read_text()), yaml.CSafeLoader)
    return base["x-operations"], base["x-security"]


def errors() -> dict[int, list[str]]:
    """Return all texts of `error` that functions answer, by status."""
    found: dict[int, dict[str, None]] = {}
    for operation in operations()[0].values():
        for status, texts in operation["x-errors"].items():
            found.setdefault(status, {}).update(dict.fromkeys(texts))
    return {status: [*texts] for status, texts in found.items()}


def _filled(base: str) -> str:
    """Replace each <NAME> of the base with its YAML. Raises KeyError for an unknown name."""
    cookies = {"NEXT_AUTH_COOKIE": NEXT_AUTH.name, "AUTHJS_COOKIE": AUTHJS.name, "STORED_COOKIE": STORED_COOKIE}
    formats = {"EXPORT_FORMATS": ", ".join(EXPORT_FORMATS), "EXPORT_FORMAT": EXPORT_FORMATS[0]}
    formats["VERSION"] = project_version()
    formats["MCP_VERSIONS"] = ", ".join(f'"{version}"' for version in VERSIONS)
    values = formats | _numbers() | _from_models() | _from_corrections() | _from_agent_keys() | _from_costs() | cookies
    return re.sub(r"<([A-Z_]+)>", lambda name: values[name[1]], base)


def _numbers() -> dict[str, str]:
    return {name: str(value) for name, value in vars(limits).items() if isinstance(value, int)}


def _from_models() -> dict[str, str]:
    """Return, by <NAME>, the YAML that describes the fields of an outcome."""
    schema = NEW_OUTCOME.json_schema()
    fields: Json = schema["properties"]
    # The fields of answers lack the descriptions and the patterns of request fields. Stored texts may be older than a
    # pattern.
    stored: Json = {
        attribute: _without_pattern(NEW_OUTCOME.rules[in_request].json_schema)
        | ({"description": "Only with `include=ledger`"} if attribute in LATER else {})
        for attribute, in_request in NEW_OUTCOME.names.items()
        if attribute != "occurred_at"
    }
    stored["title"]["minLength"] = 0  # An outcome without a user loses its title when it is assigned to a user.
    fields["occurredAt"]["description"] += (
        f". The time when it happened, by default now: at most {limits.MAX_DAYS_LATE} days ago, or"
        f" {limits.MAX_MINUTES_EARLY} minutes ahead. With INTERNAL_API_KEY or an agent key with the scope backfill,"
        " any time from 2000-01-01 on"
    )
    fields["userId"]["description"] += ". The owner of the outcome, if the caller has a key; a session has its own user"
    fields["title"]["description"] += (
        ". Visible characters are assigned by Unicode, are no separator, control, format or private-use characters, and"
        " are not U+2800, U+3164, U+115F, U+1160 or U+FFA0"
    )
    examples = {field.name: field.said["example"] for field in table()}
    added = {name: examples[name] for name in LATER[1:]}
    return {
        "NEW_OUTCOME": _flow({NEW_OUTCOME.names[name]: value for name, value in examples.items()}),
        "ADDED": _flow(added),
        "ADDED_CELLS": _quoted("".join(f",{json.dumps(value)}" for value in added.values())),
        "ADDED_MEMBERS": _quoted("".join(f",{json.dumps(name)}:{json.dumps(value)}" for name, value in added.items())),
        "FIELDS": _flow(fields),
        "STORED_FIELDS": _flow(stored),
        "LATER_FIELDS": ", ".join(LATER),
        "CSV_COLUMNS": ",".join(CSV_COLUMNS),
        "AGENT_ID": _flow(stored["agent_id"]),
        "REQUIRED_FIELDS": ", ".join(schema["required"]),
        "INVALID_FIELDS": ", ".join(
            ["Invalid outcome_type", *(f"Invalid {name}" for name in fields if name != "outcomeType")]
        ),
        "OUTCOME_TYPES": ", ".join(default_outcome_types(parse_yaml((ROOT / "template.yaml").read_text()))),
        "OUTCOME_TYPE_PATTERN": PATTERN,
        "INVALID_TITLE": _flow({"field": "title", "message": NEW_OUTCOME.rules["title"].words}),
    }


def _without_pattern(schema: Json) -> Json:
    kept = {name: value for name, value in schema.items() if name != "pattern"}
    return kept | {"anyOf": [_without_pattern(each) for each in schema["anyOf"]]} if "anyOf" in schema else kept


def _from_corrections() -> dict[str, str]:
    """Return, by <NAME>, the YAML that describes requests to correct an outcome."""
    changes: Json = CHANGES.json_schema()["properties"]
    return {
        "STATEMENT_CURSOR_PATTERN": CURSOR,
        "STATEMENT_FIELDS": _flow(STATEMENT_REQUEST.json_schema()["properties"]),
        "ASSIGNMENT_FIELDS": _flow(ASSIGNMENT.json_schema()["properties"]),
        "CORRECTIONS": _flow(_correction_schemas()),
        "CHANGES_FIELDS": _flow(changes),
        "NO_CHANGE": _flow({"properties": {name: {"not": {}} for name in changes}}),
        "SOME_CHANGE": SOME_CHANGE,
        "INVALID_CHANGES": _flow({"field": "changes.title", "message": changes["title"]["description"]}),
        "CORRECTION_TYPES": ", ".join(CorrectionType),
        "STATUSES": ", ".join(STATUSES),
    }


def _correction_schemas() -> Json:
    """Return a schema for each type of correction, by name, and NewCorrection, which is one of them."""
    fields: Json = HEAD.json_schema()["properties"]
    fields["userId"]["description"] += ". The owner of the outcome, if the caller has the platform's key"
    optional, required = fields["reason"], REASON.json_schema | {"description": REASON.words}
    schemas: Json = {}
    for type_ in CorrectionType:
        needs = ["reason"] * (type_ != CorrectionType.CONFIRM) + ["changes"] * (type_ == CorrectionType.AMEND)
        properties = fields | {"type": {"const": type_.value}, "reason": required if "reason" in needs else optional}
        if "changes" in needs:
            properties["changes"] = {"$ref": "#/components/schemas/Changes"}
        schemas[f"{type_.title()}Correction"] = {
            "type": "object",
            "description": "Unknown fields are ignored and named in the header Ignored-Fields.",
            "required": ["type", *needs],
            "properties": properties,
        }
    references = {type_.value: f"#/components/schemas/{type_.title()}Correction" for type_ in CorrectionType}
    discriminator = {"propertyName": "type", "mapping": references}
    one_of = [{"$ref": reference} for reference in references.values()]
    return schemas | {"NewCorrection": {"oneOf": one_of, "discriminator": discriminator}}


def _from_agent_keys() -> dict[str, str]:
    """Return, by <NAME>, the YAML that describes requests about agent keys."""
    key: Json = NEW_AGENT_KEY.json_schema()["properties"]
    rotation: Json = ROTATION.json_schema()["properties"]
    faults = {
        "INVALID_NAME": {"field": "name", "message": key["name"]["description"]},
        "INVALID_OVERLAP": {"field": "overlapHours", "message": rotation["overlapHours"]["description"]},
    }
    for fields in (key, rotation):
        fields["userId"]["description"] += ". Required with the platform's key; a session has its own user"
    return {name: _flow(fault) for name, fault in faults.items()} | {
        "KEY_FIELDS": _flow(key),
        "ROTATION_FIELDS": _flow(rotation),
        "SCOPES": ", ".join(Scope),
        "INVALID_KEY_FIELDS": ", ".join(f"Invalid {name}" for name in key),
        "INVALID_ROTATION_FIELDS": ", ".join(f"Invalid {name}" for name in reversed(rotation)),
    }


def _from_costs() -> dict[str, str]:
    """Return, by <NAME>, the YAML that describes a day's costs, as sent and as stored."""
    user: Json = COST_USER.json_schema()["properties"]
    user["userId"]["description"] += ". Required with the platform's key; a session has its own user"
    line: Json = COST_LINE.json_schema()["properties"]
    line["agentId"]["description"] += ". The agent that caused the cost; null if it belongs to no agent"
    stored = {name: _without_pattern(COST_LINE.rules[sent].json_schema) for name, sent in COST_LINE.names.items()}
    return {
        "COST_SOURCE_PATTERN": SOURCE,
        "COST_USER_FIELDS": _flow(user),
        "COST_LINE_FIELDS": _flow(line),
        "COST_STORED_FIELDS": _flow(stored),
        "INVALID_LINES": _flow({"field": "lines.3.costUsd", "message": COST_LINE.rules["costUsd"].words}),
    }


def _quoted(text: str) -> str:
    """Escape the quotes of a text inside a quoted text of YAML."""
    return text.replace('"', '\\"')


def _flow(value: Json | list[Json]) -> str:
    """Write YAML on one line, so that it fits into other YAML."""
    return yaml.dump(
        value, Dumper=_WithoutAliases, default_flow_style=True, sort_keys=False, width=float("inf")
    ).strip()


def _gateway_errors(responses: Json) -> dict[int, list[str]]:
    """Return API Gateway's own responses to requests for these routes, by status."""
    elsewhere = {"MISSING_AUTHENTICATION_TOKEN", "RESOURCE_NOT_FOUND", "UNSUPPORTED_MEDIA_TYPE"}
    usual = {"DEFAULT_4XX": 400, "DEFAULT_5XX": 500}
    errors: dict[int, list[str]] = {}
    for kind, response in responses.items():
        if kind not in elsewhere:
            status = response.get("StatusCode") or usual[kind]
            error = json.loads(response["ResponseTemplates"]["application/json"])["error"]
            errors.setdefault(status, []).append(error)
    return errors


def _error_response(entry: Json, errors: list[str], details: Json) -> Json:
    """Describe an error response.

    entry: the entry of its status in x-refusals. errors: the possible values of `error`; the first is the example.
    """
    properties: Json = {"error": {"enum": errors}}
    if "with-details" in entry:
        properties["details"] = {"type": "array", "items": {"$ref": "#/components/schemas/Fault"}}
    schema = {"type": "object", "required": ["error"], "properties": properties, "additionalProperties": False}
    examples = {
        error: {"value": {"error": error} | ({"details": [details[error]]} if error in details else {})}
        for error in errors
        if error == errors[0] or error in details
    }
    content = {"application/json": {"schema": schema, "examples": examples}}
    response: Json = {"description": entry["description"], "content": content}
    if waits := set(entry.get("retry-after", ())) & set(errors):
        header = "RetryAfter" if waits == set(errors) else "RetryAfterAtTimes"
        response["headers"] = {"Retry-After": {"$ref": f"#/components/headers/{header}"}}
    if "Invalid outcome_type" in errors:
        response["headers"] = {"Outcome-Types": {"$ref": "#/components/headers/OutcomeTypes"}}
    if "Not found" in errors:
        response["headers"] = {"No-Such-Route": {"$ref": "#/components/headers/NoSuchRoute"}}
    return response


class _WithoutAliases(yaml.SafeDumper):
    """Writes repeated values in full each time."""

    def ignore_aliases(self, _data: object) -> bool:
        """Write no aliases: not all tools that read OpenAPI know them."""
        return True
