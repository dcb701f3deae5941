"""Serve the template's REST API on a port of this machine, as API Gateway does."""

import asyncio
import base64
import logging
import re
import time
import uuid
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler, Middleware
from multidict import CIMultiDict

from local.authorizers import UNAUTHORIZED, authorize
from local.events import Call, extended_request_id, forwarded_headers, is_binary_type, proxy_event, query_of
from local.lambdas import EventTooLarge, Function, FunctionError
from local.mock import mock_answer
from local.openapi import Api, Mock, Proxy, Route
from local.responses import Answer, Refusal, gateway_response
from ops.errors import StackError

log = logging.getLogger("local")

# https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
MAX_BODY_BYTES = 10 * 2**20
MAX_HEADER_BYTES = 10_240

LOOPBACK = frozenset({"127.0.0.1", "localhost"})

RESPONSE_KEYS = {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}

# API Gateway writes these headers itself, and renames them if a function returns them.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
REMAPPED = {"connection", "content-length", "date", "server", "transfer-encoding", "www-authenticate"}


def _is_not_the_clients(record: logging.LogRecord) -> bool:
    """Filter out log records about malformed requests, because the requests' bytes could contain a secret."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


logging.getLogger("aiohttp.server").addFilter(_is_not_the_clients)


class Gateway:
    """Answers requests as the template's API does."""

    def __init__(self, api: Api, functions: dict[str, Function]) -> None:
        """Raise StackError if the API calls a function that is not in the template."""
        called = {route.integration.function_arn for route in api.routes if isinstance(route.integration, Proxy)}
        called |= {route.authorizer for route in api.routes if route.authorizer}
        if missing := sorted(called - functions.keys()):
            raise StackError(f"the template has no function {missing[0]}")
        self._api = api
        self._functions = functions

    def app(self, *extra_routes: web.RouteDef, hosts: Collection[str] = LOOPBACK) -> web.Application:
        """Return an aiohttp application that serves the API and extra routes, only for these host names."""
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_only_for(hosts)])
        app.add_routes(extra_routes)
        app.router.add_route("*", r"/{path:[\s\S]*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.Response:
        started = time.monotonic()
        call = _call(request)
        note = ""
        try:
            answer = await self._result(request, call)
        except Refusal as refusal:
            answer, note = gateway_response(self._api, refusal), f" ({refusal.kind})"
        except web.HTTPRequestEntityTooLarge:
            # API Gateway sends this answer before it looks up the API. So the answer has no request id and is not a
            # gateway response.
            log.info("%s %s 413 (more than %d bytes)", call.method, call.path, MAX_BODY_BYTES)
            text = f"HTTP content length exceeded {MAX_BODY_BYTES} bytes."
            return web.Response(status=413, headers={"Content-Type": "text; charset=utf-8"}, body=text.encode())
        milliseconds = (time.monotonic() - started) * 1000
        log.info("%s %s %d %.0f ms%s", call.method, call.path, answer.status, milliseconds, note)
        headers = CIMultiDict(answer.headers)
        headers["x-amzn-RequestId"] = call.request_id
        headers["x-amz-apigw-id"] = extended_request_id(call)
        headers["Server"] = "local"
        return web.Response(status=answer.status, headers=headers, body=answer.body)

    async def _result(self, request: web.Request, call: Call) -> Answer:
        if sum(len(name) + len(value) for name, value in request.raw_headers) > MAX_HEADER_BYTES:
            raise Refusal("REQUEST_TOO_LARGE")
        call = replace(call, body=await _body(request))
        match = self._api.match(call.method, call.path)
        if match is None:
            raise Refusal("MISSING_AUTHENTICATION_TOKEN")
        route, parameters = match
        authorizer = None
        if route.authorizer is not None:
            authorizer = await authorize(self._api, self._ask_authorizer, route, parameters, call)
        match route.integration:
            case Mock() as mock:
                return mock_answer(self._api, mock, parameters, call)
            case Proxy() as proxy:
                return await self._proxied(proxy, route, parameters, call, authorizer)

    async def _proxied(
        self, proxy: Proxy, route: Route, parameters: dict[str, str], call: Call, authorizer: dict[str, Any] | None
    ) -> Answer:
        event = proxy_event(self._api, route, parameters, call, authorizer)
        invocation = asyncio.ensure_future(self._functions[proxy.function_arn].invoke(event, call.request_id))
        invocation.add_done_callback(_ignore_result)
        try:
            # API Gateway stops waiting for the function, but the function keeps running.
            result = await asyncio.wait_for(asyncio.shield(invocation), proxy.timeout)
        except TimeoutError as error:
            raise Refusal("INTEGRATION_TIMEOUT") from error
        except EventTooLarge as error:
            raise Refusal("REQUEST_TOO_LARGE") from error
        except FunctionError as error:
            raise Refusal("DEFAULT_5XX", status=502) from error
        try:
            return _answer_of(self._api, call, result)
        except (TypeError, ValueError) as error:
            log.error("%s: malformed Lambda proxy response: %s", self._functions[proxy.function_arn].spec.name, error)
            raise Refusal("DEFAULT_5XX", status=502) from error

    async def _ask_authorizer(self, arn: str, event: dict[str, Any], request_id: str) -> Any:
        return await self._functions[arn].invoke(event, request_id, expected_error=UNAUTHORIZED)


def _only_for(hosts: Collection[str]) -> Middleware:
    """Refuse requests for other host names. Otherwise, DNS rebinding could let a foreign page read the visitor's feed.

    https://en.wikipedia.org/wiki/DNS_rebinding
    """

    @web.middleware
    async def refuse_others(request: web.Request, handler: Handler) -> web.StreamResponse:
        named = {re.sub(r":\d*$", "", host).lower() for host in request.headers.getall("Host", [""])}
        if named <= set(hosts):
            return await handler(request)
        log.info("%s %s 421 (ALLOWED_HOSTS has no %s)", request.method, request.raw_path.partition("?")[0], named)
        return web.json_response({"error": "Misdirected request"}, status=421)

    return refuse_others


def _call(request: web.Request) -> Call:
    """Convert a request of aiohttp to a Call, without the body, which has not been read yet."""
    path, _, query = request.raw_path.partition("?")
    port = request.url.port or 80
    source_ip = request.remote or "127.0.0.1"
    trace_id = f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]}"
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]
    return Call(
        method=request.method,
        path=path,
        query=query_of(query),
        headers=forwarded_headers(headers, source_ip, port, trace_id),
        body=b"",
        source_ip=source_ip,
        protocol=f"HTTP/{request.version.major}.{request.version.minor}",
    )


async def _body(request: web.Request) -> bytes:
    """Read the whole body. Raises HTTPRequestEntityTooLarge above MAX_BODY_BYTES, and Refusal if it is cut off."""
    try:
        return await request.read()
    except (web.RequestPayloadError, ConnectionError) as error:
        raise Refusal("DEFAULT_4XX") from error


def _answer_of(api: Api, call: Call, result: Any) -> Answer:
    """Convert a function's result to an HTTP response. Raises TypeError or ValueError if it is malformed.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
    """
    if not isinstance(result, dict):
        raise TypeError(f"{type(result).__name__} instead of an object")
    if unknown := sorted(result.keys() - RESPONSE_KEYS):
        raise ValueError(f"unknown keys {', '.join(unknown)}")
    status = int(result.get("statusCode") or 200)
    if not 200 <= status <= 599:
        raise ValueError(f"status {status}")
    body = result.get("body")
    if not isinstance(body, str | None):
        raise TypeError(f"body is {type(body).__name__} instead of text")
    content = (body or "").encode()
    if result.get("isBase64Encoded") and is_binary_type(api, call.header("accept")):
        content = base64.b64decode(content, validate=True)
    return Answer(status, _headers_of(result), content)


def _headers_of(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Merge `headers` and `multiValueHeaders` of a result. The latter take precedence."""
    single, multiple = result.get("headers") or {}, result.get("multiValueHeaders") or {}
    if not isinstance(single, dict) or not isinstance(multiple, dict):
        raise TypeError("headers are not an object")
    named = {name.lower(): (name, [value]) for name, value in single.items()}
    named |= {name.lower(): (name, values) for name, values in multiple.items()}
    named.setdefault("content-type", ("Content-Type", ["application/json"]))
    return [
        (f"x-amzn-Remapped-{name}" if name.lower() in REMAPPED else name, _header_text(name, value))
        for name, values in named.values()
        for value in values
    ]


def _header_text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise TypeError(f"header {name} is {type(value).__name__} instead of text")
    if any(char in f"{name}{value}" for char in "\r\n\0"):
        raise ValueError("a header with a line break")
    return str(value)


def _ignore_result(invocation: asyncio.Future[Any]) -> None:
    """Retrieve an exception after API Gateway stopped waiting: otherwise asyncio would log that nobody retrieved it."""
    if not invocation.cancelled():
        invocation.exception()
