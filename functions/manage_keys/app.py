"""/api/keys: make, list, rotate and revoke the agent keys of a user, and tell an agent what its key may do."""

import os
from collections.abc import Sequence
from typing import Any

from outcomes.contract import json_text, key_text, queries
from outcomes.contract.agent_keys import NEW_AGENT_KEY, ROTATION, read_new_key, read_rotation
from outcomes.contract.bodies import ignored_fields
from outcomes.contract.caller import Caller
from outcomes.edge.api import (
    Event,
    Response,
    endpoint,
    idempotency_key,
    ignored_header,
    json_body,
    ok,
    path_parameter,
    query,
)
from outcomes.errors import BadRequest, Fault, Forbidden, NotFound, Unauthorized
from outcomes.keys.agent_keys import AgentKeys

PLATFORM_MAY_READ = os.environ["PLATFORM_MAY_READ"] == "true"

agent_keys = AgentKeys(os.environ["KEYS_TABLE"])


@endpoint(failure="Failed to manage keys", origins=os.environ["DASHBOARD_ORIGINS"], platform_may_read=PLATFORM_MAY_READ)
def handler(event: Event, caller: Caller) -> Response:
    route = event["httpMethod"], event["resource"]
    if route == ("GET", "/api/keys/self"):
        return _own_key(caller)
    if caller.agent_key:  # keys make no keys
        raise Forbidden
    match route:
        case "POST", "/api/keys":
            return _create(event, caller)
        case "GET", "/api/keys":
            return _list(event, caller)
        case "POST", "/api/keys/{id}/rotate":
            return _rotate(event, caller)
        case "DELETE", "/api/keys/{id}":
            return _revoke(event, caller)
    raise NotFound


def _own_key(caller: Caller) -> Response:
    if not caller.agent_key:
        raise NotFound
    key = agent_keys.find(caller.agent_key.key_id)
    if key is None:  # revoked since the authorizer has seen it
        raise Unauthorized
    return ok(_json(key.public()))


def _create(event: Event, caller: Caller) -> Response:
    _refuse_idempotency_key(event)
    body = json_body(event)
    wanted = read_new_key(body, session_user=caller.session_user)
    _require_readable(caller, wanted.scopes)
    text, key = agent_keys.create(wanted, _by(caller))
    return ok(_json({"key": text} | key.public()), ignored_header(ignored_fields(body, NEW_AGENT_KEY.rules)))


def _list(event: Event, caller: Caller) -> Response:
    return ok(_json({"keys": [key.public() for key in agent_keys.of_user(_user(event, caller))]}))


def _rotate(event: Event, caller: Caller) -> Response:
    _refuse_idempotency_key(event)
    body = json_body(event)
    user_id, overlap_hours = read_rotation(body, session_user=caller.session_user)
    id_ = _id(event)
    if caller.session_user is None and (known := agent_keys.find(id_)) and known.user_id == user_id:
        # Neither who made a key nor its scopes ever change.
        if known.made_by != _by(caller):
            raise Forbidden
        _require_readable(caller, known.scopes)
    text, key = agent_keys.rotate(user_id, id_, overlap_hours, _by(caller))
    return ok(_json({"key": text} | key.public()), ignored_header(ignored_fields(body, ROTATION.rules)))


def _revoke(event: Event, caller: Caller) -> Response:
    user_id, id_ = _user(event, caller), _id(event)
    try:
        agent_keys.revoke(user_id, id_)
    except NotFound:
        if caller.session_user is None:
            raise
        # Another user's key: a session does not learn that there is one.
    return ok('{"ok":true}')


def _by(caller: Caller) -> str:
    """Name who manages keys, as is kept with what they make."""
    return "platform" if caller.session_user is None else "session"


def _require_readable(caller: Caller, scopes: Sequence[str]) -> None:
    """Raise Forbidden for a key that would let the caller read, when it may not: who makes a key has its text."""
    if "read" in scopes and not caller.may_read:
        message = "keys that read are made and rotated by their user's session only (PlatformMayRead is false)"
        raise Forbidden(details=[Fault(field="scopes", message=message)])


def _user(event: Event, caller: Caller) -> int:
    """Read whose keys it is about: the session's user, or whom the platform names."""
    return queries.user_id(query(event, "userId")) if caller.session_user is None else caller.session_user


def _id(event: Event) -> str:
    """Read the id of a key in the path. Raises NotFound for what cannot be one: other rows have other names."""
    id_ = path_parameter(event, "id")
    if not key_text.is_id(id_):
        raise NotFound
    return id_


def _refuse_idempotency_key(event: Event) -> None:
    """Raise BadRequest for an Idempotency-Key: to answer a retry as the first time, keys would have to be stored."""
    if idempotency_key(event) is not None:
        rule = "is not honoured here, where an answer holds a key and is not stored"
        raise BadRequest("Invalid Idempotency-Key", [Fault(field="Idempotency-Key", message=rule)])


def _json(answer: dict[str, Any]) -> str:
    return json_text.exact(answer, levels=4)
