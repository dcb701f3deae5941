"""/api/keys: create, list, rotate, pause, resume and revoke a user's agent keys, and describe an agent's own key."""

import os
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from outcomes.contract import json_text, outcome_type, queries
from outcomes.contract.agent_key_bodies import NEW_AGENT_KEY, PAUSE, ROTATION, NewAgentKey, read_body
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
from outcomes.keys import key_text
from outcomes.keys.agent_keys import AgentKey, AgentKeys
from outcomes.ledger.daily_budget import DailyBudgets

PLATFORM_MAY_READ = os.environ["PLATFORM_MAY_READ"] == "true"
TYPES = outcome_type.read(os.environ["OUTCOME_TYPES"])
SCOPES = os.environ["SCOPES"].split(",")
OUTCOMES_PER_DAY = int(os.environ["OUTCOMES_PER_DAY"])

agent_keys = AgentKeys(os.environ["KEYS_TABLE"])
budgets = DailyBudgets(agent_keys.dynamodb, os.environ["IDEMPOTENCY_TABLE"], agent_keys.table)


@endpoint(failure="Failed to manage keys", origins=os.environ["DASHBOARD_ORIGINS"], platform_may_read=PLATFORM_MAY_READ)
def handler(event: Event, caller: Caller) -> Response:
    route = event["httpMethod"], event["resource"]
    if route == ("GET", "/api/keys/self"):
        return _own_key(caller)
    if caller.agent_key:  # an agent key cannot manage keys
        raise Forbidden
    match route:
        case "POST", "/api/keys":
            return _create(event, caller)
        case "GET", "/api/keys":
            return _list(event, caller)
        case "POST", "/api/keys/{id}/rotate":
            return _rotate(event, caller)
        case "POST", "/api/keys/{id}/pause":
            return _set_paused(event, caller, paused=True)
        case "POST", "/api/keys/{id}/resume":
            return _set_paused(event, caller, paused=False)
        case "DELETE", "/api/keys/{id}":
            return _revoke(event, caller)
    raise NotFound


def _own_key(caller: Caller) -> Response:
    if not caller.agent_key:
        raise NotFound
    key = agent_keys.find(caller.agent_key.key_id)
    if key is None:  # the key was revoked after the authorizer read it
        raise Unauthorized
    return ok(_json(_described(key, _leased([key]))))


def _create(event: Event, caller: Caller) -> Response:
    _refuse_idempotency_key(event)
    body = json_body(event)
    wanted = read_body(NEW_AGENT_KEY, body, session_user=caller.session_user, types=TYPES)
    if "maxPerDay" not in body:
        wanted = wanted._replace(max_per_day=OUTCOMES_PER_DAY)
    _require_on(wanted.scopes)
    _require_readable(caller, wanted.scopes)
    _require_payer(caller, wanted)
    text, key = agent_keys.create(wanted, _by(caller))
    return ok(_json({"key": text} | _described(key, {})), ignored_header(ignored_fields(body, NEW_AGENT_KEY.rules)))


def _list(event: Event, caller: Caller) -> Response:
    keys = agent_keys.of_user(_user(event, caller))
    leased = _leased(keys)
    return ok(_json({"keys": [_described(key, leased) for key in keys]}))


def _rotate(event: Event, caller: Caller) -> Response:
    _refuse_idempotency_key(event)
    body = json_body(event)
    user_id, overlap_hours = read_body(ROTATION, body, session_user=caller.session_user)
    id_ = _id(event)
    if caller.session_user is None and (known := agent_keys.find(id_)) and known.user_id == user_id:
        # A key's made_by and scopes never change, so checking them before the write is enough.
        if known.made_by != _by(caller):
            raise Forbidden
        _require_readable(caller, known.scopes)
    leased = budgets.leased([id_])  # before the write: if this read fails, nothing was done
    text, key = agent_keys.rotate(user_id, id_, overlap_hours, _by(caller))
    return ok(_json({"key": text} | _described(key, leased)), ignored_header(ignored_fields(body, ROTATION.rules)))


def _set_paused(event: Event, caller: Caller, *, paused: bool) -> Response:
    body = json_body(event)
    user_id = read_body(PAUSE, body, session_user=caller.session_user).user_id
    id_ = _id(event)
    leased = budgets.leased([id_])  # before the write, as above
    key = agent_keys.set_paused(user_id, id_, paused=paused)
    return ok(_json(_described(key, leased)), ignored_header(ignored_fields(body, PAUSE.rules)))


def _revoke(event: Event, caller: Caller) -> Response:
    user_id, id_ = _user(event, caller), _id(event)
    try:
        agent_keys.revoke(user_id, id_)
    except NotFound:
        if caller.session_user is None:
            raise
        # The key belongs to another user, and a session must not find out that it exists.
    return ok('{"ok":true}')


def _leased(keys: Sequence[AgentKey]) -> dict[str, int]:
    """Return what keys have recorded today, by id, of those that have a limit."""
    return budgets.leased(key.id for key in keys if key.max_per_day is not None)


def _described(key: AgentKey, leased: dict[str, int]) -> dict[str, Any]:
    """Return the fields of a key as in the contract. leased: see `_leased`; a key not in it has recorded nothing."""
    recorded = None if key.max_per_day is None else Decimal(leased.get(key.id, 0))
    return key.public() | {"recorded_today": recorded}


def _by(caller: Caller) -> str:
    """Return the caller's kind as stored in `made_by` and `rotated_by`."""
    return "platform" if caller.session_user is None else "session"


def _require_on(scopes: Sequence[str]) -> None:
    """Raise BadRequest for a scope whose capability is off: the key could use it as soon as the capability is on."""
    if not set(scopes).issubset(SCOPES):
        rule = f"must be a list of one or more of {', '.join(SCOPES)}"
        raise BadRequest("Invalid scopes", [Fault(field="scopes", message=rule)])


def _require_readable(caller: Caller, scopes: Sequence[str]) -> None:
    """Raise Forbidden if a caller that may not read requests a key with the scope `read`, with which it could read."""
    if "read" in scopes and not caller.may_read:
        message = "the scope read needs the user's session, as PlatformMayRead is false"
        raise Forbidden(details=[Fault(field="scopes", message=message)])


def _require_payer(caller: Caller, wanted: NewAgentKey) -> None:
    """Raise if a key with the scope `cost` is created without the user's session, or is for an agent."""
    if "cost" not in wanted.scopes:
        return
    if caller.session_user is None:
        raise Forbidden(details=[Fault(field="scopes", message="the scope cost needs the user's session")])
    if wanted.agent_id is not None:
        raise BadRequest("Invalid scopes", [Fault(field="scopes", message="must not have cost with an agentId")])


def _user(event: Event, caller: Caller) -> int:
    """Return the owner of the keys: the session's user, or the `userId` that the platform sent."""
    return queries.user_id(query(event, "userId")) if caller.session_user is None else caller.session_user


def _id(event: Event) -> str:
    """Return the key id in the path.

    Raises NotFound if it is malformed, because the table also has rows with other kinds of ids.
    """
    id_ = path_parameter(event, "id")
    if not key_text.is_id(id_):
        raise NotFound
    return id_


def _refuse_idempotency_key(event: Event) -> None:
    """Raise BadRequest for an Idempotency-Key: replaying the answer would require storing the key's text."""
    if idempotency_key(event) is not None:
        rule = "is not supported here: the answer contains a key, which is never stored"
        raise BadRequest("Invalid Idempotency-Key", [Fault(field="Idempotency-Key", message=rule)])


def _json(answer: dict[str, Any]) -> str:
    return json_text.exact(answer, levels=4)
