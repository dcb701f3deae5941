"""Deliver webhooks with backoff: wait longer after each failure, and give up after three days.

The SQS queue stores messages between attempts, hides them for up to twelve hours, and counts the attempts. After the
last wait, SQS moves the message to the dead-letter queue.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from outcomes.aws.calls import Limits, jitter
from outcomes.aws.failures import CallFailed
from outcomes.aws.services import SQS, SecretsManager
from outcomes.calendar import instants
from outcomes.contract import json_text
from outcomes.errors import Busy
from outcomes.events.webhooks.receiver import Attempt, Receiver
from outcomes.events.webhooks.signing import is_id, signed, signing_key

LIMITS = Limits(attempts=2, connect=0.5, read=1, total=4)  # limits of each call to Secrets Manager or SQS

HOUR = 60 * 60
LONGEST = 11 * HOUR  # SQS hides a message for at most twelve hours after it was received
WAITS = (5, 5 * 60, 30 * 60, 2 * HOUR, 5 * HOUR, 10 * HOUR, *[LONGEST] * 5)
"""Seconds to wait after each failed attempt, as Standard Webhooks recommends and SQS allows; three days in total."""
SPREAD = 0.04
"""Maximum random extension of a wait, as a fraction, so that webhooks that failed together are not retried together."""

KEYS_SECONDS = 300  # how long signing keys are cached
OVERLAP_SECONDS = 24 * HOUR  # how long the previous key also signs webhooks after the current key was created

_LEVELS = 64  # maximum nesting of an event's JSON; the event's metadata has at most 32 levels


class Delivery(NamedTuple):
    """The result of an attempt. number: 1 for the first attempt. wait: seconds until the next attempt, or None."""

    webhook_id: str
    attempt: Attempt
    number: int
    wait: int | None


class SigningKeys:
    """The current signing key and, for a day after a rotation, the previous one."""

    def __init__(self, arn: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._arn, self._clock = arn, clock
        self._secrets = SecretsManager(LIMITS)
        self._kept: list[tuple[bytes, float]] = []
        self._kept_since = float("-inf")

    def now(self) -> list[bytes]:
        """Return the keys that sign now.

        Raises CallFailed or Busy if reading fails, and ValueError if the current key is invalid.
        """
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
            except ValueError:  # ignore an invalid key that was stored by mistake and then replaced
                continue
            keys.append((key, float(current["CreatedDate"]) + OVERLAP_SECONDS))
        return keys


class Queue:
    """The URLs of the webhook queue and its dead-letter queue."""

    def __init__(self, url: str, dead_letters: str) -> None:
        self._url, self._dead_letters = url, dead_letters
        self._sqs = SQS(LIMITS)

    def hide(self, message: Mapping[str, Any], seconds: int) -> None:
        """Hide a message for `seconds` from now. Raises CallFailed and Busy."""
        hidden = {"QueueUrl": self._url, "ReceiptHandle": message["receiptHandle"], "VisibilityTimeout": seconds}
        self._sqs.call("ChangeMessageVisibility", hidden)

    def set_aside(self, message: Mapping[str, Any]) -> None:
        """Send a message to the dead-letter queue. Raises CallFailed and Busy."""
        self._sqs.call("SendMessage", {"QueueUrl": self._dead_letters, "MessageBody": message["body"]})


def deliver(message: Mapping[str, Any], receiver: Receiver, keys: SigningKeys, queue: Queue) -> Delivery:
    """Attempt a delivery. If it fails, schedule the next attempt, or move the message to the dead-letter queue.

    message: an SQS record from Lambda. Its body is an EventBridge event with a CloudEvent as its detail.
    Raises CallFailed or Busy if SQS fails. Then the message reappears after the queue's own visibility timeout.
    """
    number = int(message["attributes"]["ApproximateReceiveCount"])
    try:
        event = json_text.read(message["body"])["detail"]
        # Write an unpaired surrogate in metadata as an escape, because UTF-8 cannot encode it.
        webhook_id, body = event["id"], json_text.exact(event, _LEVELS).encode(errors="backslashreplace")
    except (ValueError, KeyError, TypeError, RecursionError):
        webhook_id, body = None, b""
    is_event = is_id(webhook_id)
    attempt = _attempt(webhook_id, body, receiver, keys) if is_event else Attempt("no_event")
    wait = None
    if attempt.is_gone or not is_event:
        queue.set_aside(message)
    elif attempt.reason:
        wait = wait_after(number, attempt.pause)
        queue.hide(message, wait)
    return Delivery(webhook_id if is_event else "", attempt, number, wait)


def _attempt(webhook_id: str, body: bytes, receiver: Receiver, keys: SigningKeys) -> Attempt:
    try:
        signing = keys.now()
    except (Busy, CallFailed, ValueError) as failure:
        return Attempt("no_secret", cause=f"{type(failure).__name__}: {failure}")
    return receiver.hand(signed(webhook_id, instants.now() // 1000, body, signing), body)


def wait_after(number: int, asked: float = 0, spread: Callable[[float], float] = jitter) -> int:
    """Return the seconds to wait after attempt `number`.

    asked: the seconds that the receiver asked for; used if they are more. Return 0 after the last attempt. SQS then
    moves the message to the dead-letter queue at once, instead of returning it again.
    """
    if number > len(WAITS):
        return 0
    wait = max(WAITS[number - 1], min(asked, LONGEST))
    return round(wait + spread(wait * SPREAD))
