"""An authorizer whose result depends on the header X-Who. Each call returns a new ticket in the context."""

import uuid
from typing import Any


def handler(event: dict[str, Any], _context: object) -> Any:
    who = event["headers"]["X-Who"]
    match who:
        case "stranger":
            raise Exception("Unauthorized")
        case "almost-stranger":
            raise Exception("Unauthorized: you")
        case "broken":
            raise ValueError("no idea")
        case "nobody":
            return None
        case "without-principal":
            return {"policyDocument": _policy(event["methodArn"])}
        case "deep-context":
            return {**_allowed(who, _policy("*")), "context": {"a": {"b": 1}}}
        case "denied":
            return _allowed(who, _policy(event["methodArn"] + "/elsewhere"))
        case _:
            return _allowed(who, _policy(event["methodArn"].split("/")[0] + "/*"))


def _allowed(who: str, policy: dict[str, Any]) -> dict[str, Any]:
    context = {"ticket": str(uuid.uuid4()), "count": 3, "good": True, "nothing": None}
    return {"principalId": who, "policyDocument": policy, "context": context}


def _policy(resource: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}
