"""Put, delete and list a user's definitions, with optimistic locking.

One transaction stores the definitions in force and the new version. It requires that neither the definitions nor `cut`,
the end of the user's last statement, have changed since they were read. A statement requires the same of the
definitions, and changes `cut`. So of a PUT and a statement that read the same, one fails.
"""

from datetime import date, timedelta
from typing import Any

from outcomes.aws.backoff import Backoff, is_written, read_items, written
from outcomes.aws.services import DynamoDB, Limits
from outcomes.calendar import instants
from outcomes.calendar.local_days import LocalDays, first_day
from outcomes.calendar.period import time_zone
from outcomes.contract import json_text
from outcomes.contract.definitions import NewDefinition
from outcomes.contract.preconditions import Preconditions
from outcomes.definitions.definition_rules import Definition, Definitions, rules_of
from outcomes.definitions.stored_definitions import (
    HEAD,
    definitions_of,
    definitions_text,
    head_request,
    row_key,
    types_of,
    unchanged,
    version_json,
    version_key,
)
from outcomes.errors import BadRequest, Fault, NotFound, NotPossible
from outcomes.ledger.imports import Imports, imports_key
from outcomes.limits import MAX_DEFINITION_BYTES, MAX_DEFINITIONS

LIMITS = Limits(attempts=3, connect=1, read=2, total=4)
"""Limits of a call. No call begins later than `backoff.RETRY_SECONDS` after the first one."""

ZONES_APART = 2 * instants.DAY
"""More milliseconds than pass between a month's first beginning and its last one on earth."""

BEGUN = (
    "has begun; only a definition without others begins with such a month, after the last statement,"
    " and changes until the end of the day after it was made"
)
LAST_VERSION = 999_999_999


class DefinitionStore:
    """Reads and writes the definitions of users. statements, totals: the names of the tables."""

    def __init__(self, statements: str, totals: str) -> None:
        self.statements = statements
        self.totals = totals
        self.dynamodb = DynamoDB(LIMITS)

    def put(
        self, user_id: int, month: str, new: NewDefinition | BadRequest | None, preconditions: Preconditions
    ) -> int:
        """Replace the definition that begins with a month, and return its version. The same one keeps the version.

        new: None deletes the definition. The error of an invalid body is passed as a BadRequest: it is raised only
        after PreconditionFailed, which takes precedence.

        Raises PreconditionFailed, BadRequest, NotPossible, NotFound for a DELETE of a definition that does not exist,
        Busy, and Contended if other requests kept writing. After any other exception it is unknown whether the
        definition is stored.
        """
        return written(lambda backoff: self._put_now(user_id, month, new, preconditions, backoff))

    def listed(self, user_id: int | None) -> str:
        """Return a user's definitions as JSON, newest first."""
        definitions = Definitions() if user_id is None else self._read(user_id)
        keys = [version_key(user_id or 0, each.month, each.version) for each in definitions.all]
        rows = read_items(self.dynamodb, self.statements, keys, Backoff())
        newest_first = sorted(rows, key=lambda row: row["id"]["S"], reverse=True)
        return f'{{"definitions":[{",".join(map(version_json, newest_first))}]}}'

    def _put_now(
        self,
        user_id: int,
        month: str,
        new: NewDefinition | BadRequest | None,
        preconditions: Preconditions,
        backoff: Backoff,
    ) -> int | None:
        """Attempt one transaction. Return None if another write came first."""
        backoff.check()
        imports = self._read_imports(user_id)
        before = self._read(user_id)
        found = before.put_for(month)
        preconditions.check(found.version if found else None)
        if isinstance(new, BadRequest):
            raise new
        if new and found and self._is_same(user_id, before.timezone, found, new):
            return found.version
        made_at = instants.now()
        has_begun = _has_begun(before, month, new, imports.cut, made_at)
        if not new and not found:
            raise NotFound
        version = 1 + (found.version if found else self._last_version(user_id, month))
        put_at = instants.text(made_at)
        kept = [each for each in before.all if each.month != month]
        if new:
            made_on = found.made_at if found else before.first_made_at or put_at
            kept.append(Definition(month, version, new.dispute_days, rules_of(new.types), put_at, made_on))
        after = before._replace(timezone=new.timezone if new else before.timezone, all=tuple(sorted(kept)))
        if found and not new and has_begun:
            after = after._replace(first_made_at=found.made_at)
        actions = [
            self._put_head(user_id, before, after, put_at),
            self._put_version(user_id, month, version, after.timezone, new, put_at),
            self._check_cut(user_id, imports),
        ]
        return version if is_written(self.dynamodb, actions, made_at, backoff) else None

    def _read(self, user_id: int) -> Definitions:
        return definitions_of(self.dynamodb.call("GetItem", head_request(self.statements, user_id)).get("Item", {}))

    def _read_imports(self, user_id: int) -> Imports:
        get = {"TableName": self.totals, "Key": imports_key(user_id), "ConsistentRead": True}
        return Imports.of(self.dynamodb.call("GetItem", get).get("Item", {}))

    def _is_same(self, user_id: int, timezone: str, found: Definition, new: NewDefinition) -> bool:
        """Check whether a definition is stored already, with these notes."""
        if (timezone, found.dispute_days, found.rules.keys()) != (new.timezone, new.dispute_days, new.types.keys()):
            return False
        get = {"TableName": self.statements, "Key": version_key(user_id, found.month, found.version)}
        row = self.dynamodb.call("GetItem", get | {"ConsistentRead": True}).get("Item", {})
        return bool(row) and types_of(row) == new.public_types()

    def _last_version(self, user_id: int, month: str) -> int:
        """Return the version of a month's last DELETE, or 0. The guard is the condition on `changes`."""
        first, last = (version_key(user_id, month, version)["id"] for version in (0, LAST_VERSION))
        query = {
            "TableName": self.statements,
            "ConsistentRead": True,
            "KeyConditionExpression": "user_id = :user AND id BETWEEN :first AND :last",
            "ExpressionAttributeValues": {":user": {"S": str(user_id)}, ":first": first, ":last": last},
            "ScanIndexForward": False,
            "Limit": 1,
        }
        rows = self.dynamodb.call("Query", query)["Items"]
        return int(rows[0]["id"]["S"].rpartition("#")[2]) if rows else 0

    def _put_head(self, user_id: int, before: Definitions, after: Definitions, put_at: str) -> dict[str, Any]:
        text = definitions_text(after.all)
        if len(after.all) > MAX_DEFINITIONS:
            raise _not_possible("month", f"must be one of at most {MAX_DEFINITIONS} months with a definition")
        if len(text.encode()) > MAX_DEFINITION_BYTES:
            raise _not_possible(
                "types", f"all definitions together may have {MAX_DEFINITION_BYTES} bytes without notes"
            )
        item = row_key(user_id, HEAD) | {
            "changes": {"N": str(before.changes + 1)},
            "put_at": {"S": put_at},
            "timezone": {"S": after.timezone},
            "definitions": {"S": text},
        }
        if after.first_made_at:
            item["first_made_at"] = {"S": after.first_made_at}
        return {"Put": {"TableName": self.statements, "Item": item, **unchanged(before)}}

    def _put_version(
        self, user_id: int, month: str, version: int, timezone: str, new: NewDefinition | None, put_at: str
    ) -> dict[str, Any]:
        item = version_key(user_id, month, version) | {"timezone": {"S": timezone}, "put_at": {"S": put_at}}
        if new:
            item |= {"dispute_days": {"N": str(new.dispute_days)}}
            item |= {"types": {"S": json_text.exact(new.public_types(), levels=2)}}
        return {"Put": {"TableName": self.statements, "Item": item}}

    def _check_cut(self, user_id: int, imports: Imports) -> dict[str, Any]:
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(cut)"}
        if imports.cut:
            condition = {"ConditionExpression": "cut = :cut", "ExpressionAttributeValues": {":cut": {"S": imports.cut}}}
        return {"ConditionCheck": {"TableName": self.totals, "Key": imports_key(user_id), **condition}}


def _has_begun(before: Definitions, month: str, new: NewDefinition | None, cut: str, now: int) -> bool:
    """Return whether a month has begun, in which only a first definition can be written.

    cut: the end of the last statement, or an empty text. now: in milliseconds since 1970. Raises NotPossible if the
    month cannot be written, or if the definitions would have two time zones.
    """
    if new and before.all and new.timezone != before.timezone:
        raise _not_possible("timezone", f"must be {before.timezone}, as in all other definitions")
    days = LocalDays(time_zone(new.timezone if new else before.timezone or "UTC"))
    begin = instants.read(days.named(first_day(month)).begin)
    if begin > now:
        return False
    # `cut` is in the time zone of the last statement, where the month after this statement begins at most a day earlier
    # or later. The month before begins a whole month earlier.
    is_after_statements = not cut or begin > instants.read(cut) - ZONES_APART
    if not is_after_statements or not _is_first(before, month, days, now):
        raise _not_possible("month", BEGUN)
    return True


def _is_first(before: Definitions, month: str, days: LocalDays, now: int) -> bool:
    """Check whether there is no definition, or only that of this month, made today or yesterday.

    It was made when its first version was put, so neither later versions nor a DELETE prolong this time.
    """
    made_at = before.all[0].made_at if before.all else before.first_made_at
    if not made_at:
        return True
    end = days.named(date.fromisoformat(days.of(made_at).date) + timedelta(days=1)).end
    return [each.month for each in before.all] in ([], [month]) and instants.text(now) < end


def _not_possible(field: str, message: str) -> NotPossible:
    return NotPossible(details=[Fault(field=field, message=message)])
