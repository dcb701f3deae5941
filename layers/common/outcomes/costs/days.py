"""Put, delete and read a source's costs of a UTC day, with optimistic locking.

One transaction stores the new version, the version that it replaces, and the source's owner if the owner changes. It
also counts a new source. If another write came first, the day is read again.
"""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any

from outcomes.aws.backoff import CONFLICTS, THROTTLED, Backoff, read_items, written
from outcomes.aws.services import CallFailed, DynamoDB, Item, Limits, TransactionCanceled
from outcomes.calendar import instants
from outcomes.contract.caller import Caller, kind_of
from outcomes.contract.costs import TRUST, CostLine, is_more_trusted, require_may_put
from outcomes.contract.preconditions import Preconditions
from outcomes.costs.cost_rows import (
    ALL_SOURCES,
    SOURCES,
    CostDay,
    CostVersion,
    count_source,
    is_day,
    more_key_bytes,
    put_source,
    put_version,
    repeat_version,
    row_key,
    rows_between,
)
from outcomes.errors import BadRequest, Busy, Mistimed, NotFound, Refused, TooManyLines, TooManySources
from outcomes.limits import MAX_MONTH_BYTES, MAX_SOURCES, MAX_SOURCES_OF_KEY, MAX_VERSIONS

LIMITS = Limits(attempts=3, connect=1, read=2, total=4)
"""Limits of a call. No call of a PUT begins later than `backoff.RETRY_SECONDS` after its first call."""


class CostDays:
    """Reads and writes the costs of days. table: the name of the table of costs."""

    def __init__(self, table: str) -> None:
        self.table = table
        self.dynamodb = DynamoDB(LIMITS)

    def put(
        self,
        day: CostDay,
        lines: tuple[CostLine, ...] | BadRequest | None,
        caller: Caller,
        preconditions: Preconditions,
    ) -> int:
        """Replace the costs of a day, and return their version. If the lines are unchanged, the version stays the same.

        lines: the new costs. None deletes the costs. The error of an invalid body is passed as a BadRequest: it is
        raised only after Forbidden and PreconditionFailed, which take precedence.

        Raises Forbidden, PreconditionFailed, BadRequest, TooManySources, TooManyLines, NotFound for a DELETE of a day
        that was never put, and Contended if other requests kept writing the day.
        After any other exception it is unknown whether the costs are stored.
        """
        tried: list[CostVersion] = []
        try:
            return written(lambda backoff: self._put_now(day, lines, caller, preconditions, tried, backoff))
        except (Refused, Mistimed, TimeoutError) as exc:
            if tried:
                raise CallFailed(f"{exc}, after an attempt that may have taken effect") from exc
            raise

    def read(self, day: CostDay, caller: Caller) -> CostVersion:
        """Return a day's costs.

        Raises NotFound, also if the caller may not read the user's outcomes and others put this version. Raises
        Forbidden if the caller may neither read the user's outcomes nor put these costs.
        """
        version, owner = self._day_and_owner(day, Backoff())
        if not caller.may_read:
            require_may_put(caller, owner)
        if version is None or version.lines is None:
            raise NotFound
        if not caller.may_read and caller.recorded_by not in (version.put_by, version.repeated_by):
            raise NotFound
        return version

    def versions_before(self, day: CostDay, version: int, caller: Caller) -> list[CostVersion]:
        """Return for each kind of caller the last MAX_VERSIONS versions before this version, newest first.

        A caller that may not read the user's outcomes gets only the versions of its own kind. These are its own,
        because at most one agent key ever puts a source.
        """
        found: list[Item] = []
        for kind in TRUST if caller.may_read else (caller.kind,):
            first, last = day.version_key(0, kind), day.version_key(version - 1, kind)
            found += islice(self._rows(first, last, Limit=MAX_VERSIONS, ScanIndexForward=False), MAX_VERSIONS)
        return sorted(map(CostVersion.of, found), reverse=True)

    def _put_now(
        self,
        day: CostDay,
        lines: tuple[CostLine, ...] | BadRequest | None,
        caller: Caller,
        preconditions: Preconditions,
        tried: list[CostVersion],
        backoff: Backoff,
    ) -> int | None:
        """Attempt one transaction.

        Return None if another write came first. tried: earlier attempts whose result is unknown.
        """
        before, owner = self._day_and_owner(day, backoff)
        for attempt in tried:
            if before and before.version >= attempt.version and self._is_stored(day, attempt, before, backoff):
                return attempt.version
        # Forget attempts that can no longer take effect, because their version is not newer than the day's version.
        tried[:] = [attempt for attempt in tried if not before or before.version < attempt.version]
        require_may_put(caller, owner)
        preconditions.check(before.version if before and before.lines is not None else None)
        if isinstance(lines, BadRequest):
            raise lines
        if lines is None and before is None:
            raise NotFound
        made_at = instants.now()
        after = CostVersion((before.version if before else 0) + 1, lines, caller.recorded_by, instants.text(made_at))
        more = more_key_bytes(before, after)
        if more > 0:  # the transaction checks this again
            months = read_items(self.dynamodb, self.table, [day.month_key], backoff)
            if months and int(months[0].get("key_bytes", {}).get("N", "0")) + more > MAX_MONTH_BYTES:
                raise TooManyLines
        is_taken_over = is_more_trusted(caller, owner)
        is_same = False
        actions = put_version(self.table, day, before, after, more)
        if before and before.lines == lines:
            is_same = True
            if not is_taken_over and not is_more_trusted(caller, before.repeated_by or before.put_by):
                return before.version
            actions = [repeat_version(self.table, day, before, caller.recorded_by)]
        if is_taken_over:
            actions.append(put_source(self.table, day, owner, after))
            if owner is None:
                actions.append(self._counted(day.user_id, caller, backoff))
        # If the lines are the same, pass no attempt: the version stays the same, so a later read could not show whether
        # the transaction took effect.
        if not self._is_written(actions, made_at, backoff, None if is_same else after, tried):
            return None
        return before.version if before and is_same else after.version

    def _is_written(
        self,
        actions: list[dict[str, Any]],
        made_at: int,
        backoff: Backoff,
        attempt: CostVersion | None,
        tried: list[CostVersion],
    ) -> bool:
        """Write a transaction. Return False if another write came first.

        If DynamoDB cancels the transaction when the call is retried, it may be unknown whether an earlier try took
        effect. In this case, append `attempt`, the version that the transaction stores, to `tried`. If `attempt` is
        None, raise the error of the call instead.
        """
        backoff.check()
        try:
            self.dynamodb.call("TransactWriteItems", {"TransactItems": actions}, recorded_at=made_at)
        except TransactionCanceled as failure:
            if failure.maybe_applied:
                if attempt is None:
                    raise
                tried.append(attempt)
            codes = set(failure.codes) - {"None"}
            if codes and codes <= CONFLICTS:
                return False
            if codes & THROTTLED and codes <= CONFLICTS | THROTTLED:
                raise Busy from failure
            raise
        return True

    def _is_stored(self, day: CostDay, attempt: CostVersion, present: CostVersion, backoff: Backoff) -> bool:
        """Check whether an attempt took effect.

        present: the day's current version, which is not older than the attempt's version.
        """
        if present.version == attempt.version:
            return present.is_put_as(attempt)
        backoff.check()
        get = {
            "TableName": self.table,
            "Key": day.version_key(attempt.version, kind_of(attempt.put_by)),
            "ConsistentRead": True,
        }
        row: Item = self.dynamodb.call("GetItem", get).get("Item", {})
        return bool(row) and CostVersion.of(row).is_put_as(attempt)

    def _day_and_owner(self, day: CostDay, backoff: Backoff) -> tuple[CostVersion | None, str | None]:
        """Read a day's costs, and the owner of the source."""
        rows = read_items(self.dynamodb, self.table, [day.key, day.source_key], backoff)
        version = next((CostVersion.of(row) for row in rows if is_day(row)), None)
        return version, next((row["put_by"]["S"] for row in rows if not is_day(row)), None)

    def _counted(self, user_id: int, caller: Caller, backoff: Backoff) -> dict[str, Any]:
        """Return the action that counts a new source. It fails if another source is created concurrently.

        Raises TooManySources if callers of this kind own MAX_SOURCES, or this agent key owns MAX_SOURCES_OF_KEY.
        """
        guard = read_items(self.dynamodb, self.table, [row_key(user_id, ALL_SOURCES)], backoff)
        backoff.check()
        rows = self._rows(row_key(user_id, SOURCES), row_key(user_id, f"{SOURCES}~"))
        owners = [row["put_by"]["S"] for row in rows]
        is_full = sum(kind_of(owner) == caller.kind for owner in owners) >= MAX_SOURCES
        if is_full or (caller.agent_key and owners.count(caller.recorded_by) >= MAX_SOURCES_OF_KEY):
            raise TooManySources
        return count_source(self.table, user_id, guard[0] if guard else {})

    def _rows(self, first: Item, last: Item, **more: Any) -> Iterator[Item]:
        return rows_between(partial(self.dynamodb.call, "Query"), self.table, first, last, **more)
