"""Test the function that reads the streams, and the bucket for events that could not be published."""

import pytest

from tests.template.conftest import Deployment

from . import test_functions
from .test_functions import KEPT_EVENTS

FUNCTION = "PublishEventsFunction"
SOURCE = "AWS::Lambda::EventSourceMapping"
STREAMS = {
    "PublishEventsFunctionOutcomes": "OutcomesTable",
    "PublishEventsFunctionAgentKeys": "KeysTable",
    "PublishEventsFunctionStatements": "StatementsTable",
    "PublishEventsFunctionCosts": "CostsTable",
}
TABLE = "AWS::DynamoDB::Table"
HALF_A_DAY = 12 * 60 * 60


# ── All or nothing ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_bus_changes_nothing_else(deployed: Deployment) -> None:
    """Switching events on or off replaces no table and no function."""
    listening = deployed.with_parameters(EventBusName="platform")
    for name, resource in deployed.document["Resources"].items():
        if resource["Type"] != TABLE and deployed._exists(resource):
            assert deployed.resolve(resource) == listening.resolve(resource), name
    for name, table in listening.of(TABLE).items():
        table.pop("StreamSpecification", None)
        assert table == deployed.of(TABLE)[name], name


@pytest.mark.parametrize("name", ["default", "platform-events", "aws.partner/example.com/a_b", "x" * 256])
def test_events_go_to_the_bus_of_that_name(complete: Deployment, name: str) -> None:
    [statement] = [
        each
        for each in test_functions.statements(complete.with_parameters(EventBusName=name), FUNCTION)
        if each["Action"] == "events:PutEvents"
    ]
    assert statement["Resource"] == f"arn:aws:events:us-east-1:123456789012:event-bus/{name}"


# ── Nothing is lost ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_only_the_tables_of_outcomes_keys_statements_and_costs_have_streams(complete: Deployment) -> None:
    streams = {name: table.get("StreamSpecification") for name, table in complete.of(TABLE).items()}

    assert {name for name, stream in streams.items() if stream} == set(STREAMS.values())
    for name in STREAMS.values():
        # A correction's event needs the row's new image. The event of a revoked key needs the old image.
        assert streams[name] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}, name


def test_the_function_reads_each_stream_from_its_beginning(complete: Deployment) -> None:
    sources = {name: source for name, source in complete.of(SOURCE).items() if name.startswith(FUNCTION)}

    assert {name: source["EventSourceArn"] for name, source in sources.items()} == {
        name: complete.resolve({"Fn::GetAtt": [table, "StreamArn"]}) for name, table in STREAMS.items()
    }
    for source in sources.values():
        assert source["FunctionName"].endswith(f":function:{FUNCTION}:live")
        assert source["StartingPosition"] == "TRIM_HORIZON"
        assert "FilterCriteria" not in source
        assert source["BatchSize"] <= 100  # one BatchGetItem can read the entries of 100 records


def test_failed_records_are_retried_for_12_hours_then_written_to_the_bucket(complete: Deployment) -> None:
    for name in STREAMS:
        source = complete.of(SOURCE)[name]
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name
        assert source["BisectBatchOnFunctionError"] is True, name
        assert source["MaximumRetryAttempts"] == -1, name
        assert source["MaximumRecordAgeInSeconds"] == HALF_A_DAY, name
        assert source["DestinationConfig"] == {"OnFailure": {"Destination": KEPT_EVENTS}}, name
        assert source.get("ParallelizationFactor", 1) == 1, name


def test_the_bucket_of_events_is_private_and_expires(complete: Deployment) -> None:
    bucket = complete.of("AWS::S3::Bucket")["KeptEvents"]
    [rule] = bucket["LifecycleConfiguration"]["Rules"]
    [policy] = [
        each for each in complete.of("AWS::S3::BucketPolicy").values() if each["Bucket"] == complete.name("KeptEvents")
    ]
    [denied] = policy["PolicyDocument"]["Statement"]

    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    [encryption] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    # Dead letters are stored as long as point-in-time backups:
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Point-in-time-recovery.html
    assert (rule["Status"], rule["ExpirationInDays"], rule.get("Prefix")) == ("Enabled", 35, None)
    assert (denied["Effect"], denied["Principal"], denied["Action"]) == ("Deny", "*", "s3:*")
    assert denied["Resource"] == [KEPT_EVENTS, f"{KEPT_EVENTS}/*"]
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_function_of_events_has_time_for_its_last_call(complete: Deployment) -> None:
    from outcomes.aws import backoff
    from outcomes.events import bus

    timeout = int(complete.of("AWS::Lambda::Function")[FUNCTION]["Timeout"])
    # The timeout must suffice for the retries, the last call, one read, and the write of a dead letter.
    assert backoff.RETRY_SECONDS + bus.LIMITS.total + 2 < timeout
