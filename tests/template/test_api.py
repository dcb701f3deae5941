"""Test API Gateway's configuration: authorizers, preflights and gateway responses."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from outcomes.edge.api import endpoint, ok

from local import openapi
from local.events import Call
from local.mock import Parameters, mock_answer
from local.responses import Refusal
from local.template import Template
from tests.events import proxy_event, session

from .conftest import ORIGINS, Deployment, half_routes

EXTENSION = "x-amazon-apigateway-{}".format


def operations(api: Any) -> Iterator[tuple[str, str, Any]]:
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                yield path, method, operation


def is_mock(operation: Any) -> bool:
    """Return whether API Gateway itself sends the answer, without a function."""
    return bool(operation[EXTENSION("integration")]["type"] == "mock")


def test_every_method_describes_its_responses(api: Any) -> None:
    """OpenAPI 3.0 requires descriptions: https://spec.openapis.org/oas/v3.0.3#operation-object."""
    for path, method, operation in operations(api):
        assert operation["responses"], (path, method)
        for status, response in operation["responses"].items():
            assert re.fullmatch("[1-5][0-9][0-9]", status), (path, method)
            assert response["description"], (path, method, status)


def test_a_route_has_a_path_in_the_api_and_an_event_of_its_function(template: Any) -> None:
    """The path makes API Gateway serve the route. The event gives API Gateway the permission to call the function."""
    if missing := half_routes(template):
        pytest.fail(" ".join(missing), pytrace=False)


def test_every_path_has_the_same_preflight(api: Any) -> None:
    for path, methods in api["paths"].items():
        if methods.get("options") != api["paths"]["/api/outcomes"]["options"]:
            pytest.fail(
                f"Add `options: *preflight` to {path} of OutcomesApi, or no browser may call it.", pytrace=False
            )


def preflight(template: Template, *headers: tuple[str, str]) -> dict[str, str]:
    """Answer a preflight as the template says, and return the CORS headers."""
    api = openapi.api(template)
    route, parameters = api.match("OPTIONS", "/api/outcomes") or pytest.fail("no such route")
    assert isinstance(route.integration, openapi.Mock)
    call = Call("OPTIONS", "/api/outcomes", [], list(headers), b"", "127.0.0.1", "HTTP/2.0")
    answer = mock_answer(api, route.integration, parameters, call)
    assert (answer.status, answer.body.strip()) == (204, b"")
    return {name: value for name, value in answer.headers if name.startswith("Access-Control-")}


@pytest.fixture(params=["", None], ids=["an empty text", "null"])
def missing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a missing header be `""` or null in mapping templates, because AWS does not document which of them it is."""
    monkeypatch.setattr(Parameters, "get", lambda self, name: dict.get(self, name, request.param))


@pytest.mark.parametrize("name", ["Origin", "origin"])
@pytest.mark.parametrize("origin", ORIGINS.split(","))
@pytest.mark.usefixtures("missing")
def test_a_preflight_allows_a_listed_origin_in_either_spelling_of_the_header(
    deployed: Template, name: str, origin: str
) -> None:
    """Browsers send `Origin` by HTTP/1.1 and `origin` by HTTP/2."""
    assert preflight(deployed, (name, origin)) == {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Methods": "GET,POST,PUT,DELETE",
        "Access-Control-Allow-Headers": "Content-Type,Idempotency-Key,If-Match,If-None-Match",
        "Access-Control-Max-Age": "7200",
    }


@pytest.mark.parametrize("name", ["Origin", "origin"])
@pytest.mark.parametrize(
    "origin", ["https://evil.example.com", "null", "", "https://app.example.com.evil.example.com", None]
)
@pytest.mark.usefixtures("missing")
def test_a_preflight_allows_no_other_origin(deployed: Template, name: str, origin: str | None) -> None:
    assert preflight(deployed, *([] if origin is None else [(name, origin)])) == {}


def test_a_preflight_with_a_body_of_another_type_is_refused(deployed: Template) -> None:
    with pytest.raises(Refusal, match="UNSUPPORTED_MEDIA_TYPE"):
        preflight(deployed, ("Content-Type", "text/plain"))


def test_a_preflight_template_never_tests_a_value_for_truth(api: Any) -> None:
    """API Gateway's Velocity treats an empty string as true; the interpreter in these tests treats it as false."""
    answer = api["paths"]["/api/outcomes"]["options"][EXTENSION("integration")]["responses"]["default"]
    [template] = answer["responseTemplates"].values()
    conditions = re.findall(r"#(?:else)?if(.*)", template)
    assert conditions
    assert all(re.fullmatch(r"\(!?\$allowed\.contains\(\$origin\)\)", each) for each in conditions)


def test_functions_get_bodies_unchanged(api: Any) -> None:
    """API Gateway passes bodies of binary media types as Base64. In other bodies, it would replace invalid UTF-8."""
    assert api[EXTENSION("binary-media-types")] == ["*/*"]
    integration = api["paths"]["/api/outcomes"]["options"][EXTENSION("integration")]
    assert integration["contentHandling"] == "CONVERT_TO_TEXT"
    assert integration["responses"]["default"]["contentHandling"] == "CONVERT_TO_TEXT"


PUBLIC = "/.well-known/outcomes-keys.json"


def test_every_other_method_but_one_has_the_same_authorizer(api: Any) -> None:
    """API Gateway itself answers preflights and other methods of /mcp. Nothing is cached, and no header is required."""
    assert "security" not in api
    key_or_session = api["components"]["securitySchemes"]["KeyOrSession"][EXTENSION("authorizer")]
    assert (key_or_session["type"], int(key_or_session["authorizerResultTtlInSeconds"])) == ("request", 0)
    assert "identitySource" not in key_or_session
    for path, method, operation in operations(api):
        if is_mock(operation):
            assert method == "options" or (path, method) == ("/mcp", openapi.ANY)
            assert "security" not in operation, path
        else:
            assert operation["security"] == ([] if path == PUBLIC else [{"KeyOrSession": []}]), (path, method)


def test_with_an_issuer_a_preflight_allows_the_authorization_header(deployed: Deployment) -> None:
    with_issuer = deployed.with_parameters(OidcIssuer="https://login.example.com/", OidcAudience="outcomes")
    allowed = preflight(with_issuer, ("Origin", "https://app.example.com"))["Access-Control-Allow-Headers"]

    assert allowed == "Content-Type,Idempotency-Key,If-Match,If-None-Match,Authorization"


def test_a_401_tells_mcp_clients_to_send_a_bearer_token(api: Any) -> None:
    """A gateway response must set the header WWW-Authenticate. If a function sets it, API Gateway renames it."""
    headers = api[EXTENSION("gateway-responses")]["UNAUTHORIZED"]["responseParameters"]

    assert headers["gatewayresponse.header.WWW-Authenticate"] == "'Bearer'"


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "HEAD"])
def test_mcp_answers_405_to_other_methods(deployed: Template, method: str) -> None:
    api = openapi.api(deployed)
    route, parameters = api.match(method, "/mcp") or pytest.fail("no such route")
    assert isinstance(route.integration, openapi.Mock)
    assert route.authorizer is None
    call = Call(method, "/mcp", [], [("Accept", "text/event-stream")], b"", "127.0.0.1", "HTTP/2.0")
    answer = mock_answer(api, route.integration, parameters, call)
    assert (answer.status, json.loads(answer.body)) == (405, {"error": "Method not allowed"})
    assert ("Allow", "POST, OPTIONS") in answer.headers


def test_gateway_responses_have_our_shape_and_headers(api: Any) -> None:
    """docs/errors.md lists statuses and errors; a test of the pages compares them."""
    responses = api[EXTENSION("gateway-responses")]

    assert {"DEFAULT_4XX", "DEFAULT_5XX"} <= responses.keys()  # these two keep the original status
    for type_, response in responses.items():
        status = response.get("statusCode")
        assert (status is None) == type_.startswith("DEFAULT_"), type_
        [(media_type, template)] = response["responseTemplates"].items()
        usual = re.sub(r"\$context[.\w]+", "", template)
        assert (media_type, [*json.loads(usual)]) == ("application/json", ["error"]), type_
        assert (usual != template) == (type_ == "ACCESS_DENIED"), type_
        headers = {
            name.removeprefix("gatewayresponse.header."): value
            for name, value in response["responseParameters"].items()
        }
        assert headers.items() >= {
            ("Cache-Control", "'no-store'"),
            ("X-Content-Type-Options", "'nosniff'"),
            ("Access-Control-Allow-Origin", "'https://app.example.com'"),
            ("Access-Control-Allow-Credentials", "'true'"),
            ("Vary", "'Origin'"),
        }
        assert ("Retry-After" in headers) == (status == "429"), type_
        assert headers.get("No-Such-Route") == ("'true'" if status == "404" else None), type_


def test_pages_may_read_the_same_headers_of_functions_and_api_gateway(api: Any) -> None:
    handler = endpoint(failure="", origins="https://app.example.com")(lambda _event, _caller: ok("{}"))
    ours = handler(proxy_event("GET", authorizer=session(42), headers={"Origin": "https://app.example.com"}), None)

    for type_, response in api[EXTENSION("gateway-responses")].items():
        exposed = response["responseParameters"]["gatewayresponse.header.Access-Control-Expose-Headers"]
        assert exposed == f"'{ours['headers']['Access-Control-Expose-Headers']}'", type_
