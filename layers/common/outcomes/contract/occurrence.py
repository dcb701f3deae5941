"""Check that an outcome is not recorded too long before or after it happened (`occurredAt`)."""

from typing import TYPE_CHECKING

from outcomes.calendar import instants
from outcomes.errors import BadRequest, Fault
from outcomes.limits import MAX_DAYS_LATE, MAX_MINUTES_EARLY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from outcomes.contract.caller import Caller

BACKFILL_FROM = 946_684_800_000  # 2000-01-01T00:00:00Z: the earliest accepted instant

MOST_EARLY = MAX_MINUTES_EARLY * 60 * 1000
_MOST_LATE = MAX_DAYS_LATE * 24 * 60 * 60 * 1000


def refusal(occurred_at: int | None, caller: "Caller", ignored: "Sequence[str]" = ()) -> BadRequest | None:
    """Return the error if `caller` may not record an outcome that happened at this time, or None.

    ignored: unknown fields.
    """
    broken = fault(occurred_at, instants.now(), caller)
    return BadRequest("Invalid occurredAt", [broken], ignored) if broken else None


def fault_of(sent: object, recorded_at: int, caller: "Caller", field: str = "occurredAt") -> Fault | None:
    """Check the time in a body that may have other faults. Return None also if it is no instant."""
    try:
        return fault(instants.read(sent), recorded_at, caller, field) if isinstance(sent, str) else None
    except ValueError:
        return None


def fault(occurred_at: int | None, recorded_at: int, caller: "Caller", field: str = "occurredAt") -> Fault | None:
    """Check the time when an outcome happened. Return the fault, or None. Instants are milliseconds since 1970."""
    if occurred_at is None:
        return None
    earliest = BACKFILL_FROM if caller.may_backfill else recorded_at - _MOST_LATE
    latest = recorded_at + MOST_EARLY
    if earliest <= occurred_at <= latest:
        return None
    return Fault(field=field, message=f"must be from {instants.text(earliest)} to {instants.text(latest)}")
