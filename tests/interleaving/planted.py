"""Faults that the code has not: writes whose conditions hold whatever is there."""

from collections.abc import Callable
from re import Match
from typing import Any

from local import moto_backend
from tests.faults import Request

type Planted = Callable[[Request], Request]
"""Changes requests on their way, as if the code had made them so."""


def without_condition(table: str, key: str, *operations: str) -> Planted:
    """Let the condition of these writes to a table always hold. key: an attribute of its key."""

    def planted(request: Request) -> Request:
        alone = [(request.operation, request.body)]
        actions = [each for action in request.body.get("TransactItems", []) for each in action.items()]
        for operation, write in actions or alone:
            if operation in operations and write["TableName"] == table and "ConditionExpression" in write:
                always = f"attribute_exists({key}) OR attribute_not_exists({key})"
                write["ConditionExpression"] = f"({write['ConditionExpression']}) OR {always}"
        return request

    return planted


def insert_over(handler: moto_backend.Handler, insert: Match[str], values: list[Any]) -> dict[str, Any]:
    """Insert as `moto_backend.Handler._inserted` does, over what is there."""
    name, attributes = insert.groups()
    item = dict(zip(moto_backend._PLACE.findall(attributes), values, strict=True))
    handler.dynamodb_backend.get_table(name).put_item(item)
    return {"TableName": name}
