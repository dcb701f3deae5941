"""Build gateway responses: answers that come from API Gateway itself and not from a function.

https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""

import json
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from local.events import Call, extended_request_id
from local.openapi import Api


class Kind(NamedTuple):
    """Default status, `x-amzn-ErrorType` and message of a gateway response."""

    status: int
    error_type: str
    message: str | None


KINDS = {
    "ACCESS_DENIED": Kind(403, "AccessDeniedException", "User is not authorized to access this resource"),
    "API_CONFIGURATION_ERROR": Kind(500, "InternalServerErrorException", "Internal server error"),
    "AUTHORIZER_CONFIGURATION_ERROR": Kind(500, "AuthorizerConfigurationException", None),
    "AUTHORIZER_FAILURE": Kind(500, "AuthorizerFailureException", None),
    "DEFAULT_4XX": Kind(400, "BadRequestException", "Bad request"),
    "DEFAULT_5XX": Kind(500, "InternalServerErrorException", "Internal server error"),
    "INTEGRATION_FAILURE": Kind(504, "InternalServerErrorException", "Internal server error"),
    "INTEGRATION_TIMEOUT": Kind(504, "InternalServerErrorException", "Endpoint request timed out"),
    "MISSING_AUTHENTICATION_TOKEN": Kind(403, "MissingAuthenticationTokenException", "Missing Authentication Token"),
    "REQUEST_TOO_LARGE": Kind(413, "RequestTooLargeException", "Request Entity Too Large"),
    "UNAUTHORIZED": Kind(401, "UnauthorizedException", "Unauthorized"),
    "UNSUPPORTED_MEDIA_TYPE": Kind(415, "BadRequestException", "Unsupported Media Type"),
}

DEFAULT_TEMPLATES = {"application/json": '{"message":$context.error.messageString}'}


class Refusal(Exception):
    """API Gateway answers with the gateway response `kind`. A given status or message replaces the default."""

    def __init__(self, kind: str, *, status: int | None = None, message: str | None = None) -> None:
        super().__init__(kind)
        self.kind = kind
        self.status = status or KINDS[kind].status
        self.message = message or KINDS[kind].message


@dataclass(frozen=True)
class Answer:
    """An HTTP response to the client."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def gateway_response(api: Api, call: Call, refusal: Refusal) -> Answer:
    """Return the template's answer for a kind of refusal. The default is its DEFAULT_4XX or DEFAULT_5XX."""
    fallback = "DEFAULT_5XX" if refusal.status >= 500 else "DEFAULT_4XX"
    configured = api.gateway_responses.get(refusal.kind) or api.gateway_responses.get(fallback, {})
    templates = configured.get("responseTemplates") or DEFAULT_TEMPLATES
    accepted = (call.header("accept") or "").split(",")[0].split(";")[0].strip()
    media_type = next((type_ for type_ in (accepted, "application/json") if type_ in templates), next(iter(templates)))
    context = {
        "apiId": api.id,
        "error.message": refusal.message or "",
        "error.messageString": json.dumps(refusal.message),
        "error.responseType": refusal.kind,
        "extendedRequestId": extended_request_id(call),
        "httpMethod": call.method,
        "identity.sourceIp": call.source_ip,
        "path": f"/{api.stage}{call.path}",
        "requestId": call.request_id,
        "stage": api.stage,
    }
    headers = [("Content-Type", media_type), ("x-amzn-ErrorType", KINDS[refusal.kind].error_type)]
    for target, source in configured.get("responseParameters", {}).items():
        name = target.removeprefix("gatewayresponse.header.")
        value = _parameter(source, api, call, context)
        if name != target and value is not None:
            headers = [*(pair for pair in headers if pair[0].lower() != name.lower()), (name, value)]
    # Gateway responses only support the variables of the template language.
    name = r"context\.([A-Za-z.]*[A-Za-z])"
    body = re.sub(
        rf"\$\{{{name}\}}|\${name}", lambda match: context.get(match[1] or match[2], ""), templates[media_type]
    )
    return Answer(int(configured.get("statusCode", refusal.status)), headers, body.encode())


def _parameter(source: str, api: Api, call: Call, context: dict[str, Any]) -> str | None:
    """Evaluate the mapping expression `source` of a response header. Return None if it has no value.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/request-response-data-mappings.html
    """
    if match := re.fullmatch(r"'(.*)'", source, re.DOTALL):
        return match[1]
    prefix, _, name = source.rpartition(".")
    match prefix:
        case "method.request.header":
            return call.header(name)
        case "method.request.querystring":
            return call.parameter(name)
        case "stageVariables":
            return api.stage_variables.get(name)
        case _:
            return context.get(source.removeprefix("context."))
