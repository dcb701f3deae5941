"""Run a version of the deployed code in its own process, with a fixed clock and fixed randomness.

Reads each call as a line of JSON, and writes a line for its result: `returned` or `raised`, and `posted` (webhooks).
Usage: PYTHONPATH=<folder of the package outcomes> python -P worker.py <folder of functions> <salt>
"""

import hashlib
import json
import os
import sys
import time
from importlib.util import module_from_spec, spec_from_file_location
from itertools import count
from pathlib import Path
from typing import Any

import tzdata

FUNCTIONS, SALT = Path(sys.argv[1]), sys.argv[2]
TZDATA = "2026a"
"""A fixed version of tzdata, because stored totals depend on it and it is not part of the code."""

apps: dict[str, Any] = {}


def load(function: str) -> Any:
    """Load a function's app.py as Lambda does, once."""
    if function not in apps:
        spec = spec_from_file_location(f"{function}_app", FUNCTIONS / function / "app.py")
        assert spec
        assert spec.loader
        apps[function] = module_from_spec(spec)
        spec.loader.exec_module(apps[function])
    return apps[function]


def fix(now: int) -> None:
    """Stop the clock at `now`, in milliseconds since 1970. The next random bytes depend only on this time."""
    drawn = count()
    any_os: Any = os
    any_os.urandom = lambda size: hashlib.shake_256(f"{SALT} {now} {next(drawn)}".encode()).digest(size)
    time.time_ns = lambda: now * 1_000_000
    time.time = lambda: now / 1000


def receive_webhooks() -> list[Any]:
    """Return a list to which webhooks are appended instead of being sent."""
    from outcomes.aws.connection import Connection, Reply

    posted: list[Any] = []
    send = Connection.post

    def post(connection: Connection, headers: Any, body: bytes, until: float, **how: Any) -> Reply:
        if connection.host != "hooks.example.com":
            return send(connection, headers, body, until, **how)
        posted.append({"headers": headers, "body": body.decode()})
        return Reply(204, {}, b"")

    any_connection: Any = Connection
    any_connection.post = post
    return posted


def main() -> None:
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # logs and metrics are discarded
    tzdata.IANA_VERSION = TZDATA
    time.sleep = lambda _seconds: None
    posted = receive_webhooks()
    for line in sys.stdin:
        call = json.loads(line)
        fix(call["now"])
        posted.clear()
        result: dict[str, Any] = {"posted": posted}
        try:
            result["returned"] = load(call["function"]).handler(call["event"], None)
        except Exception as error:  # noqa: BLE001 - the caller judges it
            result["raised"] = f"{type(error).__name__}: {error}"
        print(json.dumps(result), file=results, flush=True)
    os._exit(0)  # end at once, because Python's cleanup is slow


main()
