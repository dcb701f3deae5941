"""Test the function that reads the streams, and the bucket for events that could not be published."""

from tests.template.conftest import Deployment

FUNCTION = "PublishEventsFunction"
SOURCE = "AWS::Lambda::EventSourceMapping"
STREAMS = {f"{FUNCTION}{name}": f"{name}Table" for name in ("Outcomes", "Statements", "Costs", "Watches")} | {
    f"{FUNCTION}AgentKeys": "KeysTable"
}
TABLE = "AWS::DynamoDB::Table"
HALF_A_DAY = 12 * 60 * 60
KEPT_EVENTS = "arn:aws:s3:::outcomes-local-keptevents"


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


# ── Nothing is lost ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_only_the_tables_of_outcomes_keys_statements_and_costs_have_streams(complete: Deployment) -> None:
    streams = {name: table.get("StreamSpecification") for name, table in complete.of(TABLE).items()}

    assert {name for name, stream in streams.items() if stream} == set(STREAMS.values())
    for name in STREAMS.values():
        # A correction's event needs the row's new image. The event of a rotated key needs the old image.
        assert streams[name] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}, name


def test_failed_records_are_retried_for_12_hours_then_written_to_the_bucket(complete: Deployment) -> None:
    sources = {name: source for name, source in complete.of(SOURCE).items() if name.startswith(FUNCTION)}

    assert {name: source.pop("EventSourceArn") for name, source in sources.items()} == {
        name: complete.resolve({"Fn::GetAtt": [table, "StreamArn"]}) for name, table in STREAMS.items()
    }
    for name, source in sources.items():
        assert source.pop("BatchSize") <= 100, name  # one BatchGetItem can read the entries of 100 records
        del source["MetricsConfig"]
        assert source.pop("FunctionName").endswith(f":function:{FUNCTION}:live"), name
        # Only rows that the clock has written can tell something: other writes of watches call no function.
        assert ("FilterCriteria" in source) == name.endswith("Watches"), name
        source.pop("FilterCriteria", None)
        assert source == {  # not several batches of a shard at once
            "BisectBatchOnFunctionError": True,
            "DestinationConfig": {"OnFailure": {"Destination": KEPT_EVENTS}},
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "MaximumRecordAgeInSeconds": HALF_A_DAY,
            "MaximumRetryAttempts": -1,
            "StartingPosition": "TRIM_HORIZON",
        }, name


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
