"""Call DynamoDB from a command, which may wait longer than the API, and leaves throughput for the API's requests."""

import time
from collections.abc import Callable

from outcomes.aws.services import Limits, Unavailable
from outcomes.errors import Busy, Contended, Mistimed

from ops.errors import StackError

LIMITS = Limits(attempts=3, connect=2, read=10, total=30)  # limits of each call to DynamoDB

MAX_UNITS_PER_SECOND = 500
"""Half of what DynamoDB allows one partition, because all outcomes of a user may be in one:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html"""

PATIENCE_SECONDS = 300
MAX_PAUSE_SECONDS = 30.0


def patiently[Result](call: Callable[[], Result]) -> Result:
    """Repeat a call while DynamoDB is busy or unreachable. Raises StackError after PATIENCE_SECONDS."""
    until, pause = time.monotonic() + PATIENCE_SECONDS, 0.5
    while True:
        try:
            return call()
        except (Busy, Contended, Mistimed, TimeoutError, Unavailable) as failure:
            if time.monotonic() + pause > until:
                raise StackError(f"DynamoDB does not answer ({failure}); run the same command to go on") from failure
            time.sleep(pause)
            pause = min(pause * 2, MAX_PAUSE_SECONDS)
