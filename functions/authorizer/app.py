"""Lambda authorizer: key or session in, who is calling (or 401) out.

It is attached twice. Methods that change something ask it every time, and take a key or a session. The answer to a GET
is cached by its Cookie header, so there it takes only a session and looks at nothing else of the request.

A call with a key is the common one; what it needs is imported here. What only sessions, logs and metrics need is slow
to load, and is imported where it is first needed.
"""

import os
from functools import cache

from outcomes.auth import keys
from outcomes.edge import headers

TYPE_CHECKING = False  # what typing.TYPE_CHECKING is, without loading typing
if TYPE_CHECKING:
    from typing import Any

    from outcomes.auth.sessions import Sessions

    type Event = dict[str, Any]
    type Policy = dict[str, Any]

FINGERPRINTS = keys.parse_fingerprints(os.environ["KEY_FINGERPRINTS"])
SESSION_SECRET_ARN = os.environ["SESSION_SECRET_ARN"]
SESSIONS_TABLE = os.environ["SESSIONS_TABLE"]
ACCEPT_PLAIN_COOKIES = os.environ["ACCEPT_PLAIN_COOKIES"] == "true"


def handler(event: "Event", _context: object) -> "Policy":
    """Answer a REST API's REQUEST authorizer event with an IAM policy that allows the call.

    The policy's context is `{"caller": "key"}` or `{"caller": "session", "userId": "42"}`, the latter with `cookies`,
    the fingerprint of the Cookie headers, when there are several.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html

    Raises Exception("Unauthorized"), which API Gateway answers with 401, when there is neither. Whatever else is raised
    means that it cannot be known who is calling, and is answered with 500.
    """
    is_cached = event["httpMethod"] == "GET"
    authorization = [] if is_cached else headers.values(event, "authorization")
    key = keys.bearer_key(authorization)
    if key and keys.is_valid(key, FINGERPRINTS):
        return _allow(event["methodArn"], "key", {"caller": "key"})

    cookies = headers.values(event, "cookie")
    if not cookies:
        raise _unauthorized("bad_key" if authorization else "no_credentials")
    user_id = str(_session_user(event, cookies))
    caller = {"caller": "session", "userId": user_id}
    if len(cookies) > 1:
        caller["cookies"] = headers.cookies_fingerprint(event)
    return _allow(_every_get(event["methodArn"]) if is_cached else event["methodArn"], f"user:{user_id}", caller)


def _session_user(event: "Event", cookies: list[str]) -> int:
    from outcomes.auth.sessions import NoSession

    try:
        return _sessions().user_id(cookies)
    except NoSession as refusal:
        raise _unauthorized(refusal.reason) from None
    except Exception as error:  # noqa: BLE001 - raised again, but without the chain: who knows what a library quotes
        raise _failure(event, error) from None


@cache
def _sessions() -> "Sessions":
    """Make the sessions with the first one that comes, and keep them, for their secret and their connections."""
    from outcomes.auth.sessions import Sessions, SessionSecrets, StoredSessions

    return Sessions(
        SessionSecrets(SESSION_SECRET_ARN), StoredSessions(SESSIONS_TABLE), accept_plain=ACCEPT_PLAIN_COOKIES
    )


def _every_get(method_arn: str) -> str:
    """Name the resource of all GET methods of the stage: a cached policy answers for each of them."""
    api, stage, _ = method_arn.split("/", 2)
    return f"{api}/{stage}/GET/*"


def _allow(resource: str, principal: str, caller: dict[str, str]) -> "Policy":
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": resource}
    return {
        "principalId": principal,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": caller,
    }


def _unauthorized(reason: str) -> Exception:
    from outcomes.edge.observability import count_unauthorized

    count_unauthorized(reason)
    return Exception("Unauthorized")  # exactly this text is what API Gateway answers with 401


def _failure(event: "Event", error: Exception) -> Exception:
    from traceback import extract_tb

    from outcomes.auth.sessions import SessionsUnavailable
    from outcomes.edge.observability import logger

    if isinstance(error, SessionsUnavailable):
        cause = str(error)
    else:
        place = extract_tb(error.__traceback__)[-1]
        cause = f"{type(error).__name__} in {place.filename}:{place.lineno}"
    logger().set_correlation_id(event["requestContext"]["requestId"])
    logger().error("It cannot be known who is calling", cause=cause)
    # API Gateway copies this text into its access log, where a quotation mark would break the line.
    return RuntimeError("It cannot be known who is calling")
