"""Test alarms, metric filters and the dashboard for each value of the parameter Monitoring."""

import json
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import pytest
from outcomes.edge.observability import count_busy

from local.environment import ACCOUNT

from .conftest import EVERYTHING, FUNCTION, ROOT, STACK, Deployment

ALARM, COUNTED, DASHBOARD = "AWS::CloudWatch::Alarm", "AWS::Logs::MetricFilter", "AWS::CloudWatch::Dashboard"

# The metrics of each alarm, and the threshold above which it fires.
ESSENTIAL: dict[str, tuple[Any, set[str]]] = {
    "ServerErrorsAlarm": (1, {"ServerErrors", "Count"}),
    "ThrottledAlarm": (0.05, {"TooManyRequests"}),
    "AuthorizerFailuresAlarm": (0, {"AuthorizerFailures"}),
    "EventsLateAlarm": (900_000, {"IteratorAge"}),
    "EventsKeptAlarm": (0, {"EventsKept"}),
    "ErasureAlarm": (0, {"Errors"}),
    "WebhooksLateAlarm": (0, {"WebhooksLate"}),
    "WebhooksStalledAlarm": (900, {"ApproximateAgeOfOldestMessage"}),
    "WebhooksSetAsideAlarm": (0, {"ApproximateNumberOfMessagesVisible"}),
}
FULL = ESSENTIAL | {
    "SlowRequestsAlarm": ("3000", {"Latency", "BusyAnswers", "Count"}),
    "BusyAlarm": (0, {"BusyAnswers"}),
    "EventsLostAlarm": (0, {"DestinationDeliveryFailures"}),
    "UserExportAlarm": (0, {"Errors"}),
}
LOOKS_AT = {
    "EventsLateAlarm": {"FunctionName": "PublishEventsFunction"},
    "EventsLostAlarm": {"FunctionName": "PublishEventsFunction"},
    "ErasureAlarm": {"FunctionName": "EraseUserFunction"},
    "UserExportAlarm": {"FunctionName": "ExportUserFunction"},
    "WebhooksStalledAlarm": {"QueueName": "WebhooksQueue.QueueName"},
    "WebhooksSetAsideAlarm": {"QueueName": "DeadWebhooksQueue.QueueName"},
}
"""The function or queue whose metrics an alarm reads."""
OF_LEVELS = {"EventsLateAlarm", "WebhooksStalledAlarm", "WebhooksSetAsideAlarm"}
"""Alarms on an age or a number of messages. The other alarms compare sums."""
AT_ONCE = {"EventsKeptAlarm", "EventsLostAlarm", "ThrottledAlarm", "WebhooksSetAsideAlarm"}
ROLLS_BACK = {"ServerErrorsAlarm", "AuthorizerFailuresAlarm"}


def metrics(alarm: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield namespace, name and dimensions of each metric of an alarm."""
    parts = [metric["MetricStat"]["Metric"] for metric in alarm.get("Metrics", []) if "MetricStat" in metric]
    for part in parts or [alarm]:
        dimensions = {each["Name"]: each["Value"] for each in part.get("Dimensions", [])}
        yield part["Namespace"], part["MetricName"], dimensions


def test_full_monitoring_has_an_alarm_for_each_kind_of_trouble(complete: Deployment) -> None:
    alarms = complete.of(ALARM)

    assert {
        name: (alarm["Threshold"], {metric for _, metric, _ in metrics(alarm)}) for name, alarm in alarms.items()
    } == FULL
    assert all(alarm["ComparisonOperator"] == "GreaterThanThreshold" for alarm in alarms.values())
    assert {name for name, alarm in alarms.items() if alarm["EvaluationPeriods"] == 1} == AT_ONCE
    [slow] = [each["MetricStat"] for each in alarms["SlowRequestsAlarm"]["Metrics"] if each["Id"] == "latency"]
    assert slow["Stat"] == "p99"
    assert {name: alarm["Statistic"] for name, alarm in alarms.items() if "Statistic" in alarm} == {
        name: "Maximum" if name in OF_LEVELS else "Sum" for name, alarm in alarms.items() if "Metrics" not in alarm
    } | {"ThrottledAlarm": "Average"}


def test_essential_monitoring_has_at_most_ten_alarm_metrics_and_no_dashboard(complete: Deployment) -> None:
    essential = complete.with_parameters(Monitoring="Essential")
    alarms = essential.of(ALARM)

    assert alarms == {name: alarm for name, alarm in complete.of(ALARM).items() if name in ESSENTIAL}
    assert sum(len(list(metrics(alarm))) for alarm in alarms.values()) <= 10
    assert not essential.resources("AWS::CloudWatch::CompositeAlarm")
    assert not essential.resources(DASHBOARD)


def test_essential_is_the_default(deployed: Deployment) -> None:
    assert deployed.of(ALARM).keys() == {"ErasureAlarm", "ThrottledAlarm"} | ROLLS_BACK


def test_without_monitoring_nothing_is_counted_and_no_alarm_goes_off(complete: Deployment) -> None:
    silent = complete.with_parameters(Monitoring="Off")
    for type_ in (ALARM, COUNTED, DASHBOARD):
        assert not silent.resources(type_), type_


def test_no_alarm_gets_stuck_when_its_metric_has_no_data(complete: Deployment) -> None:
    """For a metric without any data, FILL has no result. Alarms on DynamoDB's metrics then keep their state.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
    """
    for name, alarm in complete.of(ALARM).items():
        assert alarm["TreatMissingData"] == "notBreaching", name
        assert "FILL" not in json.dumps(alarm), name
        assert "AWS/DynamoDB" not in {namespace for namespace, _, _ in metrics(alarm)}, name


@pytest.mark.parametrize(
    ("statuses", "rings"),
    [
        (["200"] * 95 + ["429"] * 5, False),
        (["200"] * 94 + ["429"] * 6, True),
        (["429"], True),
        (["200", "503", "404"], False),
        ([], False),
    ],
)
def test_the_alarm_on_429_rings_above_a_twentieth_of_the_calls_of_five_minutes(
    complete: Deployment, statuses: list[str], rings: bool
) -> None:
    alarm = complete.of(ALARM)["ThrottledAlarm"]
    assert (alarm["Period"], alarm["EvaluationPeriods"], alarm["Statistic"]) == (300, 1, "Average")
    values = [
        float(transformation["MetricValue"])
        for status in statuses
        for counted in complete.of(COUNTED).values()
        for transformation in counted["MetricTransformations"]
        if transformation["MetricName"] == alarm["MetricName"]
        and (counted["FilterPattern"] == '{ $.status = "429" }') == (status == "429")
    ]
    assert len(values) == len(statuses)
    assert (bool(values) and sum(values) / len(values) > float(alarm["Threshold"])) == rings


def answer(alarm: dict[str, Any], **metrics: int) -> float:
    """Evaluate an alarm's expression. The alarm compares the result with its threshold."""
    [answer] = [metric["Expression"] for metric in alarm["Metrics"] if "Expression" in metric]
    known = {"IF": lambda is_so, then, otherwise: then if is_so else otherwise}
    return float(eval(answer, known, metrics))  # noqa: S307 - the template's own


@pytest.mark.parametrize(("errors", "percent"), [(0, 0), (2, 0), (3, 3), (50, 50)])
def test_three_server_errors_in_a_minute_count_by_their_share(
    complete: Deployment, errors: int, percent: float
) -> None:
    assert answer(complete.of(ALARM)["ServerErrorsAlarm"], errors=errors, requests=100) == percent


@pytest.mark.parametrize(
    ("latency", "busy", "requests", "milliseconds"),
    [
        (5000, 0, 100, 5000),
        (5000, 1, 101, 5000),  # with fewer than 1 % busy answers, the p99 latency still counts
        (10_000, 1, 100, 0),
        (10_000, 1, 1, 0),
    ],
)
def test_busy_answers_are_no_slow_requests(
    complete: Deployment, latency: int, busy: int, requests: int, milliseconds: float
) -> None:
    """A summary answers 503 only after ten seconds or more. Such answers must not raise the alarm for slow requests.

    After a change to the format of stored totals, many summaries answer 503.
    """
    alarm = complete.of(ALARM)["SlowRequestsAlarm"]

    assert answer(alarm, latency=latency, busy=busy, requests=requests) == milliseconds


# Each metric filter has a log group, a pattern of log lines, and a metric, whose name may differ from the filter's.
FILTERS = {
    "ServerErrors": ("AccessLogs", '{ $.status = "5*" && ($.status != "503" || $.refusal != "-") }', "ServerErrors"),
    "ToolsFailed": ("FunctionLogs", '{ $.message = "Tool failed" }', "ServerErrors"),
    "AuthorizerFailures": (
        "AccessLogs",
        '{ $.refusal = "AUTHORIZER_FAILURE" || $.refusal = "AUTHORIZER_CONFIGURATION_ERROR" }',
        "AuthorizerFailures",
    ),
    "TooManyRequests": ("AccessLogs", '{ $.status = "429" }', "TooManyRequests"),
    "OtherRequests": ("AccessLogs", '{ $.status != "429" }', "TooManyRequests"),
    "BusyAnswers": ("AccessLogs", '{ $.status = "503" && $.refusal = "-" }', "BusyAnswers"),
    "EventsKept": ("FunctionLogs", '{ $.message = "Kept an event that cannot be published" }', "EventsKept"),
    "WebhooksLate": ("FunctionLogs", '{ $.message = "Webhook not delivered" && $.attempt >= 4 }', "WebhooksLate"),
}


def test_log_lines_are_counted_for_this_stack_alone(complete: Deployment) -> None:
    counted = complete.of(COUNTED)

    assert counted.keys() == FILTERS.keys()
    for name, (group, pattern, metric) in FILTERS.items():
        [transformation] = counted[name]["MetricTransformations"]
        assert (counted[name]["LogGroupName"], counted[name]["FilterPattern"]) == (group, pattern), name
        assert (
            transformation.items()
            >= {
                "MetricNamespace": f"Outcomes/{STACK}",
                "MetricName": metric,
                "MetricValue": "0" if name == "OtherRequests" else "1",
            }.items()
        )
        # SlowRequestsAlarm computes with BusyAnswers, so a minute without busy answers must have the value 0.
        assert transformation.get("DefaultValue") == (0 if name == "BusyAnswers" else None), name


@pytest.mark.parametrize(
    ("message", "file"),
    [
        ("Tool failed", "layers/common/outcomes/mcp/server.py"),
        ("Kept an event that cannot be published", "functions/publish_events/app.py"),
        ("Webhook not delivered", "functions/deliver_webhook/app.py"),
    ],
)
def test_functions_write_the_lines_that_are_counted(message: str, file: str) -> None:
    assert f'"{message}"' in (ROOT / file).read_text()


@pytest.mark.parametrize(("monitoring", "namespace"), [("Full", f"Outcomes/{STACK}"), ("Off", "")])
def test_functions_count_for_this_stack_alone(complete: Deployment, monitoring: str, namespace: str) -> None:
    for name, function in complete.with_parameters(Monitoring=monitoring).of(FUNCTION).items():
        assert function["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"] == namespace, name


def test_an_alarm_looks_at_a_metric_of_this_stack(complete: Deployment) -> None:
    """An alarm never fires if its metric does not exist."""
    resources = complete.resources(FUNCTION).keys() | complete.resources("AWS::SQS::Queue").keys()
    counted = {(f"Outcomes/{STACK}", metric) for _, _, metric in FILTERS.values()}
    title = complete.one("AWS::ApiGateway::RestApi")["Body"]["info"]["title"]
    for name, alarm in complete.of(ALARM).items():
        for namespace, metric, dimensions in metrics(alarm):
            match namespace:
                case "AWS/ApiGateway":
                    assert dimensions == {"ApiName": title, "Stage": "v1"}, name
                case "AWS/Lambda" | "AWS/SQS":
                    assert dimensions == LOOKS_AT[name]
                    assert {each.removesuffix(".QueueName") for each in dimensions.values()} <= resources, name
                case _:
                    assert (namespace, metric) in counted, name
                    assert dimensions == {}, name


def test_an_alarm_computes_with_all_its_metrics(complete: Deployment) -> None:
    for name, alarm in complete.of(ALARM).items():
        if "Metrics" in alarm:
            [answer, *parts] = alarm["Metrics"]
            assert {part["Id"] for part in parts} <= set(re.findall(r"\w+", answer["Expression"])), name
            assert all(part["ReturnData"] is False for part in parts), name


@pytest.mark.parametrize(
    ("email", "arn", "topics"),
    [
        ("", "", []),
        ("", EVERYTHING["AlarmTopicArn"], [EVERYTHING["AlarmTopicArn"]]),
        ("oncall@example.com", "", ["AlarmTopic"]),
        ("oncall@example.com", EVERYTHING["AlarmTopicArn"], [EVERYTHING["AlarmTopicArn"], "AlarmTopic"]),
    ],
)
def test_an_alarm_notifies_the_address_and_the_topic(
    complete: Deployment, email: str, arn: str, topics: list[str]
) -> None:
    template = complete.with_parameters(AlarmEmail=email, AlarmTopicArn=arn)
    for name, alarm in template.of(ALARM).items():
        assert alarm["AlarmActions"] == alarm["OKActions"] == topics, name
    subscriptions = template.of("AWS::SNS::Subscription")
    assert list(subscriptions.values()) == (
        [{"TopicArn": "AlarmTopic", "Protocol": "email", "Endpoint": email}] if email else []
    )


def test_only_alarms_of_this_stack_may_publish_to_its_topic(complete: Deployment) -> None:
    policy = complete.one("AWS::SNS::TopicPolicy")
    [allowed, denied] = policy["PolicyDocument"]["Statement"]
    alarms = f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:{STACK}-*"

    assert policy["Topics"] == ["AlarmTopic"]
    assert (allowed["Effect"], allowed["Principal"]) == ("Allow", {"Service": "cloudwatch.amazonaws.com"})
    assert (allowed["Action"], allowed["Condition"]) == ("sns:Publish", {"ArnLike": {"aws:SourceArn": alarms}})
    assert (denied["Effect"], denied["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    assert allowed["Resource"] == denied["Resource"] == "AlarmTopic"


def test_the_dashboard_shows_all_alarms_and_what_is_on(complete: Deployment) -> None:
    dashboard = complete.one(DASHBOARD)
    widgets = json.loads(dashboard["DashboardBody"])["widgets"]

    assert dashboard["DashboardName"] == STACK
    assert [widget["properties"]["title"] for widget in widgets] == [
        *("Alarms", "Requests", "Requests by status", "Latency, milliseconds"),
        *("Value recorded, USD", "Outcomes recorded", "Refusals by reason", "Throttled", "Cold starts", "Failures"),
        *("Events published", "Age of the oldest unpublished event, milliseconds", "Events kept or lost"),
        *("Webhooks by result", "Webhooks that wait for an attempt", "Webhooks set aside"),
    ]
    assert sorted(widgets[0]["properties"]["alarms"]) == sorted(f"{name}.Arn" for name in FULL)
    assert [metric[-1]["stat"] for metric in widgets[3]["properties"]["metrics"]] == ["p50", "p95", "p99"]
    places = [(widget["y"], widget["x"]) for widget in widgets]
    assert sorted(set(places)) == places
    assert all(widget["x"] + widget["width"] <= 24 for widget in widgets)
    [throttled] = [widget for widget in widgets if widget["properties"]["title"] == "Throttled"]
    searches = " ".join(row[-1].get("expression", "") for row in throttled["properties"]["metrics"])
    assert set(re.findall(r"\{AWS/DynamoDB,([\w,]+)\} MetricName=\"(\w+)ThrottleEvents\"", searches)) == {
        (dimensions, kind)
        for dimensions in ("TableName", "GlobalSecondaryIndexName,TableName")  # each index has its own metrics
        for kind in ("Read", "Write")
    }
    [kept] = [
        widget["properties"]["metrics"] for widget in widgets if widget["properties"]["title"] == "Events kept or lost"
    ]
    mappings = [row[3] for row in kept if row[2] == "EventSourceMappingUUID"]
    streams = complete.resources("AWS::Lambda::EventSourceMapping").keys() - {"DeliverWebhookFunctionWebhooks"}
    assert sorted(mappings) == sorted(streams)
    for value in re.findall(r"SOURCE '(\w+)'", dashboard["DashboardBody"]):
        assert value in complete.resources("AWS::Logs::LogGroup")


@pytest.mark.parametrize(
    ("off", "word"),
    [({"EventBusName": ""}, "Events "), ({"WebhookUrl": ""}, "Webhook"), ({"DataRequests": "Off"}, "Erase")],
)
def test_the_dashboard_shows_nothing_of_what_is_off(complete: Deployment, off: dict[str, str], word: str) -> None:
    assert word in complete.one(DASHBOARD)["DashboardBody"]
    assert word not in complete.with_parameters(**off).one(DASHBOARD)["DashboardBody"]


def test_the_dashboard_shows_the_busy_answers_that_functions_count(
    complete: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    variables = complete.of(FUNCTION)["RecordOutcomeFunction"]["Environment"]["Variables"]
    for name in ("POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE"):
        monkeypatch.setenv(name, variables[name])
    with redirect_stdout(StringIO()) as written:
        count_busy()
    line = json.loads(written.getvalue())
    [metric] = line["_aws"]["CloudWatchMetrics"]
    [dimensions] = metric["Dimensions"]
    named = [part for name in dimensions for part in (name, line[name])]

    widgets = json.loads(complete.one(DASHBOARD)["DashboardBody"])["widgets"]
    [throttled] = [widget["properties"] for widget in widgets if widget["properties"]["title"] == "Throttled"]
    assert [metric["Namespace"], "Busy", *named] in [row[:-1] for row in throttled["metrics"]]


def test_upgrading_names_what_each_value_of_monitoring_drops() -> None:
    page = (ROOT / "docs/upgrading.md").read_text()
    dropped = page.partition("## What `Monitoring` drops")[2].partition("\n## ")[0]
    [essential] = [line for line in dropped.splitlines() if line.startswith("| `Essential`")]
    assert set(re.findall(r"`(\w+)`", essential)) == {"Essential"} | {
        name.removesuffix("Alarm") for name in FULL.keys() - ESSENTIAL.keys()
    } | {"DashboardUrl"}
    [off] = [line for line in dropped.splitlines() if line.startswith("| `Off`")]
    written = set[str]()
    for file in (ROOT / "layers/common/outcomes/edge/api.py", *(ROOT / "functions").glob("*/app.py")):
        written |= set(re.findall(r'(?<![.\w])count\("(\w+)"', file.read_text()))
    assert set(re.findall(r"`([A-Z]\w+)`", off)) == {"Off", "OutcomesRecorded", "ValueRecorded", "Busy", *written}


def test_the_runbook_says_of_each_alarm_what_it_means_and_what_to_do() -> None:
    sections = re.split(r"^## ", (ROOT / "docs/runbook.md").read_text(), flags=re.MULTILINE)
    named = {section.partition("\n")[0]: section for section in sections}
    for alarm in FULL:
        section = named[alarm.removesuffix("Alarm")]
        assert all(part in section for part in ("**You see**", "**It means**", "**Do**", "**Over when**")), alarm
