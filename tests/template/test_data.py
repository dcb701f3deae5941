"""Test the template's tables and secrets: keys, retention and expiry."""

from typing import Any

import pytest
from outcomes.ledger.items import INDEX

from local.template import Template

from .conftest import Deployment

KEYS = {
    "OutcomesTable": [("user_id", "HASH", "S"), ("created_at", "RANGE", "S")],
    "IdempotencyTable": [("key_sha256", "HASH", "S")],
    "SessionsTable": [("token_sha256", "HASH", "S")],
    "KeysTable": [("id", "HASH", "S")],
    "TotalsTable": [("user_id", "HASH", "S"), ("stretch", "RANGE", "S")],
    "StatementsTable": [("user_id", "HASH", "S"), ("id", "RANGE", "S")],
    "CostsTable": [("user_id", "HASH", "S"), ("day_source", "RANGE", "S")],
    "ErasuresTable": [("user", "HASH", "S"), ("erasure", "RANGE", "S")],
}


def test_every_table_is_listed_here(deployed: Template) -> None:
    assert deployed.resources("AWS::DynamoDB::Table").keys() == KEYS.keys()


@pytest.mark.parametrize("table", KEYS)
def test_a_table_is_keyed_as_designed(deployed: Template, table: str) -> None:
    properties = deployed.resources("AWS::DynamoDB::Table")[table]
    types = {each["AttributeName"]: each["AttributeType"] for each in properties["AttributeDefinitions"]}

    keys = [(key["AttributeName"], key["KeyType"], types[key["AttributeName"]]) for key in properties["KeySchema"]]
    assert keys == KEYS[table]
    of_indexes = {
        key["AttributeName"] for each in properties.get("GlobalSecondaryIndexes", []) for key in each["KeySchema"]
    }
    assert types.keys() == of_indexes | {name for name, *_ in keys}
    assert set(types.values()) == {"S"}


def test_the_only_index_is_of_outcomes_by_when_they_happened_with_the_bounds_of_its_table(deployed: Template) -> None:
    tables = deployed.resources("AWS::DynamoDB::Table")
    indexes = {
        name: table["GlobalSecondaryIndexes"] for name, table in tables.items() if "GlobalSecondaryIndexes" in table
    }
    assert indexes == {
        "OutcomesTable": [
            {
                "IndexName": INDEX,
                "KeySchema": [
                    {"AttributeName": "user_id", "KeyType": "HASH"},
                    {"AttributeName": "happened", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
                "OnDemandThroughput": tables["OutcomesTable"]["OnDemandThroughput"],
            }
        ]
    }


@pytest.mark.parametrize("table", KEYS)
def test_a_table_costs_nothing_when_idle_and_can_be_restored(deployed: Deployment, table: str) -> None:
    properties = deployed.of("AWS::DynamoDB::Table")[table]

    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    restorable = properties["PointInTimeRecoverySpecification"]
    assert restorable["PointInTimeRecoveryEnabled"] is True
    assert str(restorable["RecoveryPeriodInDays"]) == "35"


@pytest.mark.parametrize("table", KEYS)
def test_the_days_of_backups_are_a_parameter(deployed: Deployment, table: str) -> None:
    for days in ("1", "35"):
        properties = deployed.with_parameters(BackupDays=days).of("AWS::DynamoDB::Table")[table]
        assert str(properties["PointInTimeRecoverySpecification"]["RecoveryPeriodInDays"]) == days


@pytest.mark.parametrize("table", KEYS)
def test_a_table_uses_the_key_of_dynamodb_and_none_of_the_account(deployed: Template, table: str) -> None:
    """KMS bills and throttles requests to a key of the account, also to the AWS managed key aws/dynamodb.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.howitworks.html
    """
    properties = deployed.resources("AWS::DynamoDB::Table")[table]
    assert properties["SSESpecification"] == {"SSEEnabled": False}


EXPIRY = {
    "IdempotencyTable": "expires_at",
    "SessionsTable": "expires_at",
    "KeysTable": "forget_at",
    "TotalsTable": "expires_at",
}


@pytest.mark.parametrize("table", EXPIRY)
def test_expired_rows_are_deleted(deployed: Template, table: str) -> None:
    properties = deployed.resources("AWS::DynamoDB::Table")[table]

    assert properties["TimeToLiveSpecification"] == {"AttributeName": EXPIRY[table], "Enabled": True}


def test_outcomes_and_records_of_erasures_never_expire(deployed: Template) -> None:
    for table in KEYS.keys() - EXPIRY.keys():
        assert "TimeToLiveSpecification" not in deployed.resources("AWS::DynamoDB::Table")[table], table


KEPT = {
    # With RetainExceptOnCreate, a rollback of a table's creation would delete the table, which deletion protection
    # forbids.
    "AWS::DynamoDB::Table": "Retain",
    "AWS::SecretsManager::Secret": "RetainExceptOnCreate",
    "AWS::S3::Bucket": "RetainExceptOnCreate",
}


def test_resources_with_data_are_retained(template: Any) -> None:
    kept = {name: each for name, each in template["Resources"].items() if each["Type"] in KEPT}

    assert {each["Type"] for each in kept.values()} == KEPT.keys()
    for name, resource in kept.items():
        assert resource["DeletionPolicy"] == KEPT[resource["Type"]], name
        assert resource["UpdateReplacePolicy"] == "Retain", name


def test_secrets_are_generated_and_long(deployed: Template) -> None:
    secrets = deployed.resources("AWS::SecretsManager::Secret")

    assert secrets.keys() >= {"SessionSecret", "ErasureSecret"}
    for name, secret in secrets.items():
        assert "SecretString" not in secret, name
        assert secret["GenerateSecretString"]["PasswordLength"] >= 32, name


def test_the_secret_of_erasures_is_never_rotated(deployed: Template) -> None:
    """With a new secret, the records of erased users could not be found after a restore."""
    assert not deployed.resources("AWS::SecretsManager::RotationSchedule")
