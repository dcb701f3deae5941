"""Store dead letters: stream records that were not published, in a bucket, until an operator resends them.

Lambda stores batches that failed for too long under `aws/lambda/...`:
https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
`keep` stores single records that can never be published under `unknown/...`, in the same format.
"""

import json
from typing import Any

from outcomes.events.stream import Record


def keep(bucket: str, record: Record) -> None:
    """Store a record. Raises boto3's errors."""
    import boto3  # imported here, because it is rarely needed

    body = json.dumps({"payload": json.dumps({"Records": [record]})})
    boto3.client("s3").put_object(Bucket=bucket, Key=f"unknown/{record['eventID']}.json", Body=body.encode())


def records_of(body: bytes) -> list[Record]:
    """Read the records in an S3 object. Raises KeyError, TypeError or ValueError if its format is different."""
    payload: Any = json.loads(body)["payload"]
    batch = json.loads(payload) if isinstance(payload, str) else payload
    records: list[Record] = batch["Records"]
    return records
