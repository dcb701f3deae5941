"""Replace environment variables, logs and metrics for the API's own functions, which the build copies to `_copied`.

The copies import this module as `os` and as `observability`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from outcomes_client import OutcomeType

KEY = "fake-key-of-the-platform"
TABLES = {
    "OUTCOMES_TABLE": ("user_id", "created_at"),
    "IDEMPOTENCY_TABLE": ("key_sha256",),
    "KEYS_TABLE": ("id",),
    "SESSIONS_TABLE": ("token_sha256",),
    "COSTS_TABLE": ("user_id", "day_source"),
}
"""Attributes of the primary key of each table. A table's name is that of the variable that names it."""

environ = {
    **{name: name for name in TABLES},
    "ACCEPT_PLAIN_COOKIES": "true",
    "CAPABILITIES": "batch, agentkeys, corrections, costs",
    "DASHBOARD_ORIGINS": "",
    "KEY_FINGERPRINTS": sha256(KEY.encode()).hexdigest(),
    "OIDC_ISSUER": "",
    "OUTCOMES_PER_DAY": "10000",
    "OUTCOME_TYPES": ",".join(OutcomeType),
    "PLATFORM_MAY_READ": "false",
    "SCOPES": "record,read,correct,backfill,cost",
    "SESSION_SECRET_ARN": "",
    "SESSION_SECRET_OVERLAP_DAYS": "0",
}

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
