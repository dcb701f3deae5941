"""Read and write the rows of the table of costs.

user_id (HASH, S)       `42`
day_source (RANGE, S)   the kind of the row, see below

A source's costs of a UTC day, `2026-11-26#openai`. Only rows of this kind begin with a digit:

version                 N, 1 for the first PUT, and 1 more for each change
lines                   S, see `lines_text`; absent if the last change was a DELETE
put_by                  S, the caller that put this version, in the format of an outcome's `recorded_by`
put_at                  S, when this version was put
repeated_by             S, the caller that put the same lines again, if it is more trusted than `put_by`; else absent

An earlier version of such a row, with the same attributes, `version#2026-11-26#openai#owner#000000002`. It contains the
kind of the caller that put it (see `Caller.kind`), so that one query reads the latest versions from one kind of caller.

A source, `source#openai`:

put_by                  S, the caller to whom it belongs: the most trusted caller that ever put its costs for this user
put_at                  S, when this caller became the owner

All sources, `sources`. This row guards the limits of their number: a transaction that creates a source requires that
the row is still the same as before the sources were counted:

changes                 N, the number of sources ever created since the last erasure; absent if none

The changes of a month, `month#2026-09`. Each transaction that changes a day counts its change here, if the day was at
least COUNT_AFTER_DAYS days ago. So puts of today and yesterday have no row in common, but for those of agent keys, or
that replace lines of agent keys, whose bytes are counted here on every day:

changes                 N, absent if none
key_bytes               N, bytes of the lines that agent keys put for the month's days, so that a report can read the
                        month; absent if none. Lines of earlier commits were not counted, so it may be negative
sums, rules, restated   only from earlier commits: the month's costs as sums; each counted change removes them

A month's sums, `folded#2026-09#000`, and its sums by day, source and agent, `agents#2026-09#05#000` for the block of
days that begins with the fifth. Each may have several parts (`#001` and so on), see `month_sums`:

sums                    B, a part
rules                   S, the version of the format, and `changes` as it was before the days were read. Of a month that
                        ended less than FOLD_AFTER_DAYS days ago, also the hour: code of earlier commits does not count
                        changes of these months, so the sums count for this hour only, and those by agent are stored
                        only if a report needs them. `agents` if they are stored. The rules of the month's sums end with
                        the last day that they include, and the number of parts

Sums with other rules are ignored, and added up again. So nobody needs to delete outdated sums, not even those that a
slow report stores after a change. An erasure, after which `changes` begins at 0 again, deletes rows in the order of
their names, and so sums not after the changes that they include.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from outcomes.aws.services import Answer, Item
from outcomes.contract import json_text
from outcomes.contract.caller import kind_of
from outcomes.contract.costs import CostLine, days_ago
from outcomes.limits import COUNT_AFTER_DAYS, MAX_MONTH_BYTES

SOURCES = "source#"
ALL_SOURCES = "sources"
MONTH, FOLDED, AGENTS = "month#", "folded#", "agents#"


class CostDay(NamedTuple):
    """A UTC day and a source, such as `2026-11-26` and `openai`."""

    user_id: int
    date: str
    source: str

    @property
    def key(self) -> Item:
        return row_key(self.user_id, f"{self.date}#{self.source}")

    @property
    def source_key(self) -> Item:
        return row_key(self.user_id, SOURCES + self.source)

    @property
    def month_key(self) -> Item:
        return row_key(self.user_id, f"{MONTH}{self.date[:7]}")

    def version_key(self, version: int, kind: str) -> Item:
        """Return the key of an earlier version. kind: the kind of caller that put the version, see `Caller.kind`."""
        return row_key(self.user_id, f"version#{self.date}#{self.source}#{kind}#{version:09d}")


class CostVersion(NamedTuple):
    """A version of a day's costs. lines: sorted by `CostLine.key`; None after a DELETE, so the costs are unknown.

    repeated_by: the most trusted caller that put the same lines again, if it is more trusted than `put_by`; else None.
    """

    version: int
    lines: tuple[CostLine, ...] | None
    put_by: str
    put_at: str
    repeated_by: str | None = None

    @staticmethod
    def of(row: Item) -> "CostVersion":
        """Parse the row of a day or of an earlier version."""
        lines = read_lines(row["lines"]["S"]) if "lines" in row else None
        repeated_by = row["repeated_by"]["S"] if "repeated_by" in row else None
        return CostVersion(int(row["version"]["N"]), lines, row["put_by"]["S"], row["put_at"]["S"], repeated_by)

    @property
    def key_bytes(self) -> int:
        """Return how many bytes of lines this version has, if an agent key put it; otherwise 0."""
        is_of_key = self.lines is not None and kind_of(self.put_by) == "agent"
        return len(lines_text(self.lines or ()).encode()) if is_of_key else 0

    def is_put_as(self, other: "CostVersion") -> bool:
        """Check whether the same PUT made both versions."""
        return self._replace(repeated_by=None) == other._replace(repeated_by=None)

    def public(self) -> dict[str, Any]:
        """Return the version in the contract's format. Numbers are `Decimal`."""
        lines = None if self.lines is None else [line.public() for line in self.lines]
        return {"version": Decimal(self.version), "lines": lines, "put_by": self.put_by, "put_at": self.put_at}

    def attributes(self) -> Item:
        lines: Item = {} if self.lines is None else {"lines": {"S": lines_text(self.lines)}}
        version, put_by, put_at = {"N": str(self.version)}, {"S": self.put_by}, {"S": self.put_at}
        return lines | {"version": version, "put_by": put_by, "put_at": put_at}


def row_key(user_id: int, day_source: str) -> Item:
    return {"user_id": {"S": str(user_id)}, "day_source": {"S": day_source}}


def rows_between(
    query: Callable[[dict[str, Any]], Answer], table: str, first: Item, last: Item, **more: Any
) -> Iterator[Item]:
    """Yield a user's rows whose keys are from `first` to `last`. query: makes a call of the operation Query."""
    request = {
        "TableName": table,
        "ConsistentRead": True,
        "KeyConditionExpression": "user_id = :user AND day_source BETWEEN :first AND :last",
        "ExpressionAttributeValues": {
            ":user": first["user_id"],
            ":first": first["day_source"],
            ":last": last["day_source"],
        },
    } | more
    while True:
        page = query(request)
        yield from page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        request["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def is_day(row: Item) -> bool:
    """Check whether a row has the current costs of a day."""
    return bool(row["day_source"]["S"][:1].isdigit())


def lines_text(lines: tuple[CostLine, ...]) -> str:
    """Write lines as JSON, each as a list of the values of `CostLine`. Field names would double a row's size."""
    agents = [None if line.agent_id is None else Decimal(line.agent_id) for line in lines]
    values = [
        [line.cost_usd, agent, line.quantity, line.unit, line.label] for line, agent in zip(lines, agents, strict=True)
    ]
    return json_text.exact(values, levels=2)


def read_lines(text: str) -> tuple[CostLine, ...]:
    return tuple(
        CostLine(cost, None if agent is None else int(agent), quantity, unit, label)
        for cost, agent, quantity, unit, label in json_text.read(text)
    )


def put_version(
    table: str, day: CostDay, before: CostVersion | None, after: CostVersion, more: int
) -> list[dict[str, Any]]:
    """Return the actions that replace a day's version and store the replaced version as an earlier version.

    more: see `more_key_bytes`. Their transaction fails if the day does not have the version `before`, or if the month
    has no room for `more`.
    """
    put = {"TableName": table, "Item": day.key | after.attributes(), **has_version(before)}
    actions: list[dict[str, Any]] = [{"Put": put}]
    if before:
        key = day.version_key(before.version, kind_of(before.put_by))
        actions.append({"Put": {"TableName": table, "Item": key | before.attributes()}})
    added = {"changes": int(days_ago(day.date) >= COUNT_AFTER_DAYS), "key_bytes": more}
    added = {name: number for name, number in added.items() if number}
    if added:
        change: dict[str, Any] = {
            "UpdateExpression": f"ADD {', '.join(f'{name} :{name}' for name in added)} REMOVE sums, #rules, restated",
            "ExpressionAttributeNames": {"#rules": "rules"},
            "ExpressionAttributeValues": {f":{name}": {"N": str(number)} for name, number in added.items()},
        }
        if more > 0:
            change["ConditionExpression"] = "attribute_not_exists(key_bytes) OR key_bytes <= :room"
            change["ExpressionAttributeValues"][":room"] = {"N": str(MAX_MONTH_BYTES - more)}
        actions.append({"Update": {"TableName": table, "Key": day.month_key, **change}})
    return actions


def more_key_bytes(before: CostVersion | None, after: CostVersion) -> int:
    """Return how many bytes of agent keys' lines a month has more if a version replaces another one."""
    return after.key_bytes - (before.key_bytes if before else 0)


def repeat_version(table: str, day: CostDay, version: CostVersion, repeated_by: str) -> dict[str, Any]:
    """Return the action that records that a more trusted caller put the same lines again.

    A concurrent PUT of a less trusted caller may already have passed the check of the owner. Its transaction then
    fails, because it requires the earlier `repeated_by`.
    """
    update = {"TableName": table, "Key": day.key, "UpdateExpression": "SET repeated_by = :by", **has_version(version)}
    update["ExpressionAttributeValues"] |= {":by": {"S": repeated_by}}
    return {"Update": update}


def has_version(version: CostVersion | None) -> dict[str, Any]:
    """Return the condition that a day's row has this version and `repeated_by`. None: that the row does not exist.

    After an erasure, versions begin at 1 again. So the condition also compares `put_at`. Otherwise an attempt that was
    made before the erasure could take effect after it.
    """
    if version is None:
        return {"ConditionExpression": "attribute_not_exists(user_id)"}
    values = {":version": {"N": str(version.version)}, ":put_at": {"S": version.put_at}}
    condition = "#version = :version AND put_at = :put_at AND attribute_not_exists(repeated_by)"
    if version.repeated_by:
        condition = "#version = :version AND put_at = :put_at AND repeated_by = :repeated_by"
        values[":repeated_by"] = {"S": version.repeated_by}
    names = {"#version": "version"}
    return {"ConditionExpression": condition, "ExpressionAttributeNames": names, "ExpressionAttributeValues": values}


def put_source(table: str, day: CostDay, before: str | None, after: CostVersion) -> dict[str, Any]:
    """Return the action that makes the caller of `after` the source's owner, if `before` is still the owner."""
    by_and_at = {name: value for name, value in after.attributes().items() if name in ("put_by", "put_at")}
    condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(user_id)"}
    if before is not None:
        condition = {"ConditionExpression": "put_by = :before", "ExpressionAttributeValues": {":before": {"S": before}}}
    return {"Put": {"TableName": table, "Item": day.source_key | by_and_at, **condition}}


def count_source(table: str, user_id: int, before: Item) -> dict[str, Any]:
    """Return the action that counts a new source in the row of all sources, if this row is still `before`."""
    condition, values = "attribute_not_exists(changes)", {":one": {"N": "1"}}
    if before:
        condition, values[":before"] = "changes = :before", before["changes"]
    update = {"TableName": table, "Key": row_key(user_id, ALL_SOURCES), "UpdateExpression": "ADD changes :one"}
    return {"Update": update | {"ConditionExpression": condition, "ExpressionAttributeValues": values}}
