"""Test assigning an outcome that belongs to no user: the user's new outcome, the void original, retries and races."""

from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from outcomes.calendar import instants
from outcomes.ledger import ulid

from functions.correct_outcome import app as correct_outcome
from functions.export_outcomes import app as export_outcomes
from functions.record_outcome import app as record_outcome
from tests.corrections import (
    BODIES,
    OWNER,
    assign,
    correct,
    get,
    get_without_user,
    given,
    ledger,
    stored,
    writes_meet,
)
from tests.events import KEY, proxy_event
from tests.faults import DENIED, THROTTLED, Fault, Request, Send, cancelled, error, fine, lost, unreachable
from tests.fields import UNSET

pytestmark = pytest.mark.usefixtures("tables")

unassigned = partial(given, user_id=None)

NOT_POSSIBLE = 409, {"error": "Not possible"}
AMEND = BODIES["amend"] | {"userId": None}
VOID = BODIES["void"] | {"userId": None}


def original(id_: str) -> dict[str, Any]:
    """Return the stored item of an outcome without a user."""
    [item] = [each for each in stored() if each["created_at"]["S"].endswith(f"Z#{id_}")]
    assert item["user_id"]["S"].startswith("unassigned#")
    return dict(item)


# ── The new outcome and the original ──────────────────────────────────────────────────────────────────────────────────


def test_the_outcome_is_recorded_for_the_user_and_the_original_is_void_and_without_text() -> None:
    metadata = {"contract": "A-17", "parts": [Decimal("1.10"), None]}
    id_ = unassigned(description="For a year", metadata=metadata, agentId=Decimal(7))
    status, answer = assign(id_)

    [new] = ledger()
    assert (status, answer) == (200, {"ok": True, "id": new["id"]})
    assert new["id"] > id_
    recorded_at = instants.text(ulid.milliseconds(id_))
    assert new == {
        "id": new["id"],
        **{"user_id": 42, "agent_id": 7, "outcome_type": "deal_closed", "title": "Closed a deal"},
        **{"description": "For a year", "value_usd": 10, "metadata": metadata},
        **{"created_at": instants.text(ulid.milliseconds(new["id"])), "occurred_at": recorded_at},
        **{"status": "recorded", "recorded_by": "key", "version": 0, **UNSET},
    }
    void = new | {"id": id_, "user_id": None, "title": "", "description": None, "metadata": None}
    void |= {"created_at": recorded_at, "status": "void", "version": 1}
    [correction] = get_without_user(id_)["corrections"]
    assert get_without_user(id_)["outcome"] == void
    assert correction == {
        **{"id": correction["id"], "type": "void", "reason": None, "by": "key"},
        **{"created_at": correction["created_at"], "assigned_to": 42, "assigned_id": new["id"]},
    }
    assert original(id_)["assigned_to"] == {"N": "42"}
    assert get(new["id"]) == (200, {"outcome": new, "corrections": []})
    assert get(id_)[0] == 404


def test_an_amended_outcome_is_assigned_as_it_is_now() -> None:
    id_ = unassigned(description="For a year")
    changes = {"title": "Closed the deal", "valueUsd": 12.5, "description": None, "agentId": 8}
    correct(id_, KEY, AMEND | {"changes": changes | {"occurredAt": "2020-02-29T00:00:00Z"}})
    assign(id_)

    [new] = ledger()
    assert {
        name: new[name] for name in ("title", "value_usd", "description", "agent_id", "occurred_at", "version")
    } == {
        **{"title": "Closed the deal", "value_usd": Decimal("12.5"), "description": None, "agent_id": 8},
        **{"occurred_at": "2020-02-29T00:00:00.000Z", "version": 0},
    }
    assert [each["type"] for each in get_without_user(id_)["corrections"]] == ["amend", "void"]
    assert get_without_user(id_)["outcome"]["version"] == 2


@pytest.mark.parametrize("recorded_by", ["key", None])
def test_the_owner_confirms_it_whoever_recorded_the_original(recorded_by: str | None) -> None:
    _, answer = assign(unassigned(recorded_by))
    assert ledger()[0]["recorded_by"] == recorded_by
    assert correct(answer["id"], OWNER, BODIES["confirm"])[0] == 200


def test_the_new_outcome_sorts_after_the_original_even_if_a_clock_is_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    id_ = unassigned()
    monkeypatch.setattr(instants, "now", lambda: ulid.milliseconds(id_) - 1000)
    assert assign(id_)[1]["id"] > id_


@pytest.mark.parametrize("format_", ["csv", "ndjson"])
def test_an_export_of_void_outcomes_has_the_original_with_an_empty_title(format_: str) -> None:
    assign(id_ := unassigned())
    query: dict[str, Any] = {"userId": "none", "status": "void", "format": format_}
    authorizer = KEY | {"reads": "none"}
    exported = export_outcomes.handler(proxy_event("GET", authorizer=authorizer, query=query), None)
    assert exported["statusCode"] == 200
    *_, line = exported["body"].splitlines()
    assert line.startswith(f'{id_},,,deal_closed,"",' if format_ == "csv" else f'{{"id":"{id_}"')


def test_the_new_outcome_is_corrected_like_any_other_and_the_original_no_more() -> None:
    id_ = unassigned()
    before = correct(id_, KEY, AMEND, key="k")[1]
    _, answer = assign(id_)
    assert correct(answer["id"], KEY, BODIES["amend"] | {"changes": {"valueUsd": 1}})[0] == 200
    assert correct(id_, KEY, AMEND)[0] == correct(id_, KEY, VOID)[0] == 409
    again = correct(id_, KEY, AMEND, key="k")
    assert again[1] == before | {"status": "void", "version": 2}
    assert again[2]["Idempotent-Replayed"] == "true"


def test_a_retry_of_the_original_recording_is_still_a_replay() -> None:
    body = {"outcomeType": "deal_closed", "title": "Closed a deal"}
    event = proxy_event("POST", authorizer=KEY, body=body, headers={"Idempotency-Key": "deal-1"})
    id_ = record_outcome.handler(event, None)["headers"]["Outcome-Id"]
    _, answer = assign(id_)
    rows = stored()

    again = record_outcome.handler(event, None)
    assert (again["statusCode"], again["body"]) == (200, '{"ok":true}')
    assert (again["headers"]["Outcome-Id"], again["headers"]["Idempotent-Replayed"]) == (id_, "true")
    assert again["headers"]["Unassigned"] == "true"
    assert stored() == rows
    assert assign(id_)[1] == answer  # assigning the original again returns the new id


# ── Permissions and refusals ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("user_id", [None, "42", 0, -1, 1.5, True, 2**53, [42]])
def test_a_wrong_user_is_refused(user_id: Any) -> None:
    id_ = unassigned()
    message = "must be a whole number from 1 to 9007199254740991"
    for body in ({"userId": user_id}, {"user_id": 42}):
        status, answer = assign(id_, body=body)
        details = [{"field": "userId", "message": message}]
        assert (status, answer) == (400, {"error": "Invalid userId", "details": details})
    assert "assigned_to" not in original(id_)


def test_unknown_fields_are_named_in_a_header() -> None:
    event = proxy_event("POST", "/api/outcomes/{id}/assign", authorizer=KEY, parameters={"id": unassigned()})
    response = correct_outcome.handler(event | {"body": '{"userId":42,"reason":"Known now"}'}, None)
    assert (response["statusCode"], response["headers"]["Ignored-Fields"]) == (200, "reason")


def test_what_is_a_user_s_and_what_is_not_there_is_not_found() -> None:
    _, answer = assign(unassigned())
    for id_ in (given(), answer["id"], "0" * 26, "summary", "~"):
        assert assign(id_, 43) == (404, {"error": "Not found"})


def test_another_user_and_a_void_outcome_are_not_possible() -> None:
    void, assigned = unassigned(), unassigned()
    assert correct(void, KEY, VOID)[0] == 200
    answer = assign(assigned)
    rows = stored()
    assert assign(void) == assign(assigned, 43) == NOT_POSSIBLE
    assert assign(assigned) == answer
    assert stored() == rows


# ── Retries and races ─────────────────────────────────────────────────────────────────────────────────────────────────

CONFLICT = cancelled("TransactionConflict", "None", "None")


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(
    ("faults", "status"),
    [
        ([lost, fine], 200),
        ([lost, lost, fine], 200),
        ([unreachable, fine], 200),
        ([CONFLICT, fine], 200),
        ([lost], 500),
        ([unreachable], 500),
        ([error(DENIED)], 500),
        ([error(THROTTLED)], 503),
        ([CONFLICT], 409),
    ],
)
def test_a_retry_gets_the_same_answer_and_assigns_once(faults: list[Fault], status: int) -> None:
    id_ = unassigned()
    with writes_meet(*faults):
        first = assign(id_)
    assert first[0] == status
    again = assign(id_)
    assert again[0] == 200
    assert status != 200 or first == again
    assert [each["id"] for each in ledger()] == [again[1]["id"]]
    assert len(get_without_user(id_)["corrections"]) == 1


@pytest.mark.parametrize(
    ("other", "answer"),
    [
        (lambda id_: assign(id_, 43), NOT_POSSIBLE),
        (lambda id_: correct(id_, KEY, VOID), NOT_POSSIBLE),
        (lambda id_: correct(id_, KEY, AMEND), None),
        (lambda id_: assign(id_, 42), None),
    ],
    ids=["another user", "void", "amend", "the same user"],
)
@pytest.mark.parametrize("is_lost", [False, True])
def test_of_two_writes_at_once_the_second_follows_the_first(other: Any, answer: Any, is_lost: bool) -> None:
    """Another write happens after an assignment's read and before its write. The assignment's answer may be lost."""
    id_ = unassigned()
    others = [other]

    def interfere(_request: Request, send: Send) -> Any:
        if others:
            assert others.pop()(id_)[0] == 200
            return lost(_request, send) if is_lost else send()
        return send()

    with writes_meet(interfere):
        status, said = assign(id_)

    assert (status, said) == answer if answer else status == 200
    new = [row for row in stored() if row["user_id"]["S"] in {"42", "43"}]
    assert len(new) == (0 if "standing" in original(id_) and "assigned_to" not in original(id_) else 1)
    if answer is None:
        assert (new[0]["user_id"], new[0]["created_at"]["S"].partition("#")[2]) == ({"S": "42"}, said["id"])
        corrections = get_without_user(id_)["corrections"]
        assert new[0]["title"]["S"] == ("Closed the deal" if corrections[0]["type"] == "amend" else "Closed a deal")
