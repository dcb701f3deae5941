"""/api/keys: make, list, rotate and revoke the agent keys of a user, and tell an agent what its key may do."""

import os
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
from outcomes.storage.agent_keys import AgentKeys

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
    text, key = agent_keys.create(read_new_key(body, session_user=caller.session_user))
    return ok(_json({"key": text} | key.public()), ignored_header(ignored_fields(body, NEW_AGENT_KEY.rules)))


def _list(event: Event, caller: Caller) -> Response:
    return ok(_json({"keys": [key.public() for key in agent_keys.of_user(_user(event, caller))]}))


def _rotate(event: Event, caller: Caller) -> Response:
    _refuse_idempotency_key(event)
    body = json_body(event)
    user_id, overlap_hours = read_rotation(body, session_user=caller.session_user)
    text, key = agent_keys.rotate(user_id, _id(event), overlap_hours)
    return ok(_json({"key": text} | key.public()), ignored_header(ignored_fields(body, ROTATION.rules)))


def _revoke(event: Event, caller: Caller) -> Response:
    agent_keys.revoke(_user(event, caller), _id(event))
    return ok('{"ok":true}')


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
