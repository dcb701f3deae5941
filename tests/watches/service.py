"""Call the routes of watches."""

import json
from typing import Any

from functions.watches import app
from tests.definitions.service import said
from tests.events import proxy_event, session

BERLIN = "Europe/Berlin"
VALUE = {"name": "Deals", "measure": "value", "every": "month", "timezone": BERLIN, "target": 50_000}
COUNTED = VALUE | {"measure": "counted"}
COST = VALUE | {"measure": "cost", "every": "week", "target": 99.5}
UNREVIEWED = {"name": "Queue", "measure": "unreviewed", "timezone": BERLIN, "target": 20}
SILENCE = {"name": "Quiet", "measure": "silence", "timezone": BERLIN, "target": 3, "agentId": 7}
DIGEST = {"timezone": BERLIN, "day": "monday", "hour": 8}
EVERY: list[dict[str, Any]] = [VALUE, COUNTED, COST, UNREVIEWED, SILENCE]
"""A watch of each measure."""


def call(
    method: str, id_: str = "", sent: Any = None, *, by: Any = None, match: str | None = None, **more: Any
) -> tuple[int, Any, dict[str, str]]:
    """Call a route, by default with the session of user 42. Return status, answer and headers."""
    path = "/api/watches" + (id_ and ("/digest" if id_ == "digest" else "/{id}"))
    parameters = {"id": id_} if path.endswith("}") else None
    headers = ({} if match is None else {"If-Match": match}) | more.pop("headers", {})
    made = proxy_event(
        method, path, authorizer=by or session(42), parameters=parameters, body=sent, headers=headers, **more
    )
    response = app.handler(made, None)
    return response["statusCode"], json.loads(response["body"]), response["headers"]


def put(id_: str, sent: Any, **more: Any) -> tuple[int, Any]:
    """Put a watch or the digest. Return the status, and the version or the refusal's first field or error."""
    status, answer, _ = call("PUT", id_, sent, **more)
    return status, said(answer)


def delete(id_: str, **more: Any) -> tuple[int, Any]:
    status, answer, _ = call("DELETE", id_, **more)
    return status, said(answer)


def listed(**more: Any) -> Any:
    status, answer, _ = call("GET", **more)
    assert status == 200, answer
    return answer


def versions(**more: Any) -> dict[str, int]:
    """Return the versions of all watches by their ids."""
    return {each["id"]: each["version"] for each in listed(**more)["watches"]}
