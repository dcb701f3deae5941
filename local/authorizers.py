"""Call Lambda authorizers whose results are not cached.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
"""

import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from local.events import Call, authorizer_event, method_arn
from local.lambdas import EventTooLarge, FunctionError
from local.openapi import Api, Route
from local.responses import Refusal

type Invoke = Callable[[str, dict[str, Any], str], Awaitable[Any]]

UNAUTHORIZED = "Unauthorized"  # only an exception with exactly this message becomes a 401


async def authorize(api: Api, invoke: Invoke, route: Route, parameters: dict[str, str], call: Call) -> dict[str, Any]:
    """Call the route's authorizer, and return the value of `requestContext.authorizer` for the call.

    invoke: runs a function, given its ARN, an event and a request id. Raises Refusal if the call is not allowed.
    """
    event = authorizer_event(api, route, parameters, call)
    started = time.monotonic()
    try:
        result = await invoke(str(route.authorizer), event, call.request_id)
    except FunctionError as error:
        raise Refusal("UNAUTHORIZED" if error.message == UNAUTHORIZED else "AUTHORIZER_FAILURE") from error
    except EventTooLarge as error:
        raise Refusal("AUTHORIZER_FAILURE") from error
    principal_id, effect, resource, context = _verdict(result)
    # IAM's wildcards: `*` is any text, `?` is any character.
    pattern = re.escape(resource).replace(r"\*", ".*").replace(r"\?", ".")
    if effect == "Deny" or not re.fullmatch(pattern, method_arn(api, call), re.DOTALL):
        raise Refusal("ACCESS_DENIED", context=context)
    latency = int((time.monotonic() - started) * 1000)
    return {**context, "principalId": principal_id, "integrationLatency": latency}


def _verdict(result: Any) -> tuple[str, str, str, dict[str, str]]:
    """Return principal, effect, resource and context of an authorizer's result.

    Raises Refusal if API Gateway would reject the result, or if its policy does more than allow or deny calls of one
    resource.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
    """
    match result:
        case {"principalId": str(principal_id), "policyDocument": {"Statement": [statement]}}:
            given = result.get("context") or {}
        case _:
            raise Refusal("AUTHORIZER_CONFIGURATION_ERROR")
    match statement:
        case {
            "Effect": "Allow" | "Deny" as effect,
            "Action": "execute-api:Invoke",
            "Resource": str(resource),
            **more,
        } if not more:
            pass
        case _:
            raise Refusal("AUTHORIZER_CONFIGURATION_ERROR")
    if not isinstance(given, dict) or any(isinstance(value, dict | list) for value in given.values()):
        raise Refusal("AUTHORIZER_CONFIGURATION_ERROR")
    # API Gateway passes context values to functions as text.
    texts = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}
    return principal_id, effect, resource, {name: text for name, text in texts.items() if given[name] is not None}
