"""Create the events that a REST API passes to functions.

https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

import base64
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

from local.environment import ACCOUNT, REGION
from local.openapi import Api, Route

type Pairs = list[tuple[str, str]]

# These headers only concern the connection between client and API Gateway, so they are not passed on.
HOP_HEADERS = {
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}


@dataclass(frozen=True)
class Call:
    """An HTTP request. `headers` keep the order and spelling in which they were sent. `path` is not decoded."""

    method: str
    path: str
    query: Pairs
    headers: Pairs
    body: bytes
    source_ip: str
    protocol: str
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    milliseconds: int = field(default_factory=lambda: time.time_ns() // 1_000_000)

    def header(self, name: str) -> str | None:
        """Return the last value of a header, ignoring case."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return values[-1] if values else None

    def parameter(self, name: str) -> str | None:
        """Return the last value of a query parameter."""
        return dict(self.query).get(name)


def query_of(raw: str) -> Pairs:
    """Parse a query string. Bytes that are not UTF-8 become U+FFFD."""
    return parse_qsl(raw, keep_blank_values=True, errors="replace")


def forwarded_headers(headers: Iterable[tuple[str, str]], source_ip: str, port: int, trace_id: str) -> Pairs:
    """Return the headers for a function: without hop-by-hop headers, but with the headers that API Gateway adds."""
    kept = [(name, value) for name, value in headers if name.lower() not in HOP_HEADERS]
    forwarded = [value for name, value in kept if name.lower() == "x-forwarded-for"]
    replaced = {"x-forwarded-for", "x-forwarded-port", "x-forwarded-proto", "x-amzn-trace-id"}
    return [
        *((name, value) for name, value in kept if name.lower() not in replaced),
        ("X-Amzn-Trace-Id", trace_id),
        ("X-Forwarded-For", ", ".join([*forwarded, source_ip])),
        ("X-Forwarded-Port", str(port)),
        ("X-Forwarded-Proto", "http"),
    ]


def method_arn(api: Api, call: Call) -> str:
    """Return the ARN of the called method, as used in policies.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/arn-format-reference.html
    """
    return f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{api.id}/{api.stage}/{call.method}/{call.path.lstrip('/')}"


def authorizer_event(api: Api, route: Route, parameters: dict[str, str], call: Call) -> dict[str, Any]:
    """Return the event of a Lambda authorizer of type REQUEST.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-input.html
    """
    return {"type": "REQUEST", "methodArn": method_arn(api, call), **_request(api, route, parameters, call)}


def proxy_event(
    api: Api, route: Route, parameters: dict[str, str], call: Call, authorizer: dict[str, Any] | None
) -> dict[str, Any]:
    """Return the event of a Lambda proxy integration. authorizer: the authorizer's context, if there is one."""
    event = _request(api, route, parameters, call)
    if authorizer is not None:
        event["requestContext"]["authorizer"] = authorizer
    is_binary = is_binary_type(api, call.header("content-type"))
    # API Gateway treats any other body as text, so bytes that are not UTF-8 are lost.
    body = base64.b64encode(call.body).decode() if is_binary else call.body.decode(errors="replace")
    return event | {"body": body or None, "isBase64Encoded": is_binary and bool(body)}


def is_binary_type(api: Api, media_type: str | None) -> bool:
    """Check whether the API treats a media type (a Content-Type or Accept header) as binary."""
    exact = (media_type or "application/json").split(",")[0].split(";")[0].strip().lower()
    return bool({"*/*", exact, f"{exact.partition('/')[0]}/*"} & {type_.lower() for type_ in api.binary_media_types})


def _request(api: Api, route: Route, parameters: dict[str, str], call: Call) -> dict[str, Any]:
    headers = _by_name(call.headers)
    host = call.header("host") or ""
    resource_id = sha256(route.resource.encode()).hexdigest()[:6]
    return {
        "resource": route.resource,
        "path": call.path,
        "httpMethod": call.method,
        "headers": {name: values[-1] for name, values in headers.items()} or None,
        "multiValueHeaders": headers or None,
        "queryStringParameters": dict(call.query) or None,
        "multiValueQueryStringParameters": _multi(call.query) or None,
        "pathParameters": parameters or None,
        "stageVariables": None,
        "requestContext": {
            "resourceId": resource_id,
            "resourcePath": route.resource,
            "operationName": None,
            "httpMethod": call.method,
            "extendedRequestId": extended_request_id(call),
            "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(call.milliseconds // 1000)),
            "path": f"/{api.stage}{call.path}",
            "accountId": ACCOUNT,
            "protocol": call.protocol,
            "stage": api.stage,
            "domainPrefix": host.partition(":")[0].partition(".")[0],
            "requestTimeEpoch": call.milliseconds,
            "requestId": call.request_id,
            "identity": {
                "cognitoIdentityPoolId": None,
                "accountId": None,
                "cognitoIdentityId": None,
                "caller": None,
                "sourceIp": call.source_ip,
                "principalOrgId": None,
                "accessKey": None,
                "cognitoAuthenticationType": None,
                "cognitoAuthenticationProvider": None,
                "userArn": None,
                "userAgent": call.header("user-agent"),
                "user": None,
            },
            "domainName": host,
            "apiId": api.id,
        },
    }


def extended_request_id(call: Call) -> str:
    """Return the value of `extendedRequestId`, which is also sent as the response header `x-amz-apigw-id`."""
    return base64.b64encode(uuid.UUID(call.request_id).bytes[:11]).decode()


def _by_name(headers: Pairs) -> dict[str, list[str]]:
    """Group header values by name, ignoring case. Each name keeps the spelling of its first header."""
    spelled: dict[str, str] = {}
    return _multi([(spelled.setdefault(name.lower(), name), value) for name, value in headers])


def _multi(pairs: Pairs) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values
