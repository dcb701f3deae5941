"""python -m ops.fill_index STACK: backfill the index `by-occurrence` of a deployed stack.

The API reads this index to list outcomes by the time when they happened. The index contains the outcomes that have the
attribute `happened`. Earlier versions of the API neither store this attribute nor update it after a correction. So this
command corrects the attribute of every outcome. It may be run at any time, and more than once. The caller needs IAM
permissions to describe the stack, and to scan and update the table of outcomes.
"""

import os
import sys
import time
from functools import partial
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ops.command import exit_code, named_stack
from ops.errors import StackError, one_line
from ops.stacks import describe_stack, outputs, parameters


def main() -> int:
    """Fill the index, and return the exit code of the process."""
    [stack] = sys.argv[1:]
    return exit_code(partial(fill, stack), if_interrupted="Run the same command to go on.")


def fill(stack: str) -> None:
    """Set or remove the attribute `happened` of each outcome where it is missing or wrong. Raises StackError."""
    try:
        found = describe_stack(named_stack(stack))
    except (BotoCoreError, ClientError) as error:
        raise StackError(f"{stack}: {one_line(error)}") from error
    # The code in the layer reads the region only from the environment.
    os.environ.setdefault("AWS_DEFAULT_REGION", boto3.Session().region_name or "")
    from outcomes.aws.services import CallFailed
    from outcomes.privacy.data_sources import SHARE

    from ops.patience import MAX_UNITS_PER_SECOND

    units = (float(parameters(found)[name]) * SHARE for name in ("MaxReadUnits", "MaxWriteUnits"))
    try:
        seen, changed = _fill(outputs(found)["OutcomesTableName"], *(min(each, MAX_UNITS_PER_SECOND) for each in units))
    except CallFailed as error:
        raise StackError(f"{one_line(error)}; run the same command to go on") from error
    print(f"Looked at {seen:,} outcomes that have a time of their own, and changed {changed:,}.")


def _fill(table: str, read_units: float, write_units: float) -> tuple[int, int]:
    """Scan the table. Return the number of rows that have `occurred_at` or `happened`, and the number of changed rows.

    read_units, write_units: the capacity units of DynamoDB to use per second.
    """
    from outcomes.aws.services import ConditionFailed, DynamoDB
    from outcomes.ledger.items import indexed

    from ops.patience import LIMITS, patiently

    dynamodb = DynamoDB(LIMITS)
    scan: dict[str, Any] = {
        "TableName": table,
        "FilterExpression": "attribute_exists(occurred_at) OR attribute_exists(happened)",
        "ProjectionExpression": "user_id, created_at, occurred_at, happened",
        "ReturnConsumedCapacity": "TOTAL",
    }
    seen = changed = 0
    while True:
        page = patiently(partial(dynamodb.call, "Scan", scan))
        for row in page["Items"]:
            seen += 1
            if indexed(dict(row)) == row:
                continue
            try:
                answer = patiently(partial(dynamodb.call, "UpdateItem", _update(table, row)))
            except ConditionFailed:
                continue  # the outcome was erased, or was just amended, which sets the attribute
            changed += 1
            time.sleep(answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0) / write_units)
        if "LastEvaluatedKey" not in page:
            return seen, changed
        scan["ExclusiveStartKey"] = page["LastEvaluatedKey"]
        time.sleep(page.get("ConsumedCapacity", {}).get("CapacityUnits", 0) / read_units)


def _update(table: str, row: dict[str, Any]) -> dict[str, Any]:
    from outcomes.ledger.items import indexed

    happened = indexed(dict(row)).get("happened")
    values = {":happened": happened} if happened else {}
    if "occurred_at" in row:
        unchanged, values = "occurred_at = :as_read", values | {":as_read": row["occurred_at"]}
    else:
        unchanged = "attribute_not_exists(occurred_at)"
    return {
        "TableName": table,
        "Key": {name: row[name] for name in ("user_id", "created_at")},
        "UpdateExpression": "SET happened = :happened" if happened else "REMOVE happened",
        "ConditionExpression": f"attribute_exists(user_id) AND {unchanged}",
        "ReturnConsumedCapacity": "TOTAL",
    } | ({"ExpressionAttributeValues": values} if values else {})


if __name__ == "__main__":
    sys.exit(main())
