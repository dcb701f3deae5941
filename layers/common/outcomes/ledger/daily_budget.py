"""Limit how many outcomes and corrections an agent key records in a UTC day (its `maxPerDay`).

An environment (a Lambda process) leases records from a row, and then uses them without a further call. The row of a key
and a day is in the table of idempotency keys:

key_sha256 (HASH, S)    `budget#<id of the key>#2026-12-01`
leased                  N, how many records environments have leased; never above the key's maxPerDay
expires_at              N, seconds since 1970, three days after the day

The first lease of an environment is one record. Each further lease is as large as what the environment has already used
this day, but at most a fiftieth of what is left. So a busy environment makes few calls, and an environment that ends
loses few records. A lease is also lost if its answer was lost, and at midnight. So the limit is never exceeded.

The first refusal of a day is noted in the table of agent keys. The event `key.limited` is made from this row:

id (HASH, S)    `limited#<id of the key>`
limited_on      S, the UTC day of the last refusal
user_id, max_per_day    N, those of the key
forget_at       N, TTL, seconds since 1970, three days after the day
"""

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from outcomes.aws.backoff import Backoff, read_items
from outcomes.aws.services import CallFailed, ConditionFailed, DynamoDB
from outcomes.calendar import instants
from outcomes.errors import Busy, Fault, TooManyOutcomes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from outcomes.contract.caller import Bounds

LIMITED = "limited#"
SHARE = 50  # a lease is at most this fraction of what is left
MAX_REMEMBERED = 1000  # keys whose leases an environment keeps; it forgets those that it used least recently
KEPT_SECONDS = 3 * 24 * 60 * 60
MAX_RETRY_AFTER = 60
NOTE_SECONDS = 1.0
LEASE_SECONDS = 4.0
"""Maximum seconds of both calls. Together with the 12 s of the write that follows, this is below the functions'
timeout."""


class _Lease:
    """Holds what this environment has leased from a key's day.

    held: records that it may still use. used: records that it has used. left: records that the last answer left to be
    leased; None before the first answer. is_noted: whether a refusal of this day is noted.
    """

    def __init__(self, day: str) -> None:
        self.day = day
        self.held = 0
        self.used = 0
        self.left: int | None = None
        self.is_noted = False


class DailyBudgets:
    """The budgets of agent keys, as far as this environment has leased from them.

    table: the table of idempotency keys. keys_table: the table of agent keys, to note refusals.
    """

    def __init__(self, dynamodb: DynamoDB, table: str, keys_table: str) -> None:
        self.dynamodb = dynamodb
        self.table = table
        self.keys_table = keys_table
        self._leases: OrderedDict[str, _Lease] = OrderedDict()

    def take(self, key: "Bounds", at: int, wanted: int = 1) -> int:
        """Take records from a key's budget of a day. Return how many are granted, from 0 to `wanted`.

        at: the instant at which they are recorded, in milliseconds since 1970. Makes no call while this environment
        holds enough, or for a key without a limit; otherwise one or two, and more only if others lease the last records
        at the same time. Raises Busy and CallFailed; nothing is granted then.
        """
        if key.max_per_day is None:
            return wanted
        lease = self._lease(key.key_id, _day(at))
        if lease.held < wanted:
            grown = lease.used if lease.left is None else min(lease.used, lease.left // SHARE)
            self._extend(key, lease, max(wanted - lease.held, grown))
        granted = min(wanted, lease.held)
        lease.held -= granted
        lease.used += granted
        return granted

    def held(self, key: "Bounds", at: int) -> int:
        """Return how many records of the day of `at` need no further lease."""
        return self._lease(key.key_id, _day(at)).held

    def give_back(self, key: "Bounds", at: int, count: int = 1) -> None:
        """Return taken records that were certainly not stored. After the day has ended, they are lost."""
        lease = self._leases.get(key.key_id)
        if lease and lease.day == _day(at):
            lease.held += count
            lease.used -= count

    def refusal(self, key: "Bounds", at: int) -> TooManyOutcomes:
        """Return the error for what exceeds the key's budget of the day of `at`. Note the refusal, see the module."""
        lease = self._lease(key.key_id, _day(at))
        if not lease.is_noted:
            lease.is_noted = self._note(key, lease.day)
        midnight = _end(_day(at))
        until = f"{instants.text(midnight)[:19]}Z"
        rule = f"this key records {key.max_per_day} a day, and may again from {until}"
        seconds = -(-(midnight - at) // 1000)
        return TooManyOutcomes([Fault(field="maxPerDay", message=rule)], min(MAX_RETRY_AFTER, seconds))

    def leased(self, ids: "Iterable[str]") -> dict[str, int]:
        """Return how many records of the present day are leased, by the id of the key. Raises Busy."""
        rows = {_row(id_, _day(instants.now())): id_ for id_ in ids}
        try:
            items = read_items(self.dynamodb, self.table, [{"key_sha256": {"S": row}} for row in rows], Backoff())
        except TimeoutError as exc:
            raise Busy from exc
        found = {rows[item["key_sha256"]["S"]]: int(item["leased"]["N"]) for item in items}
        return dict.fromkeys(rows.values(), 0) | found

    def _lease(self, id_: str, day: str) -> _Lease:
        lease = self._leases.get(id_)
        if lease is None or lease.day != day:
            lease = self._leases[id_] = _Lease(day)
        self._leases.move_to_end(id_)
        if len(self._leases) > MAX_REMEMBERED:
            self._leases.popitem(last=False)
        return lease

    def _note(self, key: "Bounds", day: str) -> bool:
        """Note that the key was refused on a day. Return false if that failed: the next refusal tries again."""
        update = {
            "TableName": self.keys_table,
            "Key": {"id": {"S": f"{LIMITED}{key.key_id}"}},
            "UpdateExpression": "SET limited_on = :day, user_id = :user, max_per_day = :limit, forget_at = :forget_at",
            "ConditionExpression": "attribute_not_exists(limited_on) OR limited_on <> :day",
            "ExpressionAttributeValues": {
                ":day": {"S": day},
                ":user": {"N": str(key.user_id)},
                ":limit": {"N": str(key.max_per_day)},
                ":forget_at": {"N": str(_forgotten(day))},
            },
        }
        try:
            self.dynamodb.call("UpdateItem", update, attempts=1, until=time.monotonic() + NOTE_SECONDS)
        except ConditionFailed:  # another environment has noted it
            return True
        except (Busy, CallFailed):
            return False
        return True

    def _extend(self, key: "Bounds", lease: _Lease, count: int) -> None:
        """Lease `count` more records, or all that are left if these are fewer."""
        limit = key.max_per_day or 0
        until = time.monotonic() + LEASE_SECONDS
        # The answer to a refused attempt says what is left: fewer, as another environment may lease at the same time.
        while count := min(count, limit if lease.left is None else lease.left):
            update = {
                "TableName": self.table,
                "Key": {"key_sha256": {"S": _row(key.key_id, lease.day)}},
                "UpdateExpression": "SET expires_at = :expires_at ADD leased :count",
                "ConditionExpression": "attribute_not_exists(leased) OR leased <= :most",
                "ExpressionAttributeValues": {
                    ":count": {"N": str(count)},
                    ":most": {"N": str(limit - count)},
                    ":expires_at": {"N": str(_forgotten(lease.day))},
                },
                "ReturnValues": "UPDATED_NEW",
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
            try:
                row = self.dynamodb.call("UpdateItem", update, until=until)["Attributes"]
            except ConditionFailed as refused:
                lease.left = max(0, limit - int(refused.body["Item"]["leased"]["N"]))
            else:
                lease.left = max(0, limit - int(row["leased"]["N"]))
                lease.held += count
                return


def _day(at: int) -> str:
    return instants.text(at)[:10]


def _end(day: str) -> int:
    return instants.read(f"{day}T00:00:00Z") + instants.DAY


def _forgotten(day: str) -> int:
    """Return when the rows of a day may be deleted, in seconds since 1970."""
    return _end(day) // 1000 + KEPT_SECONDS


def _row(id_: str, day: str) -> str:
    return f"budget#{id_}#{day}"
