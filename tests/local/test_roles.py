"""Roles allow what IAM would: AWS documents each rule, and `local.roles` names the pages."""

import re
from typing import Any

import pytest

from local.roles import Role, roles
from ops.errors import StackError
from tests import permissions
from tests.template.conftest import EVERYTHING, deploy

TABLE = "arn:aws:dynamodb:us-east-1:123456789012:table/"
KEYS = {"T": "id", "T/index/by-day": "day"}
ITEM = {"id": {"S": "keys"}, "day": {"S": "2026-04-01"}, "sum": {"N": "1"}}
KEY = {"id": {"S": "keys"}}
ONLY_KEYS = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["keys"]}}
ONLY_SUM = {
    "ForAllValues:StringEquals": {"dynamodb:Attributes": ["id", "sum"]},
    "StringEqualsIfExists": {"dynamodb:ReturnValues": ["NONE"]},
}
NAMED = {"ExpressionAttributeNames": {"#i": "id", "#s": "sum"}}
IN_TRANSACTION = {"ForAnyValue:StringEquals": {"dynamodb:EnclosingOperation": ["TransactWriteItems"]}}


def allows(action: Any, resource: Any = f"{TABLE}T", condition: Any = None, effect: str = "Allow") -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource} | ({"Condition": condition} if condition else {})


SUMS = [allows(["dynamodb:UpdateItem", "dynamodb:BatchWriteItem"], condition=ONLY_SUM)]
PUBLIC = [allows("dynamodb:Query", condition=ONLY_KEYS)]
TOGETHER = [allows(["dynamodb:PutItem", "dynamodb:ConditionCheckItem"], condition=IN_TRANSACTION)]


def put(item: Any, operation: str = "Put") -> dict[str, Any]:
    return {"TransactItems": [{operation: {"TableName": "T", "Item": item}}]}


def update(expression: str, **more: Any) -> dict[str, Any]:
    return {"TableName": "T", "Key": KEY, "UpdateExpression": expression} | more


def query(condition: str, value: str = "keys", **more: Any) -> dict[str, Any]:
    values = {":id": {"S": value}, ":day": {"S": "2026"}}
    return {"TableName": "T", "KeyConditionExpression": condition, "ExpressionAttributeValues": values} | more


BATCH = {"RequestItems": {"T": [{"PutRequest": {"Item": ITEM}}]}}
DELETIONS = {"RequestItems": {"T": [{"DeleteRequest": {"Key": KEY}}]}}
STATEMENTS = {"Statements": [{"Statement": "INSERT INTO \"T\" VALUE {'id':?}"}]}


@pytest.mark.parametrize(
    ("statements", "operation", "request_", "lacks"),
    [
        # actions and resources
        ([allows("dynamodb:GetItem")], "GetItem", {"TableName": "T", "Key": KEY}, ""),
        ([allows("dynamodb:getitem", "*")], "GetItem", {"TableName": "T", "Key": KEY}, ""),
        ([allows(["dynamodb:Get*", "dynamodb:Q*"])], "GetItem", {"TableName": "T", "Key": KEY}, ""),
        ([allows("dynamodb:GetItem", f"{TABLE}Other")], "GetItem", {"TableName": "T", "Key": KEY}, "GetItem on T"),
        ([allows("dynamodb:Query")], "GetItem", {"TableName": "T", "Key": KEY}, "GetItem on T"),
        ([], "Scan", {"TableName": "T"}, "Scan on T"),
        ([allows("dynamodb:Query")], "Query", query("day = :day", IndexName="by-day"), "Query on T/index/by-day"),
        ([allows("dynamodb:Query", f"{TABLE}T/index/*")], "Query", query("day = :day", IndexName="by-day"), ""),
        ([allows("dynamodb:*"), allows("dynamodb:Scan", effect="Deny")], "Scan", {"TableName": "T"}, "Scan on T"),
        # what batches and transactions consist of
        ([allows("dynamodb:PutItem")], "TransactWriteItems", put(ITEM), ""),
        ([allows("dynamodb:PutItem")], "TransactWriteItems", put(ITEM, "ConditionCheck"), "ConditionCheckItem on T"),
        ([allows("dynamodb:PutItem")], "BatchWriteItem", BATCH, "BatchWriteItem on T"),
        ([allows("dynamodb:GetItem")], "BatchGetItem", {"RequestItems": {"T": {"Keys": [KEY]}}}, "BatchGetItem on T"),
        ([allows("dynamodb:PartiQLInsert")], "BatchExecuteStatement", STATEMENTS, ""),
        ([allows("dynamodb:PutItem")], "BatchExecuteStatement", STATEMENTS, "PartiQLInsert on T"),
        # conditions
        (TOGETHER, "TransactWriteItems", put(ITEM), ""),
        (TOGETHER, "TransactWriteItems", put(ITEM, "ConditionCheck"), "ConditionCheckItem on T"),
        (TOGETHER, "PutItem", {"TableName": "T", "Item": ITEM}, "PutItem on T"),
        (PUBLIC, "Query", query("id = :id"), ""),
        (PUBLIC, "Query", query("id = :id", "42"), "Query on T"),
        (PUBLIC, "Query", query("#i = :id", "42", **NAMED), "Query on T"),
        (SUMS, "UpdateItem", update("SET sum = :one"), ""),
        (SUMS, "UpdateItem", update("SET #s.a = if_not_exists(sum, :one)", **NAMED), ""),
        (SUMS, "UpdateItem", update("SET day = :day"), "UpdateItem on T"),
        (SUMS, "UpdateItem", update("SET sum = :a", ConditionExpression="size(day) > :a"), "UpdateItem on T"),
        (SUMS, "UpdateItem", update("REMOVE sum", ReturnValues="NONE"), ""),
        (SUMS, "UpdateItem", update("REMOVE sum", ReturnValues="ALL_OLD"), "UpdateItem on T"),
        (SUMS, "BatchWriteItem", DELETIONS, ""),
        (SUMS, "BatchWriteItem", BATCH, "BatchWriteItem on T"),
    ],
)
def test_a_role_allows_what_a_statement_allows_and_none_denies(
    statements: list[Any], operation: str, request_: Any, lacks: str
) -> None:
    refused = Role(statements, KEYS).refused("dynamodb", operation, request_)

    assert [f"{each.action.removeprefix('dynamodb:')} on {each.resource.removeprefix(TABLE)}" for each in refused] == [
        *filter(None, [lacks])
    ]


@pytest.mark.parametrize(
    "statement",
    [
        allows("dynamodb:Query", condition={"NumericLessThan": {"s3:max-keys": "10"}}),
        allows("dynamodb:Query", condition={"ForMostValues:StringEquals": {"dynamodb:LeadingKeys": "keys"}}),
        {"Effect": "Allow", "NotAction": "dynamodb:Query", "Resource": "*"},
    ],
)
def test_a_policy_that_cannot_be_evaluated_is_an_error(statement: Any) -> None:
    with pytest.raises(StackError, match=re.escape("cannot evaluate the policy {'Effect': 'Allow', ")):
        Role([statement], KEYS)


def test_sams_transform_changes_no_role() -> None:
    """So the roles of tests are read without it. What a function's role is, tests/template says."""
    transformed = deploy(**EVERYTHING)
    found = roles(transformed)

    assert found.keys() == transformed.resources("AWS::Lambda::Function").keys()
    for name, role in found.items():
        written = permissions.role(name).statements
        assert [(each.actions, each.conditions) for each in role.statements] == [
            (each.actions, each.conditions) for each in written
        ], name


def test_a_call_without_permission_fails_the_test(monkeypatch: pytest.MonkeyPatch, tables: dict[str, str]) -> None:
    """Here the function of the route lacks all permissions."""
    from tests.people import record

    assert tables
    monkeypatch.setattr(permissions, "role", lambda _owner: Role([], {}))
    record(42)

    assert [*permissions.REFUSED] == [f"RecordOutcomeFunction: dynamodb:PutItem on {TABLE}OutcomesTable"]
    permissions.REFUSED.clear()


def test_rights_that_no_test_uses_and_rights_kept_in_vain_are_named() -> None:
    used = "RecordOutcomeFunction: dynamodb:PutItem on OutcomesTable"
    kept = "PublishEventsFunction: dynamodb:ListStreams on CostsTable/stream/*"

    assert f"never used: {used}" in permissions.wrong([])
    assert {f"never used: {each}" for each in (used, kept)}.isdisjoint(permissions.wrong([used]))
    assert f"not unused: {kept.replace('CostsTable/stream/', '')}" in permissions.wrong(
        [kept.replace("Costs", table) for table in ("Outcomes", "Keys", "Statements", "Costs", "Watches")]
    )
