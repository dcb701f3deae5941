"""Parse the REST API of the transformed template, an OpenAPI document with API Gateway's extensions.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from local.template import Template
from ops.errors import StackError

ANY = "x-amazon-apigateway-any-method"
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", ANY}
INTEGRATION = "x-amazon-apigateway-integration"
AUTHORIZER = "x-amazon-apigateway-authorizer"

# https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
INTEGRATION_SECONDS = 29.0


@dataclass(frozen=True)
class Proxy:
    """An integration that passes the whole request to a function. `timeout` is in seconds."""

    function_arn: str
    timeout: float


@dataclass(frozen=True)
class Mock:
    """An integration that API Gateway itself answers, from mapping templates. response: the only one, `default`."""

    request_templates: dict[str, str]
    response: dict[str, Any]
    content_handling: str | None = None


@dataclass(frozen=True)
class Route:
    """One method of one resource. `ANY` means all methods that have no separate route.

    authorizer: the ARN of its Lambda authorizer.
    """

    method: str
    resource: str
    integration: Proxy | Mock
    authorizer: str | None


@dataclass(frozen=True)
class Api:
    """A REST API and its stage."""

    id: str
    stage: str
    routes: tuple[Route, ...]
    gateway_responses: dict[str, dict[str, Any]]
    binary_media_types: tuple[str, ...]

    def match(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """Return a request's route and path parameters.

        Literals take precedence over `{name}`, and `{name}` over `{name+}`.
        """
        found = [
            (_specificity(route), route, {name: unquote(value) for name, value in parameters.items()})
            for route in self.routes
            if route.method in (method.lower(), ANY)
            and (parameters := _path_parameters(route.resource, path)) is not None
        ]
        if not found:
            return None
        _, route, parameters = min(found, key=lambda match: match[0])
        return route, parameters


def api(template: Template) -> Api:
    """Return the template's only REST API. Raises StackError if it uses unsupported features."""
    rest_apis = template.resources("AWS::ApiGateway::RestApi")
    if len(rest_apis) != 1:
        raise StackError(f"the local stack runs exactly one REST API, the template has {len(rest_apis)}")
    ((logical_id, properties),) = rest_apis.items()
    body = template.resolve(properties.get("Body", {}))
    schemes = body.get("components", {}).get("securitySchemes", {}) | body.get("securityDefinitions", {})
    authorizers = {name: scheme for name, scheme in schemes.items() if AUTHORIZER in scheme}
    stages = [
        template.resolve({key: stage.get(key) for key in ("StageName", "Variables")})
        for stage in template.resources("AWS::ApiGateway::Stage").values()
        if template.resolve(stage.get("RestApiId")) == template.name(logical_id)
    ]
    if len(stages) != 1:
        raise StackError(f"the local stack runs exactly one stage of {logical_id}, the template has {len(stages)}")
    if stages[0]["Variables"]:
        raise StackError(f"the local stack supports no variables of the stage {stages[0]['StageName']}")
    gateway_responses = body.get("x-amazon-apigateway-gateway-responses", {})
    for kind, response in gateway_responses.items():
        _check_gateway_response(kind, response)
    return Api(
        id=template.name(logical_id),
        stage=stages[0]["StageName"],
        routes=tuple(
            _route(method, resource, operation, body.get("security", []), authorizers)
            for resource, operations in body.get("paths", {}).items()
            for method, operation in operations.items()
            if method in METHODS
        ),
        gateway_responses=gateway_responses,
        binary_media_types=tuple(
            body.get("x-amazon-apigateway-binary-media-types", [])
            + template.resolve(properties.get("BinaryMediaTypes", []))
        ),
    )


def _route(
    method: str, resource: str, operation: dict[str, Any], security: list[Any], authorizers: dict[str, Any]
) -> Route:
    place = f"{method.upper()} {resource}"
    names = [name for requirement in operation.get("security", security) for name in requirement]
    if unknown := [name for name in names if name not in authorizers and name != "NONE"]:
        raise StackError(f"{place}: the local stack has no authorizer {unknown[0]}")
    names = [name for name in names if name != "NONE"]
    if len(names) > 1:
        raise StackError(f"{place}: API Gateway allows one authorizer, not {', '.join(names)}")
    if "x-amazon-apigateway-request-validator" in operation:
        raise StackError(f"{place}: the local stack supports no request validators")
    return Route(
        method=method,
        resource=resource,
        integration=_integration(place, operation.get(INTEGRATION, {})),
        authorizer=_authorizer(names[0], authorizers[names[0]][AUTHORIZER]) if names else None,
    )


def _integration(place: str, integration: dict[str, Any]) -> Proxy | Mock:
    match integration.get("type", "none").lower():
        case "aws_proxy":
            timeout = min(INTEGRATION_SECONDS, int(integration.get("timeoutInMillis", 29_000)) / 1000)
            return Proxy(_function_arn(place, integration.get("uri", "")), timeout)
        case "mock":
            responses = integration.get("responses", {})
            if integration.get("passthroughBehavior") != "never" or responses.keys() != {"default"}:
                raise StackError(f"{place}: a mock needs passthroughBehavior never, and default as its only response")
            return Mock(
                integration.get("requestTemplates", {}), responses["default"], integration.get("contentHandling")
            )
        case type_:
            raise StackError(f"{place}: the local stack supports no integration of type {type_}")


def _check_gateway_response(kind: str, response: dict[str, Any]) -> None:
    """Raise StackError unless the response has constant headers, and only a JSON template."""
    is_known = response.get("responseTemplates", {}).keys() <= {"application/json"}
    for target, source in response.get("responseParameters", {}).items():
        is_known &= target.startswith("gatewayresponse.header.") and source[:1] == source[-1:] == "'"
    if not is_known:
        raise StackError(f"{kind}: the local stack supports only a JSON template and quoted headers")


def _authorizer(name: str, authorizer: dict[str, Any]) -> str:
    if authorizer.get("type") != "request":
        raise StackError(f"{name}: the local stack only supports authorizers of type REQUEST")
    if authorizer.get("identitySource") or authorizer.get("authorizerResultTtlInSeconds") != 0:
        raise StackError(f"{name}: the local stack only supports authorizers without identity sources and cache")
    return _function_arn(name, authorizer.get("authorizerUri", ""))


def _function_arn(place: str, uri: str) -> str:
    """Return the ARN of the function in an integration's URI. Every alias runs the code on disk."""
    arn = r"(arn:[^:]+:lambda:[^:]*:[^:]*:function:[^:]+)(?::[^:]+)?"
    if not (match := re.fullmatch(rf"arn:.+:lambda:path/2015-03-31/functions/{arn}/invocations", uri)):
        raise StackError(f"{place}: not the URI of a Lambda function: {uri}")
    return match[1]


def _path_parameters(resource: str, path: str) -> dict[str, str] | None:
    """Return the values of `{name}` and `{name+}` in a path, or None if the path does not match the resource."""
    # API Gateway treats /a/ like /a.
    expected, given = resource.strip("/").split("/"), path.removeprefix("/").removesuffix("/").split("/")
    parameters: dict[str, str] = {}
    for index, segment in enumerate(expected):
        if segment.startswith("{") and segment.endswith("+}") and len(given) > index:
            return parameters | {segment[1:-2]: "/".join(given[index:])}
        if index >= len(given):
            return None
        if segment.startswith("{") and segment.endswith("}") and given[index]:
            parameters[segment[1:-1]] = given[index]
        elif segment != given[index]:
            return None
    return parameters if len(given) == len(expected) else None


def _specificity(route: Route) -> list[tuple[int, ...]]:
    """Return a sort key that puts the most specific route first."""
    segments = [
        (2,) if segment.endswith("+}") else (1,) if segment.startswith("{") else (0,)
        for segment in route.resource.split("/")
    ]
    return [*segments, (3, int(route.method == ANY))]
