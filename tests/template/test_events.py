"""Events: what there is of them when a bus is named, and that there is nothing when none is."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from ops.errors import StackError
from tests.template.conftest import ROOT, Deployment, deploy

from . import test_data, test_functions
from . import test_production as production
from .test_functions import KEPT_EVENTS

FUNCTION = "PublishEventsFunction"
SOURCE = "AWS::Lambda::EventSourceMapping"
STREAMS = {"PublishEventsFunctionOutcomes": "OutcomesTable", "PublishEventsFunctionAgentKeys": "KeysTable"}
TABLE = "AWS::DynamoDB::Table"
HALF_A_DAY = 12 * 60 * 60


def resources_of_events(template: Any) -> set[str]:
    return {name for name, each in template["Resources"].items() if each.get("Condition") == "PublishesEvents"}


# ── All or nothing ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_bus_there_is_nothing_of_events(deployed: Deployment) -> None:
    for name, table in deployed.of(TABLE).items():
        assert "StreamSpecification" not in table, name
    for type_ in (SOURCE, "AWS::S3::Bucket", "AWS::S3::BucketPolicy"):
        assert not deployed.resources(type_), type_
    for type_ in ("AWS::Lambda::Function", "AWS::IAM::Role", "AWS::CloudWatch::Alarm", "AWS::Logs::MetricFilter"):
        assert not [name for name in deployed.resources(type_) if "Event" in name], type_
    assert '"Events' not in deployed.one("AWS::CloudWatch::Dashboard")["DashboardBody"]


def test_a_bus_changes_nothing_else(deployed: Deployment) -> None:
    """Whoever turns events on or off replaces no table and no function."""
    listening = deployed.with_parameters(EventBusName="platform")
    ours = resources_of_events(deployed.document)
    for name, resource in deployed.document["Resources"].items():
        if resource["Type"] in (TABLE, "AWS::CloudWatch::Dashboard") or name in ours:
            continue
        if "Condition" in resource and not deployed._condition(resource["Condition"]):
            continue
        assert deployed.resolve(resource) == listening.resolve(resource), name
    for name, table in listening.of(TABLE).items():
        table.pop("StreamSpecification", None)
        assert table == deployed.of(TABLE)[name], name


def test_what_is_of_events_is_nowhere_asked_for_without_a_bus(deployed: Deployment) -> None:
    hosting = deployed.with_parameters(HostDashboard="true")
    ours = resources_of_events(hosting.document)
    assert ours >= {FUNCTION, f"{FUNCTION}Role", "KeptEvents", "KeptEventsPolicy", "EventsLateAlarm", "EventsKeptAlarm"}
    for name, resource in hosting.document["Resources"].items():
        if hosting._exists(resource):
            said = json.dumps(hosting.resolve(resource.get("Properties", {})))
            assert not [each for each in ours if f'"{each}' in said], name


def test_the_outputs_are_there_with_a_bus(template: Any) -> None:
    told = [name for name, output in template["Outputs"].items() if output.get("Condition") == "PublishesEvents"]
    assert told == ["EventBusName", "KeptEventsBucketName"]


@pytest.mark.parametrize("name", ["default", "platform-events", "aws.partner/example.com/a_b", "x" * 256])
def test_a_bus_is_known_by_its_name(name: str) -> None:
    [statement] = [
        each
        for each in test_functions.statements(deploy(EventBusName=name), FUNCTION)
        if each["Action"] == "events:PutEvents"
    ]
    assert statement["Resource"] == f"arn:aws:events:us-east-1:123456789012:event-bus/{name}"


@pytest.mark.parametrize("name", ["a bus", "*", "x" * 257, "arn:aws:events:us-east-1:123456789012:event-bus/platform"])
def test_what_is_no_name_of_a_bus_is_refused(name: str) -> None:
    with pytest.raises(StackError, match="EventBusName"):
        deploy(EventBusName=name)


# ── Nothing is lost ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_happens_to_outcomes_and_keys_is_streamed_and_nothing_else(complete: Deployment) -> None:
    streams = {name: table.get("StreamSpecification") for name, table in complete.of(TABLE).items()}

    assert {name for name, stream in streams.items() if stream} == set(STREAMS.values())
    for name in STREAMS.values():
        # A correction is told by what it changed, that a key was revoked by what is left.
        assert streams[name] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}, name


def test_each_stream_has_the_function_for_its_reader_from_its_beginning(complete: Deployment) -> None:
    sources = {name: source for name, source in complete.of(SOURCE).items() if name.startswith(FUNCTION)}

    assert {name: source["EventSourceArn"] for name, source in sources.items()} == {
        name: complete.resolve({"Fn::GetAtt": [table, "StreamArn"]}) for name, table in STREAMS.items()
    }
    for source in sources.values():
        assert source["FunctionName"].endswith(f":function:{FUNCTION}:live")
        assert source["StartingPosition"] == "TRIM_HORIZON"
        assert "FilterCriteria" not in source
        assert source["BatchSize"] <= 100  # of which one BatchGetItem reads the entries


def test_what_fails_is_given_again_for_half_a_day_and_then_kept_whole(complete: Deployment) -> None:
    for name in STREAMS:
        source = complete.of(SOURCE)[name]
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name
        assert source["BisectBatchOnFunctionError"] is True, name
        assert source["MaximumRetryAttempts"] == -1, name
        assert source["MaximumRecordAgeInSeconds"] == HALF_A_DAY, name
        assert source["DestinationConfig"] == {"OnFailure": {"Destination": KEPT_EVENTS}}, name
        assert source.get("ParallelizationFactor", 1) == 1, name


def test_what_is_kept_is_for_nobody_else_and_not_for_ever(complete: Deployment) -> None:
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
    # What backups of tables remember: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Point-in-time-recovery.html
    assert (rule["Status"], rule["ExpirationInDays"], rule.get("Prefix")) == ("Enabled", 35, None)
    assert (denied["Effect"], denied["Principal"], denied["Action"]) == ("Deny", "*", "s3:*")
    assert denied["Resource"] == [KEPT_EVENTS, f"{KEPT_EVENTS}/*"]
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_function_has_time_for_its_last_call(complete: Deployment) -> None:
    from outcomes.aws import backoff
    from outcomes.events import bus

    timeout = int(complete.of("AWS::Lambda::Function")[FUNCTION]["Timeout"])
    # One read, one call after the last that may begin, and what is kept.
    assert backoff.RETRY_SECONDS + bus.LIMITS.total + 2 < timeout


# ── Seeing ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_kept_or_lost_is_told_at_once(complete: Deployment) -> None:
    alarm = complete.of("AWS::CloudWatch::Alarm")["EventsKeptAlarm"]
    looked_at = {
        (metric, dimensions.get("EventSourceMappingUUID")) for _, metric, dimensions in production.metrics(alarm)
    }

    assert (alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (1, 1)
    for source in STREAMS:
        assert complete.of(SOURCE)[source]["MetricsConfig"] == {"Metrics": ["EventCount"]}
        assert {("OnFailureDestinationDeliveredEventCount", source), ("DroppedEventCount", source)} <= looked_at


def test_what_cannot_be_told_is_counted_by_the_line_that_says_so(complete: Deployment) -> None:
    pattern = complete.of("AWS::Logs::MetricFilter")["EventsKept"]["FilterPattern"]
    message = pattern.partition(' = "')[2].partition('"')[0]

    assert pattern == f'{{ $.message = "{message}" }}'
    assert f'error("{message}"' in (ROOT / "functions/publish_events/app.py").read_text()


def test_the_dashboard_shows_events_where_there_are_any(complete: Deployment) -> None:
    widgets = json.loads(complete.one("AWS::CloudWatch::Dashboard")["DashboardBody"])["widgets"]

    of_events = widgets[10:13]
    assert [widget["properties"]["title"] for widget in of_events] == [
        "Events told",
        "Oldest event that is not told, milliseconds",
        "Events kept or lost",
    ]
    alarms = production.ALARMS | production.EVENT_ALARMS | production.WEBHOOK_ALARMS
    assert len(widgets[0]["properties"]["alarms"]) == len(alarms)
    assert {widget["y"] for widget in of_events} == {20}
    assert all(widget["x"] + widget["width"] <= 24 for widget in widgets)


# ── It is as everything else ─────────────────────────────────────────────────────────────────────────────────────────

AS_ALL_OTHERS: list[Callable[[Deployment], None]] = [
    production.test_only_a_function_of_ours_may_be_a_function_s_role,
    production.test_a_table_is_not_deleted_by_accident_nor_costs_without_bound,
    production.test_every_function_logs_where_lines_are_not_kept_for_ever,
    production.test_nothing_is_traced_unless_asked_for,
    production.test_a_stack_s_metrics_do_not_mix_with_another_s,
    production.test_there_is_an_alarm_for_each_kind_of_trouble,
    production.test_an_alarm_is_silent_when_there_is_no_traffic,
    production.test_an_alarm_looks_at_what_is_this_stack_s,
    production.test_no_alarm_looks_at_more_than_cloudwatch_takes,
    production.test_an_alarm_adds_up_all_that_it_looks_at,
    production.test_every_function_is_called_by_an_alias_that_a_release_moves,
    test_data.test_outcomes_and_records_of_erasures_never_expire,
]


@pytest.mark.parametrize("promise", AS_ALL_OTHERS, ids=lambda promise: promise.__name__)
def test_it_keeps_the_promises_of_all(listening: Deployment, promise: Callable[[Deployment], None]) -> None:
    promise(listening)
