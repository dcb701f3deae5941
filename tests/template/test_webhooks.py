"""Test the template's webhooks: URL, rule, queues and secret."""

import re
from typing import Any

import pytest
from outcomes.contract import events
from outcomes.events import webhooks
from outcomes.events.webhooks import Receiver, signing_key

from ops.errors import StackError
from tests.webhooks.test_receiver import FINE, HOSTILE

from .conftest import EVERYTHING, FUNCTION, ROOT, Deployment

QUEUE = "AWS::SQS::Queue"
BUS = EVERYTHING["EventBusName"]
OURS = {"account": ["123456789012"], "source": ["outcomes-local"]}


@pytest.mark.parametrize("url", FINE)
def test_the_template_accepts_every_url_that_the_function_accepts(deployed: Deployment, url: str) -> None:
    assert deployed.with_parameters(WebhookUrl=url)


@pytest.mark.parametrize("url", [url for urls in HOSTILE.values() for url in urls if url and len(url) < 200])
def test_the_template_refuses_every_url_that_the_function_refuses(deployed: Deployment, url: str) -> None:
    with pytest.raises(StackError, match="WebhookUrl"):
        deployed.with_parameters(WebhookUrl=url)


def test_the_template_and_the_function_limit_urls_alike(template: Any, complete: Deployment) -> None:
    assert template["Parameters"]["WebhookUrl"]["MaxLength"] == webhooks.MAX_URL
    longest = f"https://{'a' * 60}.example.com/".ljust(webhooks.MAX_URL, "x")
    assert Receiver(longest)
    function = complete.with_parameters(WebhookUrl=longest).of(FUNCTION)["DeliverWebhookFunction"]
    assert function["Environment"]["Variables"]["WEBHOOK_URL"] == longest


@pytest.mark.parametrize("types", [(), ("outcome.disputed",), ("outcome.recorded", "key.created"), events.TYPES])
def test_the_rule_matches_this_stacks_events_alone(complete: Deployment, types: tuple[str, ...]) -> None:
    rule = complete.with_parameters(WebhookTypes=",".join(types)).of("AWS::Events::Rule")["WebhookRule"]

    assert rule["EventBusName"] == BUS
    assert rule["EventPattern"] == OURS | ({"detail-type": [*types]} if types else {})
    # Send the whole event, so that dead letters from EventBridge and from the function have the same format.
    assert [(each["Arn"], each["DeadLetterConfig"], "Input" in str(each.keys())) for each in rule["Targets"]] == [
        ("WebhooksQueue.Arn", {"Arn": "DeadWebhooksQueue.Arn"}, False)
    ]


@pytest.mark.parametrize("types", ["*", "outcome", "outcome.deleted", "outcome.recorded,outcome.Voided", "key.x"])
def test_a_type_that_no_event_has_is_refused(complete: Deployment, types: str) -> None:
    with pytest.raises(StackError, match="WebhookTypes must be types of events"):
        complete.with_parameters(WebhookTypes=types)


def test_only_the_rule_may_send_to_the_queues(complete: Deployment) -> None:
    policy = complete.one("AWS::SQS::QueuePolicy")
    allowed, denied = policy["PolicyDocument"]["Statement"]

    assert policy["Queues"] == [*complete.of(QUEUE)]
    assert allowed["Resource"] == denied["Resource"] == [f"{queue}.Arn" for queue in policy["Queues"]]
    assert (allowed["Action"], allowed["Principal"]) == ("sqs:SendMessage", {"Service": "events.amazonaws.com"})
    assert allowed["Condition"] == {"ArnEquals": {"aws:SourceArn": "WebhookRule.Arn"}}
    assert (denied["Effect"], denied["Principal"], denied["Action"]) == ("Deny", "*", "sqs:*")
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_queues_are_encrypted_and_take_the_largest_event_in_its_envelope(complete: Deployment) -> None:
    for name, queue in complete.of(QUEUE).items():
        assert queue["SqsManagedSseEnabled"] is True, name
        assert queue["MaximumMessageSize"] >= 2 * events.MAX_ENTRY_BYTES, name


def test_a_message_outlives_its_attempts_then_goes_to_the_dead_letter_queue(complete: Deployment) -> None:
    queues = complete.of(QUEUE)
    retention = queues["WebhooksQueue"]["MessageRetentionPeriod"]
    longest = len(webhooks.WAITS) * webhooks.LONGEST * (1 + webhooks.SPREAD)

    assert queues["WebhooksQueue"]["RedrivePolicy"] == {
        "deadLetterTargetArn": "DeadWebhooksQueue.Arn",
        "maxReceiveCount": len(webhooks.WAITS) + 1,
    }
    assert longest + webhooks.HOUR < retention
    # A message keeps its age when it is moved to the dead-letter queue, so this queue needs a longer retention:
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
    assert queues["DeadWebhooksQueue"]["MessageRetentionPeriod"] == 14 * 24 * webhooks.HOUR >= 2 * retention
    # The pages say how long data of an erased person stays.
    for name, queue in queues.items():
        days = queue["MessageRetentionPeriod"] // (24 * webhooks.HOUR)
        assert re.search(
            rf"^\| `{name}` \|.*\| {days} days", (ROOT / "docs/data-requests.md").read_text(), re.MULTILINE
        )


def test_each_message_is_delivered_and_reported_alone(complete: Deployment) -> None:
    mapping = complete.of("AWS::Lambda::EventSourceMapping")["DeliverWebhookFunctionWebhooks"]

    assert mapping["FunctionName"].endswith(":live")
    assert (mapping["BatchSize"], mapping["FunctionResponseTypes"]) == (1, ["ReportBatchItemFailures"])
    assert mapping["ScalingConfig"]["MaximumConcurrency"] <= 10


def test_a_message_is_hidden_longer_than_an_attempt_takes(complete: Deployment) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html recommends six times the timeout."""
    timeout = int(complete.of(FUNCTION)["DeliverWebhookFunction"]["Timeout"])

    assert 2 * webhooks.LIMITS.total + webhooks.SECONDS + 1 < timeout
    assert 6 * timeout <= complete.of(QUEUE)["WebhooksQueue"]["VisibilityTimeout"]


def test_the_generated_secret_fits_standard_webhooks(complete: Deployment) -> None:
    secret = complete.of("AWS::SecretsManager::Secret")["WebhookSecret"]

    assert secret.keys() == {"Description", "GenerateSecretString"}
    assert secret["GenerateSecretString"] == {"PasswordLength": 64, "ExcludePunctuation": True}
    assert len(signing_key("aB3" * 21 + "x")) == 48
