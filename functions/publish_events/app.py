"""Publish changes of outcomes and agent keys, read from the tables' streams, to EventBridge."""

import os
from typing import Any

from outcomes.edge.observability import count, logger
from outcomes.events.bus import Bus
from outcomes.events.dead_letters import keep

bus = Bus(os.environ["OUTCOMES_TABLE"], os.environ["EVENT_BUS"], os.environ["EVENT_SOURCE"])
KEPT_EVENTS_BUCKET = os.environ["KEPT_EVENTS_BUCKET"]


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Publish a batch of DynamoDB stream records. Return the first unpublished record: Lambda retries from there.

    https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html

    If anything is raised, Lambda retries the whole batch.
    """
    published = bus.publish(event["Records"])
    count("EventsTold", "type", published.types)
    for record, why in published.unknown:
        keep(KEPT_EVENTS_BUCKET, record)
        logger().error("Kept an event that cannot be published", extra={"record": record["eventID"], "cause": why})
    if published.first_left is None:
        return {"batchItemFailures": []}
    logger().warning("EventBridge did not accept all events: Lambda retries", extra={"cause": str(published.why)})
    return {"batchItemFailures": [{"itemIdentifier": published.first_left["dynamodb"]["SequenceNumber"]}]}
