"""Test the template's tables and secrets: costs, retention and expiry."""

from typing import Any

from local.template import Template

from .conftest import Deployment, declared

TABLES = declared("AWS::DynamoDB::Table")


def test_a_table_is_billed_by_use_restorable_protected_and_bounded(deployed: Deployment) -> None:
    """Tables use DynamoDB's own key. KMS bills and throttles requests to a key of the account, also to aws/dynamodb.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.howitworks.html
    """
    for days in ("1", "35"):
        given = deployed.with_parameters(BackupDays=days, MaxReadUnits="5", MaxWriteUnits="6")
        for name, table in given.of("AWS::DynamoDB::Table").items():
            assert table["BillingMode"] == "PAY_PER_REQUEST", name
            restorable = {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": days}
            assert table["PointInTimeRecoverySpecification"] == restorable, name
            assert table["DeletionProtectionEnabled"] is True, name
            assert "TableName" not in table, name  # so that a new stack can stand beside what a deleted one has left
            assert table["SSESpecification"] == {"SSEEnabled": False}, name
            for bounded in (table, *table.get("GlobalSecondaryIndexes", [])):
                assert bounded["OnDemandThroughput"] == {"MaxReadRequestUnits": "5", "MaxWriteRequestUnits": "6"}, name


EXPIRY = {
    "IdempotencyTable": "expires_at",
    "SessionsTable": "expires_at",
    "KeysTable": "forget_at",
    "TotalsTable": "expires_at",
}
"""Tables whose rows expire. Outcomes, statements, costs and records of erasures never do."""


def test_only_rows_that_may_expire_are_deleted(deployed: Deployment) -> None:
    for name, table in deployed.of("AWS::DynamoDB::Table").items():
        expires = {"AttributeName": EXPIRY[name], "Enabled": True} if name in EXPIRY else None
        assert table.get("TimeToLiveSpecification") == expires, name


KEPT = {
    # With RetainExceptOnCreate, a rollback of a table's creation would delete the table, which deletion protection
    # forbids.
    "AWS::DynamoDB::Table": "Retain",
    "AWS::SecretsManager::Secret": "RetainExceptOnCreate",
    "AWS::S3::Bucket": "RetainExceptOnCreate",
}


def test_resources_with_data_are_retained(template: Any) -> None:
    for name, resource in template["Resources"].items():
        if resource["Type"] in KEPT:
            assert resource["DeletionPolicy"] == KEPT[resource["Type"]], name
            assert resource["UpdateReplacePolicy"] == "Retain", name


def test_secrets_are_generated_long_and_never_rotated(complete: Template) -> None:
    """With a new secret, the records of erased users could not be found after a restore."""
    for name, secret in complete.resources("AWS::SecretsManager::Secret").items():
        assert "SecretString" not in secret, name
        assert secret["GenerateSecretString"]["PasswordLength"] >= 32, name
    assert not complete.resources("AWS::SecretsManager::RotationSchedule")
