"""What the local stack asks of moto that moto does not do by itself."""

from typing import Any

import pytest
from botocore.session import get_session

import local.aws


@pytest.mark.parametrize(("limit", "pages"), [({}, [3, 3, 1]), ({"Limit": 2}, [2, 2, 2, 1]), ({"Limit": 5}, [3, 3, 1])])
def test_a_query_ends_its_pages_early_and_goes_on_where_it_ended(
    tables: dict[str, str], monkeypatch: pytest.MonkeyPatch, limit: dict[str, int], pages: list[int]
) -> None:
    monkeypatch.setattr(local.aws, "PAGE_ITEMS", 3)
    client: Any = get_session().create_client("dynamodb")
    for number in range(7):
        item = {"user_id": {"S": "1"}, "created_at": {"S": str(number)}}
        client.put_item(TableName=tables["OutcomesTable"], Item=item)
    query = {
        "TableName": tables["OutcomesTable"],
        "KeyConditionExpression": "user_id = :user",
        "ExpressionAttributeValues": {":user": {"S": "1"}},
    }
    found = [page["Items"] for page in client.get_paginator("query").paginate(**query, **limit)]
    assert [len(items) for items in found] == pages
    assert [item["created_at"]["S"] for items in found for item in items] == [str(number) for number in range(7)]
    client.close()
