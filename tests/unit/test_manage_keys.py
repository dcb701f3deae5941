"""Test the routes of /api/keys with the credentials of a user, the platform and an agent."""

import json
from importlib.util import module_from_spec, spec_from_file_location
from itertools import count
from types import ModuleType
from typing import Any

import pytest
from outcomes.calendar import instants
from outcomes.keys import key_text
from outcomes.limits import MAX_KEYS

from functions.manage_keys import app
from tests.aws import aws_client, scan
from tests.events import KEY, agent, proxy_event, session
from tests.faults import THROTTLED, error, faulty, lost, unreachable

NOON = 1_775_044_800_000  # 2026-04-01T12:00:00Z
BOUNDED = {
    "name": "Nightly import",
    "agentId": 7,
    "outcomeTypes": ["task_complete", "deal_closed"],
    "maxValueUsd": 500.50,
    "scopes": ["record", "read"],
    "expiresAt": "2030-01-01T00:00:00+01:00",
}
FORBIDDEN = (403, {"error": "Forbidden"})
NOT_FOUND = (404, {"error": "Not found"})
ANOTHER_ID = "another0another0"

pytestmark = pytest.mark.usefixtures("tables", "no_waiting")


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the clock to noon. Each read advances it by a millisecond."""
    milliseconds = count(NOON)
    monkeypatch.setattr(instants, "now", lambda: next(milliseconds))


def ask(method: str, path: str, authorizer: dict[str, Any], body: Any = None, **event: Any) -> tuple[int, Any]:
    response = app.handler(proxy_event(method, path, authorizer=authorizer, body=body, **event), None)
    assert response["headers"]["Cache-Control"] == "no-store"
    return response["statusCode"], json.loads(response["body"])


def deployment() -> ModuleType:
    """Load the function with the current environment variables."""
    spec = spec_from_file_location("deployed", app.__file__)
    assert spec
    assert spec.loader
    deployed = module_from_spec(spec)
    spec.loader.exec_module(deployed)
    return deployed


def create(authorizer: dict[str, Any], **body: Any) -> tuple[int, Any]:
    return ask("POST", "/api/keys", authorizer, {"name": "Nightly import"} | body)


def listed(authorizer: dict[str, Any], **query: str) -> tuple[int, Any]:
    return ask("GET", "/api/keys", authorizer, query=query)


def rotate(id_: str, authorizer: dict[str, Any], **body: Any) -> tuple[int, Any]:
    return ask("POST", "/api/keys/{id}/rotate", authorizer, body, parameters={"id": id_})


def switch(way: str, id_: str, authorizer: dict[str, Any], **body: Any) -> tuple[int, Any]:
    return ask("POST", f"/api/keys/{{id}}/{way}", authorizer, body, parameters={"id": id_})


def revoke(id_: str, authorizer: dict[str, Any], **query: str) -> tuple[int, Any]:
    return ask("DELETE", "/api/keys/{id}", authorizer, parameters={"id": id_}, query=query)


def own(authorizer: dict[str, Any]) -> tuple[int, Any]:
    return ask("GET", "/api/keys/self", authorizer)


def test_a_user_creates_a_key_and_sees_its_text_once() -> None:
    status, made = ask("POST", "/api/keys", session(42), BOUNDED)
    assert status == 200
    text = made.pop("key")
    assert key_text.read_id(text) == made["id"]
    assert list(made.items()) == [
        ("id", made["id"]),
        ("user_id", 42),
        ("name", "Nightly import"),
        ("agent_id", 7),
        ("outcome_types", ["deal_closed", "task_complete"]),
        ("max_value_usd", 500.5),
        ("max_per_day", 10000),
        ("scopes", ["record", "read"]),
        ("created_at", made["created_at"]),
        ("expires_at", "2029-12-31T23:00:00.000Z"),
        ("last_used_at", None),
        ("made_by", "session"),
        ("rotated_by", None),
        ("rotated_at", None),
        ("paused_at", None),
        ("recorded_today", 0),
    ]
    assert made["created_at"].startswith("2026-04-01T12:00:00.0")
    assert listed(session(42)) == (200, {"keys": [made]})


def test_no_answer_says_that_nothing_was_done_after_a_key_was_created_rotated_or_paused() -> None:
    """Clients repeat a call after `503 Busy`: a second key would exist, or a secret in use would end."""
    with faulty(app.budgets.dynamodb, "BatchGetItem", error(THROTTLED)):
        status, made = create(session(42))
        assert (status, made["recorded_today"]) == (200, 0)
        for way in ("rotate", "pause", "resume"):
            assert switch(way, made["id"], session(42)) == (503, {"error": "Busy"})
    [key] = app.agent_keys.of_user(42)
    assert (key.rotated_at, key.paused_at) == (None, None)


def test_a_magnitude_comes_back_as_it_was_sent() -> None:
    body = '{"name": "x", "maxValueUsd": 123456789012.12345678901234567}'
    response = app.handler(proxy_event("POST", "/api/keys", authorizer=session(42), body=body), None)
    assert '"max_value_usd":123456789012.12345678901234567,' in response["body"]
    response = app.handler(proxy_event("GET", "/api/keys", authorizer=session(42)), None)
    assert '"max_value_usd":123456789012.12345678901234567,' in response["body"]


def test_the_platform_manages_the_keys_of_the_user_it_names() -> None:
    status, made = create(KEY, userId=42)
    assert (status, made["user_id"]) == (200, 42)
    assert [key["id"] for key in listed(session(42))[1]["keys"]] == [made["id"]]
    assert listed(KEY, userId="42") == listed(session(42))
    assert listed(KEY, userId="7") == (200, {"keys": []})
    assert rotate(made["id"], KEY, userId=7) == NOT_FOUND
    assert rotate(made["id"], KEY, userId=42)[0] == 200
    assert revoke(made["id"], KEY, userId="7") == NOT_FOUND
    assert revoke(made["id"], KEY, userId="42") == (200, {"ok": True})
    assert listed(KEY, userId="42") == (200, {"keys": []})


def test_too_many_keys_are_a_409(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_KEYS == 100
    monkeypatch.setattr("outcomes.keys.agent_keys.MAX_KEYS", 1)
    create(session(42))
    assert create(session(42)) == create(KEY, userId=42) == (409, {"error": "Too many keys"})


def test_the_platform_must_name_a_user() -> None:
    for status, answer in (create(KEY), create(KEY, userId="42"), rotate(ANOTHER_ID, KEY)):
        assert (status, answer["error"]) == (400, "Invalid userId")
        assert answer["details"][0]["field"] == "userId"
    for query in ({}, {"userId": "me"}, {"userId": "0"}):
        assert listed(KEY, **query) == revoke(ANOTHER_ID, KEY, **query) == (400, {"error": "Invalid userId"})


def test_a_session_manages_its_own_user_s_keys_only() -> None:
    _, made = create(session(42), userId=7)
    assert made["user_id"] == 42
    assert listed(session(42), userId="7")[1]["keys"][0]["id"] == made["id"]
    assert rotate(made["id"], session(42), userId=7)[0] == 200
    assert revoke(made["id"], session(42), userId="7") == (200, {"ok": True})


def test_an_agent_reads_the_bounds_of_its_own_key() -> None:
    _, made = ask("POST", "/api/keys", session(42), BOUNDED)
    del made["key"]
    assert own(agent("read", keyId=made["id"])) == (200, made)


def test_a_key_revoked_after_authorization_is_a_401() -> None:
    assert own(agent(keyId=ANOTHER_ID)) == (401, {"error": "Unauthorized"})


def test_a_session_does_not_learn_which_ids_are_another_user_s() -> None:
    _, made = create(session(7))
    create(session(42))
    for id_ in (made["id"], ANOTHER_ID):
        assert revoke(id_, session(42)) == (200, {"ok": True})
        assert rotate(id_, session(42)) == NOT_FOUND
    assert listed(session(7))[1]["keys"][0]["id"] == made["id"]


def test_the_platform_learns_that_a_key_is_another_user_s() -> None:
    """If somebody sends a wrong user id to revoke a leaked key, the answer must say that nothing was revoked."""
    _, made = create(session(7))
    assert revoke(made["id"], KEY, userId="42") == NOT_FOUND
    assert revoke(ANOTHER_ID, KEY, userId="42") == (200, {"ok": True})
    assert len(listed(session(7))[1]["keys"]) == 1


def test_a_key_says_who_made_and_who_rotated_it_last() -> None:
    _, made = create(KEY, userId=42)
    assert (made["made_by"], made["rotated_by"], made["rotated_at"]) == ("platform", None, None)
    rotate(made["id"], session(42))
    [key] = listed(session(42))[1]["keys"]
    assert (key["made_by"], key["rotated_by"]) == ("platform", "session")
    rotate(made["id"], KEY, userId=42)
    for _, key in (own(agent(keyId=made["id"])), (200, listed(KEY, userId="42")[1]["keys"][0])):
        assert (key["made_by"], key["rotated_by"]) == ("platform", "platform")


def test_the_platform_rotates_only_keys_that_it_made_and_revokes_any() -> None:
    _, theirs = create(session(42))
    _, old = create(KEY, userId=42)
    forget = {"TableName": "KeysTable", "Key": {"id": {"S": old["id"]}}, "UpdateExpression": "REMOVE made_by"}
    aws_client("dynamodb").update_item(**forget)
    before = listed(session(42))
    for key in (theirs, old):
        assert rotate(key["id"], KEY, userId=42) == FORBIDDEN
        assert rotate(key["id"], KEY, userId=7) == NOT_FOUND
    assert listed(session(42)) == before
    for key in (theirs, old):
        assert revoke(key["id"], KEY, userId="42") == (200, {"ok": True})
        assert rotate(key["id"], KEY, userId=42) == NOT_FOUND


@pytest.mark.parametrize(("caller", "whose"), [(session(42), {}), (session(42), {"userId": 7}), (KEY, {"userId": 42})])
def test_a_key_is_paused_and_resumed_by_whoever_may_revoke_it(caller: dict[str, Any], whose: dict[str, int]) -> None:
    _, made = ask("POST", "/api/keys", session(42), BOUNDED)
    del made["key"]
    status, paused = switch("pause", made["id"], caller, **whose)
    assert (status, paused) == (200, made | {"paused_at": paused["paused_at"]})
    assert paused["paused_at"].startswith("2026-04-01T12:00:00.0")
    assert switch("pause", made["id"], caller, **whose) == (200, paused)
    assert listed(session(42)) == (200, {"keys": [paused]})
    rotated = rotate(made["id"], session(42))[1]
    assert rotated["paused_at"] == paused["paused_at"]
    del rotated["key"]
    resumed = [switch("resume", made["id"], caller, **whose) for _ in range(2)]
    assert resumed == [(200, rotated | {"paused_at": None})] * 2


@pytest.mark.parametrize("way", ["pause", "resume"])
def test_nobody_else_pauses_or_resumes_a_key(way: str) -> None:
    _, made = create(session(7))
    if way == "resume":
        switch("pause", made["id"], session(7))
    before = listed(session(7))
    for id_ in (made["id"], ANOTHER_ID, "user#7"):
        assert switch(way, id_, session(42)) == switch(way, id_, KEY, userId=42) == NOT_FOUND
    assert switch(way, made["id"], agent(keyId=made["id"]), userId=7) == FORBIDDEN
    status, answer = switch(way, made["id"], KEY)
    assert (status, answer["error"]) == (400, "Invalid userId")
    assert listed(session(7)) == before


READS = {
    "error": "Forbidden",
    "details": [{"field": "scopes", "message": "the scope read needs the user's session, as PlatformMayRead is false"}],
}


def test_the_platform_creates_and_rotates_reading_keys_only_where_it_may_read(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = {"userId": 42, "scopes": ["record", "read"]}
    assert create(KEY, **reading) == (403, READS)
    assert create(KEY, **reading | {"name": ""})[0] == 400
    assert listed(session(42)) == (200, {"keys": []})
    for scopes in (None, ["record", "correct", "backfill"]):
        assert create(KEY, **reading | {"scopes": scopes})[0] == 200
    assert create(session(42), **reading)[0] == 200

    with monkeypatch.context() as deployed:
        deployed.setenv("PLATFORM_MAY_READ", "true")
        deployed.setattr(app, "handler", deployment().handler)
        _, made = create(KEY, **reading)
        assert rotate(made["id"], KEY, userId=42)[0] == 200

    before = listed(session(42))
    assert rotate(made["id"], KEY, userId=42) == (403, READS)
    assert listed(session(42)) == before
    assert rotate(made["id"], session(42))[0] == 200
    assert revoke(made["id"], KEY, userId="42") == (200, {"ok": True})


def test_only_a_session_makes_keys_that_put_costs_and_none_for_an_agent() -> None:
    payer = {"userId": 42, "scopes": ["read", "cost"]}
    assert create(KEY, **payer | {"scopes": ["cost"]}) == (
        403,
        {"error": "Forbidden", "details": [{"field": "scopes", "message": "the scope cost needs the user's session"}]},
    )
    status, answer = create(session(42), **payer, agentId=7)
    assert (status, answer["error"], answer["details"][0]["field"]) == (400, "Invalid scopes", "scopes")
    status, made = create(session(42), **payer)
    assert (status, made["scopes"]) == (200, ["read", "cost"])
    assert rotate(made["id"], KEY, userId=42)[0] == 403
    assert rotate(made["id"], session(42))[0] == 200


@pytest.mark.parametrize("by", [session(42), KEY])
@pytest.mark.parametrize("off", ["correct", "cost"])
def test_a_key_cannot_be_made_with_a_scope_whose_capability_is_off(
    monkeypatch: pytest.MonkeyPatch, by: dict[str, Any], off: str
) -> None:
    on = [scope for scope in ("record", "read", "correct", "backfill", "cost") if scope != off]
    _, before = create(session(42), scopes=[off])
    monkeypatch.setenv("SCOPES", ",".join(on))
    monkeypatch.setattr(app, "handler", deployment().handler)
    rule = f"must be a list of one or more of {', '.join(on)}"
    refused = {"error": "Invalid scopes", "details": [{"field": "scopes", "message": rule}]}
    assert create(by, userId=42, scopes=[off, "record"]) == (400, refused)
    assert [key["id"] for key in listed(session(42))[1]["keys"]] == [before["id"]]
    assert create(session(42), scopes=on)[0] == 200
    # A key from before the capability was switched off keeps its scopes.
    assert rotate(before["id"], session(42))[1]["scopes"] == [off]


@pytest.mark.parametrize("id_", ["user#42", "self", "", "0" * 17, "0123456789abcd-_", "../keys", "🎉" * 16])
def test_an_invalid_id_is_not_found(id_: str) -> None:
    create(session(42))
    before = scan("KeysTable")
    assert revoke(id_, session(42)) == rotate(id_, session(42)) == NOT_FOUND
    assert scan("KeysTable") == before


def test_fields_that_are_not_read_are_named() -> None:
    event = proxy_event("POST", "/api/keys", authorizer=session(42), body={"name": "x", "agent_id": 7, "userId": 42})
    assert app.handler(event, None)["headers"]["Ignored-Fields"] == "agent_id"


def test_an_idempotency_key_is_refused_where_the_answer_holds_a_key() -> None:
    """The answer contains an agent key. To send it again, we would have to store the key."""
    _, made = create(session(42))
    once = {"headers": {"Idempotency-Key": "k"}}
    refused = {
        "error": "Invalid Idempotency-Key",
        "details": [
            {
                "field": "Idempotency-Key",
                "message": "is not supported here: the answer contains a key, which is never stored",
            }
        ],
    }
    assert ask("POST", "/api/keys", session(42), {"name": "x"}, **once) == (400, refused)
    parameters = {"id": made["id"]}
    assert ask("POST", "/api/keys/{id}/rotate", session(42), {}, parameters=parameters, **once) == (400, refused)
    assert len(listed(session(42))[1]["keys"]) == 1


def test_an_unknown_route_is_not_found() -> None:
    assert ask("PUT", "/api/keys", KEY) == NOT_FOUND


def test_a_key_whose_creation_answered_500_can_be_listed_and_revoked() -> None:
    with faulty(app.agent_keys.dynamodb, "TransactWriteItems", lost, unreachable):
        assert create(session(42)) == (500, {"error": "Failed to manage keys"})
    [key] = listed(session(42))[1]["keys"]
    assert revoke(key["id"], session(42)) == (200, {"ok": True})
