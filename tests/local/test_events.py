"""Test the events that the local API Gateway passes to functions: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html"""

import base64
import re
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.local.stacks import Stack


def test_a_function_gets_a_complete_proxy_event(echo_stack: Stack, echo: httpx.Client) -> None:
    host = urlsplit(echo_stack.url).netloc
    response = echo.post("/echo?a=1", content='{"ü":1}', headers={"User-Agent": "tests"})
    event = response.json()["event"]
    context = event["requestContext"]

    assert re.fullmatch(r"[0-9a-f-]{36}", context.pop("requestId"))
    assert re.fullmatch(r"[A-Za-z0-9+/]+=*", context.pop("extendedRequestId"))
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", context.pop("requestTime"))
    assert re.fullmatch(r"\d{13}", str(context.pop("requestTimeEpoch")))
    assert re.fullmatch(r"[0-9a-z]{10}", context.pop("apiId"))
    assert re.fullmatch(r"[0-9a-z]{6}", context.pop("resourceId"))
    identity = context.pop("identity")
    assert {name: value for name, value in identity.items() if value is not None} == {
        "sourceIp": "127.0.0.1",
        "userAgent": "tests",
    }
    headers = event.pop("headers")
    assert event.pop("multiValueHeaders") == {name: [value] for name, value in headers.items()}
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", headers.pop("X-Amzn-Trace-Id"))
    assert headers == {
        "Host": host,
        "Accept": "*/*",
        "Accept-Encoding": headers["Accept-Encoding"],
        "User-Agent": "tests",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Port": host.partition(":")[2],
        "X-Forwarded-Proto": "http",
    }
    assert event == {
        "resource": "/echo",
        "path": "/echo",
        "httpMethod": "POST",
        "queryStringParameters": {"a": "1"},
        "multiValueQueryStringParameters": {"a": ["1"]},
        "pathParameters": None,
        "stageVariables": None,
        "body": '{"ü":1}',
        "isBase64Encoded": False,
        "requestContext": {
            "resourcePath": "/echo",
            "operationName": None,
            "httpMethod": "POST",
            "path": "/blue/echo",
            "accountId": "123456789012",
            "protocol": "HTTP/1.1",
            "stage": "blue",
            "domainPrefix": "127",
            "domainName": host,
        },
    }


def test_an_absent_body_or_query_is_null(echo: httpx.Client) -> None:
    event = echo.get("/echo").json()["event"]
    assert event["body"] is event["queryStringParameters"] is event["multiValueQueryStringParameters"] is None
    assert "authorizer" not in event["requestContext"]


@pytest.mark.parametrize(
    ("query", "single", "multiple"),
    [
        ("a=1&b=2&a=3", {"a": "3", "b": "2"}, {"a": ["1", "3"], "b": ["2"]}),
        ("limit", {"limit": ""}, {"limit": [""]}),
        ("a=x%20y+z%2B&%C3%BC=%C3%A4", {"a": "x y z+", "ü": "ä"}, {"a": ["x y z+"], "ü": ["ä"]}),
        ("a=%ff", {"a": "\ufffd"}, {"a": ["\ufffd"]}),
        ("", None, None),
    ],
)
def test_a_query_is_decoded_once_and_keeps_all_values(
    echo: httpx.Client, query: str, single: Any, multiple: Any
) -> None:
    event = echo.get(f"/echo?{query}").json()["event"]
    assert event["queryStringParameters"] == single
    assert event["multiValueQueryStringParameters"] == multiple


def test_header_names_keep_their_case_and_the_last_value_wins(echo_stack: Stack) -> None:
    event = _raw(echo_stack, b"x-LOUD: 1\r\nX-Twice: a\r\nx-twice: b\r\nX-Bytes: \xe4\r\nX-Forwarded-For: 9.9.9.9\r\n")
    assert event["headers"]["x-LOUD"] == "1"
    assert event["headers"]["X-Twice"] == "b"
    assert event["multiValueHeaders"]["X-Twice"] == ["a", "b"]
    assert event["headers"]["X-Bytes"] == "ä"
    assert event["headers"]["X-Forwarded-For"] == "9.9.9.9, 127.0.0.1"
    assert "Connection" not in event["headers"]


def test_a_chunked_body_arrives_whole(echo: httpx.Client) -> None:
    assert echo.post("/echo", content=iter([b"one ", b"two"])).json()["event"]["body"] == "one two"


@pytest.mark.parametrize(
    ("media_type", "body", "is_base64"),
    [
        ("image/png", base64.b64encode(b"\xff\x00").decode(), True),
        ("application/json", "\ufffd\x00", False),
    ],
)
def test_only_binary_media_types_are_passed_as_base64(
    echo: httpx.Client, media_type: str, body: str, *, is_base64: bool
) -> None:
    event = echo.post("/echo", content=b"\xff\x00", headers={"Content-Type": media_type}).json()["event"]
    assert (event["body"], event["isBase64Encoded"]) == (body, is_base64)


def test_a_compressed_body_is_passed_on_unchanged(echo: httpx.Client) -> None:
    event = echo.post("/echo", content=b"not gzip", headers={"Content-Encoding": "gzip"}).json()["event"]
    assert event["body"] == "not gzip"


@pytest.mark.parametrize(
    ("path", "resource", "parameters"),
    [
        ("/files/me/a/b%20c", "/files/{owner}/{path+}", {"owner": "me", "path": "a/b c"}),
        ("/files/me/readme", "/files/{owner}/readme", {"owner": "me"}),
        ("/echo/", "/echo", None),
    ],
)
def test_the_most_specific_route_answers(echo: httpx.Client, path: str, resource: str, parameters: Any) -> None:
    event = echo.get(path).json()["event"]
    assert (event["resource"], event["path"], event["pathParameters"]) == (resource, path, parameters)


def test_a_function_sees_only_its_own_environment(echo_stack: Stack, echo: httpx.Client) -> None:
    answer = echo.get("/echo").json()
    environment, context = answer["environment"], answer["context"]
    assert environment["TABLE"] == "visits-of-all-pages"
    assert environment["AWS_ENDPOINT_URL"] == echo_stack.aws_url
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == context["function_name"] == "EchoFunction"
    assert "HOME" not in environment
    assert answer["folder"].endswith("functions/echo")
    assert context["invoked_function_arn"] == "arn:aws:lambda:us-east-1:123456789012:function:EchoFunction"
    assert context["memory_limit_in_mb"] == "128"
    assert context["aws_request_id"] == answer["event"]["requestContext"]["requestId"]
    assert 0 < context["remaining"] <= 25_000


def _raw(stack: Stack, headers: bytes) -> Any:
    """Send a request with exactly these header bytes, and return its event."""
    address = urlsplit(stack.url)
    request = b"GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers + b"\r\n"
    with socket.create_connection((address.hostname or "", address.port or 0)) as connection:
        connection.sendall(request)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    return httpx.Response(200, content=received.partition(b"\r\n\r\n")[2]).json()["event"]
