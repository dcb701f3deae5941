"""Test delivering webhooks from the queue: backoff for three days, then the dead-letter queue."""

import json
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from outcomes.aws.services import SecretsManager
from outcomes.calendar import instants
from outcomes.contract import events
from outcomes.events import webhooks
from outcomes.events.webhooks import HOUR, LONGEST, SPREAD, WAITS, Receiver, SigningKeys, wait_after
from standardwebhooks.webhooks import Webhook

from functions.deliver_webhook import app
from local.moto_backend import backend
from tests.authority import Authority
from tests.aws import aws_client, mock_aws
from tests.faults import DENIED, error, faulty
from tests.template.conftest import deploy
from tests.webhooks.conftest import ReceivingServer

SECRET = "made0up0webhook0secret0of0sixty0four0letters0and0digits0as0aws00"
NEXT_SECRET = "made0up0webhook0secret0that0is0the0next0one0of0sixty0four0letter"
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "01M881HMN5BK0R53WV7N3P1R3Q",
    "source": "outcomes-prod",
    "type": "outcome.recorded",
    "subject": "users/42/outcomes/01M881HMN5BK0R53WV7N3P1R3Q",
    "data": {"title": "Grüße", "value_usd": 0},
}
# The text contains a number that a float cannot represent.
DETAIL = json.dumps(EVENT, ensure_ascii=False).replace('"value_usd": 0', '"value_usd": 12345678901234567.10')
ON_THE_BUS = f'{{"version": "0", "id": "b2a7", "detail-type": "outcome.recorded", "detail": {DETAIL}}}'

type Log = Callable[[], list[dict[str, Any]]]


class Queues:
    """The stack's queues. They are polled as Lambda polls them.

    waits: the visibility timeout, in seconds, of each message that stayed in the queue after an attempt, in order.
    """

    def __init__(self) -> None:
        self.sqs = aws_client("sqs")
        dead = self.sqs.create_queue(QueueName="DeadWebhooksQueue")["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": len(WAITS) + 1})
        self.url = self.sqs.create_queue(QueueName="WebhooksQueue", Attributes={"RedrivePolicy": policy})["QueueUrl"]
        self.arn = arn.replace("DeadWebhooksQueue", "WebhooksQueue")
        self.waits: list[int] = []

    def put(self, body: str = ON_THE_BUS) -> None:
        self.sqs.send_message(QueueUrl=self.url, MessageBody=body)

    def poll(self) -> list[dict[str, Any]]:
        """Invoke the function with each visible message.

        Delete the messages that it has handled. Make all others visible at once, whatever their visibility timeout.
        """
        received = self.sqs.receive_message(
            QueueUrl=self.url, MessageSystemAttributeNames=["All"], MaxNumberOfMessages=10, VisibilityTimeout=1800
        ).get("Messages", [])
        records = [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
            }
            for message in received
        ]
        for record in records:
            answer = app.handler({"Records": [record]}, None)
            if {"itemIdentifier": record["messageId"]} not in answer["batchItemFailures"]:
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=record["receiptHandle"])
        for message in backend("sqs").queues["WebhooksQueue"]._messages:
            self.waits.append(round(message.visible_at / 1000 - time.time()))
            message.visible_at = 0
        return records

    @property
    def waiting(self) -> list[str]:
        return [message.body for message in backend("sqs").queues["WebhooksQueue"]._messages]

    @property
    def dead(self) -> list[str]:
        return [message.body for message in backend("sqs").queues["DeadWebhooksQueue"]._messages]


def spread(waits: list[int]) -> Any:
    return pytest.approx(waits, rel=SPREAD, abs=1)


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch, server: ReceivingServer, authority: Authority) -> Iterator[Queues]:
    """Create the queues, the secret, and a newly started function. It sends webhooks to a receiver on this machine."""
    receiver = Receiver("https://hooks.example.com/outcomes", resolve=server.resolve, authorities=str(authority.file))
    monkeypatch.setattr(app, "receiver", receiver)
    with mock_aws():
        aws_client("secretsmanager").create_secret(Name="webhook-secret", SecretString=SECRET)
        monkeypatch.setattr(app, "keys", SigningKeys("webhook-secret"))
        yield Queues()


@pytest.mark.parametrize("value", ["12345678901234567.10", r'"an unpaired surrogate \ud800"'])
def test_an_event_of_the_bus_is_posted_exactly_and_verified(
    queues: Queues, server: ReceivingServer, value: str
) -> None:
    queues.put(ON_THE_BUS.replace("12345678901234567.10", value))
    queues.poll()

    [call] = server.calls
    assert Webhook(SECRET).verify(call.body, call.headers) == json.loads(DETAIL.replace("12345678901234567.10", value))
    assert call.headers["webhook-id"] == EVENT["id"]
    assert f'"value_usd":{value}'.encode() in call.body
    assert (queues.waiting, queues.dead) == ([], [])


def test_only_the_stack_s_own_events_pass_the_rule(queues: Queues, server: ReceivingServer) -> None:
    [rule] = deploy(EventBusName="default", WebhookUrl="https://hooks.example.com/").of("AWS::Events::Rule").values()
    eventbridge = aws_client("events")
    eventbridge.put_rule(Name="webhooks", EventPattern=json.dumps(rule["EventPattern"]))
    eventbridge.put_targets(Rule="webhooks", Targets=[{"Id": "queue", "Arn": queues.arn}])
    event = events.Event(
        "01M8:2", "outcome.recorded", "2026-04-01T12:00:00.000Z", "outcomes/01M8", '{"value_usd":1.50}'
    )
    ours, others = (events.entry(event, source, "default") for source in ("outcomes-local", "outcomes-prod"))
    assert eventbridge.put_events(Entries=[others, ours])["FailedEntryCount"] == 0
    queues.poll()

    [call] = server.calls
    assert call.headers["webhook-id"] == "01M8:2"
    assert Webhook(SECRET).verify(call.body, call.headers) == json.loads(ours["Detail"])


def test_a_webhook_that_failed_is_retried_until_delivered_and_each_attempt_is_counted(
    queues: Queues, server: ReceivingServer, log: Log, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers = [503, lambda out: out.write(b""), 429]
    queues.put()
    for _ in range(4):
        queues.poll()

    assert queues.waits == spread([5, 5 * 60, 30 * 60])
    lines = log()
    assert [(line["reason"], line["attempt"]) for line in lines] == [
        ("status_5xx", 1),
        ("broken", 2),
        ("status_4xx", 3),
    ]
    assert [line["next_in_seconds"] for line in lines] == queues.waits
    assert {call.headers["webhook-id"] for call in server.calls} == {EVENT["id"]}
    assert {call.body for call in server.calls} == {server.calls[0].body}
    assert len(server.calls) == 4
    assert Webhook(SECRET).verify(server.calls[-1].body, server.calls[-1].headers)
    assert (queues.waiting, queues.dead) == ([], [])
    counts = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "WebhookAttempts" in line]
    results = [(count["result"], count["WebhookAttempts"]) for count in counts]
    assert results == [(result, [1.0]) for result in ("status_5xx", "broken", "status_4xx", "delivered")]


def test_each_attempt_is_signed_when_it_is_made(
    queues: Queues, server: ReceivingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Receivers refuse signatures older than five minutes."""
    now = instants.now()
    server.answers = [500]
    queues.put()
    for later in (0, HOUR):
        monkeypatch.setattr("outcomes.calendar.instants.now", lambda later=later: now + later * 1000)
        queues.poll()

    first, second = (int(call.headers["webhook-timestamp"]) for call in server.calls)
    assert second - first == HOUR


def test_after_three_days_a_webhook_is_a_dead_letter(queues: Queues, server: ReceivingServer) -> None:
    server.answers = [500] * 20
    queues.put()
    while queues.poll():
        pass

    assert queues.waits == spread([5, 300, 1800, 2 * HOUR, 5 * HOUR, 10 * HOUR, *[11 * HOUR] * 5, 0])
    assert len(server.calls) == len(queues.waits)
    assert 3 * 24 * HOUR <= sum(queues.waits) <= 1.05 * 3 * 24 * HOUR
    assert (queues.waiting, queues.dead) == ([], [ON_THE_BUS])


def test_a_failing_webhook_stops_no_other(queues: Queues, server: ReceivingServer) -> None:
    server.answers = [500, 204, 204]
    for number in range(3):
        queues.put(ON_THE_BUS.replace(EVENT["id"], f"a/b#c_d-e:{number}"))
    queues.poll()

    assert len(server.calls) == 3
    assert len(queues.waiting) == 1


def test_a_410_makes_a_dead_letter_at_once(queues: Queues, server: ReceivingServer, log: Log) -> None:
    server.answers = [410]
    queues.put()
    queues.poll()

    assert (queues.waiting, queues.dead) == ([], [ON_THE_BUS])
    assert [(line["status"], "next_in_seconds" in line) for line in log()] == [(410, False)]


@pytest.mark.parametrize(
    "body",
    [
        *("nonsense", "[]", "null", "{}"),
        *(f'{{"detail": {detail}}}' for detail in ("null", '"text"', "{}")),
        # If an id contained a full stop, its end could be mistaken for a timestamp.
        *(
            f'{{"detail": {{"id": {id_}}}}}'
            for id_ in ("7", '""', '"a.b"', '"a b"', '"a\\r\\nx: y"', '"é"', f'"{"x" * 257}"')
        ),
        f'{{"detail": {{"id": "a", "data": {"[" * 65}{"]" * 65}}}}}',
        f'{{"detail": {{"id": "a", "data": {"[" * 100_000}',
    ],
)
def test_an_invalid_event_is_a_dead_letter(queues: Queues, server: ReceivingServer, body: str) -> None:
    queues.put(body)
    queues.poll()

    assert (server.calls, queues.waiting, queues.dead) == ([], [], [body])


class TestRotation:
    @pytest.fixture(autouse=True)
    def now(self, queues: Queues, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
        """Return a function that advances the clock by the given seconds."""
        assert queues  # the fixture `queues` has started the function, whose cache is still empty
        real, moved = instants.now, [0.0]
        monkeypatch.setattr("outcomes.calendar.instants.now", lambda: real() + round(moved[0] * 1000))
        monkeypatch.setattr(app.keys, "_clock", lambda: time.monotonic() + moved[0])

        def move(seconds: float) -> None:
            moved[0] += seconds

        return move

    def rotate(self, secret: str) -> None:
        aws_client("secretsmanager").put_secret_value(SecretId="webhook-secret", SecretString=secret)

    def verified_by(self, queues: Queues, server: ReceivingServer) -> set[str]:
        """Send a webhook. Return the secrets that verify at least one of its signatures."""
        queues.put()
        queues.poll()
        call = server.calls[-1]
        # Compare signatures, because the library's `verify` only uses the real time.
        signed_at = datetime.fromtimestamp(int(call.headers["webhook-timestamp"]), UTC)
        signatures = {
            secret: Webhook(secret).sign(call.headers["webhook-id"], signed_at, call.body.decode())
            for secret in (SECRET, NEXT_SECRET)
        }
        sent = call.headers["webhook-signature"].split(" ")
        return {secret for secret, signature in signatures.items() if signature in sent}

    def test_both_secrets_sign_for_a_day(
        self, queues: Queues, server: ReceivingServer, now: Callable[[float], None]
    ) -> None:
        assert self.verified_by(queues, server) == {SECRET}
        self.rotate(f"whsec_{NEXT_SECRET}\n")  # people may paste the secret with its prefix and a newline
        now(webhooks.KEYS_SECONDS)  # the function caches the secret for this long
        assert self.verified_by(queues, server) == {SECRET, NEXT_SECRET}
        now(23 * HOUR)
        assert self.verified_by(queues, server) == {SECRET, NEXT_SECRET}
        now(HOUR)
        assert self.verified_by(queues, server) == {NEXT_SECRET}

    @pytest.mark.parametrize(
        "secret", ["whsec_", "made-up-pass-phrase", *(b64encode(b"x" * size).decode() for size in (23, 65))]
    )
    def test_an_invalid_secret_delivers_nothing_and_is_not_logged(
        self, queues: Queues, server: ReceivingServer, log: Log, secret: str
    ) -> None:
        self.rotate(secret)
        queues.put()
        queues.poll()
        assert server.calls == []
        assert queues.waits == [5]
        [line] = log()
        assert (line["reason"], line["cause"]) == ("no_secret", "ValueError: not Base64 of 24 to 64 bytes")
        self.rotate(NEXT_SECRET)
        queues.poll()
        assert self.verified_by(queues, server) == {NEXT_SECRET}


def test_without_the_secret_a_webhook_waits(queues: Queues, server: ReceivingServer, log: Log) -> None:
    secrets: SecretsManager = app.keys._secrets
    queues.put()
    with faulty(secrets, "GetSecretValue", error(DENIED)):
        queues.poll()
    assert (server.calls, queues.waits) == ([], [5])
    assert [line["reason"] for line in log()] == ["no_secret"]
    queues.poll()
    assert len(server.calls) == 1


@pytest.mark.parametrize(("operation", "status"), [("ChangeMessageVisibility", 500), ("SendMessage", 410)])
def test_when_sqs_fails_the_queue_keeps_the_webhook(
    queues: Queues, server: ReceivingServer, log: Log, operation: str, status: int
) -> None:
    server.answers = [status]
    queues.put()
    with faulty(app.queue._sqs, operation, error(DENIED)):
        queues.poll()
    assert len(queues.waiting) == 1
    assert [line["message"] for line in log()] == ["SQS did not answer: the queue retries the webhook"]
    queues.poll()
    assert (queues.waiting, queues.dead) == ([], [])


@pytest.mark.parametrize(("number", "asked", "wait"), [(1, 120, 120), (4, 120, 2 * HOUR), (1, 10**6, LONGEST)])
def test_a_wait_is_longer_when_the_receiver_asks_but_never_shorter(number: int, asked: float, wait: int) -> None:
    assert wait_after(number, asked, spread=lambda _: 0) == wait


def test_waits_have_jitter_and_stay_below_sqs_s_limit() -> None:
    for number in range(1, len(WAITS) + 1):
        wait = wait_after(number, asked=10**9, spread=lambda seconds: seconds)
        assert LONGEST < wait < 12 * HOUR - 300
