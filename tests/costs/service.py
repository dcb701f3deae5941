"""Call the routes that put, read and delete the costs of a day."""

import json
from typing import Any

from functions.costs import app
from tests.events import KEY, agent, proxy_event, session

ROUTE = "/api/costs/{date}/{source}"
DAY = "2026-11-26"
CALLERS = {
    "platform": KEY,
    "session": session(42),
    "key": agent("cost"),
    "reading key": agent("cost read", keyId="fedcba9876543210"),
    "other key": agent("cost", keyId="fedcba9876543210"),
    "agent's key": agent("cost read", agentId="7"),
    "key without the scope": agent("record read"),
    "recording key": agent("record"),
    "other user": session(43),
}
LINE = {"agentId": 7, "costUsd": 9.8, "quantity": 1_200_000, "unit": "tokens", "label": "gpt-5"}


def call(
    method: str, caller: str, body: Any = None, date: str = DAY, source: str = "openai", **event: Any
) -> tuple[int, Any, dict[str, str]]:
    """Call a route for user 42, and return status, answer and headers.

    If the caller is the platform, the request names the user in `userId`, in the body or the query.
    """
    if CALLERS[caller] == KEY:
        if method == "PUT" and isinstance(body, dict):
            body = {"userId": 42} | body
        event["query"] = event.get("query", {}) | ({} if method == "PUT" else {"userId": "42"})
    parameters = {"date": date, "source": source}
    made = proxy_event(method, ROUTE, authorizer=CALLERS[caller], body=body, parameters=parameters, **event)
    response = app.handler(made, None)
    return response["statusCode"], json.loads(response["body"]), response["headers"]


def put(caller: str, *lines: Any, date: str = DAY, source: str = "openai") -> tuple[int, Any]:
    status, answer, _ = call("PUT", caller, {"lines": list(lines)}, date, source)
    return status, answer.get("version", answer)


def delete(caller: str, date: str = DAY) -> tuple[int, Any]:
    status, answer, _ = call("DELETE", caller, date=date)
    return status, answer.get("version", answer)


def read(caller: str = "session", date: str = DAY, source: str = "openai") -> tuple[int, Any]:
    """Return a day's costs with their earlier versions."""
    status, answer, _ = call("GET", caller, date=date, source=source, query={"include": "versions"})
    return status, answer
