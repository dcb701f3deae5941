"""Dead letters: records of streams that were not published, kept whole in a bucket until somebody sends them again.

Lambda puts those there that nobody took for too long, a batch in an object `aws/lambda/...`, and names it by its own
rules: https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
Those that cannot be published as they are come there at once, in objects of the same form, `unknown/...`.
"""

import json
from typing import Any

from outcomes.events.stream import Record


def keep(bucket: str, record: Record) -> None:
    """Keep a record. Raises what boto3 does."""
    # Loaded when first needed, which is hardly ever.
    import boto3

    body = json.dumps({"payload": json.dumps({"Records": [record]})})
    boto3.client("s3").put_object(Bucket=bucket, Key=f"unknown/{record['eventID']}.json", Body=body.encode())


def records_of(body: bytes) -> list[Record]:
    """Read the records that an object keeps. Raises KeyError, TypeError or ValueError for an object of another form."""
    payload: Any = json.loads(body)["payload"]
    batch = json.loads(payload) if isinstance(payload, str) else payload
    records: list[Record] = batch["Records"]
    return records
