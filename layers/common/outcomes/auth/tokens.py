"""Define limits and errors that all kinds of sessions share."""

import base64
import json
import re
from typing import Any

from outcomes.aws.services import Limits
from outcomes.calendar import instants
from outcomes.limits import MAX_ID

LIMITS = Limits(attempts=2, connect=0.5, read=1, total=4)
"""Limits of a call to the sessions table or Secrets Manager, unless the authorizer's deadline is earlier."""
MAX_TOKEN_LENGTH = 10_240  # API Gateway's limit for all headers together

DECIMAL = re.compile(r"[1-9][0-9]{0,15}")  # int() would also accept " 20 ", "2_0" and digits of other scripts


def now() -> float:
    """Return the current time in seconds since the epoch, see `instants.now`."""
    return instants.now() / 1000


def is_within(seconds: float, since: float, time: float) -> bool:
    """Check that less than `seconds` have passed from `since` to `time`. Return False if the clock was set back."""
    return 0 <= time - since < seconds


class NoSession(Exception):
    """The caller has no valid session.

    reason: one of a fixed set of words, for the metric. why: details for the log, without text from the caller; empty
    if the reason is enough.
    """

    def __init__(self, reason: str, why: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.why = why


class SessionsUnavailable(Exception):
    """The session could not be verified because the secret, the table or the issuer's keys could not be read."""


def is_plausible(token: str) -> bool:
    return len(token) <= MAX_TOKEN_LENGTH and token.isascii()


def whole_number(text: str | None) -> int | None:
    """Parse a number from 1 to 2^53-1 in plain decimal digits. Return None for anything else."""
    if text is None or not DECIMAL.fullmatch(text) or int(text) > MAX_ID:
        return None
    return int(text)


def user_id_of(claim: object) -> int | None:
    """Return the user id from a claim that is an integer or a string of digits. Return None for any other claim."""
    user_id = whole_number(claim) if isinstance(claim, str) else claim
    # isinstance would also accept a bool
    return user_id if type(user_id) is int and 1 <= user_id <= MAX_ID else None


def base64url_decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""


def json_object(text: bytes) -> dict[str, Any]:
    """Parse a JSON object. Return an empty object for anything else."""
    try:
        value = json.loads(text.decode())
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
