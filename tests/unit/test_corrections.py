"""Corrections: who may make which, from where to where they move, and what of them can be read."""

import json
import traceback
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from outcomes.contract import instants
from outcomes.contract.limits import MAX_CORRECTIONS, MAX_HISTORY
from outcomes.edge.api import endpoint
from outcomes.ledger import ulid
from outcomes.ledger.correction_entries import entry_key

from functions.correct_outcome import app as correct_outcome
from functions.get_outcome import app as get_outcome
from functions.list_outcomes import app as list_outcomes
from functions.record_outcome import app as record_outcome
from tests.corrections import (
    AGENT,
    ALLOWED,
    BODIES,
    CALLERS,
    MOVES,
    OWNER,
    PLAIN,
    RECORDERS,
    STATUSES,
    correct,
    forget_counts,
    get,
    get_event,
    given,
    ledger,
    listed,
    read,
    stored,
    summary,
)
from tests.events import KEY, agent, proxy_event, session
from tests.faults import DENIED, THROTTLED, Fault, answered, cancelled, error, faulty, fine, lost, unreachable, vanished

pytestmark = pytest.mark.usefixtures("tables")

# ── Who may ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("type_", ALLOWED)
@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("recorded_by", RECORDERS)
def test_who_may(type_: str, caller: str, recorded_by: str | None) -> None:
    id_ = given(recorded_by, "disputed" if type_ == "uphold" else "recorded", agentId=Decimal(7))
    status, answer, _ = correct(id_, CALLERS[caller], BODIES[type_])
    if recorded_by in ALLOWED[type_].get(caller, []):
        assert (status, ledger()[0]["version"]) == (200, 1)
    else:
        assert (status, answer) == (403, {"error": "Forbidden"})
        assert ledger()[0]["version"] == 0


@pytest.mark.parametrize(
    ("bounds", "changes", "details"),
    [
        ({"maxValueUsd": "500"}, {"valueUsd": 500}, []),
        ({"maxValueUsd": "500"}, {"valueUsd": None}, []),
        ({"outcomeTypes": "deal_closed task_complete"}, {"outcomeType": "task_complete"}, []),
        ({"agentId": "7"}, {"agentId": 7}, []),
        ({"maxValueUsd": "500"}, {"valueUsd": -500.01}, ["changes.valueUsd"]),
        ({"outcomeTypes": "deal_closed"}, {"outcomeType": "task_complete"}, ["changes.outcomeType"]),
        ({"agentId": "7"}, {"agentId": 8, "title": "x"}, ["changes.agentId"]),
        ({"agentId": "7"}, {"agentId": None}, ["changes.agentId"]),
    ],
)
def test_the_bounds_of_an_agent_s_key_hold_for_what_it_changes(
    bounds: dict[str, str], changes: dict[str, Any], details: list[str]
) -> None:
    id_ = given(agentId=Decimal(7))
    status, answer, _ = correct(id_, agent("correct", **bounds), BODIES["amend"] | {"changes": changes})
    assert status == (403 if details else 200)
    assert [each["field"] for each in answer.get("details", [])] == details


BEYOND: list[tuple[dict[str, str], str, str]] = [
    ({"maxValueUsd": "9.99"}, "valueUsd", "this key records values of magnitude 9.99 at most"),
    ({"outcomeTypes": "task_complete"}, "outcomeType", "this key records only task_complete"),
    ({"agentId": "8"}, "agentId", "this key records for agent 8 only"),
]


@pytest.mark.parametrize(("bounds", "field", "message"), BEYOND, ids=[field for _, field, _ in BEYOND])
@pytest.mark.parametrize("type_", ["amend", "void"])
def test_an_agent_s_key_corrects_nothing_that_lies_beyond_its_bounds(
    type_: str, bounds: dict[str, str], field: str, message: str
) -> None:
    id_ = given(agentId=Decimal(7))
    within = {"changes": {"valueUsd": 5, "outcomeType": "task_complete", "agentId": 8}}
    body = BODIES[type_] | (within if type_ == "amend" else {})
    # What it may not read it is not told, neither by the field's name nor by the bound that is broken.
    assert correct(id_, agent("correct", **bounds), body)[:2] == (403, {"error": "Forbidden"})
    status, answer, _ = correct(id_, agent("correct read", **bounds), body)
    assert (status, answer["details"]) == (403, [{"field": field, "message": message}])
    assert ledger()[0]["version"] == 0


def test_what_an_agent_s_key_may_correct_it_may_not_any_more_once_it_was_moved_beyond_its_bounds() -> None:
    id_, bounded = given(), agent("correct", maxValueUsd="100")
    assert correct(id_, bounded, BODIES["amend"] | {"changes": {"valueUsd": 100}})[0] == 200
    assert correct(id_, KEY, BODIES["amend"] | {"changes": {"valueUsd": 900_000}})[0] == 200
    assert correct(id_, bounded, BODIES["amend"] | {"changes": {"valueUsd": 1}})[0] == 403
    assert correct(id_, bounded, BODIES["void"])[0] == 403
    assert ledger()[0]["value_usd"] == 900_000


READS = {"the owner": OWNER, "an agent's key that reads": agent("correct read")}


@pytest.mark.parametrize("caller", READS)
def test_who_may_read_sees_how_the_outcome_stands(caller: str) -> None:
    id_ = given("session" if caller == "the owner" else "key")
    status, answer, _ = correct(id_, READS[caller], BODIES["amend"], key="k")
    [entry] = get(id_)[1]["corrections"]
    assert (status, answer) == (200, {"ok": True, "id": entry["id"], "outcome": ledger()[0]})
    assert correct(id_, READS[caller], BODIES["amend"], key="k")[1] == answer


@pytest.mark.parametrize("caller", [KEY, AGENT], ids=["the platform", "an agent's key"])
def test_who_may_not_read_is_told_no_contents(caller: dict[str, Any]) -> None:
    id_ = given()
    status, answer, _ = correct(id_, caller, BODIES["amend"], key="k")
    [entry] = get(id_)[1]["corrections"]
    assert (status, answer) == (200, {"ok": True, "id": entry["id"], "status": "recorded", "version": 1})
    assert list(answer) == ["ok", "id", "status", "version"]
    correct(id_, OWNER, BODIES["dispute"])
    again = correct(id_, caller, BODIES["amend"], key="k")[1]
    assert again == {"ok": True, "id": entry["id"], "status": "disputed", "version": 2}


def test_the_platform_sees_contents_where_the_deployment_lets_it() -> None:
    id_ = given()
    route = correct_outcome.handler.__wrapped__  # type: ignore[attr-defined]
    handler = endpoint(failure="Failed to correct outcome", origins="", platform_may_read=True)(route)
    body = BODIES["amend"] | {"userId": 42}
    answer = read(handler(proxy_event("POST", authorizer=KEY, body=body, parameters={"id": id_}), None)["body"])
    assert answer["outcome"] == ledger()[0]


def test_an_agent_s_key_is_its_user_s() -> None:
    theirs, ours = given(user_id=7), given()
    assert correct(theirs, AGENT, BODIES["void"])[:2] == (404, {"error": "Not found"})
    assert correct(theirs, AGENT, BODIES["void"] | {"userId": 7})[:2] == (404, {"error": "Not found"})
    status, answer, _ = correct(ours, AGENT, BODIES["void"] | {"userId": 7})
    assert (status, [each["field"] for each in answer["details"]]) == (403, ["userId"])
    assert correct(ours, AGENT, BODIES["void"] | {"userId": 42})[0] == 200


def test_the_platform_says_whose_outcome_it_is() -> None:
    theirs, nobody_s = given(user_id=7), given(user_id=None)
    for id_, user_id in ((theirs, 42), (theirs, None), (nobody_s, 42)):
        assert correct(id_, KEY, BODIES["void"] | {"userId": user_id})[0] == 404
    assert correct(theirs, KEY, BODIES["void"] | {"userId": 7})[1]["status"] == "void"
    assert correct(nobody_s, KEY, BODIES["void"] | {"userId": None})[1]["status"] == "void"


def test_a_session_s_user_is_not_what_the_body_says() -> None:
    theirs, ours = given(user_id=7), given()
    assert correct(theirs, OWNER, BODIES["dispute"] | {"userId": 7})[0] == 404
    assert correct(ours, OWNER, BODIES["dispute"] | {"userId": "x"})[0] == 200


# ── From where to where ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("type_", MOVES)
@pytest.mark.parametrize("origin", STATUSES)
def test_a_correction_moves_an_outcome_or_is_not_possible(type_: str, origin: str) -> None:
    id_ = given(status=origin)
    status, answer, headers = correct(id_, OWNER if type_ in {"confirm", "dispute"} else KEY, BODIES[type_])
    if origin in MOVES[type_]:
        assert (status, answer["ok"]) == (200, True)
        [outcome] = ledger()
        assert (outcome["status"], outcome["version"]) == (MOVES[type_][origin], 1)
    else:
        message = f"cannot {type_} an outcome that is {origin}"
        assert (status, answer) == (409, {"error": "Not possible", "details": [{"field": "type", "message": message}]})
        assert "Retry-After" not in headers
        assert ledger()[0]["status"] == origin


OTHER_AGENT = AGENT | {"keyId": "fedcba9876543210"}
IMPOSSIBLE = (409, {"error": "Not possible"})


def retitle(title: object) -> str:
    return f'{{"title":"{title}"}}'


def test_each_kind_of_caller_has_corrections_of_its_own() -> None:
    id_ = given()
    for number in range(20):  # by whichever key of an agent
        assert amend(id_, (AGENT, OTHER_AGENT)[number % 2], retitle(number), key=f"{number}")[0] == 200
    for number in range(25):
        for body in (BODIES["confirm"], BODIES["dispute"]):
            assert correct(id_, OWNER, body, key=f"{body['type']}-{number}")[0] == 200
    for number in range(20, 70):
        assert amend(id_, KEY, retitle(number), key=f"{number}")[0] == 200
    for caller in (AGENT, OTHER_AGENT, KEY):
        status, answer, headers = amend(id_, caller, retitle("x"))
        assert (status, answer) == IMPOSSIBLE
        assert "Retry-After" not in headers
    assert correct(id_, AGENT, BODIES["void"])[:2] == IMPOSSIBLE
    assert correct(id_, OWNER, BODIES["confirm"])[:2] == IMPOSSIBLE
    # What was made is still answered.
    assert amend(id_, KEY, retitle("27"), key="27")[1]["version"] == 120
    with faulty(get_outcome.store.dynamodb, "BatchGetItem", fine) as calls:
        outcome, corrections = get(id_)[1].values()
    assert (outcome["version"], outcome["title"], len(corrections), len(calls)) == (120, "69", 120, 3)
    titles = [each["changes"]["title"]["after"] for each in corrections if each["type"] == "amend"]
    assert titles == [f"{number}" for number in range(70)]
    # Nobody has kept the owner from disputing, nor the platform from taking it back.
    assert correct(id_, OWNER, BODIES["dispute"])[0] == 200
    assert correct(id_, KEY, BODIES["uphold"])[0] == 200
    assert correct(id_, KEY, BODIES["void"])[1] | {"id": ""} == {"ok": True, "id": "", "status": "void", "version": 123}


def test_its_owner_amends_it_fifty_times() -> None:
    id_ = given("session")
    assert {amend(id_, OWNER, retitle(number))[0] for number in range(50)} == {200}
    assert amend(id_, OWNER, retitle("x"))[:2] == IMPOSSIBLE
    assert correct(id_, OWNER, BODIES["void"])[:2] == IMPOSSIBLE
    assert correct(id_, OWNER, BODIES["dispute"])[0] == 200


def test_disputes_and_what_upholds_them_have_no_number() -> None:
    id_ = given()
    for _ in range(60):
        assert correct(id_, OWNER, BODIES["dispute"])[0] == 200
        assert correct(id_, KEY, BODIES["uphold"])[0] == 200
    corrections = get(id_)[1]["corrections"]
    assert [each["type"] for each in corrections] == ["dispute", "uphold"] * 60
    assert amend(id_, KEY, retitle("x"))[:2] == correct(id_, OWNER, BODIES["confirm"])[:2] == IMPOSSIBLE


def test_an_outcome_that_was_locked_is_free_again_for_all_but_who_locked_it(monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = given()
    with monkeypatch.context() as before:
        before.setitem(MAX_CORRECTIONS, "agent", 50)
        for number in range(50):
            amend(id_, AGENT, retitle(number))
    forget_counts(id_)
    assert amend(id_, AGENT, retitle("x"))[:2] == IMPOSSIBLE
    with faulty(correct_outcome.corrections.store.dynamodb, "BatchGetItem", fine) as reads:
        assert correct(id_, OWNER, BODIES["dispute"])[0] == 200
    assert len(reads) == 2  # the outcome, and its entries
    with faulty(correct_outcome.corrections.store.dynamodb, "BatchGetItem", fine) as reads:
        assert correct(id_, KEY, BODIES["uphold"])[0] == 200
    assert len(reads) == 1  # they are counted
    assert amend(id_, AGENT, retitle("x"))[:2] == IMPOSSIBLE
    assert amend(id_, KEY, retitle("x"))[0] == 200


LONGEST: dict[str, Any] = {"title": '"' * 200, "description": '"' * 1000}


def test_the_longest_history_is_shown_from_its_newest_corrections_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outcomes.ledger.correction_entries.MAX_HISTORY", 7)
    id_ = given()
    turns = [(KEY, "amend"), (OWNER, "dispute"), *[(KEY, "uphold"), (OWNER, "dispute")] * 5]
    made = [correct(id_, caller, BODIES[type_], key=f"{n}")[1]["id"] for n, (caller, type_) in enumerate(turns)]
    outcome, corrections = get(id_)[1].values()
    assert outcome["version"] == 12
    assert [each["id"] for each in corrections] == made[-7:]
    # What is not shown any more still counts, and is a replay.
    assert correct(id_, KEY, BODIES["amend"], key="0")[1] == {
        "ok": True,
        "id": made[0],
        "status": "disputed",
        "version": 12,
    }
    assert correct(id_, KEY, BODIES["void"])[1]["version"] == 13
    assert sum(item["created_at"]["S"].startswith("~") for item in stored()) == 13


def test_the_longest_history_fits_into_a_response() -> None:
    """Fill one with as many of the longest amends as there may be, and otherwise with disputes as long as they get."""
    id_ = given(metadata={"a": "\\" * 32_000}, **LONGEST)
    [item] = stored()
    first = ulid.milliseconds(id_) + 1
    ids = [ulid.new(first + number) for number in range(MAX_HISTORY)]
    changes = {name: {"M": {when: {"S": text} for when in ("before", "after")}} for name, text in LONGEST.items()}
    amends = sum(MAX_CORRECTIONS.values())
    for version, each in enumerate(ids, start=1):
        type_, more = ("amend", {"changes": {"M": changes}}) if version <= amends else ("dispute", {})
        entry = entry_key(item, each) | {
            "version": {"N": f"{version}"},
            "type": {"S": type_},
            "reason": {"S": '"' * 500},
            "recorded_by": {"S": "key:0123456789abcdef"},
        }
        list_outcomes.store.dynamodb.call("PutItem", {"TableName": "OutcomesTable", "Item": entry | more})
    item |= {"version": {"N": f"{MAX_HISTORY}"}, "corrections": {"L": [{"S": each} for each in ids]}}
    list_outcomes.store.dynamodb.call("PutItem", {"TableName": "OutcomesTable", "Item": item})
    response = get_outcome.handler(get_event(id_), None)
    assert len(read(response["body"])["corrections"]) == MAX_HISTORY
    assert len(json.dumps(response, ensure_ascii=False).encode()) < 6 * 1024 * 1024


def test_an_agent_s_key_amends_what_its_owner_disputes_and_the_dispute_stands() -> None:
    id_ = given(valueUsd=Decimal(10))
    correct(id_, OWNER, BODIES["dispute"])
    for value, version in ((4, 2), (5, 3)):
        assert correct(id_, AGENT, BODIES["amend"] | {"changes": {"valueUsd": value}})[0] == 200
        [outcome] = ledger()
        assert (outcome["status"], outcome["value_usd"], outcome["version"]) == ("disputed", value, version)
        sums = summary()
        assert (sums["count"], sums["disputed"]) == (0, {"count": 1, "value_usd": value})
    assert correct(id_, OWNER, BODIES["confirm"])[0] == 200
    assert ledger()[0]["status"] == "confirmed"


@pytest.mark.parametrize(("by", "recorded_by"), [(KEY, "key"), (OWNER, "session")], ids=["the platform", "the owner"])
def test_whoever_else_amends_what_is_disputed_ends_the_dispute(by: dict[str, Any], recorded_by: str) -> None:
    id_ = given(recorded_by)
    correct(id_, OWNER, BODIES["dispute"])
    assert correct(id_, by, BODIES["amend"])[0] == 200
    assert ledger()[0]["status"] == "recorded"
    assert summary()["disputed"]["count"] == 0


# ── What may be sent ─────────────────────────────────────────────────────────────────────────────────────────────────

TEXT = (
    "must be a string of 1 to 500 characters, not blank, without control characters other than tab, line feed and"
    " carriage return"
)


@pytest.mark.parametrize(
    ("body", "error", "fields"),
    [
        ({}, "Invalid type", ["type"]),
        ({"type": None}, "Invalid type", ["type"]),
        ({"type": ["amend"]}, "Invalid type", ["type"]),
        ({"type": "Amend", "reason": 5, "userId": 0}, "Invalid type", ["type", "reason", "userId"]),
        ({"type": "void"}, "Invalid reason", ["reason"]),
        ({"type": "void", "reason": None}, "Invalid reason", ["reason"]),
        ({"type": "void", "reason": ""}, "Invalid reason", ["reason"]),
        ({"type": "void", "reason": "  "}, "Invalid reason", ["reason"]),
        ({"type": "void", "reason": "x" * 501}, "Invalid reason", ["reason"]),
        ({"type": "void", "reason": "x\x1b[31m"}, "Invalid reason", ["reason"]),
        ({"type": "void", "userId": "42"}, "Invalid reason", ["reason", "userId"]),
        ({"type": "confirm", "reason": ""}, "Invalid reason", ["reason"]),
        ({"type": "uphold", "reason": "x", "userId": 1.5}, "Invalid userId", ["userId"]),
        ({"type": "amend", "userId": -1}, "Invalid reason", ["reason", "userId", "changes"]),
        ({"type": "amend", "reason": "x"}, "Invalid changes", ["changes"]),
        ({"type": "amend", "reason": "x", "changes": None}, "Invalid changes", ["changes"]),
        ({"type": "amend", "reason": "x", "changes": []}, "Invalid changes", ["changes"]),
        ({"type": "amend", "reason": "x", "changes": {}}, "Invalid changes", ["changes"]),
        ({"type": "amend", "reason": "x", "changes": {"userId": 7, "value": 1}}, "Invalid changes", ["changes"]),
        (
            {"type": "amend", "reason": "x", "changes": {"title": None, "outcomeType": None}},
            "Invalid changes",
            ["changes.outcomeType", "changes.title"],
        ),
        (
            {
                "type": "amend",
                "reason": "x",
                "changes": {
                    "occurredAt": "yesterday",
                    "metadata": [],
                    "agentId": 0,
                    "valueUsd": "1",
                    "description": 1,
                    "title": "",
                    "outcomeType": "sale",
                },
            },
            "Invalid changes",
            [
                "changes.outcomeType",
                "changes.title",
                "changes.description",
                "changes.valueUsd",
                "changes.agentId",
                "changes.metadata",
                "changes.occurredAt",
            ],
        ),
    ],
)
def test_bad_input_names_every_fault_in_the_order_of_the_fields(
    body: dict[str, Any], error: str, fields: list[str]
) -> None:
    status, answer, _ = correct(given(), KEY, body)
    assert (status, answer["error"], [each["field"] for each in answer["details"]]) == (400, error, fields)
    assert all(each["message"].startswith("must be ") for each in answer["details"])


@pytest.mark.parametrize("body", ["", "[]", "{", "null", '{"type":NaN}'])
def test_what_is_no_json_object_is_refused(body: str) -> None:
    assert correct(given(), KEY, body)[:2] == (400, {"error": "Invalid JSON"})


def test_a_body_is_as_large_as_elsewhere() -> None:
    assert correct(given(), KEY, '{"x":"' + "x" * 128 * 1024 + '"}')[0] == 413


def test_a_reason_is_asked_for_in_plain_words() -> None:
    _, answer, _ = correct(given(), KEY, {"type": "void"})
    assert answer["details"] == [{"field": "reason", "message": TEXT}]


def test_a_confirmation_may_say_why() -> None:
    id_ = given()
    correct(id_, OWNER, {"type": "confirm", "reason": None})
    correct(id_, OWNER, BODIES["dispute"])
    correct(id_, OWNER, {"type": "confirm", "reason": "Found the invoice"})
    assert [each["reason"] for each in get(id_)[1]["corrections"]] == [None, "Not mine", "Found the invoice"]


def test_what_is_not_read_is_named() -> None:
    id_ = given()
    body = BODIES["amend"] | {"reasons": 1, "changes": {"title": "x", "vlaue": 1, "a,b": 2}}
    assert correct(id_, KEY, body)[2]["Ignored-Fields"] == "reasons, changes.vlaue, changes.a%2Cb"
    # Only an amend changes anything.
    body = BODIES["dispute"] | {"changes": {"title": ""}, "userId": 42}
    status, answer, headers = correct(id_, OWNER, body)
    assert (status, headers["Ignored-Fields"], answer["outcome"]["title"]) == (200, "changes", "x")
    assert correct(id_, KEY, {"type": "amend", "reason": "x", "changes": {"vlaue": 1}})[2]["Ignored-Fields"] == (
        "changes.vlaue"
    )


def test_the_order_is_bad_input_not_found_forbidden_not_possible() -> None:
    void, missing = given(status="void"), ulid.new(instants.now())
    bad, forbidden, impossible = {"type": "void"}, BODIES["uphold"], BODIES["void"]
    no_scope = agent("record")
    assert correct(missing, no_scope, bad)[0] == 400
    assert correct(missing, no_scope, forbidden)[0] == 404
    assert correct(void, no_scope, forbidden)[0] == 403
    assert correct(void, no_scope, impossible)[0] == 403
    assert correct(void, KEY, impossible)[0] == 409


@pytest.mark.parametrize(
    "id_", ["", "x", "8" * 26, "Z" * 26, "0" * 25 + "é", "0" * 25 + "#", "../summary", "0" * 5000, " " * 26]
)
def test_whatever_is_no_id_is_not_found(id_: str) -> None:
    assert correct(id_, KEY, BODIES["amend"] | {"changes": {"occurredAt": "1999-01-01T00:00:00Z"}})[:2] == (
        404,
        {"error": "Not found"},
    )
    assert correct("0" * 26, KEY, BODIES["void"])[0] == get(id_)[0] == 404


def test_nobody_calling_is_a_401() -> None:
    assert correct(given(), {"caller": "session"}, BODIES["void"])[0] == 401
    assert get_outcome.handler(get_event(given(), KEY), None)["statusCode"] == 401


@pytest.mark.parametrize(
    ("name", "is_id"), [("summary", False), ("export", False), ("0" * 25, False), ("0" * 26, True)]
)
def test_a_name_that_is_no_id_is_no_route(name: str, is_id: bool) -> None:
    response = get_outcome.handler(get_event(name), None)
    assert (response["statusCode"], response["body"]) == (404, '{"error":"Not found"}')
    assert ("No-Such-Route" in response["headers"]) is not is_id
    assert "No-Such-Route" not in get_outcome.handler(get_event(name, KEY), None)["headers"]


def test_another_site_s_page_corrects_nothing() -> None:
    event = proxy_event(
        "POST",
        authorizer=OWNER,
        body=BODIES["dispute"],
        headers={"Origin": "https://evil.example"},
        parameters={"id": given()},
    )
    assert correct_outcome.handler(event, None)["statusCode"] == 403
    assert ledger()[0]["status"] == "recorded"


# ── What an amend changes ────────────────────────────────────────────────────────────────────────────────────────────


def test_an_amend_changes_what_it_names_and_nothing_else() -> None:
    id_ = given(agentId=Decimal(7), description="d", metadata={"k": Decimal("1.0")})
    changes = {
        "outcomeType": "task_complete",
        "title": "Filed",
        "description": "",
        "valueUsd": 12.5,
        "agentId": None,
        "metadata": {"seats": 120},
    }
    before = ledger()[0]
    status, answer, _ = correct(id_, KEY, {"type": "amend", "reason": "Mixed up", "changes": changes})
    assert status == 200
    after = {
        "outcome_type": "task_complete",
        "title": "Filed",
        "description": None,
        "value_usd": Decimal("12.5"),
        "agent_id": None,
        "metadata": {"seats": 120},
        "version": 1,
    }
    assert (answer["status"], answer["version"]) == ("recorded", 1)
    assert ledger()[0] == before | after
    assert listed()[0] == {name: value for name, value in (before | after).items() if name in listed()[0]}
    correct(id_, KEY, BODIES["amend"] | {"changes": {"agentId": 9}})
    assert ledger()[0] == before | after | {"agent_id": 9, "version": 2}


NOTHING = {"error": "Invalid changes", "details": [{"field": "changes", "message": "would change nothing"}]}
SAME = {
    "the same text": '{"title":"Closed a deal"}',
    "an equal number": '{"valueUsd":10.00}',
    "an equal object": '{"metadata":{"b":[1.0,true,null],"a":"x"}}',
    "null for what is null": '{"description":null,"agentId":null}',
    "an empty text for what is null": '{"description":""}',
    "null for when it was recorded": '{"occurredAt":null}',
    "all of them": '{"outcomeType":"deal_closed","title":"Closed a deal","valueUsd":1e1,"occurredAt":null}',
}
OTHER_THAN = {
    "another text": '{"title":"Closed a deal "}',
    "a number that differs in its last digit": '{"valueUsd":10.000000000000000000000000000000000001}',
    "null for what is not": '{"valueUsd":null}',
    "a number for a boolean": '{"metadata":{"b":[1,1,null],"a":"x"}}',
    "a text for a number": '{"metadata":{"b":["1",true,null],"a":"x"}}',
    "one of two": '{"title":"Closed a deal","agentId":7}',
}


def amend(id_: str, caller: dict[str, Any], changes: str, key: str | None = None) -> tuple[int, Any, dict[str, str]]:
    return correct(id_, caller, f'{{"type":"amend","reason":"A typo","userId":42,"changes":{changes}}}', key=key)


@pytest.fixture
def unchanged() -> str:
    return given(metadata={"a": "x", "b": [Decimal(1), True, None]})


@pytest.mark.parametrize("changes", SAME.values(), ids=SAME)
@pytest.mark.parametrize("caller", [KEY, agent("correct read")], ids=["the platform", "an agent's key that reads"])
def test_an_amend_that_changes_nothing_is_refused(caller: dict[str, Any], changes: str, unchanged: str) -> None:
    correct(unchanged, OWNER, BODIES["confirm"])
    assert amend(unchanged, caller, changes)[:2] == (400, NOTHING)
    assert (ledger()[0]["status"], ledger()[0]["version"]) == ("confirmed", 1)


@pytest.mark.parametrize("changes", OTHER_THAN.values(), ids=OTHER_THAN)
def test_an_amend_that_changes_anything_is_made(changes: str, unchanged: str) -> None:
    assert amend(unchanged, KEY, changes)[1]["version"] == 1


def test_null_takes_away_when_it_happened_and_the_instant_of_recording_says_the_same() -> None:
    id_ = given(occurredAt="2026-03-01T00:00:00Z")
    assert amend(id_, KEY, '{"occurredAt":"2026-03-01T01:00:00.0000+01:00"}')[:2] == (400, NOTHING)
    assert amend(id_, KEY, '{"occurredAt":null}')[0] == 200
    assert amend(id_, KEY, f'{{"occurredAt":"{ledger()[0]["created_at"]}"}}')[:2] == (400, NOTHING)


def test_its_owner_amends_no_more_by_changing_nothing() -> None:
    id_ = given("session")
    correct(id_, OWNER, BODIES["dispute"])
    assert amend(id_, OWNER, '{"title":"Closed a deal"}')[:2] == (400, NOTHING)
    assert ledger()[0]["status"] == "disputed"


def test_that_nothing_would_change_is_judged_last() -> None:
    same = '{"title":"Closed a deal"}'
    assert amend(ulid.new(instants.now()), KEY, same)[0] == 404
    assert amend(given("session"), agent("correct read"), same)[0] == 403
    assert amend(given(status="void"), KEY, same)[0] == 409
    id_ = given()
    first = amend(id_, KEY, '{"title":"Closed the deal"}', key="k")
    assert amend(id_, KEY, '{"title":"Closed the deal"}', key="k")[:2] == first[:2]
    assert amend(id_, KEY, '{"title":"Closed the deal"}')[:2] == (400, NOTHING)
    assert amend(id_, KEY, '{"title":"Closed the deal"}', key="l")[:2] == (400, NOTHING)
    # A refusal is not remembered.
    assert amend(id_, KEY, '{"title":"Another"}', key="l")[0] == 200


def test_a_refusal_to_change_nothing_names_what_was_not_read() -> None:
    _, answer, headers = amend(given(), KEY, '{"title":"Closed a deal","vlaue":1}')
    assert (answer, headers["Ignored-Fields"]) == (NOTHING, "changes.vlaue")


@pytest.mark.parametrize("changes", SAME.values(), ids=SAME)
def test_who_may_not_read_does_not_learn_that_nothing_changes(changes: str, unchanged: str) -> None:
    correct(unchanged, OWNER, BODIES["confirm"])
    before = stored()
    status, answer, headers = amend(unchanged, AGENT, changes)
    assert (status, answer | {"id": ""}) == (200, {"ok": True, "id": "", "status": "confirmed", "version": 1})
    assert ulid.is_valid(answer["id"])
    assert "Idempotent-Replayed" not in headers
    assert stored() == before


def test_an_amend_that_changed_nothing_is_remembered_as_any(unchanged: str) -> None:
    same, other = '{"title":"Closed a deal"}', '{"title":"Another"}'
    status, first, headers = amend(unchanged, AGENT, same, key="k")
    assert (status, first["version"], "Idempotent-Replayed" in headers) == (200, 0, False)
    again = amend(unchanged, AGENT, same, key="k")
    assert (again[1], again[2]["Idempotent-Replayed"]) == (first, "true")
    assert amend(unchanged, AGENT, other, key="k")[0] == 422
    # Once it would change something, the key still stands for what it did.
    assert amend(unchanged, KEY, other)[0] == 200
    assert amend(unchanged, AGENT, same, key="k")[1] == first | {"version": 1}
    assert ledger()[0]["title"] == "Another"


def test_filters_go_by_what_is_shown() -> None:
    id_ = given(agentId=Decimal(7))
    correct(id_, KEY, BODIES["amend"] | {"changes": {"agentId": 8, "outcomeType": "task_complete"}})
    assert [len(listed(**query)) for query in ({"agentId": "7"}, {"agentId": "8"})] == [0, 1]
    assert [len(listed(outcomeType=name)) for name in ("deal_closed", "task_complete")] == [0, 1]


def test_what_was_recorded_stays() -> None:
    id_ = given(agentId=Decimal(7), metadata={"k": Decimal("1.0")}, occurredAt="2026-03-01T00:00:00Z")
    correct(id_, KEY, BODIES["amend"] | {"changes": {"valueUsd": None, "metadata": {"k": 2}, "occurredAt": None}})
    correct(id_, KEY, BODIES["amend"] | {"changes": {"valueUsd": 3, "agentId": 8, "outcomeType": "task_complete"}})
    [outcome] = [item for item in stored() if "as_recorded" in item]
    assert outcome["as_recorded"]["M"] == {
        "outcome_type": {"S": "deal_closed"},
        "agent_id": {"N": "7"},
        "value_usd": {"N": "10"},
        "occurred_at": {"S": "2026-03-01T00:00:00.000Z"},
    }
    first, second = get(id_)[1]["corrections"]
    assert first["changes"] == {
        "value_usd": {"before": 10, "after": None},
        "metadata": {"before": {"k": 1}, "after": {"k": 2}},
        "occurred_at": {"before": "2026-03-01T00:00:00.000Z", "after": ledger()[0]["created_at"]},
    }
    assert second["changes"] == {
        "outcome_type": {"before": "deal_closed", "after": "task_complete"},
        "value_usd": {"before": None, "after": 3},
        "agent_id": {"before": 7, "after": 8},
    }


def test_a_change_s_window_is_that_of_when_the_outcome_was_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outcomes.contract.instants.now", lambda: 1_775_044_800_000)  # 2026-04-01T12:00:00Z
    keyed, own = given(), given("session")
    monkeypatch.setattr("outcomes.contract.instants.now", lambda: 1_785_044_800_000)  # in July

    def amend(id_: str, caller: dict[str, Any], occurred_at: str) -> tuple[int, Any]:
        body = {"type": "amend", "reason": "Too late", "changes": {"occurredAt": occurred_at}}
        return correct(id_, caller, body)[:2]

    for id_, caller, earliest in (
        (own, OWNER, "2026-02-26T12:00:00.000Z"),
        (keyed, AGENT, "2026-02-26T12:00:00.000Z"),
        (keyed, agent("correct backfill"), "2000-01-01T00:00:00.000Z"),
        (keyed, KEY, "2000-01-01T00:00:00.000Z"),
    ):
        assert amend(id_, caller, earliest)[0] == 200
        assert amend(id_, caller, "2026-04-01T12:05:00Z")[0] == 200
        assert get(id_)[1]["outcome"]["occurred_at"] == "2026-04-01T12:05:00.000Z"
        too_early = instants.text(int(datetime.fromisoformat(earliest).timestamp() * 1000) - 1)
        for outside in (too_early, "2026-04-01T12:05:00.001Z", "2026-07-01T00:00:00Z"):
            status, answer = amend(id_, caller, outside)
            assert (status, answer["error"]) == (400, "Invalid changes")
            [detail] = answer["details"]
            assert detail["field"] == "changes.occurredAt"
            assert f"from {earliest} to 2026-04-01T12:05:00.000Z" in detail["message"]


# ── Keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_retry_is_a_replay_that_shows_how_the_outcome_stands_now() -> None:
    id_ = given()
    first = correct(id_, KEY, BODIES["amend"], key="k")
    correct(id_, OWNER, BODIES["dispute"])
    again = correct(id_, KEY, BODIES["amend"], key="k")
    assert again[0] == 200
    assert again[1]["id"] == first[1]["id"]
    assert "Idempotent-Replayed" not in first[2]
    assert again[2]["Idempotent-Replayed"] == "true"
    assert (again[1]["status"], again[1]["version"]) == ("disputed", 2)


def test_a_replay_of_what_is_not_possible_any_more_is_a_replay() -> None:
    id_ = given()
    first = correct(id_, KEY, BODIES["void"], key="k")
    assert correct(id_, KEY, BODIES["void"])[0] == 409
    assert correct(id_, KEY, BODIES["void"], key="k")[:2] == first[:2]


@pytest.mark.parametrize(
    ("other", "fields"),
    [
        ({"type": "void"}, ["changes.title", "type"]),
        ({"reason": "Another"}, ["reason"]),
        ({"changes": {"title": "x"}}, ["changes.title"]),
        ({"changes": {"title": "Closed the deal", "description": None}}, ["changes.description"]),
        ({"changes": {"valueUsd": 1}}, ["changes.title", "changes.valueUsd"]),
    ],
)
def test_a_key_stands_for_one_correction(other: dict[str, Any], fields: list[str]) -> None:
    id_ = given()
    correct(id_, KEY, BODIES["amend"], key="k")
    status, answer, _ = correct(id_, KEY, BODIES["amend"] | other, key="k")
    assert (status, answer["error"], [each["field"] for each in answer["details"]]) == (
        422,
        "Idempotency key reused",
        fields,
    )


def test_equal_values_are_one_correction_however_they_are_written() -> None:
    id_ = given()
    for changes in (
        '{"valueUsd":1,"metadata":{"a":1,"b":2},"occurredAt":"2026-03-01T00:00:00Z","description":null}',
        '{"description":"","occurredAt":"2026-03-01T01:00:00.0001+01:00","metadata":{"b":2.0,"a":1},"valueUsd":1.00}',
    ):
        body = f'{{"type":"amend","reason":"x","userId":42,"changes":{changes}}}'
        assert correct(id_, KEY, body, key="k")[0] == 200
    assert ledger()[0]["version"] == 1


def test_keys_are_an_outcome_s_own_and_not_those_of_recording() -> None:
    body = PLAIN | {"userId": 42}
    record_outcome.handler(proxy_event("POST", authorizer=KEY, body=body, headers={"Idempotency-Key": "k"}), None)
    first = ledger()[0]["id"]
    for id_ in (first, given()):
        assert "Idempotent-Replayed" not in correct(id_, KEY, BODIES["amend"], key="k")[2]
    assert [outcome["version"] for outcome in ledger()] == [1, 1]


def test_a_key_is_known_to_its_kind_of_caller_only_and_of_agent_keys_to_each() -> None:
    """An agent that was talked into it could else take a key first, and turn the platform's void into a 422."""
    another = AGENT | {"keyId": "another0another0"}
    id_ = given()
    for number, caller in enumerate((AGENT, another, KEY)):
        body = BODIES["amend"] | {"changes": {"title": f"Title {number}"}}
        first, again = (correct(id_, caller, body, key="deal-4711") for _ in range(2))
        assert (first[0], "Idempotent-Replayed" in first[2]) == (200, False)
        assert (again[1]["id"], again[2]["Idempotent-Replayed"]) == (first[1]["id"], "true")
    assert correct(id_, OWNER, BODIES["dispute"], key="deal-4711")[0] == 200
    assert [each["type"] for each in get(id_)[1]["corrections"]] == ["amend", "amend", "amend", "dispute"]
    assert correct(id_, KEY, BODIES["void"], key="deal-4711")[0] == 422


def test_a_key_does_not_open_what_its_caller_may_not_correct() -> None:
    id_ = given()
    correct(id_, KEY, BODIES["amend"], key="k")
    assert correct(id_, agent("record"), BODIES["amend"], key="k")[0] == 403
    assert correct(id_, session(7), BODIES["amend"], key="k")[0] == 404


@pytest.mark.parametrize("key", ["", "with space", "x" * 256, "é"])
def test_a_malformed_key_is_refused(key: str) -> None:
    assert correct(given(), KEY, BODIES["void"], key=key)[:2] == (400, {"error": "Invalid Idempotency-Key"})


def test_a_key_is_forgotten_after_35_days(monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = given()
    now = instants.now()
    correct(id_, OWNER, BODIES["dispute"], key="k")
    correct(id_, KEY, BODIES["uphold"])
    for days, status in ((34.9, "recorded"), (35.1, "disputed")):
        later = now + round(days * 24 * 60 * 60 * 1000)
        monkeypatch.setattr(instants, "now", partial(int, later))
        assert correct(id_, OWNER, BODIES["dispute"], key="k")[1]["outcome"]["status"] == status


def test_without_a_key_a_correction_is_made_each_time() -> None:
    id_ = given()
    changes = ['{"title":"A"}', '{"title":"B"}', '{"title":"A"}']
    assert len({amend(id_, KEY, each)[1]["id"] for each in changes}) == 3
    assert ledger()[0]["version"] == 3


# ── One after the other, or not at all ───────────────────────────────────────────────────────────────────────────────

CONFLICT = cancelled("TransactionConflict", "None")


def meanwhile(*corrections: Callable[[], Any]) -> Fault:
    """Let somebody else be faster."""
    left = list(corrections)

    def fault(_request: Any, send: Any) -> Any:
        if left:
            left.pop(0)()
        return send()

    return fault


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up soon."""
    monkeypatch.setattr("outcomes.aws.backoff.RETRY_SECONDS", 0.3)


@pytest.mark.usefixtures("no_waiting")
class TestRaces:
    def test_two_at_once_end_as_one_after_the_other(self) -> None:
        id_ = given()
        with faulty(
            correct_outcome.corrections.store.dynamodb,
            "TransactWriteItems",
            meanwhile(lambda: correct(id_, OWNER, BODIES["dispute"])),
        ):
            status, answer, _ = correct(id_, KEY, BODIES["amend"])
        assert status == 200
        assert (answer["status"], answer["version"]) == ("recorded", 2)
        assert [each["type"] for each in get(id_)[1]["corrections"]] == ["dispute", "amend"]

    def test_or_as_one_that_is_not_possible_any_more(self) -> None:
        id_ = given()
        with faulty(
            correct_outcome.corrections.store.dynamodb,
            "TransactWriteItems",
            meanwhile(lambda: correct(id_, KEY, BODIES["void"])),
        ):
            assert correct(id_, OWNER, BODIES["confirm"])[:2] == (
                409,
                {
                    "error": "Not possible",
                    "details": [{"field": "type", "message": "cannot confirm an outcome that is void"}],
                },
            )
        assert [each["type"] for each in get(id_)[1]["corrections"]] == ["void"]

    @pytest.mark.parametrize("type_", ["amend", "void"])
    def test_the_same_key_at_once_corrects_once(self, type_: str) -> None:
        id_ = given()
        first: list[Any] = []
        with faulty(
            correct_outcome.corrections.store.dynamodb,
            "TransactWriteItems",
            meanwhile(lambda: first.append(correct(id_, KEY, BODIES[type_], key="k"))),
        ):
            status, answer, headers = correct(id_, KEY, BODIES[type_], key="k")
        assert (status, headers["Idempotent-Replayed"]) == (200, "true")
        assert answer == first[0][1]
        assert ledger()[0]["version"] == 1

    def test_the_same_key_between_two_reads_corrects_once(self) -> None:
        """The outcome is read before, its key after the other correction is stored."""
        id_ = given()
        reads: list[str] = []

        def between(request: Any, send: Any) -> Any:
            if "IdempotencyTable" in request.body["RequestItems"] and not reads:
                reads.append("the key")
                correct(id_, KEY, BODIES["void"], key="k")
            return send()

        with faulty(correct_outcome.corrections.store.dynamodb, "BatchGetItem", between):
            status, answer, headers = correct(id_, KEY, BODIES["void"], key="k")
        assert (status, headers["Idempotent-Replayed"], answer["status"]) == (200, "true", "void")

    def test_a_passing_conflict_is_waited_for(self) -> None:
        id_ = given()
        with faulty(correct_outcome.corrections.store.dynamodb, "TransactWriteItems", CONFLICT, CONFLICT, fine):
            assert correct(id_, KEY, BODIES["amend"])[0] == 200
        assert ledger()[0]["version"] == 1

    @pytest.mark.usefixtures("impatient")
    def test_a_race_that_is_lost_for_too_long_is_a_conflict(self) -> None:
        id_ = given()
        with faulty(correct_outcome.corrections.store.dynamodb, "TransactWriteItems", CONFLICT):
            status, answer, headers = correct(id_, KEY, BODIES["amend"], key="k")
        assert (status, answer, headers["Retry-After"]) == (409, {"error": "Conflict"}, "1")
        assert ledger()[0]["version"] == 0
        assert "Idempotent-Replayed" not in correct(id_, KEY, BODIES["amend"], key="k")[2]

    @pytest.mark.parametrize(
        ("faults", "status"), [([CONFLICT, fine], 409), ([meanwhile(), fine], 200)], ids=["lost", "won"]
    )
    def test_a_race_for_which_no_time_is_left_is_a_conflict(
        self, faults: list[Fault], status: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def wait_too_long(deadline: Any) -> bool:
            deadline.at = -1.0
            return True

        monkeypatch.setattr("outcomes.aws.backoff.Backoff.wait", wait_too_long)
        with faulty(correct_outcome.corrections.store.dynamodb, "TransactWriteItems", *faults):
            assert correct(given(), KEY, BODIES["amend"])[0] == status

    def test_without_any_time_nothing_is_tried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("outcomes.aws.backoff.RETRY_SECONDS", -1.0)
        assert correct(given(), KEY, BODIES["amend"])[:2] == (500, {"error": "Failed to correct outcome"})

    @pytest.mark.parametrize("key", [None, "k"])
    def test_an_answer_that_got_lost_is_no_second_correction(self, key: str | None) -> None:
        id_ = given()
        with faulty(correct_outcome.corrections.store.dynamodb, "TransactWriteItems", lost, lost, fine) as sent:
            status, answer, headers = correct(id_, KEY, BODIES["amend"], key=key)
        assert (status, len(sent)) == (200, 3)
        assert "Idempotent-Replayed" not in headers
        assert answer["version"] == ledger()[0]["version"] == 1

    def test_an_amend_whose_answer_got_lost_is_not_said_to_change_nothing(self) -> None:
        id_ = given()
        with faulty(correct_outcome.corrections.store.dynamodb, "TransactWriteItems", lost, CONFLICT):
            assert correct(id_, KEY, BODIES["amend"])[0] == 200
        assert ledger()[0]["version"] == 1

    @pytest.mark.parametrize("faults", [[lost, fine], [lost, CONFLICT, fine], [CONFLICT, fine]])
    def test_an_amend_that_changes_nothing_is_remembered_once_whatever_fails(self, faults: list[Fault]) -> None:
        id_, same = given(), '{"title":"Closed a deal"}'
        with faulty(correct_outcome.corrections.store.dynamodb, "TransactWriteItems", *faults):
            status, first, headers = amend(id_, AGENT, same, key="k")
        assert (status, "Idempotent-Replayed" in headers) == (200, False)
        assert amend(id_, AGENT, same, key="k")[1] == first

    def test_an_amend_that_changes_nothing_any_more_once_it_is_its_turn_is_judged_anew(self) -> None:
        id_, same = given(), '{"title":"Closed a deal"}'
        with faulty(
            correct_outcome.corrections.store.dynamodb,
            "TransactWriteItems",
            meanwhile(lambda: amend(id_, KEY, '{"title":"Another"}')),
        ):
            status, answer, _ = amend(id_, AGENT, same, key="k")
        assert (status, answer["version"], ledger()[0]["title"]) == (200, 2, "Closed a deal")

    @pytest.mark.usefixtures("impatient")
    @pytest.mark.parametrize(
        "after",
        [[CONFLICT], [CONFLICT, error(THROTTLED)], [CONFLICT, cancelled("ThrottlingError", "None")]],
        ids=["contended", "throttled", "canceled for throttling"],
    )
    def test_what_may_still_be_stored_is_never_said_not_to_be(self, after: list[Fault]) -> None:
        """Lose a request on its way, to where it takes effect after the caller was answered."""
        id_ = given()
        late: list[Any] = []

        def delayed(_request: Any, send: Any) -> Any:
            late.append(send)
            raise TimeoutError

        with faulty(correct_outcome.corrections.store.dynamodb, "TransactWriteItems", delayed, *after):
            assert correct(id_, KEY, BODIES["void"])[:2] == (500, {"error": "Failed to correct outcome"})
        late[0]()
        assert ledger()[0]["status"] == "void"

    def test_a_read_that_is_throttled_does_not_say_what_became_of_a_lost_answer(self) -> None:
        id_ = given()
        attempts: list[Any] = []

        def fault(request: Any, send: Any) -> Any:
            if request.operation == "BatchGetItem":
                return error(THROTTLED)(request, send) if attempts else send()
            attempts.append(request)
            return (lost if len(attempts) == 1 else CONFLICT)(request, send)

        with faulty(correct_outcome.corrections.store.dynamodb, {"BatchGetItem", "TransactWriteItems"}, fault):
            assert correct(id_, KEY, BODIES["void"])[:2] == (500, {"error": "Failed to correct outcome"})
        assert ledger()[0]["status"] == "void"

    def test_a_read_that_shows_it_there_is_its_answer(self) -> None:
        id_ = given()
        with faulty(correct_outcome.corrections.store.dynamodb, "TransactWriteItems", lost, CONFLICT):
            status, _, headers = correct(id_, KEY, BODIES["void"], key="k")
        assert (status, "Idempotent-Replayed" in headers) == (200, False)

    @pytest.mark.usefixtures("impatient")
    @pytest.mark.parametrize(
        ("other", "last", "expected"),
        [
            ("dispute", CONFLICT, (409, "Conflict")),
            ("dispute", error(THROTTLED), (503, "Busy")),
            ("void", fine, (409, "Not possible")),
        ],
        ids=["contended", "throttled", "not possible"],
    )
    def test_what_cannot_take_effect_any_more_has_its_true_answer(
        self, other: str, last: Fault, expected: tuple[int, str]
    ) -> None:
        """Let another correction move the version past the one that a lost attempt expects."""
        id_ = given()
        late: list[Any] = []
        made: list[int] = []

        def delayed_and_overtaken(request: Any, send: Any) -> Any:
            if not late:
                late.append(send)
                raise TimeoutError
            if len(late) == 1:
                late.append(send)
                made.append(correct(id_, KEY if other == "void" else OWNER, BODIES[other])[0])
                return send()
            return (last if made else fine)(request, send)

        with faulty(correct_outcome.corrections.store.dynamodb, "TransactWriteItems", delayed_and_overtaken):
            status, answer, _ = correct(id_, KEY, BODIES["amend"])
        assert (made, status, answer["error"]) == ([200], *expected)
        late[0]()
        assert [each["type"] for each in get(id_)[1]["corrections"]] == [other]

    def test_what_was_erased_meanwhile_is_not_found(self) -> None:
        id_ = given()

        def erased(_request: Any, _send: Any) -> Any:
            [item] = stored()
            key = {name: item[name] for name in ("user_id", "created_at")}
            list_outcomes.store.dynamodb.call("DeleteItem", {"TableName": "OutcomesTable", "Key": key})
            return CONFLICT(_request, _send)

        with faulty(correct_outcome.corrections.store.dynamodb, "TransactWriteItems", vanished, erased):
            assert correct(id_, KEY, BODIES["void"])[:2] == (404, {"error": "Not found"})

    @pytest.mark.parametrize(
        "trouble", [error(THROTTLED), error(DENIED), error("InternalServerError", status=500), unreachable, lost]
    )
    @pytest.mark.parametrize("operation", ["BatchGetItem", "TransactWriteItems"])
    def test_trouble_stores_all_or_nothing_and_the_retry_is_right(self, trouble: Fault, operation: str) -> None:
        id_ = given()
        with faulty(correct_outcome.corrections.store.dynamodb, operation, trouble):
            status, answer, _ = correct(id_, KEY, BODIES["void"], key="k")
        assert (status, answer["error"]) in {(500, "Failed to correct outcome"), (503, "Busy")}
        made = 1 if trouble is lost and operation == "TransactWriteItems" else 0
        assert [outcome["version"] for outcome in ledger()] == [made]
        assert len(stored()) == 1 + made
        status, answer, headers = correct(id_, KEY, BODIES["void"], key="k")
        assert (status, headers.get("Idempotent-Replayed")) == (200, "true" if made else None)
        assert len(stored()) == 2

    @pytest.mark.parametrize(
        "strange",
        [
            cancelled(None),
            cancelled("None", "None", "None"),
            cancelled("ValidationError", "None", "None"),
            cancelled("ConditionalCheckFailed", "AccessDenied", "None"),
            cancelled("ThrottlingError", "ValidationError", "None"),
            error("TransactionCanceledException", CancellationReasons="x"),
            error("TransactionCanceledException", CancellationReasons=[None, 5]),
        ],
    )
    def test_a_cancellation_that_is_no_race_is_a_failure(self, strange: Fault) -> None:
        with faulty(correct_outcome.corrections.store.dynamodb, "TransactWriteItems", strange) as sent:
            assert correct(given(), KEY, BODIES["void"])[:2] == (500, {"error": "Failed to correct outcome"})
        assert len(sent) == 1

    @pytest.mark.parametrize("codes", [["ThrottlingError", "None"], ["TransactionConflict", "ThrottlingError"]])
    def test_a_partition_that_is_too_hot_is_busy(self, codes: list[str]) -> None:
        id_ = given()
        with faulty(correct_outcome.corrections.store.dynamodb, "TransactWriteItems", cancelled(*codes)):
            assert correct(id_, KEY, BODIES["void"])[:2] == (503, {"error": "Busy"})
        with faulty(correct_outcome.corrections.store.dynamodb, "TransactWriteItems", lost, cancelled(*codes)):
            assert correct(id_, KEY, BODIES["void"])[:2] == (500, {"error": "Failed to correct outcome"})
        assert ledger()[0]["status"] == "void"

    def test_what_dynamodb_leaves_for_another_call_is_read_then(self) -> None:
        id_ = given()
        for title in "AB":
            amend(id_, KEY, f'{{"title":"{title}"}}')

        def unprocessed(request: Any, send: Any) -> Any:
            [(table, wanted)] = request.body["RequestItems"].items()
            all_ = json.loads(send().body)["Responses"][table]
            left = {table: wanted | {"Keys": wanted["Keys"][1:]}}
            return answered(200, {"Responses": {table: all_[:1]}, "UnprocessedKeys": left})

        with faulty(get_outcome.store.dynamodb, "BatchGetItem", fine, unprocessed, fine) as sent:
            status, answer = get(id_)
        assert (status, len(answer["corrections"]), len(sent)) == (200, 2, 3)

    def test_what_dynamodb_reads_nothing_of_is_busy(self) -> None:
        def unprocessed(request: Any, _send: Any) -> Any:
            return answered(200, {"Responses": {}, "UnprocessedKeys": request.body["RequestItems"]})

        id_ = given()
        with faulty(get_outcome.store.dynamodb, "BatchGetItem", unprocessed):
            assert get(id_) == (503, {"error": "Busy"})


def test_the_way_to_dynamodb_is_short() -> None:
    ways: dict[str, list[str]] = {}

    def note(request: Any, send: Any) -> Any:
        frames = [frame.name for frame in traceback.extract_stack() if "/layers/common/" in frame.filename]
        ways[f"{request.operation} {len(ways)}"] = [
            name for name in frames if name not in {"handler", "call", "_attempt"}
        ]
        return send()

    id_ = given()
    with faulty(correct_outcome.corrections.store.dynamodb, {"BatchGetItem", "TransactWriteItems"}, note):
        correct(id_, KEY, BODIES["amend"], key="k")
    with faulty(get_outcome.store.dynamodb, "BatchGetItem", note):
        get(id_)
    assert ways == {
        "BatchGetItem 0": ["correct", "_correct_now", "read_outcome", "read_items"],
        "BatchGetItem 1": ["correct", "_correct_now", "_remembered", "read_items"],
        "TransactWriteItems 2": ["correct", "_correct_now"],
        "BatchGetItem 3": ["read_history", "read_outcome", "read_items"],
        "BatchGetItem 4": ["read_history", "read_entries", "read_items"],
    }


def test_an_entry_is_newer_than_what_it_corrects(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold that, whichever host's clock is slow."""
    id_ = given()
    correct(id_, KEY, BODIES["amend"])
    now = instants.now()
    monkeypatch.setattr("outcomes.contract.instants.now", lambda: now - 300_000)
    correct(id_, KEY, BODIES["void"])
    outcome, corrections = get(id_)[1].values()
    assert outcome["created_at"] < corrections[0]["created_at"] < corrections[1]["created_at"]


# ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_outcome_comes_with_its_corrections_oldest_first() -> None:
    id_ = given("session")
    assert get(id_) == (200, {"outcome": ledger()[0], "corrections": []})
    ids = [
        correct(id_, OWNER, BODIES["amend"])[1]["id"],
        correct(id_, OWNER, BODIES["dispute"])[1]["id"],
        correct(id_, KEY, BODIES["uphold"])[1]["id"],
        correct(id_, KEY, BODIES["void"])[1]["id"],
    ]
    status, answer = get(id_)
    assert (status, answer["outcome"]) == (200, ledger()[0])
    for each in answer["corrections"]:
        assert datetime.fromisoformat(each.pop("created_at"))
    assert answer["corrections"] == [
        {
            "id": ids[0],
            "type": "amend",
            "reason": "A typo",
            "by": "session",
            "changes": {"title": {"before": "Closed a deal", "after": "Closed the deal"}},
        },
        {"id": ids[1], "type": "dispute", "reason": "Not mine", "by": "session"},
        {"id": ids[2], "type": "uphold", "reason": "It is in the books", "by": "key"},
        {"id": ids[3], "type": "void", "reason": "Never happened", "by": "key"},
    ]


def test_one_outcome_is_only_its_user_s() -> None:
    id_ = given()
    assert get(id_)[0] == 200
    assert get(id_, user_id=7) == (404, {"error": "Not found"})
    assert get(given(user_id=None)) == (404, {"error": "Not found"})


def test_a_correction_is_no_outcome() -> None:
    id_ = given()
    made = correct(id_, KEY, BODIES["amend"])[1]["id"]
    assert get(made)[0] == 404
    assert correct(made, KEY, BODIES["void"])[0] == 404
    assert len(ledger()) == len(listed()) == 1


def test_trouble_with_the_table_is_an_honest_500() -> None:
    with faulty(get_outcome.store.dynamodb, "BatchGetItem", error(DENIED)):
        assert get(given()) == (500, {"error": "Failed to get outcome"})


def test_a_list_leaves_out_what_is_void_unless_asked() -> None:
    ids = {status: given(status=status) for status in STATUSES}
    assert {outcome["id"] for outcome in listed()} == {ids[status] for status in STATUSES[:3]}
    assert {outcome["id"]: outcome["status"] for outcome in ledger()} == {ids[status]: status for status in STATUSES}
    for status in STATUSES:
        for query in ({}, {"include": "ledger"}):
            assert [outcome["id"] for outcome in listed(status=status, **query)] == [ids[status]]
    assert len(listed(status=["recorded", "void", "void"])) == 2
    assert len(listed(status=["confirmed", "disputed"], outcomeType="deal_closed")) == 2
    assert listed(status="confirmed", outcomeType="task_complete") == []


@pytest.mark.parametrize("status", ["", "voided", "Recorded", ["void", "x"]])
def test_another_status_is_refused(status: Any) -> None:
    response = list_outcomes.handler(proxy_event("GET", authorizer=OWNER, query={"status": status}), None)
    assert (response["statusCode"], response["body"]) == (400, '{"error":"Invalid status"}')


def test_pages_are_filled_past_what_is_void() -> None:
    ids = [given(status="void" if number % 3 else "recorded") for number in range(30)]
    query: dict[str, Any] = {"limit": "4"}
    found: list[str] = []
    while query.get("cursor", "") is not None:
        with faulty(list_outcomes.store.dynamodb, "Query", fine) as calls:
            response = list_outcomes.handler(proxy_event("GET", authorizer=OWNER, query=query), None)
        assert len(calls) <= 5
        answer = read(response["body"])
        found += [outcome["id"] for outcome in answer["outcomes"]]
        assert len(answer["outcomes"]) == 4 or answer["next_cursor"] is None
        query["cursor"] = answer["next_cursor"]
    assert found == sorted(ids[::3], reverse=True)


def test_a_page_with_few_void_ones_takes_one_short_read_more() -> None:
    for number in range(30):
        given(status="void" if number == 25 else "recorded")
    with faulty(list_outcomes.store.dynamodb, "Query", fine) as calls:
        assert len(listed(limit="20")) == 20
    assert len(calls) == 2


LARGE = {"a": "x" * (65536 - len('{"a":""}'))}
OTHER = {"a": "y" * (65536 - len('{"a":""}'))}


def test_fifty_outcomes_of_maximal_metadata_amended_come_in_one_page() -> None:
    for _ in range(50):
        id_ = given(metadata=LARGE, title="\U0001f389" * 200, description="\U0001f389" * 1000)
        changes = {"metadata": OTHER, "title": "\U0001f38a" * 200, "description": "\U0001f38a" * 1000}
        assert correct(id_, KEY, BODIES["amend"] | {"changes": changes})[0] == 200
    with faulty(list_outcomes.store.dynamodb, "Query", fine) as calls:
        outcomes = listed(limit="50", include="ledger")
    assert len(outcomes) == 50
    assert all(outcome["metadata"] == OTHER for outcome in outcomes)
    assert len(calls) <= 5


def test_a_history_that_would_not_fit_into_a_response_says_what_it_leaves_out() -> None:
    # Escaped once more in Lambda's response: twice as large.
    large = [{"a": f"{number:02}" + "\\" * 32_000} for number in range(51)]
    id_ = given(metadata=large[0])
    for metadata in large[1:]:
        assert correct(id_, KEY, BODIES["amend"] | {"changes": {"metadata": metadata, "title": "t"}})[0] == 200
    response = get_outcome.handler(get_event(id_), None)
    assert len(json.dumps(response, ensure_ascii=False).encode()) < 6 * 1024 * 1024
    changes = [each["changes"]["metadata"] for each in json.loads(response["body"])["corrections"]]
    left_out = changes.count({"omitted": True})
    assert 0 < left_out < 50
    assert changes[:left_out] == [{"omitted": True}] * left_out
    assert changes[-1] == {"before": large[49], "after": large[50]}


def test_a_summary_counts_what_stands_and_says_what_does_not() -> None:
    given(valueUsd=Decimal(1))
    for type_, by, value in (("confirm", OWNER, 2), ("dispute", OWNER, 4), ("void", KEY, 8)):
        correct(given(valueUsd=Decimal(value)), by, BODIES[type_])
    answer = summary()
    assert {name: answer[name] for name in ("count", "value_usd", "confirmed", "disputed", "voided")} == {
        "count": 2,
        "value_usd": 3,
        "confirmed": {"count": 1, "value_usd": 2},
        "disputed": {"count": 1, "value_usd": 4},
        "voided": {"count": 1, "value_usd": 8},
    }
    for group in ("by_type", "by_agent", "by_day"):
        assert sum(entry["value_usd"] for entry in answer[group]) == 3


def test_a_type_of_which_nothing_stands_is_not_listed() -> None:
    correct(given(), KEY, BODIES["void"])
    answer = summary()
    assert (answer["by_type"], answer["by_agent"], answer["voided"]["count"]) == ([], [], 1)


def test_an_entry_says_how_it_changes_what_counts() -> None:
    id_ = given(agentId=Decimal(7), occurredAt="2026-03-01T00:00:00Z")
    correct(id_, OWNER, BODIES["confirm"])
    correct(id_, KEY, BODIES["amend"] | {"changes": {"valueUsd": 4, "occurredAt": "2026-03-02T00:00:00Z"}})
    correct(id_, KEY, BODIES["amend"])
    entries = [item for item in stored() if item["created_at"]["S"].startswith("~")]
    effects = [
        [
            " ".join(each["M"][name][kind] for name, kind in (("tally", "S"), ("sign", "N"), ("value_usd", "N")))
            + each["M"]["occurred_at"]["S"][7:10]
            for each in entry["effects"]["L"]
        ]
        for entry in sorted(entries, key=lambda entry: entry["version"]["N"])
    ]
    assert effects == [
        ["confirmed 1 10-01"],
        ["standing -1 -10-01", "confirmed -1 -10-01", "standing 1 4-02"],
        [],
    ]
    assert all(each["M"]["agent_id"] == {"N": "7"} for entry in entries for each in entry["effects"]["L"])
