"""A function that counts its calls in DynamoDB."""

import os
from typing import Any

import boto3
from shared import WORD  # type: ignore[import-not-found]  # from the layer, which only a worker has on its path

VERSION = "1"

dynamodb = boto3.client("dynamodb")


def handler(_event: dict[str, Any], _context: object) -> dict[str, Any]:
    updated = dynamodb.update_item(
        TableName=os.environ["TABLE"],
        Key={"page": {"S": "start"}},
        UpdateExpression="ADD visits :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
        ReturnValues="ALL_NEW",
    )
    return {"statusCode": 200, "body": f"{VERSION} {WORD} {updated['Attributes']['visits']['N']}"}
