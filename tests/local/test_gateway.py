"""Test the responses that the local API Gateway makes itself, such as those for functions that fail."""

import asyncio
import re
import socket
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from aiohttp.test_utils import TestClient, TestServer

from local.environment import AwsEndpoint
from local.gateway import Gateway
from local.lambdas import Function, FunctionError, Spec
from local.openapi import Api, Proxy, Route
from ops.errors import StackError
from tests.local.stacks import Stack

PROJECT = Path(__file__).parent / "project" / "functions"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/nowhere"), *((method, "/visits") for method in ("DELETE", "HEAD", "PROPFIND"))]
)
def test_an_unknown_route_gets_api_gateways_answer(echo: httpx.Client, method: str, path: str) -> None:
    response = echo.request(method, path)
    assert (response.status_code, response.headers["x-amzn-ErrorType"]) == (403, "MissingAuthenticationTokenException")
    assert method == "HEAD" or response.json() == {"message": "Missing Authentication Token"}


def test_a_body_above_ten_mebibytes_gets_api_gateways_text(echo: httpx.Client) -> None:
    assert echo.post("/nowhere", content=b"x" * (10 * 2**20)).status_code == 403
    response = echo.post("/nowhere", content=b"x" * (10 * 2**20 + 1))
    assert response.status_code == 413
    assert response.text == "HTTP content length exceeded 10485760 bytes."
    assert response.headers["Content-Type"] == "text; charset=utf-8"
    assert "x-amzn-RequestId" not in response.headers


@pytest.mark.parametrize(
    ("how", "logged"),
    [
        ("raise", "RuntimeError: on purpose"),
        ("exit", "the process ended before it answered"),
        ("nothing", "malformed Lambda proxy response: NoneType instead of an object"),
        ("unknown-key", "malformed Lambda proxy response: unknown keys status"),
        ("object-body", "malformed Lambda proxy response: body is dict instead of text"),
        ("no-status", "malformed Lambda proxy response"),
        ("odd-status", "malformed Lambda proxy response: status 999"),
        ("list-of-headers", "malformed Lambda proxy response: headers are not an object"),
        ("object-header", "malformed Lambda proxy response: header X-A is dict instead of text"),
        ("line-break", "malformed Lambda proxy response: a header with a line break"),
        ("not-json", "Object of type bytes is not JSON serializable"),
        ("too-large", "Lambda takes 6291556"),
    ],
)
def test_a_failing_function_is_a_502_and_is_logged(
    echo_stack: Stack, echo: httpx.Client, how: str, logged: str
) -> None:
    before = len(echo_stack.log)
    response = echo.get(f"/misbehave?how={how}")
    assert response.status_code == 502
    assert response.json() == {"message": "Internal server error"}
    assert "MisbehaveFunction: " in echo_stack.log[before:]
    assert logged in echo_stack.log[before:]
    assert "runtime.py" not in echo_stack.log[before:]
    assert echo.get("/misbehave?how=print").text == "fine"


def test_a_function_that_takes_too_long_is_a_502_and_is_logged(echo_stack: Stack, echo: httpx.Client) -> None:
    response = echo.get("/hang?how=hang")
    assert (response.status_code, response.json()) == (502, {"message": "Internal server error"})
    assert re.search(r"HangFunction: .*Task timed out after 1\.00 seconds", echo_stack.log)


def test_a_response_just_below_the_limit_arrives(echo: httpx.Client) -> None:
    assert len(echo.get("/misbehave?how=nearly-too-large").content) == 6_200_000


def test_the_output_of_a_function_is_logged(echo_stack: Stack, echo: httpx.Client) -> None:
    assert echo.get("/misbehave?how=print").text == "fine"
    assert "printed, not answered" in echo_stack.log


def test_the_headers_of_a_function_arrive(echo: httpx.Client) -> None:
    response = echo.get("/misbehave?how=headers")
    assert response.status_code == 201
    assert response.headers["X-One"] == "1"
    assert response.headers.get_list("X-Both") == ["a", "b"]
    assert response.headers["X-Yes"] == "true"
    assert response.headers["Content-Type"] == "text/plain"
    assert response.headers["x-amzn-Remapped-Date"] == "never"
    assert len(response.headers["x-amzn-RequestId"]) == 36


@pytest.mark.parametrize(("accept", "content"), [("image/png", b"\xff"), ("application/json", b"/w==")])
def test_a_binary_answer_is_decoded_if_the_caller_accepts_its_type(
    echo: httpx.Client, accept: str, content: bytes
) -> None:
    assert echo.get("/misbehave?how=base64", headers={"Accept": accept}).content == content


def test_requests_are_logged_without_query_and_headers(echo_stack: Stack, echo: httpx.Client) -> None:
    echo.get("/echo?token=hidden-1", headers={"Authorization": "Bearer hidden-2"})
    assert "GET /echo 200 " in echo_stack.log
    assert "hidden" not in echo_stack.log


def test_a_newline_in_a_path_is_a_character_like_others(echo: httpx.Client) -> None:
    event = echo.get("/files/anna/a%0Ab").json()["event"]
    assert event["pathParameters"] == {"owner": "anna", "path": "a\nb"}


@pytest.mark.parametrize("path", ["/echo", "/nowhere"])
@pytest.mark.parametrize(
    ("host", "is_known"),
    [
        ("127.0.0.1", True),
        ("localhost:3000", True),
        ("LOCALHOST", True),
        ("rebound.example.com", False),
        ("127.0.0.1.example.com", False),
        ("localhost.example.com:3000", False),
        ("example.com:127.0.0.1", False),
        ("[::1]:3000", False),
        ("127.0.0.1:3000:", False),
        ("", False),
    ],
)
def test_requests_for_unknown_hosts_are_refused(echo: httpx.Client, path: str, host: str, is_known: bool) -> None:
    answer = echo.get(path, headers={"Host": host})
    assert (answer.status_code != 421) is is_known
    assert is_known or answer.json() == {"error": "Misdirected request"}


def test_a_second_unknown_host_is_refused(echo_stack: Stack) -> None:
    address = urlsplit(echo_stack.url)
    with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
        connection.sendall(b"GET /echo HTTP/1.1\r\nHost: localhost\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert connection.recv(65536).split()[1] in {b"421", b"400"}


def test_a_malformed_request_is_not_logged(echo_stack: Stack) -> None:
    address = urlsplit(echo_stack.url)
    with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: hidden\0\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.0 400 ")
    assert "hidden" not in echo_stack.log


async def test_a_slow_function_does_not_block_others() -> None:
    slow, quick = _function(PROJECT / "misbehave", timeout=30), _function(PROJECT / "echo")
    routes = (Route("get", "/slow", Proxy("slow", 29), None), Route("get", "/quick", Proxy("quick", 29), None))
    gateway = Gateway(Api("id", "v1", routes, {}, ()), {"slow": slow, "quick": quick})
    async with TestClient(TestServer(gateway.app())) as client:
        hanging = asyncio.create_task(client.get("/slow?how=hang"))
        await _called(slow)
        assert (await client.get("/quick")).status == 200
        assert not hanging.done()
        await slow.close()
        assert (await hanging).status == 502
    await quick.close()


async def _called(function: Function) -> None:
    """Wait until a function's process has received an event."""
    while not function._busy:
        await asyncio.sleep(0.01)


def _function(folder: Path, timeout: float = 3) -> Function:
    return Function(
        Spec("Tried", "arn", "app.handler", timeout, 128, (folder,), {}), AwsEndpoint("http://127.0.0.1:9", "")
    )


async def test_the_answer_of_a_cancelled_call_is_never_that_of_the_next_call() -> None:
    function = _function(PROJECT / "misbehave")
    hanging = asyncio.create_task(function.invoke({"queryStringParameters": {"how": "hang"}}, "1"))
    await _called(function)
    hanging.cancel()
    with suppress(asyncio.CancelledError):
        await hanging
    answer = await function.invoke({"queryStringParameters": {"how": "print"}}, "2")
    assert answer["body"] == "fine"
    await function.close()


async def test_code_that_imports_too_slowly_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.lambdas.INIT_SECONDS", 0.1)
    (tmp_path / "app.py").write_text("import time; time.sleep(60)")
    with pytest.raises(FunctionError, match=r"^no import within 0\.1 seconds$"):
        await _function(tmp_path).invoke({}, "1")


async def test_a_link_to_a_parent_folder_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("def handler(event, context): return 'fine'")
    (tmp_path / "above").symlink_to(tmp_path)
    function = _function(tmp_path)
    assert await function.invoke({}, "1") == "fine"
    await function.close()


async def test_api_gateway_stops_waiting_after_its_timeout() -> None:
    function = _function(PROJECT / "misbehave")
    api = Api("id", "v1", (Route("get", "/", Proxy("arn", 0.1), None),), {}, ())
    async with TestClient(TestServer(Gateway(api, {"arn": function}).app())) as client:
        response = await client.get("/?how=hang")
        assert response.status == 504
        assert await response.json() == {"message": "Endpoint request timed out"}
    await function.close()


def test_a_route_to_a_missing_function_is_an_error_at_start() -> None:
    api = Api("id", "v1", (Route("get", "/", Proxy("arn:elsewhere", 29), None),), {}, ())
    with pytest.raises(StackError, match="the template has no function arn:elsewhere"):
        Gateway(api, {})
