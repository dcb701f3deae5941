"""Test corrections: permissions, status changes, validation, idempotency, races, and the history."""

import json
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from outcomes.calendar import instants
from outcomes.edge.api import endpoint
from outcomes.ledger import ulid
from outcomes.ledger.correction_entries import entry_key
from outcomes.limits import MAX_CORRECTIONS, MAX_HISTORY

from functions.correct_outcome import app as correct_outcome
from functions.get_outcome import app as get_outcome
from functions.list_outcomes import app as list_outcomes
from smoke.model import ALLOWED, ENDED_KEY, MOVES, RECORDERS, TALLIES
from tests.aws import aws_client
from tests.corrections import (
    AGENT,
    BODIES,
    CALLERS,
    OWNER,
    correct,
    correct_many,
    get,
    get_event,
    given,
    ledger,
    listed,
    meanwhile,
    read,
    stored,
    summary,
    writes_meet,
)
from tests.events import KEY, agent, proxy_event
from tests.faults import DENIED, THROTTLED, Fault, answered, cancelled, error, faulty, fine, lost, unreachable, vanished

pytestmark = pytest.mark.usefixtures("tables")

reads_of_corrections_meet = partial(faulty, correct_outcome.corrections.store.dynamodb, "BatchGetItem")
reads_meet = partial(faulty, get_outcome.store.dynamodb, "BatchGetItem")


def end_key(key_id: str = ENDED_KEY.removeprefix("key:"), how: str = "revoked", user_id: int = 42) -> None:
    """Write the row of an agent key that is paused, revoked or live."""
    id_ = f"revoked#{key_id}" if how == "revoked" else key_id
    row: Any = {"id": {"S": id_}, "user_id": {"N": str(user_id)}}
    row |= {} if how == "live" else {f"{how}_at": {"S": "2026-04-01T12:00:00.000Z"}}
    aws_client("dynamodb").put_item(TableName="KeysTable", Item=row)


@pytest.fixture
def ended_key(tables: dict[str, str]) -> None:  # noqa: ARG001 (they must exist)
    end_key()


# ── Permissions ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("type_", ALLOWED)
@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.usefixtures("ended_key")
def test_callers_correct_what_the_table_allows_by_who_recorded_it(type_: str, caller: str) -> None:
    for recorded_by in RECORDERS:
        id_ = given(recorded_by, "disputed" if type_ == "uphold" else "recorded", agentId=Decimal(7))
        is_allowed = recorded_by in ALLOWED[type_].get(caller, [])
        status, answer, _ = correct(id_, CALLERS[caller], BODIES[type_])
        assert (status, get(id_)[1]["outcome"]["version"]) == ((200, 1) if is_allowed else (403, 0)), recorded_by
        details = [{"field": "scopes", "message": "this needs the scope correct"}]
        lacks_scope = caller == "an agent without the scope" and type_ in ("amend", "void")
        assert is_allowed or answer == {"error": "Forbidden"} | ({"details": details} if lacks_scope else {})


VOIDS = BODIES["void"]


@pytest.mark.parametrize(
    ("how", "user_id", "status", "answer"),
    [
        *[(how, 42, status, 200) for how in ("paused", "revoked") for status in ("recorded", "disputed")],
        *[(how, 42, "confirmed", 403) for how in ("paused", "revoked")],
        *[(how, 42, "void", 409) for how in ("paused", "revoked")],
        *[(how, 43, "recorded", 403) for how in ("paused", "revoked")],
        *[("live", 42, status, 403) for status in ("recorded", "disputed", "confirmed", "void")],
    ],
)
def test_the_owner_voids_what_a_paused_or_revoked_key_recorded_and_nobody_confirmed(
    how: str, user_id: int, status: str, answer: int
) -> None:
    end_key("a" * 16, how, user_id)
    id_ = given(f"key:{'a' * 16}", status)
    assert correct(id_, OWNER, VOIDS)[0] == answer
    assert get(id_)[1]["outcome"]["status"] == ("void" if answer == 200 else status)
    assert correct(given(f"key:{'a' * 16}"), OWNER, BODIES["amend"])[0] == 403


def test_a_resume_between_read_and_write_makes_it_forbidden_single_and_in_bulk() -> None:
    for count in (1, 3):
        end_key("a" * 16, "paused")
        ids = [given(f"key:{'a' * 16}") for _ in range(count)]
        with writes_meet(meanwhile(lambda: end_key("a" * 16, "live"))) as calls:
            results = correct_many(OWNER, *({"id": id_} | VOIDS for id_ in ids))["results"]
        assert [each["status"] for each in results] == ["forbidden"] * count
        assert len(calls) == 1
        assert {get(id_)[1]["outcome"]["version"] for id_ in ids} == {0}


def test_a_revocation_between_read_and_write_of_a_paused_key_s_outcome_changes_nothing() -> None:
    end_key("a" * 16, "paused")
    id_ = given(f"key:{'a' * 16}")

    def revoke() -> None:
        aws_client("dynamodb").delete_item(TableName="KeysTable", Key={"id": {"S": "a" * 16}})
        end_key("a" * 16, "revoked")

    with writes_meet(meanwhile(revoke)) as calls:
        assert correct(id_, OWNER, VOIDS)[0] == 200
    assert len(calls) == 2


def test_a_throttled_row_of_a_key_is_busy() -> None:
    end_key("a" * 16, "paused")
    with writes_meet(cancelled("None", "None", "ThrottlingError")):
        assert correct(given(f"key:{'a' * 16}"), OWNER, VOIDS)[:2] == (503, {"error": "Busy"})


def test_a_void_is_replayed_after_the_key_was_resumed() -> None:
    end_key("a" * 16, "paused")
    id_ = given(f"key:{'a' * 16}")
    assert correct(id_, OWNER, VOIDS, key="v")[0] == 200
    end_key("a" * 16, "live")
    status, _, headers = correct(id_, OWNER, VOIDS, key="v")
    assert (status, headers.get("Idempotent-Replayed")) == (200, "true")
    assert correct(id_, OWNER, VOIDS, key="w")[0] == 403


def test_a_hundred_outcomes_of_ended_and_other_keys_are_voided_or_forbidden_each_by_its_own_key() -> None:
    """Many corrections of a transaction depend on the same row, which it may name only once."""
    end_key("a" * 16, "paused")
    end_key("b" * 16, "revoked")
    end_key("c" * 16, "live")
    recorders = [f"key:{letter * 16}" for letter in "abcd"] * 25
    ids = [given(recorder) for recorder in recorders]
    results = correct_many(OWNER, *({"id": id_} | VOIDS for id_ in ids), key="all")["results"]
    assert [each["status"] for each in results] == ["corrected", "corrected", "forbidden", "forbidden"] * 25


def test_where_agent_keys_are_off_no_key_is_looked_up(
    monkeypatch: pytest.MonkeyPatch,
    ended_key: None,  # noqa: ARG001 (its row must exist)
) -> None:
    monkeypatch.setattr(correct_outcome.corrections, "keys_table", "")
    assert correct(given(ENDED_KEY), OWNER, VOIDS)[0] == 403


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
def test_an_agent_key_s_bounds_apply_to_the_changed_values(
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
def test_an_agent_key_corrects_no_outcome_beyond_its_bounds(
    type_: str, bounds: dict[str, str], field: str, message: str
) -> None:
    id_ = given(agentId=Decimal(7))
    within = {"changes": {"valueUsd": 5, "outcomeType": "task_complete", "agentId": 8}}
    body = BODIES[type_] | (within if type_ == "amend" else {})
    # For an agent without the scope to read, the answer names neither the field nor the key's limit.
    assert correct(id_, agent("correct", **bounds), body)[:2] == (403, {"error": "Forbidden"})
    status, answer, _ = correct(id_, agent("correct read", **bounds), body)
    assert (status, answer["details"]) == (403, [{"field": field, "message": message}])
    assert ledger()[0]["version"] == 0


READS = {"the owner": OWNER, "an agent's key that reads": agent("correct read")}


@pytest.mark.parametrize("caller", READS)
def test_callers_that_may_read_get_the_corrected_outcome(caller: str) -> None:
    id_ = given("session" if caller == "the owner" else "key")
    status, answer, _ = correct(id_, READS[caller], BODIES["amend"], key="k")
    [entry] = get(id_)[1]["corrections"]
    assert (status, answer) == (200, {"ok": True, "id": entry["id"], "outcome": ledger()[0]})
    assert correct(id_, READS[caller], BODIES["amend"], key="k")[1] == answer


@pytest.mark.parametrize("caller", [KEY, AGENT], ids=["the platform", "an agent's key"])
def test_callers_that_may_not_read_get_status_and_version_only(caller: dict[str, Any]) -> None:
    id_ = given()
    status, answer, _ = correct(id_, caller, BODIES["amend"], key="k")
    [entry] = get(id_)[1]["corrections"]
    assert (status, answer) == (200, {"ok": True, "id": entry["id"], "status": "recorded", "version": 1})
    assert list(answer) == ["ok", "id", "status", "version"]
    correct(id_, OWNER, BODIES["dispute"])
    again = correct(id_, caller, BODIES["amend"], key="k")[1]
    assert again == {"ok": True, "id": entry["id"], "status": "disputed", "version": 2}


def test_the_platform_gets_the_outcome_where_it_may_read() -> None:
    id_ = given()
    route = correct_outcome.handler.__wrapped__  # type: ignore[attr-defined]
    handler = endpoint(failure="Failed to correct outcome", origins="", platform_may_read=True)(route)
    body = BODIES["amend"] | {"userId": 42}
    answer = read(handler(proxy_event("POST", authorizer=KEY, body=body, parameters={"id": id_}), None)["body"])
    assert answer["outcome"] == ledger()[0]


def test_an_agent_key_corrects_its_own_user_s_outcomes_only() -> None:
    theirs, ours = given(user_id=7), given()
    assert correct(theirs, AGENT, BODIES["void"])[:2] == (404, {"error": "Not found"})
    assert correct(theirs, AGENT, BODIES["void"] | {"userId": 7})[:2] == (404, {"error": "Not found"})
    status, answer, _ = correct(ours, AGENT, BODIES["void"] | {"userId": 7})
    assert (status, [each["field"] for each in answer["details"]]) == (403, ["userId"])
    assert correct(ours, AGENT, BODIES["void"] | {"userId": 42})[0] == 200


def test_the_platform_must_name_the_outcome_s_user() -> None:
    theirs, nobody_s = given(user_id=7), given(user_id=None)
    for id_, user_id in ((theirs, 42), (theirs, None), (nobody_s, 42)):
        assert correct(id_, KEY, BODIES["void"] | {"userId": user_id})[0] == 404
    assert correct(theirs, KEY, BODIES["void"] | {"userId": 7})[1]["status"] == "void"
    assert correct(nobody_s, KEY, BODIES["void"] | {"userId": None})[1]["status"] == "void"


def test_a_session_ignores_the_body_s_user() -> None:
    theirs, ours = given(user_id=7), given()
    assert correct(theirs, OWNER, BODIES["dispute"] | {"userId": 7})[0] == 404
    assert correct(ours, OWNER, BODIES["dispute"] | {"userId": "x"})[0] == 200


# ── Status changes ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("type_", MOVES)
@pytest.mark.parametrize("origin", TALLIES)
def test_a_correction_changes_the_status_or_is_a_409(type_: str, origin: str) -> None:
    id_ = given(status=origin)
    status, answer, headers = correct(id_, OWNER if type_ in {"confirm", "dispute"} else KEY, BODIES[type_])
    [outcome] = ledger()
    if origin in MOVES[type_]:
        assert (status, answer["ok"]) == (200, True)
        assert (outcome["status"], outcome["version"]) == (MOVES[type_][origin], 1)
    else:
        assert (status, answer) == not_possible(f"cannot {type_} an outcome that is {origin}")
        assert "Retry-After" not in headers
        assert outcome["status"] == origin


OTHER_AGENT = AGENT | {"keyId": "fedcba9876543210"}


def not_possible(message: str) -> tuple[int, Any]:
    return 409, {"error": "Not possible", "details": [{"field": "type", "message": message}]}


@pytest.fixture
def few_corrections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lower the limit of corrections of each kind of caller, because reaching the real limits takes seconds."""
    assert MAX_CORRECTIONS == {"agent": 20, "owner": 50, "platform": 50}
    for caller, number in {"agent": 2, "owner": 4, "platform": 5}.items():
        monkeypatch.setitem(MAX_CORRECTIONS, caller, number)


def beyond(kind: str) -> tuple[int, dict[str, Any]]:
    message = (
        f"the outcome has {MAX_CORRECTIONS[kind]} corrections by callers of your kind ({kind}), which is the limit"
    )
    return not_possible(message)


def retitle(title: object) -> str:
    return f'{{"title":"{title}"}}'


@pytest.mark.usefixtures("few_corrections")
def test_each_kind_of_caller_has_a_limit_of_its_own() -> None:
    id_ = given()
    for number, agent_key in enumerate((AGENT, OTHER_AGENT)):
        assert amend(id_, agent_key, retitle(number), key=f"{number}")[0] == 200
    for number in range(2):
        for body in (BODIES["confirm"], BODIES["dispute"]):
            assert correct(id_, OWNER, body, key=f"{body['type']}-{number}")[0] == 200
    for number in range(2, 7):
        assert amend(id_, KEY, retitle(number), key=f"{number}")[0] == 200
    for caller, kind in (AGENT, "agent"), (OTHER_AGENT, "agent"), (KEY, "platform"):
        status, answer, headers = amend(id_, caller, retitle("x"))
        assert (status, answer, "Retry-After" in headers) == (*beyond(kind), False)
    assert correct(id_, AGENT, BODIES["void"])[:2] == beyond("agent")
    assert correct(id_, OWNER, BODIES["confirm"])[:2] == beyond("owner")
    # A retry of an earlier correction still gets the answer of that correction.
    assert amend(id_, KEY, retitle("4"), key="4")[1]["version"] == 11
    outcome, corrections = get(id_)[1].values()
    assert (outcome["version"], outcome["title"], len(corrections)) == (11, "6", 11)
    titles = [each["changes"]["title"]["after"] for each in corrections if each["type"] == "amend"]
    assert titles == [f"{number}" for number in range(7)]
    # The limit applies neither to disputes nor to the platform's corrections of disputed outcomes.
    assert correct(id_, OWNER, BODIES["dispute"])[0] == 200
    assert correct(id_, KEY, BODIES["uphold"])[0] == 200
    assert correct(id_, KEY, BODIES["void"])[1] | {"id": ""} == {"ok": True, "id": "", "status": "void", "version": 14}


@pytest.mark.usefixtures("few_corrections")
def test_the_owner_amends_up_to_the_limit_and_may_still_dispute() -> None:
    id_ = given("session")
    assert {amend(id_, OWNER, retitle(number))[0] for number in range(4)} == {200}
    assert amend(id_, OWNER, retitle("x"))[:2] == correct(id_, OWNER, BODIES["void"])[:2] == beyond("owner")
    assert correct(id_, OWNER, BODIES["dispute"])[0] == 200


@pytest.mark.usefixtures("few_corrections")
def test_disputes_and_upholds_are_unlimited_but_count_for_other_corrections() -> None:
    id_ = given()
    for _ in range(55):
        assert correct(id_, OWNER, BODIES["dispute"])[0] == 200
        assert correct(id_, KEY, BODIES["uphold"])[0] == 200
    with reads_meet(fine) as calls:
        corrections = get(id_)[1]["corrections"]
    assert [each["type"] for each in corrections] == ["dispute", "uphold"] * 55
    # One call reads the outcome. Two calls read its 110 entries, because a call reads at most 100.
    assert len(calls) == 3
    assert amend(id_, KEY, retitle("x"))[:2] == beyond("platform")
    assert correct(id_, OWNER, BODIES["confirm"])[:2] == beyond("owner")


LONGEST: dict[str, Any] = {"title": '"' * 200, "description": '"' * 1000}


def test_a_history_beyond_the_limit_shows_its_newest_corrections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outcomes.ledger.correction_entries.MAX_HISTORY", 7)
    id_ = given()
    turns = [(KEY, "amend"), (OWNER, "dispute"), *[(KEY, "uphold"), (OWNER, "dispute")] * 5]
    made = [correct(id_, caller, BODIES[type_], key=f"{n}")[1]["id"] for n, (caller, type_) in enumerate(turns)]
    outcome, corrections = get(id_)[1].values()
    assert outcome["version"] == 12
    assert [each["id"] for each in corrections] == made[-7:]
    # The history does not show this correction any more, but a retry still gets its answer.
    assert correct(id_, KEY, BODIES["amend"], key="0")[1] == {
        "ok": True,
        "id": made[0],
        "status": "disputed",
        "version": 12,
    }
    assert correct(id_, KEY, BODIES["void"])[1]["version"] == 13
    assert sum(item["created_at"]["S"].startswith("~") for item in stored()) == 13


def test_the_longest_history_fits_into_a_response() -> None:
    """Fill a history with the longest amends up to their limit, and the rest with the longest disputes."""
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


def test_an_agent_key_s_amend_leaves_a_dispute_standing() -> None:
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


# ── Validation ────────────────────────────────────────────────────────────────────────────────────────────────────────

ALL_FAULTY = {
    **{"occurredAt": "yesterday", "metadata": [], "agentId": 0, "valueUsd": "1"},
    **{"description": 1, "title": "", "outcomeType": "sale"},
}
NO_CHANGES: list[Any] = [None, [], {}, {"userId": 7, "value": 1}]
CHANGED = ("outcomeType", "title", "description", "valueUsd", "agentId", "metadata", "occurredAt")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        *((body, "type") for body in ({}, {"type": None}, {"type": ["amend"]})),
        ({"type": "Amend", "reason": 5, "userId": 0}, "type reason userId"),
        ({"type": "void"}, "reason"),
        *(({"type": "void", "reason": text}, "reason") for text in (None, "", "  ", "x" * 501, "x\x1b[31m")),
        ({"type": "void", "userId": "42"}, "reason userId"),
        ({"type": "confirm", "reason": ""}, "reason"),
        ({"type": "uphold", "reason": "x", "userId": 1.5}, "userId"),
        ({"type": "amend", "userId": -1}, "reason userId changes"),
        *(({"type": "confirm", "ifVersion": one}, "ifVersion") for one in (-1, 0.5, "0", True, 2**53, [0])),
        ({"type": "amend", "reason": "x", "ifVersion": -1, "changes": {"title": ""}}, "changes.title ifVersion"),
        ({"type": "Amend", "ifVersion": -1}, "type ifVersion"),
        ({"type": "amend", "reason": "x"}, "changes"),
        *(
            ({"type": "amend", "reason": "x", "changes": changes}, fields)
            for changes, fields in (
                *((nothing, "changes") for nothing in NO_CHANGES),
                ({"title": None, "outcomeType": None}, "changes.outcomeType changes.title"),
                (ALL_FAULTY, " ".join(f"changes.{name}" for name in CHANGED)),
            )
        ),
    ],
)
def test_bad_input_names_every_fault_in_the_order_of_the_fields(body: dict[str, Any], fields: str) -> None:
    status, answer, _ = correct(given(), KEY, body)
    assert (status, [each["field"] for each in answer["details"]]) == (400, fields.split())
    assert answer["error"] == f"Invalid {fields.split()[0].partition('.')[0]}"
    assert all(each["message"].startswith("must be ") for each in answer["details"])
    may_lack_reason = body.get("type") not in [*BODIES] or body["type"] == "confirm"
    said = [each["message"] for each in answer["details"] if each["field"] == "reason"]
    assert all(message.endswith(", or null") is may_lack_reason for message in said)


def test_a_confirmation_s_reason_is_optional() -> None:
    id_ = given()
    correct(id_, OWNER, {"type": "confirm", "reason": None})
    correct(id_, OWNER, BODIES["dispute"])
    correct(id_, OWNER, {"type": "confirm", "reason": "Found the invoice"})
    assert [each["reason"] for each in get(id_)[1]["corrections"]] == [None, "Not mine", "Found the invoice"]


def test_ignored_fields_are_named() -> None:
    id_ = given()
    body = BODIES["amend"] | {"reasons": 1, "changes": {"title": "x", "vlaue": 1, "a,b": 2}}
    assert correct(id_, KEY, body)[2]["Ignored-Fields"] == "reasons, changes.vlaue, changes.a%2Cb"
    # A dispute has no field `changes`, so `changes` is ignored without being validated.
    body = BODIES["dispute"] | {"changes": {"title": ""}, "userId": 42}
    status, answer, headers = correct(id_, OWNER, body)
    assert (status, headers["Ignored-Fields"], answer["outcome"]["title"]) == (200, "changes", "x")
    assert correct(id_, KEY, {"type": "amend", "reason": "x", "changes": {"vlaue": 1}})[2]["Ignored-Fields"] == (
        "changes.vlaue"
    )


def test_faults_are_checked_in_the_order_400_404_403_412_409() -> None:
    void, missing = given(status="void"), ulid.new(instants.now())
    bad, forbidden, impossible = {"type": "void"}, BODIES["uphold"] | {"ifVersion": 1}, BODIES["void"]
    no_scope = agent("record")
    assert correct(missing, no_scope, bad)[0] == 400
    assert correct(missing, no_scope, forbidden)[0] == 404
    assert correct(void, no_scope, forbidden)[0] == 403
    assert correct(void, no_scope, impossible)[0] == 403
    assert correct(void, KEY, impossible | {"ifVersion": 1})[0] == 412
    assert correct(void, KEY, impossible | {"ifVersion": 0})[0] == correct(void, KEY, impossible)[0] == 409


@pytest.mark.parametrize(
    "id_", ["", "x", "8" * 26, "Z" * 26, "0" * 25 + "é", "0" * 25 + "#", "../summary", "0" * 5000, " " * 26]
)
def test_an_invalid_id_is_not_found(id_: str) -> None:
    assert correct(id_, KEY, BODIES["amend"] | {"changes": {"occurredAt": "1999-01-01T00:00:00Z"}})[:2] == (
        404,
        {"error": "Not found"},
    )
    assert correct("0" * 26, KEY, BODIES["void"])[0] == get(id_)[0] == 404


@pytest.mark.parametrize(
    ("name", "is_id"), [("summary", False), ("export", False), ("0" * 25, False), ("0" * 26, True)]
)
def test_a_name_that_is_no_id_is_no_route(name: str, is_id: bool) -> None:
    response = get_outcome.handler(get_event(name), None)
    assert (response["statusCode"], response["body"]) == (404, '{"error":"Not found"}')
    assert ("No-Such-Route" in response["headers"]) is not is_id
    assert "No-Such-Route" not in get_outcome.handler(get_event(name, KEY), None)["headers"]


# ── Amends ────────────────────────────────────────────────────────────────────────────────────────────────────────────


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


def test_a_null_occurred_at_means_the_time_of_recording() -> None:
    id_ = given(occurredAt="2026-03-01T00:00:00Z")
    assert amend(id_, KEY, '{"occurredAt":"2026-03-01T01:00:00.0000+01:00"}')[:2] == (400, NOTHING)
    assert amend(id_, KEY, '{"occurredAt":null}')[0] == 200
    assert amend(id_, KEY, f'{{"occurredAt":"{ledger()[0]["created_at"]}"}}')[:2] == (400, NOTHING)


def test_that_nothing_would_change_is_checked_last() -> None:
    same = '{"title":"Closed a deal"}'
    assert amend(ulid.new(instants.now()), KEY, same)[0] == 404
    assert amend(given("session"), agent("correct read"), same)[0] == 403
    assert amend(given(status="void"), KEY, same)[0] == 409
    id_ = given()
    first = amend(id_, KEY, '{"title":"Closed the deal"}', key="k")
    assert amend(id_, KEY, '{"title":"Closed the deal"}', key="k")[:2] == first[:2]
    assert amend(id_, KEY, '{"title":"Closed the deal"}')[:2] == (400, NOTHING)
    assert amend(id_, KEY, '{"title":"Closed the deal"}', key="l")[:2] == (400, NOTHING)
    # A refusal does not use up the idempotency key.
    assert amend(id_, KEY, '{"title":"Another"}', key="l")[0] == 200


def test_a_refusal_to_change_nothing_names_ignored_fields() -> None:
    _, answer, headers = amend(given(), KEY, '{"title":"Closed a deal","vlaue":1}')
    assert (answer, headers["Ignored-Fields"]) == (NOTHING, "changes.vlaue")


def test_an_amend_that_changed_nothing_is_remembered_under_its_key(unchanged: str) -> None:
    same, other = '{"title":"Closed a deal"}', '{"title":"Another"}'
    status, first, headers = amend(unchanged, AGENT, same, key="k")
    assert (status, first["version"], "Idempotent-Replayed" in headers) == (200, 0, False)
    again = amend(unchanged, AGENT, same, key="k")
    assert (again[1], again[2]["Idempotent-Replayed"]) == (first, "true")
    assert amend(unchanged, AGENT, other, key="k")[0] == 422
    # After another amend, a retry gets the first answer with the new version, and does not change the title back.
    assert amend(unchanged, KEY, other)[0] == 200
    assert amend(unchanged, AGENT, same, key="k")[1] == first | {"version": 1}
    assert ledger()[0]["title"] == "Another"


def test_the_recorded_values_are_kept() -> None:
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


def test_the_window_of_occurred_at_is_that_of_the_time_of_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outcomes.calendar.instants.now", lambda: 1_775_044_800_000)  # 2026-04-01T12:00:00Z
    keyed, own = given(), given("session")
    monkeypatch.setattr("outcomes.calendar.instants.now", lambda: 1_785_044_800_000)  # in July

    def amend(id_: str, caller: dict[str, Any], occurred_at: str, **also: Any) -> tuple[int, Any]:
        body = {"type": "amend", "reason": "Too late", "changes": {"occurredAt": occurred_at, **also}}
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
            assert detail in amend(id_, caller, outside, title="")[1]["details"]


# ── Idempotency keys ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_retry_of_an_amend_to_a_type_that_was_removed_is_a_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = given()
    body = BODIES["amend"] | {"changes": {"outcomeType": "task_complete"}}
    first = correct(id_, KEY, body, key="k")
    monkeypatch.setattr(correct_outcome, "TYPES", ("deal_closed",))
    assert correct(id_, KEY, body, key="k")[1] == first[1]
    for key in (None, "another"):
        status, answer, headers = correct(id_, KEY, body, key=key)
        assert (status, answer["error"], headers["Outcome-Types"]) == (400, "Invalid changes", "deal_closed")
    assert ledger()[0]["version"] == 1


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
def test_a_key_reused_for_another_correction_is_a_422(other: dict[str, Any], fields: list[str]) -> None:
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


def test_an_idempotency_key_is_forgotten_after_35_days(monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = given()
    now = instants.now()
    correct(id_, OWNER, BODIES["dispute"], key="k")
    correct(id_, KEY, BODIES["uphold"])
    for days, status in ((34.9, "recorded"), (35.1, "disputed")):
        later = now + round(days * 24 * 60 * 60 * 1000)
        monkeypatch.setattr(instants, "now", partial(int, later))
        assert correct(id_, OWNER, BODIES["dispute"], key="k")[1]["outcome"]["status"] == status


# ── The version that the outcome must have ────────────────────────────────────────────────────────────────────────────

STALE = {"error": "Stale", "details": [{"field": "ifVersion", "message": "is not the version of the outcome"}]}


def test_a_correction_of_another_version_is_stale() -> None:
    id_ = given()
    for version, wrong in enumerate(([1], [0, 2], [0, 1, 3])):
        body = BODIES["dispute"] if version % 2 else BODIES["confirm"]
        for other in wrong:
            assert correct(id_, OWNER, body | {"ifVersion": other})[:2] == (412, STALE | {"version": version})
        assert correct(id_, OWNER, body | {"ifVersion": version})[0] == 200
    assert correct(id_, OWNER, BODIES["dispute"] | {"ifVersion": None})[0] == 200
    assert ledger()[0]["version"] == 4


@pytest.mark.parametrize(
    ("caller", "version"),
    [(KEY, {}), (AGENT, {}), (agent("correct read"), {"version": 0})],
    ids=["key", "agent", "reader"],
)
def test_only_callers_who_may_read_are_told_the_version(caller: dict[str, Any], version: dict[str, int]) -> None:
    assert correct(given(), caller, BODIES["void"] | {"ifVersion": 7})[:2] == (412, STALE | version)


def test_a_stale_amend_that_would_change_nothing_is_stale() -> None:
    body = BODIES["amend"] | {"changes": {"title": "Closed a deal"}}
    for caller in (KEY, AGENT):
        assert correct(given(), caller, body | {"ifVersion": 1})[0] == 412


def test_a_replay_is_never_stale_and_the_version_is_no_part_of_what_a_key_names() -> None:
    id_ = given()
    first = correct(id_, KEY, BODIES["amend"] | {"ifVersion": 0}, key="k")
    for version in ({"ifVersion": 0}, {"ifVersion": 9}, {}):
        again = correct(id_, KEY, BODIES["amend"] | version, key="k")
        assert (again[1], again[2]["Idempotent-Replayed"]) == (first[1], "true")
    assert correct(id_, KEY, BODIES["void"] | {"ifVersion": 9}, key="k")[0] == 422
    # A refusal does not use up the idempotency key.
    assert correct(id_, KEY, BODIES["void"] | {"ifVersion": 0}, key="l")[0] == 412
    assert correct(id_, KEY, BODIES["void"] | {"ifVersion": 1}, key="l")[1]["version"] == 2


# ── Races and failures ────────────────────────────────────────────────────────────────────────────────────────────────

CONFLICT = cancelled("TransactionConflict", "None")


@pytest.mark.usefixtures("no_waiting")
class TestRaces:
    def test_the_same_key_between_two_reads_corrects_once(self) -> None:
        """The other correction is stored after the outcome is read and before the idempotency key is read."""
        id_ = given()
        reads: list[str] = []

        def between(request: Any, send: Any) -> Any:
            if "IdempotencyTable" in request.body["RequestItems"] and not reads:
                reads.append("the key")
                correct(id_, KEY, BODIES["void"], key="k")
            return send()

        with reads_of_corrections_meet(between):
            status, answer, headers = correct(id_, KEY, BODIES["void"], key="k")
        assert (status, headers["Idempotent-Replayed"], answer["status"]) == (200, "true", "void")

    def test_a_conflict_that_lasts_is_a_409_to_retry(self) -> None:
        id_ = given()
        with writes_meet(CONFLICT):
            status, answer, headers = correct(id_, KEY, BODIES["amend"], key="k")
        assert (status, answer, headers["Retry-After"]) == (409, {"error": "Conflict"}, "1")
        assert ledger()[0]["version"] == 0
        assert "Idempotent-Replayed" not in correct(id_, KEY, BODIES["amend"], key="k")[2]

    @pytest.mark.parametrize(
        ("faults", "status"), [([CONFLICT, fine], 409), ([meanwhile(), fine], 200)], ids=["lost", "won"]
    )
    def test_a_conflict_without_time_to_retry_is_a_409(
        self, faults: list[Fault], status: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def wait_too_long(deadline: Any) -> bool:
            deadline.at = -1.0
            return True

        monkeypatch.setattr("outcomes.aws.backoff.Backoff.wait", wait_too_long)
        with writes_meet(*faults):
            assert correct(given(), KEY, BODIES["amend"])[0] == status

    def test_without_any_time_nothing_is_tried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("outcomes.aws.backoff.RETRY_SECONDS", -1.0)
        assert correct(given(), KEY, BODIES["amend"])[:2] == (500, {"error": "Failed to correct outcome"})

    @pytest.mark.parametrize("key", [None, "k"])
    @pytest.mark.parametrize("faults", [[lost, lost, fine], [lost, CONFLICT], [CONFLICT, CONFLICT, fine]])
    def test_passing_trouble_makes_one_correction_and_no_replay(self, key: str | None, faults: list[Fault]) -> None:
        id_ = given()
        with writes_meet(*faults) as sent:
            status, answer, headers = correct(id_, KEY, BODIES["amend"], key=key)
        assert (status, len(sent)) == (200, len(faults))
        assert "Idempotent-Replayed" not in headers
        assert answer["version"] == ledger()[0]["version"] == 1

    @pytest.mark.parametrize("faults", [[lost, fine], [lost, CONFLICT, fine], [CONFLICT, fine]])
    def test_an_amend_that_changes_nothing_is_remembered_once_under_faults(self, faults: list[Fault]) -> None:
        id_, same = given(), '{"title":"Closed a deal"}'
        with writes_meet(*faults):
            status, first, headers = amend(id_, AGENT, same, key="k")
        assert (status, "Idempotent-Replayed" in headers) == (200, False)
        assert amend(id_, AGENT, same, key="k")[1] == first

    def test_an_amend_that_changes_nothing_is_checked_again_after_another_correction(self) -> None:
        id_, same = given(), '{"title":"Closed a deal"}'
        with writes_meet(meanwhile(lambda: amend(id_, KEY, '{"title":"Another"}'))):
            status, answer, _ = amend(id_, AGENT, same, key="k")
        assert (status, answer["version"], ledger()[0]["title"]) == (200, 2, "Closed a deal")

    @pytest.mark.parametrize(
        "after",
        [[CONFLICT], [CONFLICT, error(THROTTLED)], [CONFLICT, cancelled("ThrottlingError", "None")]],
        ids=["contended", "throttled", "canceled for throttling"],
    )
    def test_an_attempt_that_may_still_land_is_a_500(self, after: list[Fault]) -> None:
        """A request is delayed until its caller has an answer, and only then takes effect."""
        id_ = given()
        late: list[Any] = []

        def delayed(_request: Any, send: Any) -> Any:
            late.append(send)
            raise TimeoutError

        with writes_meet(delayed, *after):
            assert correct(id_, KEY, BODIES["void"])[:2] == (500, {"error": "Failed to correct outcome"})
        late[0]()
        assert ledger()[0]["status"] == "void"

    def test_a_lost_answer_and_a_throttled_read_are_a_500(self) -> None:
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

    @pytest.mark.parametrize(
        ("other", "last", "expected"),
        [
            ("dispute", CONFLICT, (409, "Conflict")),
            ("dispute", error(THROTTLED), (503, "Busy")),
            ("void", fine, (409, "Not possible")),
        ],
        ids=["contended", "throttled", "not possible"],
    )
    def test_a_lost_attempt_that_cannot_land_any_more_is_answered_exactly(
        self, other: str, last: Fault, expected: tuple[int, str]
    ) -> None:
        """Another correction has raised the version, so the lost attempt can no longer take effect."""
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

        with writes_meet(delayed_and_overtaken):
            status, answer, _ = correct(id_, KEY, BODIES["amend"])
        assert (made, status, answer["error"]) == ([200], *expected)
        late[0]()
        assert [each["type"] for each in get(id_)[1]["corrections"]] == [other]

    @pytest.mark.parametrize("key", [None, "k"])
    def test_the_function_s_own_lost_attempt_is_not_stale(self, key: str | None) -> None:
        id_ = given()
        with writes_meet(lost, CONFLICT):
            status, answer, _ = correct(id_, KEY, BODIES["void"] | {"ifVersion": 0}, key)
        assert (status, answer["version"], ledger()[0]["version"]) == (200, 1, 1)

    def test_a_correction_that_another_one_overtook_is_stale(self) -> None:
        """The condition of the transaction guards the version that was compared."""
        id_ = given()
        with writes_meet(meanwhile(lambda: correct(id_, OWNER, BODIES["confirm"]))):
            assert correct(id_, KEY, BODIES["void"] | {"ifVersion": 0})[:2] == (412, STALE)
        assert (ledger()[0]["status"], ledger()[0]["version"]) == ("confirmed", 1)

    def test_an_outcome_erased_meanwhile_is_not_found(self) -> None:
        id_ = given()

        def erased(_request: Any, _send: Any) -> Any:
            [item] = stored()
            key = {name: item[name] for name in ("user_id", "created_at")}
            list_outcomes.store.dynamodb.call("DeleteItem", {"TableName": "OutcomesTable", "Key": key})
            return CONFLICT(_request, _send)

        with writes_meet(vanished, erased):
            assert correct(id_, KEY, BODIES["void"])[:2] == (404, {"error": "Not found"})

    @pytest.mark.parametrize(
        "trouble", [error(THROTTLED), error(DENIED), error("InternalServerError", status=500), unreachable, lost]
    )
    @pytest.mark.parametrize("operation", ["BatchGetItem", "TransactWriteItems"])
    def test_a_failed_correction_stores_all_or_nothing_and_a_retry_completes_it(
        self, trouble: Fault, operation: str
    ) -> None:
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
    def test_a_transaction_canceled_for_another_reason_is_a_500(self, strange: Fault) -> None:
        with writes_meet(strange) as sent:
            assert correct(given(), KEY, BODIES["void"])[:2] == (500, {"error": "Failed to correct outcome"})
        assert len(sent) == 1

    @pytest.mark.parametrize("codes", [["ThrottlingError", "None"], ["TransactionConflict", "ThrottlingError"]])
    def test_a_throttled_partition_is_a_503_unless_an_attempt_may_have_landed(self, codes: list[str]) -> None:
        id_ = given()
        with writes_meet(cancelled(*codes)):
            assert correct(id_, KEY, BODIES["void"])[:2] == (503, {"error": "Busy"})
        with writes_meet(lost, cancelled(*codes)):
            assert correct(id_, KEY, BODIES["void"])[:2] == (500, {"error": "Failed to correct outcome"})
        assert ledger()[0]["status"] == "void"

    def test_unprocessed_keys_are_read_by_another_call(self) -> None:
        id_ = given()
        for title in "AB":
            amend(id_, KEY, f'{{"title":"{title}"}}')

        def unprocessed(request: Any, send: Any) -> Any:
            [(table, wanted)] = request.body["RequestItems"].items()
            all_ = json.loads(send().body)["Responses"][table]
            left = {table: wanted | {"Keys": wanted["Keys"][1:]}}
            return answered(200, {"Responses": {table: all_[:1]}, "UnprocessedKeys": left})

        with reads_meet(fine, unprocessed, fine) as sent:
            status, answer = get(id_)
        assert (status, len(answer["corrections"]), len(sent)) == (200, 2, 3)

    def test_a_read_that_returns_nothing_is_busy(self) -> None:
        def unprocessed(request: Any, _send: Any) -> Any:
            return answered(200, {"Responses": {}, "UnprocessedKeys": request.body["RequestItems"]})

        id_ = given()
        with reads_meet(unprocessed):
            assert get(id_) == (503, {"error": "Busy"})


def test_an_entry_is_newer_than_its_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    """A correction is newer than the outcome and its earlier corrections, even if the host's clock is behind."""
    id_ = given()
    correct(id_, KEY, BODIES["amend"])
    now = instants.now()
    monkeypatch.setattr("outcomes.calendar.instants.now", lambda: now - 300_000)
    correct(id_, KEY, BODIES["void"])
    outcome, corrections = get(id_)[1].values()
    assert outcome["created_at"] < corrections[0]["created_at"] < corrections[1]["created_at"]


# ── Reading ───────────────────────────────────────────────────────────────────────────────────────────────────────────


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


def test_the_id_of_a_correction_is_not_found() -> None:
    id_ = given()
    made = correct(id_, KEY, BODIES["amend"])[1]["id"]
    assert get(made)[0] == 404
    assert correct(made, KEY, BODIES["void"])[0] == 404
    assert len(ledger()) == len(listed()) == 1


@pytest.mark.parametrize("status", ["", "voided", "Recorded", ["void", "x"]])
def test_another_status_is_refused(status: Any) -> None:
    response = list_outcomes.handler(proxy_event("GET", authorizer=OWNER, query={"status": status}), None)
    assert (response["statusCode"], response["body"]) == (400, '{"error":"Invalid status"}')


def test_pages_are_filled_past_void_outcomes() -> None:
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


def test_a_page_with_few_void_outcomes_takes_one_more_query() -> None:
    for number in range(30):
        given(status="void" if number == 25 else "recorded")
    with faulty(list_outcomes.store.dynamodb, "Query", fine) as calls:
        assert len(listed(limit="20")) == 20
    assert len(calls) == 2


def test_a_history_too_large_for_a_response_marks_omitted_metadata() -> None:
    # Lambda's JSON escapes each backslash once more, which doubles the size.
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
