"""Test the AWS services of a running stack."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from tests.local.stacks import STACK_SECRET, Stack

TOKEN = {"X-Amz-Security-Token": STACK_SECRET}
SCOPE = "AWS4-HMAC-SHA256 Credential=local/20260401/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"


def dynamodb(
    connection: http.client.HTTPConnection, operation: str, body: dict[str, Any], access_key: str = "local"
) -> Any:
    headers = {
        "Authorization": SCOPE.format("dynamodb").replace("local", access_key),
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": f"DynamoDB_20120810.{operation}",
    } | TOKEN
    connection.request("POST", "/", json.dumps(body), headers)
    return json.load(connection.getresponse())


@pytest.fixture
def connection(echo_stack: Stack) -> http.client.HTTPConnection:
    address = urlsplit(echo_stack.aws_url)
    return http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)


def test_one_connection_serves_many_calls(connection: http.client.HTTPConnection) -> None:
    connection.connect()
    connection.auto_open = 0  # after this line, opening another connection is an error
    for _ in range(3):
        assert dynamodb(connection, "ListTables", {}) == {"TableNames": ["visits-of-all-pages"]}
    connection.close()


def test_a_batch_of_several_megabytes_is_accepted(connection: http.client.HTTPConnection) -> None:
    items = [{"page": {"S": f"large-{number}"}, "text": {"S": "x" * 200_000}} for number in range(20)]
    puts = {"visits-of-all-pages": [{"PutRequest": {"Item": item}} for item in items]}
    assert dynamodb(connection, "BatchWriteItem", {"RequestItems": puts})["UnprocessedItems"] == {}
    connection.close()


@pytest.mark.parametrize(("function", "is_allowed"), [("VisitsFunction", True), ("EchoFunction", False)])
def test_a_function_may_do_what_its_role_allows(
    echo_stack: Stack, connection: http.client.HTTPConnection, function: str, is_allowed: bool
) -> None:
    """The role of VisitsFunction has one of SAM's policies; a function's name is its access key."""
    answer = dynamodb(connection, "Scan", {"TableName": "visits-of-all-pages"}, function)
    why = "dynamodb:Scan on arn:aws:dynamodb:us-east-1:123456789012:table/visits-of-all-pages"

    assert ("Items" in answer) is is_allowed
    if not is_allowed:
        assert answer["__type"].endswith("#AccessDeniedException")
        assert f"its role does not allow {function}: {why}" in echo_stack.log
    connection.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 403), ({"Authorization": "Bearer x"}, 403), ({"Authorization": SCOPE.format("x")}, 404)],
)
def test_a_request_for_no_known_service_is_refused(
    connection: http.client.HTTPConnection, headers: dict[str, str], status: int
) -> None:
    connection.request("POST", "/", "{}", headers | TOKEN)
    assert connection.getresponse().status == status
    connection.close()


@pytest.mark.parametrize("token", [{}, {"X-Amz-Security-Token": ""}, {"X-Amz-Security-Token": "l\xf6cal"}])
@pytest.mark.parametrize("target", [{"X-Amz-Target": "DynamoDB_20120810.ListTables"}, {}])
def test_a_call_without_the_session_token_is_refused(
    connection: http.client.HTTPConnection, token: dict[str, str], target: dict[str, str]
) -> None:
    headers = {"Authorization": SCOPE.format("dynamodb"), "Content-Type": "application/x-amz-json-1.0"}
    connection.request("POST", "/", "{}", headers | token | target)
    answer = connection.getresponse()
    assert (answer.status, json.load(answer)["__type"].partition("#")[2]) == (403, "UnrecognizedClientException")
    connection.close()


def test_a_bucket_returns_what_was_put(echo_stack: Stack) -> None:
    any_client: Any = boto3.client
    s3 = any_client("s3", "us-east-1", endpoint_url=echo_stack.aws_url)
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="a/ü 1.json", Body=b"[1, 2]")
    assert s3.get_object(Bucket="kept", Key="a/ü 1.json")["Body"].read() == b"[1, 2]"
    assert [each["Key"] for each in s3.list_objects_v2(Bucket="kept")["Contents"]] == ["a/ü 1.json"]
    s3.close()
