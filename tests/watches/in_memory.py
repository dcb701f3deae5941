"""A table of watches in memory, with a stream, pages, conditions and kills: faster than moto by far."""

from random import Random
from typing import Any

from outcomes.aws.connection import Reply
from outcomes.aws.services import Answer, ConditionFailed
from outcomes.watches.stored_watches import row_key

from tests.faults import Killed


class WatchesInMemory:
    """Answers the calls of the clock. rows: by table, user and id; they are replaced and never changed.

    stream: records of all updates. applied: the keys of rows that were updated. kill_in: the number of writes after
    which the caller is killed, before or after the write.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.rows: dict[tuple[str, str, str], Any] = {}
        self.stream: list[dict[str, Any]] = []
        self.applied: dict[tuple[str, str], bool] = {}
        self.kill_in: int | None = None

    def store(self, user: int, id_: str, made: str, setting: str, *, put_at: str) -> None:
        """Store a new watch or digest, as its first PUT does."""
        self.rows["WatchesTable", str(user), id_] = row_key(user, id_) | {
            "version": {"N": "1"},
            "changes": {"N": "0"},
            "made": {"S": made},
            "put_by": {"S": "session"},
            "put_at": {"S": put_at},
            "setting": {"S": setting},
        }

    def call(self, operation: str, request: dict[str, Any]) -> Answer:
        table = request["TableName"]
        if operation == "Scan":
            return self._scan(table, request.get("ExclusiveStartKey"))
        key = request.get("Key") or request["Item"]
        place = (table, key["user_id"]["S"], key["id"]["S"])
        row = self.rows.get(place)
        if operation == "GetItem":
            return Answer({"Item": row} if row else {})
        dies = self.kill_in == 0
        self.kill_in = None if self.kill_in in {None, 0} else self.kill_in - 1
        if dies and self.random.random() < 0.5:
            raise Killed
        if not all(_holds(each, row or {}, request) for each in request["ConditionExpression"].split(" AND ")):
            raise ConditionFailed(operation, "ConditionalCheckFailedException", Reply(400, {}, b""), {})
        if operation == "PutItem":
            self.rows[place] = request["Item"]
        else:
            values = request["ExpressionAttributeValues"]
            self.rows[place] = new = {**(row or {}), "states": values[":states"], "changes": values[":next"]}
            images = {"OldImage": row, "NewImage": new, "Keys": key}
            self.stream.append({"eventName": "MODIFY", "dynamodb": images})
            self.applied[place[1:]] = True
        if dies:
            raise Killed
        return Answer({})

    def _scan(self, table: str, after: Any) -> Answer:
        start = (after["user_id"]["S"], after["id"]["S"]) if after else ("", "")
        keys = sorted(place[1:] for place in self.rows if place[0] == table and place[1:] > start)
        page = keys[: self.random.choice([1, 2, 1000])]
        more = {"user_id": {"S": page[-1][0]}, "id": {"S": page[-1][1]}} if len(page) < len(keys) else None
        items = [self.rows[table, *key] for key in page]
        return Answer({"Items": items} | ({"LastEvaluatedKey": more} if more else {}))


def _holds(condition: str, row: Any, request: dict[str, Any]) -> bool:
    if condition.startswith("attribute_not_exists("):
        return condition.removeprefix("attribute_not_exists(").removesuffix(")") not in row
    name, value = condition.split(" = ")
    return bool(row.get(name) == request["ExpressionAttributeValues"][value])
