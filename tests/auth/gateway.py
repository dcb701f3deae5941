"""Send requests through the template's API Gateway, the authorizer and a function, all in this process."""

import asyncio
import re
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from local.authorizers import authorize
from local.events import Call, Pairs, proxy_event
from local.lambdas import FunctionError
from local.openapi import Api, Proxy, api
from local.responses import Refusal, gateway_response
from local.template import load
from tests.auth.conftest import ROOT


@cache
def rest_api() -> Api:
    """Read the routes from the template, without deploying it."""
    given = {"DashboardOrigins": "https://app.example.com", "EventBusName": "default", "Watches": "On"}
    template = load(ROOT / "template.yaml", given, {})
    template.arns["SessionSecret"] = "arn:aws:secretsmanager:us-east-1:123456789012:secret:SessionSecret"
    return api(template)


def send(authorizer: ModuleType, method: str, path: str, query: Pairs, headers: Pairs, body: bytes) -> tuple[int, str]:
    """Send a request through the template's API Gateway to the authorizer and the function. Return status and body."""

    async def invoke(_arn: str, event: dict[str, Any], _request_id: str) -> Any:
        try:
            return authorizer.handler(event, None)
        except Exception as error:
            raise FunctionError(type(error).__name__, str(error)) from error

    call = Call(method, path, query, [("Host", "api.example.com"), *headers], body, "203.0.113.7", "HTTP/1.1")
    found = rest_api().match(method, path)
    assert found
    route, parameters = found
    assert isinstance(route.integration, Proxy)
    try:
        caller = asyncio.run(authorize(rest_api(), invoke, route, parameters, call))
    except Refusal as refusal:
        return refusal.status, gateway_response(rest_api(), refusal).body.decode()
    name = route.integration.function_arn.rpartition(":")[2].removesuffix("Function")
    app = import_module(f"functions.{re.sub('(?<!^)(?=[A-Z])', '_', name).lower()}.app")
    answer = app.handler(proxy_event(rest_api(), route, parameters, call, caller), None)
    return answer["statusCode"], answer["body"]
