"""Make the events that Lambda functions get from a REST API of API Gateway (Lambda proxy integration)."""

import json
from typing import Any

KEY = {"principalId": "key", "caller": "key", "integrationLatency": 3}


def session(user_id: int) -> dict[str, Any]:
    """Return the authorizer's context for a user's session."""
    return {"principalId": f"user:{user_id}", "caller": "session", "userId": str(user_id), "integrationLatency": 3}


def agent(scopes: str = "record", **bounds: str) -> dict[str, Any]:
    """Return the authorizer's context for an agent key of user 42."""
    caller = {"caller": "agent", "keyId": "0123456789abcdef", "userId": "42", "scopes": scopes}
    return {"principalId": "key:0123456789abcdef", "integrationLatency": 3} | caller | bounds


def proxy_event(
    method: str,
    path: str = "/api/outcomes",
    *,
    authorizer: dict[str, Any] | None,
    body: str | bytes | dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
    query: dict[str, str | list[str]] | None = None,
    parameters: dict[str, str] | None = None,
    base64: bool = False,
) -> dict[str, Any]:
    """Return the event of a request.

    path: the route, such as /api/outcomes/{id}. parameters: values for the names in the route. body: a dict is sent as
    JSON. query: a list is sent as a repeated parameter.
    """
    headers = {"Content-Type": "application/json"} | (headers or {})
    lists = {name: value if isinstance(value, list) else [value] for name, value in (query or {}).items()}
    return {
        "resource": path,
        "path": path.format(**parameters or {}),
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": {name: values[-1] for name, values in lists.items()} or None,
        "multiValueQueryStringParameters": lists or None,
        "pathParameters": parameters,
        "stageVariables": None,
        "requestContext": {
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "httpMethod": method,
            "resourcePath": path,
            "stage": "v1",
            "apiId": "a1b2c3d4e5",
            "identity": {"sourceIp": "203.0.113.7", "userAgent": "test"},
        }
        | ({} if authorizer is None else {"authorizer": authorizer}),
        "body": json.dumps(body) if isinstance(body, dict) else body,
        "isBase64Encoded": base64,
    }
