"""Call the routes of definitions."""

import json
from typing import Any

from functions.definitions import app
from tests.events import proxy_event, session

BERLIN = "Europe/Berlin"
MONTH = "/api/definitions/{month}"
CLAIMED = {"*": {"when": "claimed"}}


def body(types: Any = None, timezone: Any = BERLIN, dispute_days: Any = 14) -> dict[str, Any]:
    return {"timezone": timezone, "disputeDays": dispute_days, "types": CLAIMED if types is None else types}


def call(method: str, month: str = "", caller: Any = None, **event: Any) -> tuple[int, Any, dict[str, str]]:
    """Call a route, by default with the session of user 42. Return status, answer and headers."""
    path, parameters = (MONTH, {"month": month}) if month else ("/api/definitions", None)
    made = proxy_event(method, path, authorizer=caller or session(42), parameters=parameters, **event)
    response = app.handler(made, None)
    return response["statusCode"], json.loads(response["body"]), response["headers"]


def put(month: str, types: Any = None, *, match: str | None = None, **more: Any) -> tuple[int, Any]:
    """Put a definition. Return the status, and the version or the refusal's first field or error."""
    headers = {} if match is None else {"If-Match": match}
    status, answer, _ = call("PUT", month, body=body(types, **more), headers=headers)
    return status, said(answer)


def delete(month: str, match: str | None = None) -> tuple[int, Any]:
    status, answer, _ = call("DELETE", month, headers={} if match is None else {"If-Match": match})
    return status, said(answer)


def listed(**caller: Any) -> Any:
    status, answer, _ = call("GET", **caller)
    assert status == 200, answer
    return answer["definitions"]


def months() -> dict[str, int]:
    """Return the months of all definitions, oldest first, and their versions."""
    return {each["from"]: each["version"] for each in reversed(listed())}


def said(answer: Any) -> Any:
    return answer.get("version", answer.get("details", [{"field": answer.get("error")}])[0]["field"])
