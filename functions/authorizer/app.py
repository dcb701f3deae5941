"""Lambda authorizer: identify the caller by a key or a session, or answer 401.

API Gateway calls it for every request and does not cache its answers. The platform's key reads outcomes only with the
parameter `userId`, and each such read is logged.

The platform's key is the most frequent credential, so the imports at the top are only those that this key needs. The
code for agent keys, sessions, tokens, logs and metrics loads slowly and is imported on first use.
"""

import os
import time
from functools import cache

from outcomes.auth import keys
from outcomes.edge import headers

TYPE_CHECKING = False  # type checkers treat this like typing.TYPE_CHECKING, whose module loads slowly
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from aws_lambda_powertools import Logger
    from outcomes.auth.openid_connect import OpenIdConnect
    from outcomes.auth.sessions import Sessions
    from outcomes.auth.tokens import NoSession
    from outcomes.keys.agent_keys import AgentKey, AgentKeys

    type Event = dict[str, Any]
    type Policy = dict[str, Any]

FINGERPRINTS = keys.parse_fingerprints(os.environ["KEY_FINGERPRINTS"])
SESSION_SECRET_ARN = os.environ["SESSION_SECRET_ARN"]
SESSION_SECRET_OVERLAP_DAYS = float(os.environ["SESSION_SECRET_OVERLAP_DAYS"])
SESSIONS_TABLE = os.environ["SESSIONS_TABLE"]
KEYS_TABLE = os.environ["KEYS_TABLE"]  # this variable is empty if AgentKeys is off
ACCEPT_PLAIN_COOKIES = os.environ["ACCEPT_PLAIN_COOKIES"] == "true"
PLATFORM_MAY_READ = os.environ["PLATFORM_MAY_READ"] == "true"
OIDC_ISSUER = os.environ["OIDC_ISSUER"]  # this variable is empty if OpenID Connect is off

NOT_READ_BY_PLATFORM = ("/api/keys/", "/api/outcomes/types/", "/api/statements/")
"""Paths of GET requests whose answers contain no outcomes, or none if the platform's key calls."""

OWN_ROWS = ("/api/costs/{date}/{source}", "/api/watches", "/api/watches/{id}")
"""Paths whose GET also answers a platform's key that may not read: with what the platform itself put."""

PAUSED = {
    "paused": '"error":"Paused","details":[{"field":"Authorization","message":"paused by the owner",',
    "pausedEnd": "}]",
}
"""Context of a refused call with a paused key. The template's gateway response ACCESS_DENIED puts its two parts around
`"error":"Forbidden"`, because it can insert values but has no conditions; without the context, it stays as it is."""

LOOK_UP_SECONDS = 4.5
"""Seconds for all calls to AWS services together: less than the timeout, so that a failure is still logged."""


def handler(event: "Event", _context: object) -> "Policy":
    """Return the IAM policy that allows a call, for a REST API's REQUEST authorizer event.

    The policy's context is `{"caller": "key"}`, the result of `_bounds`, or `{"caller": "session", "userId": "42"}`.
    If the platform's key may read outcomes, the context has `reads`, see `_platform_read`. If the session is an OpenID
    Connect token in the Authorization header, the context has `credential` with the value `bearer`. The policy denies
    calls with a paused agent key: API Gateway answers 403 with `PAUSED`.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html

    Raises Exception("Unauthorized") if there is no valid key or session: API Gateway answers 401. Any other exception
    means that the caller could not be identified: API Gateway answers 500.
    """
    authorization = headers.values(event, "authorization")
    bearer = keys.bearer(authorization)
    until = time.monotonic() + LOOK_UP_SECONDS
    if is_platform := bearer is not None and keys.is_valid(bearer, FINGERPRINTS):
        if not _is_read(event):
            return _allow(event, "key", {"caller": "key"})
        if "userId" in (event.get("queryStringParameters") or {}):
            return _allow(event, "key", {"caller": "key"} | _platform_read(event, until))
    elif KEYS_TABLE and bearer and bearer.startswith("oc_") and (agent_key := _agent_key(event, bearer, until)):
        if agent_key.paused_at is not None:
            return _deny(event, f"key:{agent_key.id}")
        return _allow(event, f"key:{agent_key.id}", _bounds(agent_key))

    refused = None
    if OIDC_ISSUER and bearer and bearer.count(".") == 2:  # the credential is a JSON Web Token
        user = _looked_up(event, lambda: _openid_connect().user_id(bearer, until))
        if isinstance(user, int):
            caller = {"caller": "session", "userId": str(user), "credential": "bearer"}
            return _allow(event, f"user:{user}", caller)
        refused = user
    cookies = headers.values(event, "cookie")
    if not cookies:
        if refused:
            raise _refusal(event, refused)
        raise _unauthorized("no_session" if is_platform else "bad_key" if authorization else "no_credentials")
    user = _looked_up(event, lambda: _sessions().user_id(cookies, until))
    if not isinstance(user, int):
        raise _refusal(event, refused or user)
    return _allow(event, f"user:{user}", {"caller": "session", "userId": str(user)})


def _is_read(event: "Event") -> bool:
    """Check whether the answer to a call may contain outcomes."""
    return event["httpMethod"] == "GET" and not f"{event['resource']}/".startswith(NOT_READ_BY_PLATFORM)


def _platform_read(event: "Event", until: float) -> dict[str, str]:
    """Log that the platform reads outcomes or costs. Return context that names their user, such as `{"reads": "42"}`.

    The context is `{"reads": "none"}` for outcomes without a user. It is empty if `userId` is invalid or the platform
    may not read this user's outcomes: the function of the route then answers with an error.
    """
    from outcomes.contract import queries
    from outcomes.errors import BadRequest

    try:
        user = queries.reader(event["queryStringParameters"]["userId"])
    except BadRequest:
        return {}
    if user is None:
        _log(event).info("Platform reads", resource=event["resource"], user="none")
        return {"reads": "none"}
    if not PLATFORM_MAY_READ and event["resource"] not in OWN_ROWS:
        return {}
    pseudonym = _looked_up(event, lambda: _sessions().secrets.pseudonym(user, until))
    _log(event).info("Platform reads", resource=event["resource"], user=pseudonym)
    return {"reads": str(user)} if PLATFORM_MAY_READ else {}


def _agent_key(event: "Event", text: str, until: float) -> "AgentKey | None":
    """Look up an agent key and mark it as used. It is never cached, so a revoked key fails on its next call."""
    from outcomes.keys import key_text

    if key_text.read_id(text) is None:
        return None
    from outcomes.aws.services import CallFailed
    from outcomes.errors import Busy

    try:
        key = _agent_keys().authenticate(text, until)
    except (Busy, CallFailed) as error:
        raise _failure(event, f"Keys table: {error}") from None
    except Exception as error:  # noqa: BLE001 - raised again, but without the chain
        raise _failure(event, _place(error)) from None
    if key and key.paused_at is None:
        try:
            _agent_keys().mark_used(key, until)
        except Exception as error:  # noqa: BLE001 - whatever it is, the key is valid
            _log(event).warning("Could not update last_used_at of a key", cause=f"{type(error).__name__}: {error}")
    return key


def _bounds(key: "AgentKey") -> dict[str, str]:
    """Return an agent key's bounds as authorizer context: all values are strings, and missing bounds are left out."""
    bounds = {
        "agentId": None if key.agent_id is None else str(key.agent_id),
        "outcomeTypes": None if key.outcome_types is None else " ".join(key.outcome_types),
        "maxValueUsd": key.max_value_usd,
        "maxPerDay": None if key.max_per_day is None else str(key.max_per_day),
    }
    caller = {"caller": "agent", "keyId": key.id, "userId": str(key.user_id), "scopes": " ".join(key.scopes)}
    return caller | {name: bound for name, bound in bounds.items() if bound is not None}


@cache
def _agent_keys() -> "AgentKeys":
    """Create the client of the keys table on first use, and keep it to reuse its connection."""
    from outcomes.keys.agent_keys import AUTHORIZER_LIMITS, AgentKeys

    return AgentKeys(KEYS_TABLE, AUTHORIZER_LIMITS)


def _looked_up[Found](event: "Event", look_up: "Callable[[], Found]") -> "Found | NoSession":
    """Return the result of `look_up`, or the NoSession that it raises. Raise every other error."""
    from outcomes.auth.tokens import NoSession, SessionsUnavailable

    try:
        return look_up()
    except NoSession as refused:
        return refused
    except SessionsUnavailable as error:
        raise _failure(event, str(error)) from None
    except Exception as error:  # noqa: BLE001 - raised again without the chain, as a library may quote the credential
        raise _failure(event, _place(error)) from None


@cache
def _sessions() -> "Sessions":
    """Create `Sessions` on first use, and keep it to reuse its cached secret and connections."""
    from outcomes.auth.session_secrets import SessionSecrets
    from outcomes.auth.sessions import Sessions
    from outcomes.auth.stored_sessions import StoredSessions

    return Sessions(
        SessionSecrets(SESSION_SECRET_ARN, SESSION_SECRET_OVERLAP_DAYS),
        StoredSessions(SESSIONS_TABLE),
        accept_plain=ACCEPT_PLAIN_COOKIES,
        token_cookie=os.environ["OIDC_COOKIE"] if OIDC_ISSUER else "",
        user_of_token=lambda token, until: _openid_connect().user_id(token, until),
    )


@cache
def _openid_connect() -> "OpenIdConnect":
    """Create `OpenIdConnect` on first use, and keep it to reuse the issuer's keys."""
    from outcomes.auth.issuer_keys import IssuerKeys
    from outcomes.auth.openid_connect import OpenIdConnect

    def warn(cause: str) -> None:
        from outcomes.edge.observability import logger

        logger().warning("Cannot fetch the issuer's keys", cause=cause)

    audience, user_claim = os.environ["OIDC_AUDIENCE"], os.environ["OIDC_USER_CLAIM"]
    return OpenIdConnect(OIDC_ISSUER, audience, user_claim, IssuerKeys(OIDC_ISSUER, warn=warn))


def _deny(event: "Event", principal: str) -> "Policy":
    """Return the policy that refuses this call with a paused key."""
    from outcomes.edge.observability import count

    count("AuthRefused", "reason", ["paused_key"])
    return _policy(event["methodArn"], principal, "Deny", PAUSED)


def _allow(event: "Event", principal: str, caller: dict[str, str]) -> "Policy":
    """Return the policy that allows this call. It is never used for another one, so that of a read allows any path."""
    resource = event["methodArn"]
    if _is_read(event):
        api, stage, _ = resource.split("/", 2)
        resource = f"{api}/{stage}/GET/*"
    return _policy(resource, principal, "Allow", caller)


def _policy(resource: str, principal: str, effect: str, context: dict[str, str]) -> "Policy":
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    return {
        "principalId": principal,
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": context,
    }


def _refusal(event: "Event", refused: "NoSession") -> Exception:
    """Return the exception that makes API Gateway answer 401. Log the details of `refused`, if it has any."""
    if refused.why:
        _log(event).info("Token refused", why=refused.why)
    return _unauthorized(refused.reason)


def _unauthorized(reason: str) -> Exception:
    from outcomes.edge.observability import count

    count("AuthRefused", "reason", [reason])
    return Exception("Unauthorized")  # API Gateway answers 401 only if the exception has exactly this text


def _failure(event: "Event", cause: str) -> Exception:
    _log(event).error("Cannot identify the caller", cause=cause)
    # API Gateway copies this text into its access log, where a quotation mark would break the line.
    return RuntimeError("Cannot identify the caller")


def _place(error: Exception) -> str:
    """Return an exception's type and location, but not its text, which may quote a secret."""
    from traceback import extract_tb

    place = extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {place.filename}:{place.lineno}"


def _log(event: "Event") -> "Logger":
    from outcomes.edge.observability import logger

    logger().set_correlation_id(event["requestContext"]["requestId"])
    return logger()
