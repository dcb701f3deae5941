"""Limits and errors shared by all kinds of sessions."""

import re

from outcomes.aws.caller import Limits
from outcomes.contract import instants
from outcomes.contract.limits import MAX_ID

LIMITS = Limits(attempts=2, connect=0.5, read=1, total=4)
"""Limits of a call to the sessions table or Secrets Manager, if the authorizer's deadline is not earlier."""
MAX_TOKEN_LENGTH = 10_240  # API Gateway's limit for all headers together

DECIMAL = re.compile(r"[1-9][0-9]{0,15}")  # int() alone would accept " 20 ", "2_0" and digits of every script


def now() -> float:
    """Return the time in seconds since the epoch, by the corrected clock."""
    return instants.now() / 1000


class NoSession(Exception):
    """The caller has no valid session. reason: one of a fixed set of words, for the metric."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SessionsUnavailable(Exception):
    """The session could not be verified because the secret or the table could not be read."""


def is_plausible(token: str) -> bool:
    return len(token) <= MAX_TOKEN_LENGTH and token.isascii()


def whole_number(text: str | None) -> int | None:
    """Parse a number from 1 to 2^53-1 in plain decimal digits. Return None for anything else."""
    if text is None or not DECIMAL.fullmatch(text) or int(text) > MAX_ID:
        return None
    return int(text)
