"""Build gateway responses: answers that come from API Gateway itself and not from a function.

https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""

import json
import re
from dataclasses import dataclass
from typing import NamedTuple

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

DEFAULT_TEMPLATE = '{"message":$context.error.messageString}'


class Refusal(Exception):
    """API Gateway answers with the gateway response `kind`. A given status or message replaces the default.

    context: what the authorizer said of the caller.
    """

    def __init__(
        self,
        kind: str,
        *,
        status: int | None = None,
        message: str | None = None,
        context: dict[str, str] | None = None,
    ) -> None:
        super().__init__(kind)
        self.kind = kind
        self.status = status or KINDS[kind].status
        self.message = message or KINDS[kind].message
        self.context = context or {}


@dataclass(frozen=True)
class Answer:
    """An HTTP response to the client."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


def gateway_response(api: Api, refusal: Refusal) -> Answer:
    """Return the template's answer for a kind of refusal. The default is its DEFAULT_4XX or DEFAULT_5XX."""
    fallback = "DEFAULT_5XX" if refusal.status >= 500 else "DEFAULT_4XX"
    configured = api.gateway_responses.get(refusal.kind) or api.gateway_responses.get(fallback, {})
    template = configured.get("responseTemplates", {}).get("application/json", DEFAULT_TEMPLATE)
    headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", KINDS[refusal.kind].error_type)]
    for target, quoted in configured.get("responseParameters", {}).items():
        name = target.removeprefix("gatewayresponse.header.")
        headers = [*(pair for pair in headers if pair[0].lower() != name.lower()), (name, quoted[1:-1])]
    # Gateway responses only support the variables of the template language; ours use these.
    body = template.replace("$context.error.messageString", json.dumps(refusal.message))
    body = re.sub(r"\$context\.authorizer\.(\w+)", lambda found: refusal.context.get(found[1], ""), body)
    return Answer(int(configured.get("statusCode", refusal.status)), headers, body.encode())
