"""Read from DynamoDB at a limited rate, until a deadline."""

import time
from typing import Any

from outcomes.aws.backoff import Backoff
from outcomes.aws.caller import Answer
from outcomes.aws.services import DynamoDB
from outcomes.contract import instants
from outcomes.errors import Busy, Refused
from outcomes.totals.materialized import UNITS_PER_SECOND


class Reads:
    """The reads of one request.

    late: the error that is raised if no call may begin any more. now: the instant of the last answer by the service's
    clock, to the second.
    """

    def __init__(self, dynamodb: DynamoDB, seconds: float, late: type[Refused]) -> None:
        self.dynamodb = dynamodb
        self.late = late
        self.began = time.monotonic()
        self.end = self.began + seconds
        self.read_units = 0.0
        self.now = ""

    def call(self, operation: str, request: dict[str, Any]) -> Answer:
        """Make a call. Wait before it to stay within UNITS_PER_SECOND, and while the table is throttled.

        Raises `late`.
        """
        ahead = self.read_units / UNITS_PER_SECOND - 1 - (time.monotonic() - self.began)
        if ahead > 0:
            time.sleep(ahead)
        backoff = Backoff()  # only for its pauses
        while time.monotonic() < self.end:
            try:
                answer = self.dynamodb.call(operation, request | {"ReturnConsumedCapacity": "TOTAL"})
            except Busy:
                backoff.wait()
                continue
            consumed = answer.get("ConsumedCapacity", [])
            for each in consumed if isinstance(consumed, list) else [consumed]:
                self.read_units += each.get("CapacityUnits", 0)
            self.now = instants.text(instants.read_http_date(answer.date))
            return answer
        raise self.late
