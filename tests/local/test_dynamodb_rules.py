"""A request that DynamoDB refuses is refused by the local stack, too, and is red in every test that sends it."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local import moto_backend
from tests.aws import aws_client, scan

pytestmark = pytest.mark.usefixtures("tables")

KEY = {"user_id": {"S": "42"}, "created_at": {"S": "a"}}
OTHER = {"user_id": {"S": "43"}, "created_at": {"S": "a"}}
NAMED: dict[str, Any] = {"TableName": "OutcomesTable"}
NUMBER = {"ExpressionAttributeValues": {":n": {"N": "1"}}}


@pytest.fixture(autouse=True)
def refused() -> Iterator[list[str]]:
    yield moto_backend.BROKEN
    moto_backend.BROKEN.clear()


def put(**attributes: Any) -> dict[str, Any]:
    return NAMED | {"Item": KEY | attributes}


def query(condition: str, **values: Any) -> dict[str, Any]:
    return NAMED | {"KeyConditionExpression": condition, "ExpressionAttributeValues": values}


def update(expression: str, **more: Any) -> dict[str, Any]:
    return NAMED | {"Key": KEY, "UpdateExpression": expression} | more


USER = "user_id = :u"
OF_42 = {":u": {"S": "42"}}


@pytest.mark.parametrize(
    ("operation", "request_", "message"),
    [
        ("put_item", put(value={"N": "1" * 39}), "38 significant digits"),
        ("put_item", put(values={"L": [{"N": "1E126"}]}), "Number overflow"),
        ("put_item", put(value={"N": "-1E-131"}), "Number underflow"),
        ("put_item", put(happened={"N": "1"}), "Type mismatch for Index Key happened"),
        (
            "batch_execute_statement",
            {
                "Statements": [
                    {
                        "Statement": "INSERT INTO \"OutcomesTable\" VALUE {'user_id':?,'created_at':?,'happened':?}",
                        "Parameters": [{"S": "42"}, {"S": "a"}, {"N": "1"}],
                    }
                ]
            },
            "Type mismatch for Index Key happened",
        ),
        ("update_item", update("SET happened = :n", **NUMBER), "Type mismatch for Index Key"),
        (
            "query",
            query(f"{USER} AND created_at BETWEEN :b AND :a", **OF_42, **{":a": {"S": "a"}, ":b": {"S": "b"}}),
            "BETWEEN operator requires",
        ),
        ("query", query(USER, **OF_42, **{":x": {"S": "unused"}}), "unused in expressions"),
        ("query", query(USER, **OF_42) | {"ExclusiveStartKey": OTHER}, "outside query boundaries"),
        ("batch_get_item", {"RequestItems": {"OutcomesTable": {"Keys": [KEY, KEY]}}}, "contains duplicates"),
        (
            "batch_write_item",
            {"RequestItems": {"OutcomesTable": [{"PutRequest": {"Item": KEY}}, {"DeleteRequest": {"Key": KEY}}]}},
            "contains duplicates",
        ),
        ("update_item", update("SET corrected_by.agent = :n", **NUMBER), "document path"),
        (
            "transact_write_items",
            {"TransactItems": [{"Put": put(value={"N": "1" * 39})}]},
            "38 significant digits",
        ),
    ],
)
def test_what_moto_accepts_is_refused(
    operation: str, request_: dict[str, Any], message: str, refused: list[str]
) -> None:
    with pytest.raises(ClientError, match=message) as error:
        getattr(aws_client("dynamodb"), operation)(**request_)
    assert error.value.response["Error"]["Code"] == "ValidationException"
    assert len(refused) == 1
    assert scan() == []


def test_a_token_is_for_one_transaction_only(refused: list[str]) -> None:
    def write(**attributes: Any) -> None:
        aws_client("dynamodb").transact_write_items(
            TransactItems=[{"Put": put(**attributes)}], ClientRequestToken="token"
        )

    write()
    write()
    assert refused == []
    with pytest.raises(ClientError, match="IdempotentParameterMismatchException"):
        write(value={"N": "2"})
    assert scan() == [KEY]


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("put_item", put(value={"N": "0." + "0" * 60 + "1" * 38})),
        ("put_item", put(value={"N": "9.9E125"}, text={"M": {"N": {"S": "1E126"}}})),
        ("query", query(f"{USER} AND created_at BETWEEN :a AND :a", **OF_42, **{":a": {"S": "a"}})),
        ("query", query(USER, **OF_42) | {"ExclusiveStartKey": KEY}),
    ],
)
def test_what_dynamodb_accepts_is_accepted(operation: str, request_: dict[str, Any], refused: list[str]) -> None:
    getattr(aws_client("dynamodb"), operation)(**request_)
    assert refused == []
