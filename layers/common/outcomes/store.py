"""Outcomes in DynamoDB: add one, read the newest. The only place that knows keys and attributes.

user_id (HASH, S)       `42`; of no user `unassigned#<0-15>`, so that they never share one hot partition
created_at (RANGE, S)   `2026-04-01T12:00:00.000Z#<id>`, so that equal instants neither collide nor overwrite
the rest                agent_id N, outcome_type S, title S, description S, value_usd N, metadata S (JSON text);
                        absent when null
"""

import os
import time
from json.encoder import encode_basestring as json_string
from typing import TYPE_CHECKING, Any

from outcomes.dynamodb import dynamodb_client

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    from outcomes.models import NewOutcome

    type Item = dict[str, AttributeValueTypeDef]

UNASSIGNED_SHARDS = 16

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id(milliseconds: int) -> str:
    """A ULID (https://github.com/ulid/spec): milliseconds since 1970 and 80 random bits, as 26 characters."""
    number = milliseconds << 80 | int.from_bytes(os.urandom(10))
    return "".join([_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5)])


def created_at(milliseconds: int) -> str:
    """Milliseconds since 1970 as `2026-04-01T12:00:00.000Z`: of one width, so that text and time have one order."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:03d}Z"


class OutcomeStore:
    """The table of outcomes. Whatever botocore raises passes through: nothing was stored, or it cannot be known."""

    def __init__(self, table: str) -> None:
        self.table = table
        self.client = dynamodb_client()

    def add(self, outcome: "NewOutcome", *, milliseconds: int | None = None) -> str:
        """Store `outcome` as of now, or of `milliseconds` since 1970, and return its id."""
        if milliseconds is None:
            milliseconds = time.time_ns() // 1_000_000
        # Fixed before the call: when botocore tries again, it writes the same item again.
        id_ = new_id(milliseconds)
        self.client.put_item(TableName=self.table, Item=_item(outcome, id_, milliseconds))
        return id_

    def newest(self, user_id: int, limit: int) -> list[str]:
        """The newest `limit` outcomes of a user, newest first, each as the JSON text of the contract."""
        items: list[Item] = []
        position: dict[str, Any] = {}
        while True:
            page = self.client.query(
                TableName=self.table,
                KeyConditionExpression="user_id = :user",
                ExpressionAttributeValues={":user": {"S": str(user_id)}},
                ScanIndexForward=False,
                ConsistentRead=True,  # an outcome just recorded is there at once
                Limit=limit - len(items),
                **position,
            )
            items += page["Items"]
            # A page ends at 1 MB, which large metadata reaches before the limit.
            if len(items) == limit or "LastEvaluatedKey" not in page:
                return [_json(item) for item in items]
            position = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def _item(outcome: "NewOutcome", id_: str, milliseconds: int) -> "Item":
    item: Item = {
        "user_id": {"S": _partition(outcome.user_id, id_)},
        "created_at": {"S": f"{created_at(milliseconds)}#{id_}"},
        "outcome_type": {"S": outcome.outcome_type},
        "title": {"S": outcome.title},
    }
    if outcome.agent_id is not None:
        item["agent_id"] = {"N": str(outcome.agent_id)}
    if outcome.description is not None:
        item["description"] = {"S": outcome.description}
    if outcome.value_usd is not None:
        item["value_usd"] = {"N": str(outcome.value_usd)}
    if outcome.metadata is not None:
        item["metadata"] = {"S": outcome.metadata}
    return item


def _partition(user_id: int | None, id_: str) -> str:
    if user_id is not None:
        return str(user_id)
    return f"unassigned#{_CROCKFORD.index(id_[-1]) % UNASSIGNED_SHARDS}"


def _json(item: "Item") -> str:
    """Money and metadata are stored as their own JSON text and go out as it, through no float and no second parser."""
    instant, _, id_ = item["created_at"]["S"].partition("#")
    user_id = item["user_id"]["S"]
    return (
        f'{{"id":"{id_}"'
        f',"user_id":{user_id if user_id.isdigit() else "null"}'
        f',"agent_id":{item["agent_id"]["N"] if "agent_id" in item else "null"}'
        f',"outcome_type":"{item["outcome_type"]["S"]}"'
        f',"title":{json_string(item["title"]["S"])}'
        f',"description":{json_string(item["description"]["S"]) if "description" in item else "null"}'
        f',"value_usd":{item["value_usd"]["N"] if "value_usd" in item else "null"}'
        f',"metadata":{item["metadata"]["S"] if "metadata" in item else "null"}'
        f',"created_at":"{instant}"}}'
    )
