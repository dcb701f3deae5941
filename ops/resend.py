"""python -m ops.resend STACK: republish a deployed stack's dead letters (events that its bus did not accept).

The caller needs IAM permissions to read and delete objects in the bucket, to read the tables that have streams, and to
put events on the bus.
"""

import os
import sys
from itertools import batched
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ops.command import exit_code, named_stack, positional
from ops.errors import StackError, one_line
from ops.stacks import describe_stack, outputs

if TYPE_CHECKING:
    from outcomes.events.bus import Bus
    from outcomes.events.stream import Record

BATCH = 100  # the template sets the same batch size


def main() -> int:
    """Publish the dead letters, and return the exit code of the process: 1 if some are left."""
    return exit_code(lambda: resend(*positional("STACK")))


def resend(stack: str) -> int:
    """Publish the dead letters, oldest first, and delete the published ones. Return how many objects are left.

    Drop the events of erased rows. Drop the event of an agent key if the row that lists its user's keys was erased.

    Raises StackError if the stack is unknown or has no bus, if AWS refuses, or if the bus accepts no events.
    """
    try:
        described = describe_stack(named_stack(stack))
        name, found = described["StackName"], outputs(described)
        if "KeptEventsBucketName" not in found:
            raise StackError(f"{name} publishes no events: it has no EventBusName")
        # The code in the layer reads the region only from the environment.
        os.environ.setdefault("AWS_DEFAULT_REGION", boto3.Session().region_name or "")
        from outcomes.events.bus import Bus

        bus = Bus(found["OutcomesTableName"], found["EventBusName"], name)
        return _resend(bus, found["KeysTableName"], found["KeptEventsBucketName"])
    except (BotoCoreError, ClientError) as error:
        raise StackError(f"cannot publish the dead letters of {stack}: {one_line(error)}") from error


def _resend(bus: "Bus", keys_table: str, bucket: str) -> int:
    from outcomes.events.dead_letters import records_of

    s3 = boto3.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    objects = [each for page in pages for each in page.get("Contents", [])]
    events = left = 0
    for kept in sorted(objects, key=lambda each: (each["LastModified"], each["Key"])):
        body = s3.get_object(Bucket=bucket, Key=kept["Key"])["Body"].read()
        try:
            records = records_of(body)
        except (KeyError, TypeError, ValueError):
            left += 1
            print(f"{kept['Key']} stays: it contains no records of a stream")
            continue
        types, unknown = _publish(bus, keys_table, records)
        events += len(types)
        if unknown:
            left += 1
            print(f"{kept['Key']} stays: {unknown[0]}")
        else:
            s3.delete_object(Bucket=bucket, Key=kept["Key"])
    print(f"Published {events} events of {len(objects) - left} objects. {left} are left in {bucket}.")
    return left


def _publish(bus: "Bus", keys_table: str, records: "list[Record]") -> tuple[list[str], list[str]]:
    """Publish the events of records.

    Return the types of the published events, and the reasons why events of other records cannot be published.
    """
    from outcomes.aws.services import CallFailed
    from outcomes.errors import Busy

    types: list[str] = []
    unknown: list[str] = []
    for batch in batched(records, BATCH, strict=False):
        try:
            result = bus.publish(_not_erased(bus, keys_table, list(batch)))
        except (Busy, CallFailed, TimeoutError) as error:
            raise StackError(f"outcomes cannot be read: {error}") from error
        if result.first_left is not None:
            raise StackError(f"the bus {bus.name} accepts no events: {result.why}")
        types += result.types
        unknown += [why for _, why in result.unknown]
    return types, unknown


def _not_erased(bus: "Bus", keys_table: str, records: "list[Record]") -> "list[Record]":
    """Filter out the records of erased rows, and of erased users' agent keys."""
    from outcomes.aws.backoff import Backoff, read_items

    places = [_place(keys_table, record) for record in records]
    existing: set[str] = set()
    for table in sorted({table for table, _ in places}):
        wanted = {repr(key): key for at, key in places if at == table}
        found: list[Any] = read_items(bus.dynamodb, table, list(wanted.values()), Backoff())
        existing |= {text for text, key in wanted.items() if any(key.items() <= item.items() for item in found)}
    return [each for each, (_, key) in zip(records, places, strict=True) if repr(key) in existing]


def _place(keys_table: str, record: "Record") -> tuple[str, dict[str, Any]]:
    """Return the table and key of an item. If this item is missing, the record's data was erased.

    For an agent key, return the row that lists the user's keys, because the item of a key is also deleted when the key
    is revoked. For other records, return the record's own item.
    """
    from outcomes.keys.agent_keys import user_row_id

    match record["dynamodb"]:
        case {"NewImage": {"user_id": {"N": user_id}}} | {"OldImage": {"user_id": {"N": user_id}}}:
            return keys_table, {"id": {"S": user_row_id(user_id)}}
    # arn:aws:dynamodb:eu-central-1:123456789012:table/outcomes-prod-CostsTable-1A2B3C/stream/2026-04-01T12:00:00.000
    return record["eventSourceARN"].split("/")[1], record["dynamodb"]["Keys"]


if __name__ == "__main__":
    sys.exit(main())
