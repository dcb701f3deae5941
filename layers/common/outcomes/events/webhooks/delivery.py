"""Deliver webhooks with backoff: wait longer after each failure, and give up after three days.

The queue counts the attempts and keeps what waits: SQS hides a message for as long as it is told, at most twelve hours,
and moves it to the dead-letter queue when it was received once more often than there are waits.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from outcomes.aws.caller import Limits, jitter
from outcomes.aws.errors import CallFailed
from outcomes.aws.services import SQS, SecretsManager
from outcomes.contract import instants, json_text
from outcomes.errors import Busy
from outcomes.events.webhooks.receiver import Attempt, Receiver
from outcomes.events.webhooks.signing import is_id, signed, signing_key

LIMITS = Limits(attempts=2, connect=0.5, read=1, total=4)
"""Limits of a call of Secrets Manager or SQS, in seconds."""

HOUR = 60 * 60
LONGEST = 11 * HOUR
"""Seconds: SQS hides a message for twelve hours at most, counted from when it was received."""

WAITS = (5, 5 * 60, 30 * 60, 2 * HOUR, 5 * HOUR, 10 * HOUR, *[LONGEST] * 5)
"""Seconds after each failed attempt: as Standard Webhooks recommends, as far as SQS can wait, for three days."""

SPREAD = 0.04
"""Share of a wait by which it may be longer, so that what failed together is not tried again together."""

KEYS_SECONDS = 300
"""Time for which the signing keys are kept."""

OVERLAP_SECONDS = 24 * HOUR
"""Time for which the previous secret signs beside the current one, from when that was put there."""

_LEVELS = 64
"""More than an event is nested: its metadata is the deepest of it, 32 levels."""


class Delivery(NamedTuple):
    """Result of handling a message. number: of the attempt. wait: seconds to the next, None when there will be none."""

    webhook_id: str
    attempt: Attempt
    number: int
    wait: int | None


class SigningKeys:
    """The signing keys of this moment: the current, and for a day after a rotation the previous."""

    def __init__(self, arn: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._arn, self._clock = arn, clock
        self._secrets = SecretsManager(LIMITS)
        self._kept: list[tuple[bytes, float]] = []
        self._kept_since = float("-inf")

    def now(self) -> list[bytes]:
        """List the keys. Raises CallFailed and Busy when they cannot be read, ValueError when the current is no key."""
        if self._clock() - self._kept_since >= KEYS_SECONDS:
            self._kept, self._kept_since = self._read(), self._clock()
        return [key for key, ends in self._kept if instants.now() / 1000 < ends]

    def _read(self) -> list[tuple[bytes, float]]:
        until = self._clock() + LIMITS.total
        current, *previous = self._secrets.versions(self._arn, until)
        keys = [(signing_key(str(current.get("SecretString", ""))), float("inf"))]
        for version in previous:
            try:
                key = signing_key(str(version.get("SecretString", "")))
            except ValueError:  # put there by mistake, and mended since
                continue
            keys.append((key, float(current["CreatedDate"]) + OVERLAP_SECONDS))
        return keys


class Queue:
    """The queue, and the one of what is not tried again, by their URLs."""

    def __init__(self, url: str, dead_letters: str) -> None:
        self._url, self._dead_letters = url, dead_letters
        self._sqs = SQS(LIMITS)

    def hide(self, message: Mapping[str, Any], seconds: int) -> None:
        """Let a message be received again in so many seconds. Raises CallFailed and Busy."""
        hidden = {"QueueUrl": self._url, "ReceiptHandle": message["receiptHandle"], "VisibilityTimeout": seconds}
        self._sqs.call("ChangeMessageVisibility", hidden)

    def set_aside(self, message: Mapping[str, Any]) -> None:
        """Put a message where it is kept and not tried again. Raises CallFailed and Busy."""
        self._sqs.call("SendMessage", {"QueueUrl": self._dead_letters, "MessageBody": message["body"]})


def deliver(message: Mapping[str, Any], receiver: Receiver, keys: SigningKeys, queue: Queue) -> Delivery:
    """Make an attempt, and see to the next one where it failed.

    message: as Lambda hands it on from SQS, whose body is an event of EventBridge with a CloudEvent for its detail.

    Raises CallFailed and Busy when SQS could not be told: then the message comes back when the queue's own time is up.
    """
    number = int(message["attributes"]["ApproximateReceiveCount"])
    try:
        event = json_text.read(message["body"])["detail"]
        webhook_id, body = event["id"], json_text.exact(event, _LEVELS).encode()
    except (ValueError, KeyError, TypeError, RecursionError):
        webhook_id, body = None, b""
    if not is_id(webhook_id):
        queue.set_aside(message)
        return Delivery("", Attempt("no_event"), number, None)
    attempt = _attempt(webhook_id, body, receiver, keys)
    if not attempt.reason:
        return Delivery(webhook_id, attempt, number, None)
    if attempt.is_gone:
        queue.set_aside(message)
        return Delivery(webhook_id, attempt, number, None)
    wait = wait_after(number, attempt.pause)
    queue.hide(message, wait)
    return Delivery(webhook_id, attempt, number, wait)


def _attempt(webhook_id: str, body: bytes, receiver: Receiver, keys: SigningKeys) -> Attempt:
    try:
        signing = keys.now()
    except (Busy, CallFailed, ValueError) as failure:
        return Attempt("no_secret", cause=f"{type(failure).__name__}: {failure}")
    return receiver.hand(signed(webhook_id, instants.now() // 1000, body, signing), body)


def wait_after(number: int, asked: float = 0, spread: Callable[[float], float] = jitter) -> int:
    """Compute the seconds to wait after so many attempts: what is due, or longer where the receiver asked for it.

    After the last one there is nothing to wait for: the queue moves the message when it is received again.
    """
    if number > len(WAITS):
        return 0
    wait = max(WAITS[number - 1], min(asked, LONGEST))
    return round(wait + spread(wait * SPREAD))
