"""Test texts of invisible characters, which earlier releases accepted.

Calls with such texts may still be retried, and rows with such texts are still read.
"""

import json
from typing import Any

import pytest
from outcomes.contract.caller import Caller
from outcomes.contract.correction_rules import Correction, CorrectionType
from outcomes.contract.models import NewOutcome
from outcomes.ledger.idempotency_keys import idempotency_hash
from outcomes.ledger.idempotent_writes import IdempotentWriter, WriteRequest
from outcomes.ledger.store import OutcomeStore
from outcomes.limits import MAX_REASON, MAX_TITLE

from functions.correct_outcome import app as correct_outcome
from functions.mcp import app as mcp
from functions.record_batch import app as record_batch
from functions.record_outcome import app as record_outcome
from tests.corrections import BODIES, OWNER, correct, get, given, ledger
from tests.events import KEY, agent, proxy_event, session

TITLE = (
    f"must be a string of 1 to {MAX_TITLE} characters, at least one of them visible, without control characters other "
    "than tab, line feed and carriage return"
)
REASON = (
    f"must be a string of 1 to {MAX_REASON} characters, not blank, without control characters other than tab, line "
    "feed and carriage return"
)
OLD = {"outcomeType": "deal_closed", "title": "\u200b", "description": "an\x1b[31m escape", "userId": 42}

pytestmark = pytest.mark.usefixtures("tables")


def recorded_before(key: str = "k") -> str:
    """Record OLD as an earlier release did."""
    outcome = NewOutcome("deal_closed", "\u200b", "an\x1b[31m escape", user_id=42)
    table = IdempotentWriter(OutcomeStore("OutcomesTable"), "IdempotencyTable")
    return table.record(WriteRequest(outcome, idempotency_hash(Caller(), outcome, key), "key")).id


def corrected_before(id_: str, type_: CorrectionType, reason: str, **changes: Any) -> str:
    correction = Correction(type_, reason, 42, changes, [])
    return correct_outcome.corrections.correct(id_, correction, Caller(), "k").id


def post(body: Any, authorizer: Any = KEY, key: str | None = "k") -> tuple[int, Any, dict[str, str]]:
    headers = {} if key is None else {"Idempotency-Key": key}
    response = record_outcome.handler(proxy_event("POST", authorizer=authorizer, body=body, headers=headers), None)
    return response["statusCode"], json.loads(response["body"]), response["headers"]


def post_batch(*items: Any) -> Any:
    event = proxy_event("POST", "/api/outcomes/batch", authorizer=KEY, body={"outcomes": items})
    return json.loads(record_batch.handler(event, None)["body"])["results"]


def call_tool(name: str, **arguments: Any) -> Any:
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
    return json.loads(mcp.handler(proxy_event("POST", "/mcp", authorizer=KEY, body=message), None)["body"])["result"]


def test_a_retry_of_an_old_recording_is_a_replay() -> None:
    id_ = recorded_before()
    status, _, headers = post(OLD)
    assert (status, headers["Outcome-Id"], headers["Idempotent-Replayed"]) == (200, id_, "true")
    assert post_batch(OLD | {"idempotencyKey": "k"}) == [{"status": "replayed", "id": id_}]
    fields = {"outcome_type": "deal_closed", "title": "\u200b", "description": "an\x1b[31m escape", "user_id": 42}
    told = call_tool("record_outcome", **fields, idempotency_key="k")
    assert told["structuredContent"] == {"id": id_, "replayed": True, "idempotency_key": "k"}


def test_without_a_remembered_key_old_texts_are_refused() -> None:
    recorded_before()
    for caller, key in ((KEY, None), (KEY, "another"), (session(42), "k"), (agent(), "k")):
        status, answer, _ = post(OLD, caller, key)
        assert (status, answer["error"]) == (400, "Invalid title")
        assert [fault["field"] for fault in answer["details"]] == ["title", "description"]
        assert answer["details"][0]["message"] == TITLE
    # The answer is the same if the agent key's limits forbid the outcome, too. Other invalid fields are listed as well.
    assert post(OLD | {"agentId": 8}, agent(agentId="7"))[:2] == (400, answer)
    status, answer, _ = post(OLD | {"valueUsd": "1"})
    assert [fault["field"] for fault in answer["details"]] == ["title", "description", "valueUsd"]
    [result, fine] = post_batch(OLD | {"idempotencyKey": "another"}, OLD | {"title": "x", "description": None})
    assert (result["status"], result["error"], fine["status"]) == ("invalid", "Invalid title", "created")
    assert post(OLD | {"description": "Another"})[:2] == (
        422,
        {
            "error": "Idempotency key reused",
            "details": [{"field": "description", "message": "differs from what was recorded under this key"}],
        },
    )


def test_other_fields_of_an_old_outcome_can_be_amended() -> None:
    id_ = recorded_before()
    assert correct(id_, KEY, BODIES["amend"] | {"changes": {"valueUsd": 5}})[0] == 200
    [outcome] = ledger()
    assert (outcome["title"], outcome["description"], outcome["value_usd"]) == ("\u200b", "an\x1b[31m escape", 5)
    status, answer, _ = correct(id_, KEY, BODIES["amend"] | {"changes": {"title": "\u200b", "valueUsd": 6}})
    assert (status, answer["error"]) == (400, "Invalid changes")
    assert answer["details"] == [{"field": "changes.title", "message": TITLE}]


def test_a_retry_of_an_old_correction_is_a_replay() -> None:
    void, amend = given(), given()
    made = corrected_before(void, CorrectionType.VOID, "never\0 happened")
    status, answer, headers = correct(void, KEY, {"type": "void", "reason": "never\0 happened"}, key="k")
    assert (status, answer["id"], headers["Idempotent-Replayed"]) == (200, made, "true")
    told = call_tool("void_outcome", outcome_id=void, reason="never\0 happened", idempotency_key="k", user_id=42)
    assert (told["structuredContent"]["id"], told["structuredContent"]["replayed"]) == (made, True)

    made = corrected_before(amend, CorrectionType.AMEND, "a\x7f typo", title="\u2800")
    body = {"type": "amend", "reason": "a\x7f typo", "changes": {"title": "\u2800"}}
    assert correct(amend, KEY, body, key="k")[1]["id"] == made
    assert correct(amend, KEY, body | {"reason": "a typo"}, key="k")[0] == 422


@pytest.mark.parametrize("key", [None, "another"])
def test_without_a_remembered_key_old_reasons_are_refused_first(key: str | None) -> None:
    id_ = given()
    corrected_before(id_, CorrectionType.AMEND, "never\0 happened", title="x")
    body = {"type": "dispute", "reason": "never\0 happened"}
    fault = {"error": "Invalid reason", "details": [{"field": "reason", "message": f"{REASON}, or null"}]}
    for of, caller in ((id_, OWNER), (id_, KEY), (id_, agent("record")), ("0" * 26, OWNER)):
        assert correct(of, caller, body, key=key)[:2] == (400, fault)
    assert len(get(id_)[1]["corrections"]) == 1
