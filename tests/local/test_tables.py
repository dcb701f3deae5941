"""moto's tables as the local stack changes them."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.core.serialize import SERVICE_SPECIFIC_SERIALIZERS, AttributePicker, AttributePickerContext
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table as MotoTable

import local.tables
from local.tables import Table
from tests.aws import aws_client
from tests.local.values import VALUES

OUTCOMES = "OutcomesTable"
KEYS = {
    "text": st.text("ab#~", min_size=1, max_size=3).map(lambda text: {"S": text}),
    "numbers": st.integers(-3, 12).map(lambda number: {"N": str(number)}),
}
COMPARISONS = ["=", "<", "<=", ">", ">=", "BETWEEN", "BEGINS_WITH"]


@pytest.fixture
def client(tables: dict[str, str]) -> Any:  # noqa: ARG001 (they must be there)
    return aws_client("dynamodb")


def _put(client: Any, user: str, *numbers: int) -> None:
    for number in numbers:
        item = {"user_id": {"S": user}, "created_at": {"S": f"{number:03}"}, "title": {"S": "first"}}
        client.put_item(TableName=OUTCOMES, Item=item)


def _query(client: Any, **more: Any) -> Iterator[dict[str, Any]]:
    query = {"KeyConditionExpression": "user_id = :user", "ExpressionAttributeValues": {":user": {"S": "1"}}}
    yield from client.get_paginator("query").paginate(TableName=OUTCOMES, **query, **more)


@pytest.mark.parametrize(("limit", "pages"), [({}, [3, 3, 1]), ({"Limit": 2}, [2, 2, 2, 1]), ({"Limit": 5}, [3, 3, 1])])
def test_a_query_ends_its_pages_early_and_goes_on_where_it_ended(
    client: Any, monkeypatch: pytest.MonkeyPatch, limit: dict[str, int], pages: list[int]
) -> None:
    monkeypatch.setattr(local.tables, "PAGE_ITEMS", 3)
    _put(client, "1", *range(7))
    found = [page["Items"] for page in _query(client, **limit)]
    assert [len(items) for items in found] == pages
    assert [item["created_at"]["S"] for items in found for item in items] == [f"{number:03}" for number in range(7)]


def test_a_query_has_moto_sort_nothing(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(MotoTable, "all_items")
    _put(client, "1", *range(20))
    _put(client, "2", *range(20))
    assert [page["Count"] for page in _query(client, Limit=8, ScanIndexForward=False)] == [8, 8, 4]


@st.composite
def queries(draw: st.DrawFn) -> dict[str, Any]:
    """Draw items of two partitions, and a query of one of them."""
    kind = draw(st.sampled_from(sorted(KEYS)))
    key = KEYS[kind]
    comparison = draw(st.sampled_from([None, *COMPARISONS[: 7 if kind == "text" else 6]]))
    operands = 0 if comparison is None else 2 if comparison == "BETWEEN" else 1
    start = draw(st.none() | key)
    return {
        "range_key_type": "S" if kind == "text" else "N",
        "items": draw(st.lists(st.tuples(st.sampled_from("12"), key), max_size=20)),
        "comparison": comparison,
        "operands": draw(st.lists(key, min_size=operands, max_size=operands)),
        "limit": draw(st.none() | st.integers(1, 6)),
        "start": start and {"user_id": {"S": "1"}, "created_at": start},
        "forward": draw(st.booleans()),
        "projection": draw(st.sampled_from([None, [["created_at"]]])),
    }


def _answer(type_: Any, query: dict[str, Any]) -> Any:
    schema = [
        {"AttributeName": "user_id", "KeyType": "HASH", "AttributeType": "S"},
        {"AttributeName": "created_at", "KeyType": "RANGE", "AttributeType": query["range_key_type"]},
    ]
    table = type_("outcomes", "123456789012", "us-east-1", schema=schema, attr=schema)
    for number, (user, key) in enumerate(query["items"]):
        more = {"M": {"of": {"M": {"title": {"S": f"{number}"}}}}}
        table.put_item({"user_id": {"S": user}, "created_at": key, "title": {"S": f"{number}"}, "more": more})
    items, scanned, last = table.query(
        DynamoType({"S": "1"}),
        query["comparison"],
        [DynamoType(operand) for operand in query["operands"]],
        query["limit"],
        query["start"],
        query["forward"],
        query["projection"],
    )
    return [item.to_json() for item in items], scanned, last and {name: key.to_json() for name, key in last.items()}


@settings(max_examples=300, deadline=None)
@given(queries())
def test_a_query_is_answered_as_moto_answers_it(query: dict[str, Any]) -> None:
    assert _answer(Table, query) == _answer(MotoTable, query)


def test_a_cancelled_transaction_takes_back_its_updates(client: Any) -> None:
    _put(client, "1", 1, 2)
    key = {"user_id": {"S": "1"}, "created_at": {"S": "001"}}
    update = {
        "TableName": OUTCOMES,
        "Key": key,
        "UpdateExpression": "SET title = :title",
        "ExpressionAttributeValues": {":title": {"S": "second"}},
    }
    check = {
        "TableName": OUTCOMES,
        "Key": key | {"created_at": {"S": "002"}},
        "ConditionExpression": "attribute_not_exists(user_id)",
    }
    with pytest.raises(client.exceptions.TransactionCanceledException):
        client.transact_write_items(TransactItems=[{"Update": update}, {"ConditionCheck": check}])
    assert client.get_item(TableName=OUTCOMES, Key=key)["Item"]["title"] == {"S": "first"}
    client.transact_write_items(TransactItems=[{"Update": update}])
    assert client.get_item(TableName=OUTCOMES, Key=key)["Item"]["title"] == {"S": "second"}


def test_a_value_of_any_type_is_written_as_moto_writes_it(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    key = {"user_id": {"S": "1"}, "created_at": {"S": "1"}}
    client.put_item(TableName=OUTCOMES, Item=key | {f"{number}": value for number, value in enumerate(VALUES)})
    found = client.get_item(TableName=OUTCOMES, Key=key)["Item"]
    assert [found[f"{number}"] for number in range(len(VALUES))] == VALUES
    monkeypatch.delitem(SERVICE_SPECIFIC_SERIALIZERS, "dynamodb")
    assert client.get_item(TableName=OUTCOMES, Key=key)["Item"] == found


def test_texts_and_numbers_are_written_without_a_look_into_them(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_for: set[str] = set()
    pick = AttributePicker.__call__

    def noted(picker: AttributePicker, context: AttributePickerContext) -> Any:
        looked_for.add(context.key)
        return pick(picker, context)

    monkeypatch.setattr(AttributePicker, "__call__", noted)
    _put(client, "1", 1)
    assert [page["Count"] for page in _query(client)] == [1]
    assert "Items" in looked_for
    assert "S" not in looked_for
