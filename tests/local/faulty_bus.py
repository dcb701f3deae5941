"""Run the local stack with a bus that fails every second call and every third entry.

Usage: python -m tests.local.faulty_bus
"""

import sys
from itertools import count
from typing import Any

from local.__main__ import main
from local.moto_backend import JsonRESTError, backend

Events = type(backend("events"))
put_events = Events.put_events
calls, entries = count(), count()


def refuse_some(self: Any, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Replace EventBridge's PutEvents: fail every second call, and every third entry of the other calls."""
    if next(calls) % 2:
        raise JsonRESTError("InternalException", "injected by the test")
    results: list[dict[str, Any]] = []
    for event in events:
        refused = {"ErrorCode": "ThrottlingException", "ErrorMessage": "injected by the test"}
        results += [refused] if next(entries) % 3 == 2 else put_events(self, [event])
    return results


if __name__ == "__main__":
    Events.put_events = refuse_some
    sys.exit(main())
