"""The response to an error is the template's gateway response, or else API Gateway's default."""

import json
from typing import Any

import pytest

from local.events import Call
from local.openapi import Api
from local.responses import Refusal, gateway_response

CALL = Call(
    "GET",
    "/a",
    [("q", "asked")],
    [("X-Who", "anna")],
    b"",
    "192.0.2.7",
    "HTTP/1.1",
    "0d3c0d3c-0d3c-4d3c-8d3c-0d3c0d3c0d3c",
)


def api(**gateway_responses: Any) -> Api:
    return Api("id", "v1", {"colour": "green"}, (), gateway_responses, ())


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("'a, b'", "a, b"),
        ("method.request.header.x-who", "anna"),
        ("method.request.header.x-none", None),
        ("method.request.querystring.q", "asked"),
        ("method.request.querystring.none", None),
        ("stageVariables.colour", "green"),
        ("context.requestId", "0d3c0d3c-0d3c-4d3c-8d3c-0d3c0d3c0d3c"),
        ("context.identity.sourceIp", "192.0.2.7"),
        ("context.none", None),
    ],
)
def test_a_header_is_mapped_from_the_call(source: str, value: str | None) -> None:
    mapped = {"responseParameters": {"gatewayresponse.header.X-Mapped": source}}
    answer = gateway_response(api(DEFAULT_4XX=mapped), CALL, Refusal("UNAUTHORIZED"))
    assert (answer.status, dict(answer.headers).get("X-Mapped")) == (401, value)


def test_a_mapped_header_replaces_api_gateways_own() -> None:
    mapped = {"responseParameters": {"gatewayresponse.header.content-type": "'text/html'"}}
    answer = gateway_response(api(UNAUTHORIZED=mapped), CALL, Refusal("UNAUTHORIZED"))
    assert [value for name, value in answer.headers if name.lower() == "content-type"] == ["text/html"]


def test_a_mapping_to_anything_but_a_header_is_ignored() -> None:
    mapped = {"responseParameters": {"gatewayresponse.path.a": "'b'"}}
    answer = gateway_response(api(UNAUTHORIZED=mapped), CALL, Refusal("UNAUTHORIZED"))
    assert {name for name, _ in answer.headers} == {"Content-Type", "x-amzn-ErrorType"}


@pytest.mark.parametrize(
    ("accept", "media_type", "body"),
    [
        ("text/plain, */*", "text/plain", "UNAUTHORIZED: Unauthorized"),
        ("application/json;q=0.5", "application/json", '{"why":"Unauthorized"}'),
        ("image/png", "application/json", '{"why":"Unauthorized"}'),
    ],
)
def test_the_template_is_chosen_by_the_accept_header(accept: str, media_type: str, body: str) -> None:
    templates = {
        "text/plain": "${context.error.responseType}: $context.error.message",
        "application/json": '{"why":$context.error.messageString}',
    }
    call = Call("GET", "/a", [], [("Accept", accept)], b"", "192.0.2.7", "HTTP/1.1")
    answer = gateway_response(api(UNAUTHORIZED={"responseTemplates": templates}), call, Refusal("UNAUTHORIZED"))
    assert (dict(answer.headers)["Content-Type"], answer.body.decode()) == (media_type, body)


def test_without_a_mapping_the_response_is_api_gateways_own() -> None:
    answer = gateway_response(api(), CALL, Refusal("INTEGRATION_TIMEOUT"))
    assert (answer.status, json.loads(answer.body)) == (504, {"message": "Endpoint request timed out"})
