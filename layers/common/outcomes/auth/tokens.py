"""What tokens of all kinds of sessions have in common: their bounds, and why none of them lets a caller in."""

import re

from outcomes.aws.caller import Limits
from outcomes.contract import instants
from outcomes.contract.limits import MAX_ID

LIMITS = Limits(attempts=2, connect=0.5, read=1, total=4)
"""Limits of a call of the sessions table or Secrets Manager, in seconds, if the authorizer has as many left."""
MAX_TOKEN_LENGTH = 10_240  # API Gateway takes no more than this in all headers together

DECIMAL = re.compile(r"[1-9][0-9]{0,15}")  # int() alone would take " 20 ", "2_0" and the digits of every script


def now() -> float:
    """Read this host's clock, as corrected, in seconds since the epoch."""
    return instants.now() / 1000


class NoSession(Exception):
    """The caller has no valid session. `reason` is one of few fixed words, fit for a metric."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class SessionsUnavailable(Exception):
    """It cannot be known whether the caller has a session: the secret or the table could not be read."""


def is_plausible(token: str) -> bool:
    return len(token) <= MAX_TOKEN_LENGTH and token.isascii()


def whole_number(text: str | None) -> int | None:
    """Read a number from 1 to 2^53-1 in plain decimal digits; None for anything else."""
    if text is None or not DECIMAL.fullmatch(text) or int(text) > MAX_ID:
        return None
    return int(text)
