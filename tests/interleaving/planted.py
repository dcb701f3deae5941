"""Disable safeguards, such as the conditions of some writes. The checks must detect the resulting errors."""

from collections.abc import Callable
from re import Match
from typing import Any

from local import moto_backend
from tests.faults import Request

type Planted = Callable[[Request], Request]
"""Changes a request before it is sent."""


def without_condition(table: str, key: str, *operations: str) -> Planted:
    """Return a fault that makes the conditions of writes to a table always true.

    key: the name of one of the table's key attributes.
    """

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
    """Insert an item like `moto_backend.Handler._inserted`, but overwrite an existing item."""
    name, attributes = insert.groups()
    item = dict(zip(moto_backend._PLACE.findall(attributes), values, strict=True))
    handler.dynamodb_backend.get_table(name).put_item(item)
    return {"TableName": name}
