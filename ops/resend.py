"""python -m ops.resend STACK: tell the bus of a deployed stack what it could not be told, and is kept.

By the rights of whoever calls it: to read and delete in the bucket, to read outcomes and keys, and to put events on the
bus.
"""

import os
import sys
from itertools import batched
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ops.errors import StackError

if TYPE_CHECKING:
    from outcomes.events.bus import Bus
    from outcomes.events.stream import Record

BATCH = 100  # as the template has it


def main() -> int:
    """Send again, and return the exit code of the process."""
    try:
        [stack] = sys.argv[1:]
        if not stack:
            raise StackError("which stack? STACK=outcomes-prod")
        left = resend(stack)
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 1 if left else 0


def resend(stack: str) -> int:
    """Tell what is kept, the oldest first, and delete what was told. Returns how many objects are left.

    Events of outcomes that are there no more are not told, nor those of keys of users who have no row: they were
    erased.

    Raises StackError when the stack is unknown or tells no bus, when AWS refuses, and when the bus takes no events.
    """
    try:
        name, outputs = _outputs(stack)
        if "KeptEventsBucketName" not in outputs:
            raise StackError(f"{name} tells no bus: it has no EventBusName")
        # The layer's caller knows no other way to a region.
        os.environ.setdefault("AWS_DEFAULT_REGION", boto3.Session().region_name or "")
        from outcomes.events.bus import Bus

        bus = Bus(outputs["OutcomesTableName"], outputs["EventBusName"], name)
        return _resend(bus, outputs["KeysTableName"], outputs["KeptEventsBucketName"])
    except (BotoCoreError, ClientError) as error:
        raise StackError(f"what is kept of {stack} is not sent: {' '.join(str(error).split())}") from error


def _outputs(stack: str) -> tuple[str, dict[str, str]]:
    [found] = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return found["StackName"], {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}


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
        except (KeyError, TypeError, ValueError) as error:
            left += 1
            print(f"{kept['Key']} stays: {error!r}")
            continue
        types, unknown = _tell(bus, keys_table, records)
        events += len(types)
        if unknown:
            left += 1
            print(f"{kept['Key']} stays: {unknown[0]}")
        else:
            s3.delete_object(Bucket=bucket, Key=kept["Key"])
    print(f"Told {events} events of {len(objects) - left} objects. {left} are left in {bucket}.")
    return left


def _tell(bus: "Bus", keys_table: str, records: "list[Record]") -> tuple[list[str], list[str]]:
    """Tell what records say. Returns the types of what was told, and why others could not be."""
    from outcomes.aws.errors import CallFailed
    from outcomes.errors import Busy

    types: list[str] = []
    unknown: list[str] = []
    for batch in batched(records, BATCH, strict=False):
        try:
            told = bus.publish(_still_there(bus, keys_table, list(batch)))
        except (Busy, CallFailed, TimeoutError) as error:
            raise StackError(f"outcomes cannot be read: {error}") from error
        if told.first_left is not None:
            raise StackError(f"the bus {bus.name} takes no events: {told.why}")
        types += told.types
        unknown += [why for _, why in told.unknown]
    return types, unknown


def _still_there(bus: "Bus", keys_table: str, records: "list[Record]") -> "list[Record]":
    """Leave out records of outcomes that were erased, and of agent keys of users who were."""
    from outcomes.aws.backoff import Backoff, read_items

    places = [_place(keys_table, bus.table, record) for record in records]
    there: set[str] = set()
    for table in (bus.table, keys_table):
        wanted = {repr(key): key for at, key in filter(None, places) if at == table}
        found: list[Any] = read_items(bus.dynamodb, table, list(wanted.values()), Backoff())
        there |= {text for text, key in wanted.items() if any(key.items() <= item.items() for item in found)}
    return [record for record, place in zip(records, places, strict=True) if place is None or repr(place[1]) in there]


def _place(keys_table: str, outcomes_table: str, record: "Record") -> "tuple[str, dict[str, Any]] | None":
    """Find the table and key of an item that is there until what a record tells of is erased; None where none is known.

    A key that was revoked is gone, but not its user's row.
    """
    from outcomes.keys.agent_keys import user_row_id

    match record["dynamodb"]:
        case {"Keys": {"user_id": _, "created_at": _} as key}:
            return outcomes_table, key
        case {"NewImage": {"user_id": {"N": user_id}}} | {"OldImage": {"user_id": {"N": user_id}}}:
            return keys_table, {"id": {"S": user_row_id(user_id)}}
        case {"Keys": {"id": _} as key}:
            return keys_table, key
    return None


if __name__ == "__main__":
    sys.exit(main())
