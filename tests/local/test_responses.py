"""The response to an error is the template's gateway response, or else API Gateway's default."""

import json
from typing import Any

import pytest

from local.openapi import Api
from local.responses import Refusal, gateway_response


@pytest.mark.parametrize(
    ("configured", "kind", "status", "headers", "body"),
    [
        ({}, "INTEGRATION_TIMEOUT", 504, {}, {"message": "Endpoint request timed out"}),
        ({"DEFAULT_4XX": {"responseParameters": {"X-Fixed": "a, b"}}}, "UNAUTHORIZED", 401, {"X-Fixed": "a, b"}, None),
        (
            {"UNAUTHORIZED": {"statusCode": "418", "responseParameters": {"content-type": "text/html"}}},
            *("UNAUTHORIZED", 418, {"content-type": "text/html"}, {"message": "Unauthorized"}),
        ),
        (
            {"DEFAULT_4XX": {}, "UNAUTHORIZED": {"responseTemplates": {"application/json": '{"error":"No"}'}}},
            *("UNAUTHORIZED", 401, {}, {"error": "No"}),
        ),
    ],
)
def test_a_refusal_has_the_templates_response_or_that_of_its_status(
    configured: dict[str, Any], kind: str, status: int, headers: dict[str, str], body: Any
) -> None:
    for response in configured.values():
        quoted = {f"gatewayresponse.header.{name}": f"'{value}'" for name, value in headers.items()}
        response |= {"responseParameters": quoted} if "responseParameters" in response else {}
    answer = gateway_response(Api("id", "v1", (), configured, ()), Refusal(kind))
    usual = {"Content-Type": "application/json"} if "content-type" not in headers else {}
    given = {name: value for name, value in answer.headers if name != "x-amzn-ErrorType"}
    assert (answer.status, given) == (status, usual | headers)
    assert body is None or json.loads(answer.body) == body
