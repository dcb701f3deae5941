"""Test moto with the local stack's patches. Only one module may import moto."""

import json
import re
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from outcomes.ledger.items import INDEX

from local import moto_backend
from local.moto_backend import DynamoType, Item, MotoTable, StreamShard, Table
from tests.aws import aws_client, scan
from tests.conftest import template_tables
from tests.local.stacks import ROOT

OUTCOMES = "OutcomesTable"
KEYS = {
    "text": st.text("ab#~", min_size=1, max_size=3).map(lambda text: {"S": text}),
    "numbers": st.integers(-3, 12).map(lambda number: {"N": str(number)}),
}
COMPARISONS = ["=", "<", "<=", ">", ">=", "BETWEEN", "BEGINS_WITH"]


@pytest.fixture
def client(tables: dict[str, str]) -> Any:  # noqa: ARG001 (they must exist)
    return aws_client("dynamodb")


def _put(client: Any, user: str, *numbers: int) -> None:
    for number in numbers:
        item = {"user_id": {"S": user}, "created_at": {"S": f"{number:03}"}, "title": {"S": "first"}}
        client.put_item(TableName=OUTCOMES, Item=item)


def _query(client: Any, **more: Any) -> Iterator[dict[str, Any]]:
    query = {"KeyConditionExpression": "user_id = :user", "ExpressionAttributeValues": {":user": {"S": "1"}}}
    yield from client.get_paginator("query").paginate(TableName=OUTCOMES, **query, **more)


@pytest.mark.parametrize(("limit", "pages"), [({}, [3, 3, 1]), ({"Limit": 2}, [2, 2, 2, 1]), ({"Limit": 5}, [3, 3, 1])])
def test_a_query_is_paginated_and_continues_after_each_page(
    client: Any, monkeypatch: pytest.MonkeyPatch, limit: dict[str, int], pages: list[int]
) -> None:
    monkeypatch.setattr(moto_backend, "PAGE_ITEMS", 3)
    _put(client, "1", *range(7))
    found = [page["Items"] for page in _query(client, **limit)]
    assert [len(items) for items in found] == pages
    assert [item["created_at"]["S"] for items in found for item in items] == [f"{number:03}" for number in range(7)]


def test_updated_attributes_are_those_that_the_update_names(client: Any) -> None:
    update = {
        "UpdateExpression": "SET #day = :one ADD leased :one",
        "ExpressionAttributeNames": {"#day": "day"},
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    }
    for leased in "12":
        key = {"TableName": "IdempotencyTable", "Key": {"key_sha256": {"S": "day"}}}
        answer = client.update_item(**key, **update, ReturnValues="UPDATED_NEW")
        assert answer["Attributes"] == {"day": {"N": "1"}, "leased": {"N": leased}}


def test_an_account_is_empty_after_its_test(template: Any) -> None:
    with template_tables(template):
        _put(aws_client("dynamodb"), "1", 1)
    with template_tables(template):
        assert scan() == []
        _put(aws_client("dynamodb"), "1", 1)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        aws_client("dynamodb").scan(TableName="OutcomesTable")


def test_only_one_module_imports_moto() -> None:
    folders = ("bench", "clients/python/src", "clients/python/tests", "docs", "history", "local", "ops", "tests")
    files = [file for folder in folders for file in sorted(ROOT.glob(f"{folder}/**/*.py"))]
    of_moto = re.compile(r"^\s*(from|import) moto\b", re.MULTILINE)
    importing = [f"{file.relative_to(ROOT)}" for file in files if of_moto.search(file.read_text())]
    assert importing == ["local/moto_backend.py"]


def test_a_query_does_not_sort_the_whole_table(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(MotoTable, "all_items")
    _put(client, "1", *range(20))
    _put(client, "2", *range(20))
    assert [page["Count"] for page in _query(client, Limit=8, ScanIndexForward=False)] == [8, 8, 4]


@pytest.mark.parametrize("forward", [True, False])
def test_a_query_of_an_index_is_paginated_in_its_order(
    client: Any, monkeypatch: pytest.MonkeyPatch, forward: bool
) -> None:
    _put(client, "1", 0)  # the index does not contain an item without its range key
    for number in range(1, 8):
        item = {"user_id": {"S": "1"}, "created_at": {"S": f"{number}"}, "happened": {"S": f"{9 - number}"}}
        client.put_item(TableName=OUTCOMES, Item=item)
    monkeypatch.delattr(MotoTable, "all_items")  # without this method, moto cannot visit every item of the table
    pages = [page["Items"] for page in _query(client, IndexName=INDEX, Limit=3, ScanIndexForward=forward)]
    assert [len(items) for items in pages] == [3, 3, 1]
    found = [item["happened"]["S"] for items in pages for item in items]
    assert found == [f"{number}" for number in (range(2, 9) if forward else range(8, 1, -1))]


@pytest.mark.parametrize(
    ("number", "more", "units"),
    [
        (0, {}, 0.5),
        (0, {"ConsistentRead": True}, 1),
        (3, {"ConsistentRead": True}, 3),  # 10,000 bytes cost three units of 4,096 bytes
        (3, {}, 1.5),
        (3, {"ConsistentRead": True, "ProjectionExpression": "user_id"}, 3),
        (3, {"ConsistentRead": True, "FilterExpression": "attribute_not_exists(user_id)"}, 3),
        (3, {"ConsistentRead": True, "Limit": 1}, 1),
    ],
)
def test_a_query_returns_the_units_of_all_items_read(
    client: Any, number: int, more: dict[str, Any], units: float
) -> None:
    for each in range(number):
        item = {"user_id": {"S": "1"}, "created_at": {"S": f"{each}"}, "title": {"S": "x" * 3_300}}
        client.put_item(TableName=OUTCOMES, Item=item)
    page = next(_query(client, ReturnConsumedCapacity="TOTAL", **more))
    assert page["ConsumedCapacity"] == {"TableName": OUTCOMES, "CapacityUnits": units}


def test_a_transaction_copies_no_table(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Table, "__copy__", lambda _: pytest.fail("copied"), raising=False)
    _put(client, "1", 1)
    client.transact_write_items(TransactItems=[{"Put": PUT}])
    with pytest.raises(client.exceptions.TransactionCanceledException):
        client.transact_write_items(TransactItems=[{"Put": PUT | ABSENT}])


@pytest.mark.parametrize("how", ["Put", "Delete", "Update"])
@pytest.mark.parametrize("number", ["001", "new"])
def test_a_cancelled_transaction_changes_nothing(client: Any, how: str, number: str) -> None:
    _put(client, "1", 1, 2)
    before = client.scan(TableName=OUTCOMES)["Items"]
    key = {"user_id": {"S": "1"}, "created_at": {"S": number}}
    write: Any = {"Put": {"Item": key}, "Delete": {"Key": key}, "Update": SET | {"Key": key}}[how]
    check = AT | {"Key": key | {"created_at": {"S": "002"}}, "ConditionExpression": "attribute_not_exists(user_id)"}
    actions = [{how: {"TableName": OUTCOMES} | write}, {"ConditionCheck": check}]
    with pytest.raises(client.exceptions.TransactionCanceledException):
        client.transact_write_items(TransactItems=actions)
    assert client.scan(TableName=OUTCOMES)["Items"] == before


def test_moto_keeps_no_old_items(client: Any) -> None:
    for _ in range(3):
        _put(client, "1", 1)
    client.transact_write_items(TransactItems=[{"Put": PUT}])
    models: list[Any] = [Item, StreamShard, Table]
    assert [model.instances_tracked for model in models] == [[], [], []]


@st.composite
def queries(draw: st.DrawFn) -> dict[str, Any]:
    """Draw items in two partitions, and a query for items in one of them."""
    kind = draw(st.sampled_from(sorted(KEYS)))
    key = KEYS[kind]
    comparison = draw(st.none() | st.sampled_from(COMPARISONS[: 7 if kind == "text" else 6]))
    operands = 0 if comparison is None else 2 if comparison == "BETWEEN" else 1
    items = draw(st.lists(st.tuples(st.sampled_from("12"), key), max_size=20))
    own = [each for user, each in items if user == "1"]
    start = draw(st.none() | key | (st.sampled_from(own) if own else key))
    return {
        "range_key_type": "S" if kind == "text" else "N",
        "items": items,
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


@settings(max_examples=100, deadline=None)
@given(queries())
def test_a_query_has_the_same_answer_as_in_moto(query: dict[str, Any]) -> None:
    items, scanned, last = _answer(Table, query)
    in_moto, scanned_in_moto, last_in_moto = _answer(MotoTable, query)
    assert (items, scanned) == (in_moto, scanned_in_moto)
    # DynamoDB names the last key of a page that its limit ends, even if nothing follows; moto does not.
    is_full = scanned == query["limit"]
    assert last == last_in_moto or (is_full and last and last_in_moto is None)


AT: dict[str, Any] = {"TableName": OUTCOMES, "Key": {"user_id": {"S": "1"}, "created_at": {"S": "001"}}}
PUT: dict[str, Any] = {
    "TableName": OUTCOMES,
    "Item": AT["Key"] | {"B": {"B": "AP8="}, "more": {"M": {"BS": {"S": "x"}}}},
}
ABSENT = {"ConditionExpression": "attribute_not_exists(user_id)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
OF_USER = {"KeyConditionExpression": "user_id = :user", "ExpressionAttributeValues": {":user": {"S": "1"}}}
SET = {"UpdateExpression": "SET title = :title", "ExpressionAttributeValues": {":title": {"S": "second"}}}
INSERT: dict[str, Any] = {
    "Statement": f"INSERT INTO \"{OUTCOMES}\" VALUE {{'user_id':?,'created_at':?,'B':?,'value_usd':?}}",
    "Parameters": [{"S": "1"}, {"S": "new"}, {"B": "AP8="}, {"N": "12345678901234567890.50"}],
}
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("BatchExecuteStatement", {"Statements": [INSERT]}),
    ("BatchGetItem", {"RequestItems": {OUTCOMES: {"Keys": [AT["Key"]]}}}),
    ("BatchWriteItem", {"RequestItems": {OUTCOMES: [{"PutRequest": {"Item": PUT["Item"]}}]}}),
    ("DeleteItem", AT | {"ReturnValues": "ALL_OLD"}),
    ("GetItem", AT),
    ("GetItem", AT | {"ProjectionExpression": "#n", "ExpressionAttributeNames": {"#n": "B"}}),
    ("GetItem", AT | {"Key": {"user_id": {"S": "1"}, "created_at": {"S": "none"}}}),
    ("PutItem", PUT | {"ReturnValues": "ALL_OLD", "ReturnConsumedCapacity": "TOTAL"}),
    ("PutItem", PUT | ABSENT),
    ("PutItem", PUT | {"ConditionExpression": "size(B) = :size", "ExpressionAttributeValues": {":size": {"N": "2"}}}),
    ("PutItem", {"TableName": "unknown", "Item": PUT["Item"]}),
    ("Query", {"TableName": OUTCOMES, "Limit": 1} | OF_USER),
    ("Query", {"TableName": OUTCOMES, "Select": "COUNT"} | OF_USER),
    ("Scan", {"TableName": OUTCOMES, "Limit": 1}),
    ("TransactGetItems", {"TransactItems": [{"Get": AT}]}),
    ("TransactWriteItems", {"TransactItems": [{"Update": AT | SET}]}),
    ("TransactWriteItems", {"TransactItems": [{"Put": PUT | ABSENT}]}),
    ("UpdateItem", AT | SET | {"ReturnValues": "ALL_NEW"}),
]
"""Item operations and their parameters as JSON."""


def sent(operation: str, parameters: dict[str, Any]) -> tuple[int, Any, Any]:
    """Send a request, and return the answer's status, content type and content."""
    headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": f"{moto_backend.TARGET}{operation}"}
    status, answered, content = moto_backend.answer(headers, json.dumps(parameters).encode())
    return status, answered["Content-Type"], json.loads(content)


@pytest.mark.parametrize(("operation", "parameters"), CALLS, ids=lambda of: of if isinstance(of, str) else "")
def test_an_item_operation_has_the_same_answer_and_effect_as_in_moto(
    template: Any, monkeypatch: pytest.MonkeyPatch, operation: str, parameters: dict[str, Any]
) -> None:
    ends = []
    for about_items in (moto_backend.ABOUT_ITEMS, set()):
        monkeypatch.setattr(moto_backend, "ABOUT_ITEMS", about_items)
        with template_tables(template):
            client = aws_client("dynamodb")
            _put(client, "1", 1, 2)
            client.put_item(TableName=OUTCOMES, Item=AT["Key"] | {"B": {"B": b"\0\xff"}, "BS": {"BS": [b"", b"\xff"]}})
            ends.append((sent(operation, parameters), client.scan(TableName=OUTCOMES)["Items"]))
    assert ends[0] == ends[1]


def test_every_item_operation_is_tried() -> None:
    assert {operation for operation, _ in CALLS} == moto_backend.ABOUT_ITEMS


def test_items_are_not_serialized_by_the_services_model(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("moto.core.serialize.ResponseSerializer.serialize")
    _put(client, "1", 1)
    assert [page["Count"] for page in _query(client)] == [1]


def test_pages_have_fewer_items_after_an_update_made_items_larger(client: Any) -> None:
    _put(client, "1", *range(3))
    assert [page["Count"] for page in _query(client)] == [3]
    for number in range(6):  # the last three items do not exist yet
        key = {"user_id": {"S": "1"}, "created_at": {"S": f"{number:03}"}}
        large = {":title": {"S": "x" * 300_000}}
        client.update_item(
            TableName=OUTCOMES, Key=key, UpdateExpression="SET title = :title", ExpressionAttributeValues=large
        )
    assert [page["Count"] for page in _query(client)] == [3, 3]


def test_an_item_that_is_too_large_is_refused(client: Any) -> None:
    with pytest.raises(ClientError, match="Item size has exceeded the maximum allowed size"):
        client.put_item(
            TableName=OUTCOMES, Item=AT["Key"] | {"title": {"S": "x" * 205_000}, "more": {"S": "x" * 205_000}}
        )
    assert [page["Count"] for page in _query(client)] == [0]


def test_a_condition_is_judged_by_the_names_and_values_of_its_request(client: Any) -> None:
    _put(client, "1", 1)
    for name, value, is_met in (("title", "first", True), ("title", "other", False), ("nothing", "first", False)):
        condition = {
            "ConditionExpression": "#name = :value",
            "ExpressionAttributeNames": {"#name": name},
            "ExpressionAttributeValues": {":value": {"S": value}},
        }
        with nullcontext() if is_met else pytest.raises(ClientError, match="conditional request failed"):
            client.put_item(TableName=OUTCOMES, Item=AT["Key"] | {"title": {"S": "first"}}, **condition)


@pytest.mark.parametrize(
    ("update", "complaint"),
    [
        ("SET title = :new, title = :new", "Two document paths overlap"),
        ("REMOVE title SET title = :new", "Two document paths overlap"),
        ("SET title = :new SET description = :new", 'The "SET" section can only be used once'),
        ("SET created_at = :new", "This attribute is part of the key"),
    ],
)
def test_an_invalid_update_is_refused(client: Any, update: str, complaint: str) -> None:
    key = {"user_id": {"S": "1"}, "created_at": {"S": "000"}}
    with pytest.raises(ClientError, match=complaint):
        client.update_item(
            TableName=OUTCOMES, Key=key, UpdateExpression=update, ExpressionAttributeValues={":new": {"S": "new"}}
        )
    assert [page["Count"] for page in _query(client)] == [0]


def test_an_insert_neither_overwrites_an_item_nor_fails_others(client: Any) -> None:
    _put(client, "1", 1)
    statement = f"INSERT INTO \"{OUTCOMES}\" VALUE {{'user_id':?,'created_at':?,'title':?}}"
    there, new = ([{"S": "1"}, {"S": key}, {"S": "second"}] for key in ("001", "002"))
    answer = client.batch_execute_statement(
        Statements=[{"Statement": statement, "Parameters": values} for values in (there, new)]
    )
    codes = [each.get("Error", {}).get("Code") for each in answer["Responses"]]
    assert codes == ["DuplicateItem", None]
    assert {each["TableName"] for each in answer["Responses"]} == {OUTCOMES}
    items = client.scan(TableName=OUTCOMES)["Items"]
    assert [(item["created_at"]["S"], item["title"]["S"]) for item in items] == [("001", "first"), ("002", "second")]


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (f"INSERT INTO \"{OUTCOMES}\" VALUE {{'user_id':?}}", [{"S": "1"}]),
        (f"INSERT INTO \"{OUTCOMES}\" VALUE {{'user_id':?,'created_at':?}}", [{"S": "1"}, {"N": "1"}]),
        (f'DELETE FROM "{OUTCOMES}" WHERE user_id = ?', [{"S": "1"}]),  # noqa: S608 (our own)
    ],
    ids=["without its key", "with a key of another type", "not an insertion"],
)
def test_an_invalid_statement_is_a_validation_error(client: Any, statement: str, values: list[Any]) -> None:
    answer = client.batch_execute_statement(Statements=[{"Statement": statement, "Parameters": values}])
    assert [each["Error"]["Code"] for each in answer["Responses"]] == ["ValidationError"]
