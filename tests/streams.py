"""Turn on streams of moto's tables, and read their records in Lambda's format."""

from datetime import UTC
from typing import Any, override

from local.environment import ACCOUNT
from local.moto_backend import Item, StreamShard, backend


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
    """Return all records of a table's stream in Lambda's format, oldest first."""
    stream = backend("dynamodb").tables[table]
    arn = f"{stream.table_arn}/stream/{stream.latest_stream_label}"
    return [_as_lambda_gives_it(record.to_json(), arn) for record in stream.stream_shard.items]


def _as_lambda_gives_it(record: dict[str, Any], arn: str) -> dict[str, Any]:
    change = record["dynamodb"]
    moment = change["ApproximateCreationDateTime"].replace(tzinfo=UTC).timestamp()
    return record | {"eventSourceARN": arn, "dynamodb": change | {"ApproximateCreationDateTime": moment}}
