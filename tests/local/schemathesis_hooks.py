"""Adjust the requests that schemathesis generates. schemathesis.toml names this module."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import schemathesis
from outcomes.contract.outcome_type import is_name
from outcomes.ledger import cursor as cursors
from schemathesis.generation.meta import CoveragePhaseData

KEY = "Idempotency-Key"
MAX_KEY = 255
TRIES = 2
"""The number of tries of a fault or a feature of a field, of some five wrong types: one alone and one with others."""
numbers = count()
tried: Counter[tuple[Any, ...]] = Counter()
CURSOR = re.compile(r"[A-Za-z0-9_-]{21}[AQgw]|2[.][A-Za-z0-9_-]{34}[AEIMQUYcgkosw048]")
CURSORS = {
    "occurred": cursors.after_happened("2026-03-31T09:30:00.000Z#01KN4EMBG0QK3YB9X6N1V8ZT5R"),
    "recorded": cursors.after("01KN4EMBG0QK3YB9X6N1V8ZT5R"),
}


@schemathesis.hook
def filter_case(_context: schemathesis.HookContext, case: schemathesis.Case[Any]) -> bool:
    """Skip what the phase `coverage` has tried TRIES times with a field of this operation.

    It would try each alone, with all others, and again in each alternative of a body. Tests of bodies and queries try
    the same code with other wrong types.
    """
    about = case.meta.phase.data if case.meta else None
    if not isinstance(about, CoveragePhaseData):
        return True
    what = about.description.removeprefix(f"{about.parameter}: ")
    one = (case.operation.label, about.parameter, about.scenario, what)
    tried[one] += 1
    return tried[one] <= TRIES


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: schemathesis.Case[Any], _kwargs: dict[str, Any]) -> None:
    """Adjust a generated request, because the schema cannot express some rules.

    Idempotency keys become unique, because a reused key is refused. `occurredAt` becomes now and `expiresAt` tomorrow,
    because their limits depend on the clock. Each outcome type becomes a type of this deployment. Each cursor becomes a
    valid cursor for the parameter `time`. Each time zone becomes UTC. Each day of costs becomes today. An agent's scope
    `cost`, which it must not have, becomes `read`.
    """
    if re.fullmatch(r"\d{4}-\d\d-\d\d", str(case.path_parameters.get("date"))):
        case.path_parameters["date"] = f"{datetime.now(UTC):%Y-%m-%d}"
    time = str(case.query.get("time", "recorded"))
    if CURSOR.fullmatch(str(case.query.get("cursor"))) and time in CURSORS:
        case.query["cursor"] = CURSORS[time]
    key = case.headers.get(KEY)
    if isinstance(key, str) and 1 <= len(key) <= MAX_KEY:
        number = str(next(numbers))
        case.headers[KEY] = key[: MAX_KEY - len(number)] + number
    for fields in [case.body, case.body.get("changes")] if isinstance(case.body, dict) else []:
        if isinstance(fields, dict) and isinstance(fields.get("timezone"), str):
            fields["timezone"] = "UTC"
        if isinstance(fields, dict) and is_name(fields.get("outcomeType")):
            fields["outcomeType"] = "deal_closed"
        if isinstance(fields, dict) and isinstance(types := fields.get("outcomeTypes"), list):
            fields["outcomeTypes"] = ["deal_closed" if is_name(type_) else type_ for type_ in types]
        if isinstance(fields, dict) and isinstance(scopes := fields.get("scopes"), list) and "agentId" in fields:
            fields["scopes"] = ["read" if scope == "cost" else scope for scope in scopes]
        for field, later in (("occurredAt", timedelta()), ("expiresAt", timedelta(days=1))):
            if isinstance(fields, dict) and is_instant(fields.get(field)):
                fields[field] = (datetime.now(UTC) + later).isoformat()


def is_instant(value: object) -> bool:
    """Return whether a value is a valid instant."""
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}(\.\d+)?(Z|[+-]\d\d:\d\d)", value):
        return False
    try:
        return bool(datetime.fromisoformat(value))
    except ValueError:
        return False
