"""SQS: an event of the bus in, a signed POST to the receiver out."""

import os
from typing import Any

from outcomes.aws.errors import CallFailed
from outcomes.edge.observability import count_webhook, logger
from outcomes.errors import Busy
from outcomes.events.webhooks.delivery import Queue, SigningKeys, deliver
from outcomes.events.webhooks.receiver import Receiver

receiver = Receiver(os.environ["WEBHOOK_URL"])
keys = SigningKeys(os.environ["WEBHOOK_SECRET_ARN"])
queue = Queue(os.environ["WEBHOOKS_QUEUE_URL"], os.environ["DEAD_WEBHOOKS_QUEUE_URL"])


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Deliver each message; those that are to stay in the queue are named in the answer.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    stay = [message["messageId"] for message in event["Records"] if not _is_done(message)]
    return {"batchItemFailures": [{"itemIdentifier": id_} for id_ in stay]}


def _is_done(message: dict[str, Any]) -> bool:
    """Deliver a message, and tell whether it may leave the queue."""
    try:
        delivery = deliver(message, receiver, keys, queue)
    except (Busy, CallFailed) as failure:
        logger().error("A webhook's next attempt is when the queue has it", exc_info=failure)
        return False
    attempt = delivery.attempt
    count_webhook(attempt.reason or "delivered")
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
