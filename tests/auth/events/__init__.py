"""Load golden events: the input of a REQUEST authorizer, version 1.0, as API Gateway sends it."""

import json
from pathlib import Path
from typing import Any


def load_event(name: str, **headers: list[str]) -> dict[str, Any]:
    """Load `<name>.json`, and replace its Authorization and Cookie headers with these headers.

    Each header has a list of values; `_` in a name becomes `-`.
    """
    event: dict[str, Any] = json.loads((Path(__file__).parent / f"{name}.json").read_text())
    given = {header.replace("_", "-"): values for header, values in headers.items() if values}
    kept = {
        header: values
        for header, values in event["multiValueHeaders"].items()
        if not headers or header not in ("Authorization", "Cookie")
    }
    event["multiValueHeaders"] = kept | given
    event["headers"] = {header: values[-1] for header, values in event["multiValueHeaders"].items()}
    return event
