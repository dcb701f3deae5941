"""Call Lambda authorizers whose results are not cached.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
"""

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from local.events import Call, authorizer_event, method_arn
from local.lambdas import EventTooLarge, FunctionError
from local.openapi import Api, Route
from local.responses import Refusal

type Invoke = Callable[[str, dict[str, Any], str], Awaitable[Any]]

UNAUTHORIZED = "Unauthorized"  # only an exception with exactly this message becomes a 401
STATEMENT_KEYS = {"Sid", "Effect", "Action", "Resource"}


@dataclass(frozen=True)
class Verdict:
    """The result of an authorizer: its context, whose values are text, and the statements of its IAM policy."""

    principal_id: str
    context: dict[str, str]
    statements: list[dict[str, Any]]

    def allows(self, arn: str) -> bool:
        """Check that a method may be called. A Deny takes precedence over every Allow."""
        effects = {statement["Effect"] for statement in self.statements if _covers(statement, arn)}
        return effects == {"Allow"}


async def authorize(api: Api, invoke: Invoke, route: Route, parameters: dict[str, str], call: Call) -> dict[str, Any]:
    """Call the route's authorizer, and return the value of `requestContext.authorizer` for the call.

    invoke: runs a function, given its ARN, an event and a request id. Raises Refusal if the call is not allowed.
    """
    event = authorizer_event(api, route, parameters, call)
    started = time.monotonic()
    try:
        verdict = _verdict(await invoke(str(route.authorizer), event, call.request_id))
    except FunctionError as error:
        raise Refusal("UNAUTHORIZED" if error.message == UNAUTHORIZED else "AUTHORIZER_FAILURE") from error
    except EventTooLarge as error:
        raise Refusal("AUTHORIZER_FAILURE") from error
    if not verdict.allows(method_arn(api, call)):
        raise Refusal("ACCESS_DENIED")
    latency = int((time.monotonic() - started) * 1000)
    return {**verdict.context, "principalId": verdict.principal_id, "integrationLatency": latency}


def _verdict(result: Any) -> Verdict:
    """Parse an authorizer's result. Raises Refusal if API Gateway would reject it.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
    """
    match result:
        case {"principalId": str(principal_id), "policyDocument": {"Statement": list() | dict() as statements}}:
            given = result.get("context") or {}
        case _:
            raise Refusal("AUTHORIZER_CONFIGURATION_ERROR")
    statements = [statements] if isinstance(statements, dict) else statements
    if not statements or not all(map(_is_statement, statements)):
        raise Refusal("AUTHORIZER_CONFIGURATION_ERROR")
    if not isinstance(given, dict) or any(isinstance(value, dict | list) for value in given.values()):
        raise Refusal("AUTHORIZER_CONFIGURATION_ERROR")
    # API Gateway passes context values to functions as text.
    context = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in given.items()
        if value is not None
    }
    return Verdict(principal_id, context, statements)


def _is_statement(statement: Any) -> bool:
    """Check that a policy statement is complete and uses only the features implemented here."""
    return (
        isinstance(statement, dict)
        and statement.keys() <= STATEMENT_KEYS
        and statement.get("Effect") in ("Allow", "Deny")
        and all(_texts(statement.get(key)) for key in ("Action", "Resource"))
    )


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return values if all(isinstance(text, str) for text in values) else []


def _covers(statement: dict[str, Any], arn: str) -> bool:
    return any(
        _matches(action.lower(), "execute-api:invoke") and _matches(resource, arn)
        for action in _texts(statement["Action"])
        for resource in _texts(statement["Resource"])
    )


def _matches(pattern: str, text: str) -> bool:
    """Match `text` with IAM's wildcards: `*` is any text, `?` is any character."""
    regex = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(regex, text, re.DOTALL) is not None
