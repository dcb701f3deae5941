"""Replace environment variables, time, logs and metrics for the API's functions, which the build copies to `_copied`.

The copies import this module as `os`, as `clock` and as `observability`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from contextvars import ContextVar
from hashlib import sha256
from time import gmtime, strftime
from typing import Any

from outcomes_client import OutcomeType

__all__ = ["KEY", "TABLES", "ahead", "count", "environ", "gmtime", "logger", "strftime", "time_ns"]

KEY = "fake-key-of-the-platform"
TABLES = {
    "OUTCOMES_TABLE": ("user_id", "created_at"),
    "IDEMPOTENCY_TABLE": ("key_sha256",),
    "KEYS_TABLE": ("id",),
    "SESSIONS_TABLE": ("token_sha256",),
    "COSTS_TABLE": ("user_id", "day_source"),
    "STATEMENTS_TABLE": ("user_id", "id"),
    "TOTALS_TABLE": ("user_id", "stretch"),
    "WATCHES_TABLE": ("user_id", "id"),
}
"""Attributes of the primary key of each table. A table's name is that of the variable that names it."""

environ = {
    **{name: name for name in TABLES},
    "ACCEPT_PLAIN_COOKIES": "true",
    "CAPABILITIES": "batch, totals, agentkeys, corrections, costs, definitions, watches",
    "DASHBOARD_ORIGINS": "",
    "DEFINITIONS_TABLE": "STATEMENTS_TABLE",
    "KEY_FINGERPRINTS": sha256(KEY.encode()).hexdigest(),
    "OIDC_ISSUER": "",
    "OUTCOMES_PER_DAY": "10000",
    "OUTCOME_TYPES": ",".join(OutcomeType),
    "PLATFORM_MAY_READ": "false",
    "SCOPES": "record,read,correct,backfill,cost",
    "SESSION_SECRET_ARN": "",
    "SESSION_SECRET_OVERLAP_DAYS": "0",
    "TOTALS_EDITION": "1",
}

ahead: ContextVar[int] = ContextVar("ahead", default=0)
"""The milliseconds by which the clock of the fake that is in use is ahead of this host's."""


def time_ns() -> int:
    return time.time_ns() + ahead.get() * 1_000_000


_log = logging.getLogger("outcomes_client.testing")


class _Logger:
    """Logs only failures of the fake itself. The API's logs about calls would only disturb the output of tests."""

    def error(self, message: str, *, exc_info: Exception | None = None, **_: Any) -> None:
        _log.error(message, exc_info=exc_info)

    def info(self, _: str, **__: Any) -> None: ...

    warning = info

    def set_correlation_id(self, _: str | None) -> None: ...


def logger() -> _Logger:
    return _Logger()


def count(metric: str, dimension: str, values: Iterable[str]) -> None: ...


def count_busy() -> None: ...


def count_recorded(outcomes: Iterable[Any]) -> None: ...
