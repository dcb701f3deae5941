"""Test alarms, metric filters and the dashboard for each value of the parameter Monitoring."""

import json
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from fnmatch import fnmatchcase
from io import StringIO
from itertools import product
from typing import Any

import pytest
from outcomes.edge.observability import count_busy

from local.environment import ACCOUNT

from .conftest import EVERYTHING, FUNCTION, ROOT, STACK, Deployment

ALARM, COUNTED, DASHBOARD = "AWS::CloudWatch::Alarm", "AWS::Logs::MetricFilter", "AWS::CloudWatch::Dashboard"

RUNBOOK = dict(
    re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE | re.DOTALL)
)
UPGRADING = (ROOT / "docs/upgrading.md").read_text().partition("## What `Monitoring` drops")[2].partition("\n## ")[0]


def dropped(monitoring: str) -> set[str]:
    """Return what docs/upgrading.md says that this value of Monitoring drops."""
    [row] = [line for line in UPGRADING.splitlines() if line.startswith(f"| `{monitoring}`")]
    return set(re.findall(r"`([A-Z]\w+)`", row)) - {monitoring}


FULL = [f"{name}Alarm" for name in RUNBOOK if name.isalnum()]
"""All alarms: those that the runbook explains."""
ESSENTIAL = [name for name in FULL if name.removesuffix("Alarm") not in dropped("Essential")]
LOOKS_AT = {
    "EventsLateAlarm": {"FunctionName": "PublishEventsFunction"},
    "EventsLostAlarm": {"FunctionName": "PublishEventsFunction"},
    "ErasureAlarm": {"FunctionName": "EraseUserFunction"},
    "UserExportAlarm": {"FunctionName": "ExportUserFunction"},
    "WatchesAlarm": {"FunctionName": "EvaluateWatchesFunction"},
    "WebhooksStalledAlarm": {"QueueName": "WebhooksQueue.QueueName"},
    "WebhooksSetAsideAlarm": {"QueueName": "DeadWebhooksQueue.QueueName"},
}
"""The function or queue whose metrics an alarm reads."""
AT_ONCE = {"EventsKeptAlarm", "EventsLostAlarm", "ThrottledAlarm", "WebhooksSetAsideAlarm"}
ROLLS_BACK = ["ServerErrorsAlarm", "AuthorizerFailuresAlarm"]


def metrics(alarm: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield namespace, name and dimensions of each metric of an alarm."""
    parts = [metric["MetricStat"]["Metric"] for metric in alarm.get("Metrics", []) if "MetricStat" in metric]
    for part in parts or [alarm]:
        dimensions = {each["Name"]: each["Value"] for each in part.get("Dimensions", [])}
        yield part["Namespace"], part["MetricName"], dimensions


def test_full_monitoring_has_an_alarm_for_each_kind_of_trouble(complete: Deployment) -> None:
    alarms = complete.of(ALARM)

    assert alarms.keys() == {*FULL}
    assert all(alarm["ComparisonOperator"] == "GreaterThanThreshold" for alarm in alarms.values())
    assert {name for name, alarm in alarms.items() if alarm["EvaluationPeriods"] == 1} == AT_ONCE
    [slow] = [each["MetricStat"] for each in alarms["SlowRequestsAlarm"]["Metrics"] if each["Id"] == "latency"]
    assert slow["Stat"] == "p99"
    for name, alarm in alarms.items():
        if "Metrics" not in alarm and name != "ThrottledAlarm":
            is_level = re.search("Age|NumberOf", alarm["MetricName"])
            assert alarm["Statistic"] == ("Maximum" if is_level else "Sum"), name


def test_the_runbook_says_of_each_alarm_what_it_means_and_what_to_do() -> None:
    for alarm in FULL:
        section = RUNBOOK[alarm.removesuffix("Alarm")]
        assert all(part in section for part in ("**You see**", "**It means**", "**Do**", "**Over when**")), alarm


def test_essential_monitoring_has_at_most_ten_alarm_metrics_and_no_dashboard(complete: Deployment) -> None:
    essential = complete.with_parameters(Monitoring="Essential")
    alarms = essential.of(ALARM)

    assert alarms == {name: alarm for name, alarm in complete.of(ALARM).items() if name in ESSENTIAL}
    assert sum(len(list(metrics(alarm))) for alarm in alarms.values()) <= 10
    assert not essential.resources("AWS::CloudWatch::CompositeAlarm")
    assert not essential.resources(DASHBOARD)


def test_essential_is_the_default(deployed: Deployment) -> None:
    assert deployed.of(ALARM).keys() == {"ErasureAlarm", "ThrottledAlarm", *ROLLS_BACK}


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


def counted(complete: Deployment, group: str, **line: Any) -> dict[str, float]:
    """Return the metrics that the filters of a log group count for a line, and what each counts."""

    def is_so(name: str, how: str, value: Any) -> bool:
        found = line.get(name, "-" if name == "refusal" else "")
        return bool(found >= value) if how == ">=" else fnmatchcase(found, value) == (how == "=")

    metrics: dict[str, float] = {}
    for each in complete.of(COUNTED).values():
        pattern = each["FilterPattern"].strip("{ }").replace("&&", "and").replace("||", "or")
        expression = re.sub(r'\$\.(\w+) (=|!=|>=) ("[^"]*"|\d+)', r"is_so('\1', '\2', \3)", pattern)
        if each["LogGroupName"] == group and eval(expression, {"is_so": is_so}):  # noqa: S307 - the template's own
            [transformation] = each["MetricTransformations"]
            metrics[transformation["MetricName"]] = float(transformation["MetricValue"])
    return metrics


@pytest.mark.parametrize(
    ("line", "metrics"),
    [
        ({"status": "200"}, {}),
        ({"status": "429", "refusal": "THROTTLED"}, {"TooManyRequests": 1}),
        ({"status": "429"}, {}),  # an agent key has used up its daily limit
        ({"status": "401", "refusal": "UNAUTHORIZED"}, {}),
        ({"status": "503"}, {"BusyAnswers": 1}),
        ({"status": "503", "refusal": "DEFAULT_5XX"}, {"ServerErrors": 1}),
        ({"status": "500"}, {"ServerErrors": 1}),
        ({"status": "500", "refusal": "AUTHORIZER_FAILURE"}, {"ServerErrors": 1, "AuthorizerFailures": 1}),
        ({"status": "500", "refusal": "AUTHORIZER_CONFIGURATION_ERROR"}, {"ServerErrors": 1, "AuthorizerFailures": 1}),
        ({"message": "Tool failed"}, {"ServerErrors": 1}),
        ({"message": "Kept an event that cannot be published"}, {"EventsKept": 1}),
        ({"message": "Webhook not delivered", "attempt": 3}, {}),
        ({"message": "Webhook not delivered", "attempt": 4}, {"WebhooksLate": 1}),
    ],
)
def test_log_lines_are_counted(complete: Deployment, line: dict[str, Any], metrics: dict[str, float]) -> None:
    group = "AccessLogs" if "status" in line else "FunctionLogs"
    throttled: dict[str, float] = {"TooManyRequests": 0} if "status" in line else {}
    assert counted(complete, group, **line) == throttled | metrics


def test_log_lines_are_counted_for_this_stack_alone(complete: Deployment) -> None:
    transformations = [each["MetricTransformations"][0] for each in complete.of(COUNTED).values()]
    assert {each["MetricNamespace"] for each in transformations} == {f"Outcomes/{STACK}"}
    # SlowRequestsAlarm computes with BusyAnswers, so a minute without busy answers must have the value 0.
    values = {each["MetricName"]: each["DefaultValue"] for each in transformations if "DefaultValue" in each}
    assert values == {"BusyAnswers": 0}


def test_functions_write_the_lines_that_are_counted(complete: Deployment) -> None:
    code = "".join(file.read_text() for part in ("layers", "functions") for file in (ROOT / part).rglob("*.py"))
    for each in complete.of(COUNTED).values():
        for message in re.findall(r'\$\.message = ("[^"]*")', each["FilterPattern"]):
            assert message in code


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
    lines = [{"status": status, "refusal": "THROTTLED" if status == "429" else "-"} for status in statuses]
    values = [counted(complete, "AccessLogs", **line)[alarm["MetricName"]] for line in lines]
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


@pytest.mark.parametrize(("monitoring", "namespace"), [("Full", f"Outcomes/{STACK}"), ("Off", "")])
def test_functions_count_for_this_stack_alone(complete: Deployment, monitoring: str, namespace: str) -> None:
    for name, function in complete.with_parameters(Monitoring=monitoring).of(FUNCTION).items():
        assert function["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"] == namespace, name


def test_an_alarm_looks_at_a_metric_of_this_stack(complete: Deployment) -> None:
    """An alarm never fires if its metric does not exist."""
    resources = complete.resources(FUNCTION).keys() | complete.resources("AWS::SQS::Queue").keys()
    transformations = [each["MetricTransformations"][0] for each in complete.of(COUNTED).values()]
    counted = {(f"Outcomes/{STACK}", each["MetricName"]) for each in transformations}
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
    body = complete.one(DASHBOARD)["DashboardBody"]
    widgets = json.loads(body)["widgets"]

    assert sorted(widgets[0]["properties"]["alarms"]) == sorted(f"{name}.Arn" for name in FULL)
    places = [(widget["y"], widget["x"]) for widget in widgets]
    assert sorted(set(places)) == places
    assert all(widget["x"] + widget["width"] <= 24 for widget in widgets)
    searches = re.findall(r"\{AWS/DynamoDB,([\w,]+)\} MetricName=\\\"(\w+)ThrottleEvents", body)
    dimensions = ("TableName", "GlobalSecondaryIndexName,TableName")  # each index has its own metrics
    assert set(searches) == set(product(dimensions, ("Read", "Write")))
    rows = [row for widget in widgets for row in widget["properties"].get("metrics", [])]
    mappings = {row[3] for row in rows if len(row) > 3 and row[2] == "EventSourceMappingUUID"}
    assert mappings == complete.resources("AWS::Lambda::EventSourceMapping").keys() - {"DeliverWebhookFunctionWebhooks"}
    assert set(re.findall(r"SOURCE '(\w+)'", body)) <= complete.resources("AWS::Logs::LogGroup").keys()


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


def test_upgrading_names_what_each_value_of_monitoring_drops(complete: Deployment) -> None:
    essential = complete.with_parameters(Monitoring="Essential").of(ALARM).keys()
    assert dropped("Essential") == {name.removesuffix("Alarm") for name in {*FULL} - essential} | {"DashboardUrl"}
    written = set[str]()
    for file in (ROOT / "layers/common/outcomes/edge/api.py", *(ROOT / "functions").glob("*/app.py")):
        written |= set(re.findall(r'(?<![.\w])count\("(\w+)"', file.read_text()))
    assert dropped("Off") == {"OutcomesRecorded", "ValueRecorded", "Busy", *written}
