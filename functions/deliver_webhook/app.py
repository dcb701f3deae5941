"""Deliver events from the SQS queue to the webhook receiver, each as a signed POST."""

import os
from typing import Any

from outcomes.aws.services import CallFailed
from outcomes.edge.observability import count, logger
from outcomes.errors import Busy
from outcomes.events.webhooks import Queue, Receiver, SigningKeys, deliver

receiver = Receiver(os.environ["WEBHOOK_URL"])
keys = SigningKeys(os.environ["WEBHOOK_SECRET_ARN"])
queue = Queue(os.environ["WEBHOOKS_QUEUE_URL"], os.environ["DEAD_WEBHOOKS_QUEUE_URL"])


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Deliver each message of a batch. Return as `batchItemFailures` the messages that must stay in the queue.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    failed = [message["messageId"] for message in event["Records"] if not _deliver(message)]
    return {"batchItemFailures": [{"itemIdentifier": id_} for id_ in failed]}


def _deliver(message: dict[str, Any]) -> bool:
    """Deliver a message. Return whether it can be deleted from the queue."""
    try:
        delivery = deliver(message, receiver, keys, queue)
    except (Busy, CallFailed) as failure:
        logger().error("SQS did not answer: the queue retries the webhook", exc_info=failure)
        return False
    attempt = delivery.attempt
    count("WebhookAttempts", "result", [attempt.reason or "delivered"])
    if not attempt.reason:
        return True
    logger().warning(
        "Webhook not delivered",
        extra={
            "webhook_id": delivery.webhook_id,
            "receiver": receiver.host,
            "reason": attempt.reason,
            "status": attempt.status,
            "cause": attempt.cause,
            "attempt": delivery.number,
            "next_in_seconds": delivery.wait,
        },
    )
    return delivery.wait is None
