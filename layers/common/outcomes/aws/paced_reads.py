"""Read from DynamoDB at a limited rate, until a deadline."""

import time
from typing import Any

from outcomes.aws.backoff import Backoff
from outcomes.aws.services import Answer, DynamoDB
from outcomes.calendar import instants
from outcomes.errors import Busy, Refused

UNITS_PER_SECOND = 1500
"""Read units that a request uses per second, after a burst of one second: half of what DynamoDB allows for a partition,
so that lists of the same user are not throttled.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html"""


class PacedReads:
    """Makes the reads of one request.

    until: the time after which no read begins, on `time.monotonic`. late: the error to raise after this time.
    read_units: the sum of the consumed capacity in DynamoDB's answers. date: the Date header of the last answer.
    """

    def __init__(self, dynamodb: DynamoDB, until: float, late: type[Refused]) -> None:
        self.dynamodb = dynamodb
        self.until = until
        self.late = late
        self.began = time.monotonic()
        self.read_units = 0.0
        self.date = ""

    @property
    def now(self) -> str:
        """Return the instant of the last answer, to the second, by DynamoDB's clock."""
        return instants.text(instants.read_http_date(self.date))

    def call(self, request: dict[str, Any], operation: str = "Query") -> Answer:
        """Make a call. First wait as long as UNITS_PER_SECOND requires. Retry while the table is throttled.

        Raises the error `late` if the time is up.
        """
        backoff = Backoff()  # only its pauses are used; its deadline is ignored
        ahead = self.read_units / UNITS_PER_SECOND - 1 - (time.monotonic() - self.began)
        if ahead > 0:
            time.sleep(ahead)
        throttled: Busy | None = None
        while time.monotonic() <= self.until:
            try:
                answer = self.dynamodb.call(operation, request)
            except Busy as busy:
                throttled = busy
                backoff.wait()
                continue
            consumed = answer.get("ConsumedCapacity", [])
            for each in consumed if isinstance(consumed, list) else [consumed]:
                self.read_units += each.get("CapacityUnits", 0)
            self.date = answer.date
            return answer
        raise self.late from throttled
