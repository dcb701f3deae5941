"""make openapi: openapi.yaml, the contract for machines.

Routes, who may call them and what API Gateway answers by itself come from template.yaml; what an outcome is comes from
the models; the rest is said here.
"""

from pathlib import Path
from typing import Any

import yaml
from outcomes.auth.sessions import AUTHJS, NEXT_AUTH, STORED_COOKIE
from outcomes.contract.limits import (
    DEFAULT_DAYS,
    DEFAULT_PAGE,
    MAX_BODY_BYTES,
    MAX_DAYS,
    MAX_ID,
    MAX_IDEMPOTENCY_KEY,
    MAX_PAGE,
)
from outcomes.contract.models import NewOutcome
from outcomes.contract.outcome_type import OutcomeType
from samcli.yamlhelper import yaml_parse

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "openapi.yaml"

type Json = dict[str, Any]


def ref(name: str, kind: str = "schemas") -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def exactly(**properties: Any) -> Json:
    """The schema of an object that has all of these, and nothing else."""
    return {
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "additionalProperties": False,
    }


def result(**properties: Any) -> Json:
    """The schema of an item's result in a batch, which may name fields that were not read."""
    schema = exactly(**properties)
    return schema | {"properties": properties | {"ignored": listed({"type": "string"})}}


def nullable(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def listed(items: Json) -> Json:
    return {"type": "array", "items": items}


def json_content(schema: Json, **examples: Any) -> Json:
    named = {name: {"value": value} for name, value in examples.items()}
    return {"application/json": {"schema": schema, "examples": named}}


def parameter(name: str, place: str, description: str, schema: Json, **more: Any) -> Json:
    return {"name": name, "in": place, "description": description, "schema": schema, **more}


# ── Examples ─────────────────────────────────────────────────────────────────

ID = "01KN4EMBG0QK3YB9X6N1V8ZT5R"
MONEY = {"count": 1, "value_usd": 12500.5}
NEW_OUTCOME = {
    "outcomeType": "deal_closed",
    "title": "Renewed Acme for a year",
    "description": "From first mail to signature without a call.",
    "valueUsd": 12500.5,
    "agentId": 7,
    "userId": 42,
    "metadata": {"customer": "Acme", "seats": 120},
}
OUTCOME = {
    "id": ID,
    "user_id": 42,
    "agent_id": 7,
    "outcome_type": "deal_closed",
    "title": NEW_OUTCOME["title"],
    "description": NEW_OUTCOME["description"],
    "value_usd": 12500.5,
    "metadata": NEW_OUTCOME["metadata"],
    "created_at": "2026-04-01T12:00:00.000Z",
}
A_FAULT = {"field": "title", "message": NewOutcome.model_fields["title"].description}
DETAILS = {
    "Invalid title": A_FAULT,
    "Invalid outcomes": {"field": "outcomes", "message": "must be a list of 1 to 100 outcomes"},
    "Idempotency key reused": {"field": "title", "message": "differs from what was recorded under this key"},
}
RESULTS = {
    "results": [
        {"status": "created", "id": ID},
        {"status": "replayed", "id": ID},
        {"status": "invalid", "error": "Invalid title", "details": [A_FAULT]},
    ],
    "created": 1,
    "replayed": 1,
    "failed": 1,
}
SUMMARY = {
    "from": "2026-04-01T00:00:00.000Z",
    "to": "2026-04-03T00:00:00.000Z",
    "timezone": "UTC",
    **MONEY,
    "by_type": [{"outcome_type": "deal_closed", **MONEY}],
    "by_agent": [{"agent_id": 7, **MONEY}],
    "by_day": [{"date": "2026-04-01", **MONEY}, {"date": "2026-04-02", "count": 0, "value_usd": 0}],
}

# ── What is sent ─────────────────────────────────────────────────────────────

VISIBLE_ASCII = {"type": "string", "minLength": 1, "maxLength": MAX_IDEMPOTENCY_KEY, "pattern": "^[!-~]+$"}
IDEMPOTENCY_KEY = parameter(
    "Idempotency-Key",
    "header",
    "Makes a retry safe: the same outcome, sent again with the same key, gets the first answer. Remembered 35 days, "
    "for the session's user or for the callers by key.",
    VISIBLE_ASCII,
    example="5e0a5e9c-7d4b-4e0f-9a55-2f1d8a3c6b10",
)
TIME = {"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}

NEW = NewOutcome.model_json_schema(ref_template="#/components/schemas/{model}")
FIELDS: Json = {
    name: {key: value for key, value in schema.items() if key not in {"title", "default"}}
    for name, schema in NEW["properties"].items()
}
FIELDS["userId"]["description"] += ". Whose outcome it is, when called with a key; a session says it itself"
BATCHED = FIELDS | {
    "idempotencyKey": nullable(VISIBLE_ASCII) | {"description": "As the header Idempotency-Key, for this outcome"}
}

# ── What is answered ─────────────────────────────────────────────────────────

# Rules are for requests; in a response, a field says of itself what it is.
STORED: Json = {
    name: {key: value for key, value in FIELDS[field.alias or name].items() if key != "description"}
    for name, field in NewOutcome.model_fields.items()
}
SUM = {"count": {"type": "integer", "minimum": 0}, "value_usd": {"type": "number"}}
AMOUNT = {"type": "integer", "minimum": 0, "maximum": 100}
INVALID = ["Invalid outcome_type", *(f"Invalid {name}" for name in FIELDS if name != "outcomeType")]

SCHEMAS: Json = {
    "OutcomeType": {"type": "string", "enum": [str(kind) for kind in OutcomeType]},
    "Id": {"type": "string", "description": "A ULID", "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"},
    "Instant": {"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"},
    "NewOutcome": {
        "type": "object",
        "description": "Unknown fields are not read, and are named in the answer.",
        "required": NEW["required"],
        "properties": FIELDS,
    },
    "NewOutcomeOfBatch": {
        "type": "object",
        "description": "Unknown fields are not read, and are named in the answer.",
        "required": NEW["required"],
        "properties": BATCHED,
    },
    "Outcome": exactly(
        id=ref("Id"),
        user_id=STORED["user_id"],
        agent_id=STORED["agent_id"],
        outcome_type=STORED["outcome_type"],
        title=STORED["title"],
        description=STORED["description"],
        value_usd=STORED["value_usd"],
        metadata=STORED["metadata"],
        created_at=ref("Instant"),
    ),
    "Cursor": {"type": "string", "description": "Opaque", "pattern": "^[A-Za-z0-9_-]{21}[AQgw]$"},
    "Fault": exactly(field={"type": "string"}, message={"type": "string"}),
    "Result": {
        "oneOf": [
            result(status={"enum": ["created", "replayed"]}, id=ref("Id")),
            result(
                status={"const": "invalid"},
                error={"enum": [*INVALID, "Invalid idempotencyKey"]},
                details=listed(ref("Fault")),
            ),
            result(status={"const": "invalid"}, error={"enum": ["Invalid outcome", "Invalid outcome_type"]}),
            result(
                status={"const": "conflict"},
                error={"const": "Idempotency key reused"},
                details=listed(ref("Fault")),
            ),
            result(
                status={"const": "failed"},
                error={"const": "Failed to record outcome"},
                retryable={"const": True},
            ),
        ]
    },
    "Summary": exactly(
        **{"from": ref("Instant")},
        to=ref("Instant"),
        timezone={"type": "string"},
        **SUM,
        by_type=listed(exactly(outcome_type=ref("OutcomeType"), **SUM)),
        by_agent=listed(exactly(agent_id=STORED["agent_id"], **SUM)),
        by_day=listed(exactly(date={"type": "string", "format": "date"}, **SUM)),
    ),
}

HEADERS: Json = {
    "OutcomeId": {"required": True, "description": "Of the outcome that is recorded", "schema": ref("Id")},
    "IdempotentReplayed": {
        "description": "There when an earlier request with the same key had recorded it",
        "schema": {"const": "true"},
    },
    "IgnoredFields": {
        "description": "The fields that were not read, comma-separated; percent-encoded unless visible ASCII",
        "schema": {"type": "string"},
    },
    "RetryAfter": {
        "required": True,
        "description": "Seconds to wait before trying again",
        "schema": {"type": "integer", "minimum": 1},
    },
}

MEANING = {
    400: "The request breaks the contract",
    401: "No valid session or bearer token",
    403: "A page of another origin is calling with the user's session",
    409: "Others kept writing the same thing at the same moment",
    413: "Body or headers are too large",
    415: "The body is not declared to be JSON, which a call with a session has to",
    422: "The key already stands for another outcome; `details` names the fields that differ",
    429: "Too many requests at once",
    500: "Nothing was done, or it cannot be known: try again",
    502: "The function failed to answer: try again",
    504: "The function took too long to answer: try again",
}
WITH_DETAILS = {400, 422}
WITH_RETRY_AFTER = {409, 429}
POST_ERRORS = {413: ["Payload too large"], 415: ["Unsupported media type"]}

# ── The operations, by the name that the template gives them ─────────────────

OPERATIONS: Json = {
    "recordOutcome": {
        "summary": "Record an outcome",
        "parameters": [IDEMPOTENCY_KEY],
        "requestBody": {
            "required": True,
            "description": f"At most {MAX_BODY_BYTES} bytes.",
            "content": json_content(
                ref("NewOutcome"),
                everything=NEW_OUTCOME,
                least={"outcomeType": "task_complete", "title": "Reconciled last month's invoices"},
            ),
        },
        "answer": {
            "description": "Recorded",
            "headers": {
                "Outcome-Id": ref("OutcomeId", "headers"),
                "Idempotent-Replayed": ref("IdempotentReplayed", "headers"),
                "Ignored-Fields": ref("IgnoredFields", "headers"),
            },
            "content": json_content(
                {"oneOf": [exactly(ok={"const": True}), exactly(ok={"const": True}, id=ref("Id"))]},
                key={"ok": True},
                session={"ok": True, "id": ID},
            ),
        },
        "errors": POST_ERRORS
        | {
            400: [*INVALID, "Invalid JSON", "Invalid Idempotency-Key"],
            409: ["Conflict"],
            422: ["Idempotency key reused"],
            500: ["Failed to record outcome"],
        },
    },
    "recordOutcomes": {
        "summary": "Record up to 100 outcomes, each as if alone",
        "parameters": [
            IDEMPOTENCY_KEY
            | {"description": "Stands, as `<key>#<index>`, for each outcome that has no `idempotencyKey` of its own."}
        ],
        "requestBody": {
            "required": True,
            "description": f"At most {8 * MAX_BODY_BYTES} bytes.",
            "content": json_content(
                {
                    "type": "object",
                    "required": ["outcomes"],
                    "properties": {
                        "outcomes": {
                            "type": "array",
                            "minItems": 1,
                            "maxItems": 100,
                            "items": {
                                "anyOf": [
                                    ref("NewOutcomeOfBatch"),
                                    {"description": "Whatever else it is gets the result `invalid`; the others stand."},
                                ]
                            },
                        }
                    },
                },
                two={"outcomes": [NEW_OUTCOME, NEW_OUTCOME | {"idempotencyKey": "acme-2026"}]},
            ),
        },
        "answer": {
            "description": "One result per outcome, in order. `failed` counts what is neither created nor replayed.",
            "headers": {"Ignored-Fields": ref("IgnoredFields", "headers")},
            "content": json_content(
                exactly(results=listed(ref("Result")), created=AMOUNT, replayed=AMOUNT, failed=AMOUNT),
                mixed=RESULTS,
            ),
        },
        "errors": POST_ERRORS
        | {
            400: ["Invalid outcomes", "Invalid JSON", "Invalid Idempotency-Key"],
            500: ["Failed to record outcomes"],
        },
    },
    "listOutcomes": {
        "summary": "The outcomes of the session's user, newest first",
        "parameters": [
            parameter(
                "limit",
                "query",
                f"How many; above {MAX_PAGE} is {MAX_PAGE}.",
                {"type": "integer", "minimum": 1, "default": DEFAULT_PAGE},
            ),
            parameter("cursor", "query", "The `next_cursor` of the page before.", ref("Cursor")),
            parameter(
                "outcomeType",
                "query",
                "Only these types; repeatable.",
                listed(ref("OutcomeType")),
                style="form",
                explode=True,
            ),
            parameter(
                "agentId",
                "query",
                "Only of this agent.",
                {"type": "integer", "minimum": 1, "maximum": MAX_ID},
                example=7,
            ),
            parameter("from", "query", "Only from this instant on.", TIME, example="2026-04-01"),
            parameter("to", "query", "Only before this instant.", TIME, example="2026-05-01T00:00:00Z"),
        ],
        "answer": {
            "description": "A page. Only the last has `next_cursor` null; others may be shorter than `limit`, too.",
            "content": json_content(
                exactly(outcomes=listed(ref("Outcome")), next_cursor=nullable(ref("Cursor"))),
                last={"outcomes": [OUTCOME], "next_cursor": None},
            ),
            "links": {
                "next": {
                    "operationId": "listOutcomes",
                    "parameters": {"cursor": "$response.body#/next_cursor"},
                    "description": "The next page, unless `next_cursor` is null",
                }
            },
        },
        "errors": {
            400: [f"Invalid {name}" for name in ("limit", "cursor", "outcomeType", "agentId", "from", "to")],
            500: ["Failed to list outcomes"],
        },
    },
    "summarizeOutcomes": {
        "summary": "What the outcomes of the session's user come to",
        "parameters": [
            parameter(
                "from",
                "query",
                f"From this instant on: before `to`, and by at most {MAX_DAYS} days. A date is its first instant in "
                f"`timezone`. Unless said, {DEFAULT_DAYS} local days before `to`.",
                TIME,
                example="2026-04-01",
            ),
            parameter("to", "query", "Before this instant. Unless said, the end of today.", TIME, example="2026-05-01"),
            parameter(
                "timezone",
                "query",
                "IANA time zone, whose days count.",
                {"type": "string", "default": "UTC"},
                example="Europe/Berlin",
            ),
        ],
        "answer": {
            "description": "Exact sums: in total, by type and agent (most valuable first), by local day (oldest first)",
            "content": json_content(ref("Summary"), two_days=SUMMARY),
        },
        "errors": {
            400: [f"Invalid {name}" for name in ("from", "to", "timezone")],
            500: ["Failed to summarize outcomes"],
        },
    },
}

# ── Who may call ─────────────────────────────────────────────────────────────

COOKIES = {
    "NextAuthSession": (f"__Secure-{NEXT_AUTH.name}", "The session of next-auth v4"),
    "AuthjsSession": (f"__Secure-{AUTHJS.name}", "The session of Auth.js v5"),
    "StoredSession": (f"__Secure-{STORED_COOKIE}", "The platform's stored session"),
}
SECURITY_SCHEMES: Json = {"Key": {"type": "http", "scheme": "bearer", "description": "A key that `make key` made"}} | {
    scheme: {
        "type": "apiKey",
        "in": "cookie",
        "name": name,
        "description": f"{description}. `make run` takes it also without `__Secure-`.",
    }
    for scheme, (name, description) in COOKIES.items()
}
SECURITY = {"Session": list(COOKIES), "KeyOrSession": ["Key", *COOKIES]}


def document() -> Json:
    """The whole document, OpenAPI 3.1."""
    api = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]["OutcomesApi"]["Properties"]
    gateway = gateway_errors(api["GatewayResponses"])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Outcomes API",
            "version": "1.0.0",
            "description": "Agents record the valuable work they finish; people see it at once.",
        },
        "servers": [
            {
                "url": "https://{api}.execute-api.{region}.amazonaws.com/{stage}",
                "description": "Deployed: the stack's output ApiUrl",
                "variables": {
                    "api": {"default": "abcdef1234"},
                    "region": {"default": "us-east-1"},
                    "stage": {"default": "v1"},
                },
            },
            {"url": "http://127.0.0.1:3000", "description": "`make run`"},
        ],
        "paths": {
            path: {
                method: operation(route, gateway)
                for method, route in methods.items()
                if method != "options"  # a browser's own affair
            }
            for path, methods in api["DefinitionBody"]["paths"].items()
        },
        "components": {"securitySchemes": SECURITY_SCHEMES, "schemas": SCHEMAS, "headers": HEADERS},
    }


def operation(route: Json, gateway: dict[int, list[str]]) -> Json:
    """An operation of the template, with all that it answers; `gateway` is what API Gateway says by itself."""
    said = dict(OPERATIONS[route["operationId"]])
    answer, ours = said.pop("answer"), said.pop("errors")
    errors = {
        status: list(dict.fromkeys([*ours.get(status, []), *gateway.get(status, [])]))
        for status in sorted(ours.keys() | gateway.keys())
    }
    [[authorizer]] = route["security"]
    return {
        "operationId": route["operationId"],
        "security": [{scheme: []} for scheme in SECURITY[authorizer]],
        **said,
        "responses": {"200": answer} | {str(status): refusal(status, texts) for status, texts in errors.items()},
    }


def gateway_errors(responses: Json) -> dict[int, list[str]]:
    """What API Gateway says by itself to a request for one of the routes, by status."""
    elsewhere = {"MISSING_AUTHENTICATION_TOKEN", "RESOURCE_NOT_FOUND", "UNSUPPORTED_MEDIA_TYPE"}
    usual = {"DEFAULT_4XX": 400, "DEFAULT_5XX": 500}
    errors: dict[int, list[str]] = {}
    for kind, response in responses.items():
        if kind not in elsewhere:
            status = response.get("StatusCode") or usual[kind]
            text = yaml.safe_load(response["ResponseTemplates"]["application/json"])["error"]
            errors.setdefault(status, []).append(text)
    return errors


def refusal(status: int, texts: list[str]) -> Json:
    """An error response whose `error` is one of `texts`."""
    schema = exactly(error={"enum": texts})
    if status in WITH_DETAILS:
        schema["properties"]["details"] = listed(ref("Fault"))
    examples = {
        error: {"error": error} | ({"details": [DETAILS[error]]} if error in DETAILS else {})
        for error in texts
        if error == texts[0] or error in DETAILS
    }
    response: Json = {"description": MEANING[status], "content": json_content(schema, **examples)}
    if status in WITH_RETRY_AFTER:
        response["headers"] = {"Retry-After": ref("RetryAfter", "headers")}
    return response


class Plain(yaml.SafeDumper):
    """Writes what occurs twice twice, rather than as an alias."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def text() -> str:
    """The document as it is committed."""
    heading = "# Made by `make openapi` from template.yaml and the models: do not edit.\n"
    return heading + yaml.dump(document(), Dumper=Plain, sort_keys=False, allow_unicode=True, width=120)


if __name__ == "__main__":
    TARGET.write_text(text())
