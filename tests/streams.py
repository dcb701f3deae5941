"""Turn on streams of moto's tables, and read their records in Lambda's format."""

from typing import Any, override

from local.environment import ACCOUNT
from local.moto_backend import Item, StreamShard, backend
from tests.aws import aws_client


class _Shard(StreamShard):
    """A stream with the same records as a stream of DynamoDB.

    Unlike moto's stream, it has no record of a canceled transaction or of a write that changes nothing.
    """

    @override
    def add(self, old: Item | None, new: Item | None) -> None:
        if not (old and new and old.attrs == new.attrs):
            super().add(old, new)

    def __copy__(self) -> "_Shard":
        """Copy the stream, because moto restores the copy when a transaction is canceled."""
        twin = _Shard(self.account_id, self.table)
        twin.items = list(self.items)
        return twin


def turn_on(*tables: str) -> None:
    """Turn on streams of tables with the template's settings."""
    for name in tables:
        table = backend("dynamodb").tables[name]
        table.stream_specification = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        table.latest_stream_label = "2026-04-01T12:00:00.000"
        table.stream_shard = _Shard(ACCOUNT, table)


def records(table: str) -> list[dict[str, Any]]:
    """Return all records of a table's stream, oldest first."""
    streams = aws_client("dynamodbstreams")
    [stream] = streams.list_streams(TableName=table)["Streams"]
    arn = stream["StreamArn"]
    [shard] = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")[
        "ShardIterator"
    ]
    return [_as_lambda_gives_it(record, arn) for record in streams.get_records(ShardIterator=iterator)["Records"]]


def _as_lambda_gives_it(record: dict[str, Any], arn: str) -> dict[str, Any]:
    change = record["dynamodb"]
    moment = change["ApproximateCreationDateTime"].timestamp()
    return record | {"eventSourceARN": arn, "dynamodb": change | {"ApproximateCreationDateTime": moment}}
