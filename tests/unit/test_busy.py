"""Test that each refusal with the error Busy is logged with DynamoDB's reason, which the caller does not get."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from outcomes.aws.backoff import Backoff, read_items
from outcomes.aws.paced_reads import PacedReads
from outcomes.aws.services import NEVER
from outcomes.errors import Busy, StillAddingUp, throttled_by

from functions.costs import app as costs
from functions.list_outcomes import app as list_outcomes
from functions.manage_keys import app as manage_keys
from functions.record_batch import app as record_batch
from functions.record_outcome import app as record_outcome
from tests.events import KEY, proxy_event, session
from tests.faults import THROTTLED, Fault, Request, Send, answered, cancelled, error, faulty

pytestmark = pytest.mark.usefixtures("tables", "no_waiting")

TABLE = "arn:aws:dynamodb:eu-central-1:123456789012:table/outcomes-prod-OutcomesTable-1ABC"
OUTCOME = {"outcomeType": "deal_closed", "title": "Renewed Acme", "userId": 42}
BUSY = {"error": "Busy"}

type Log = Callable[[], list[dict[str, Any]]]


def throttled(*reasons: Any, code: str = "ThrottlingException", member: str = "throttlingReasons") -> Fault:
    named: Any = {member: list(reasons)}
    return error(code, **named)


def reason(name: str, resource: str = TABLE) -> dict[str, str]:
    return {"reason": name, "resource": resource}


@pytest.mark.parametrize(
    ("fault", "logged"),
    [
        (
            throttled(reason("TableWriteMaxOnDemandThroughputExceeded")),
            "TableWriteMaxOnDemandThroughputExceeded of outcomes-prod-OutcomesTable-1ABC",
        ),
        (
            throttled(reason("TableWriteKeyRangeThroughputExceeded"), code=THROTTLED, member="ThrottlingReasons"),
            "TableWriteKeyRangeThroughputExceeded of outcomes-prod-OutcomesTable-1ABC",
        ),
        (
            throttled(
                reason("IndexWriteAccountLimitExceeded", f"{TABLE}/index/ByOccurrence"),
                reason("TableWriteAccountLimitExceeded"),
                code="RequestLimitExceeded",
                member="ThrottlingReasons",
            ),
            "IndexWriteAccountLimitExceeded of outcomes-prod-OutcomesTable-1ABC/index/ByOccurrence,"
            " TableWriteAccountLimitExceeded of outcomes-prod-OutcomesTable-1ABC",
        ),
        (error("ThrottlingException"), "ThrottlingException"),
        (throttled(), "ThrottlingException"),
        (error("ThrottlingException", throttlingReasons="many"), "ThrottlingException"),
        (throttled(None, 7, "x"), "ThrottlingException"),
        (throttled({}, {"reason": None}, {"reason": "TableWrite"}), "TableWrite of ?"),
    ],
)
def test_a_busy_write_is_logged_with_dynamodbs_reasons(fault: Fault, logged: str, log: Log) -> None:
    with faulty(record_outcome.ledger.store.dynamodb, "PutItem", fault):
        response = record_outcome.handler(proxy_event("POST", authorizer=KEY, body=OUTCOME), None)
    assert (response["statusCode"], response["body"]) == (503, '{"error":"Busy"}')
    [line] = log()
    assert (line["level"], line["message"], line["reason"], line["throttled"]) == ("INFO", "Refused", "Busy", logged)


def unprocessed(code: str) -> Fault:
    """Return a fault in which a batch of statements processes none."""

    def fault(request: Request, _send: Send) -> Any:
        responses = [{"Error": {"Code": code, "Message": code}} for _ in request.body["Statements"]]
        return answered(200, {"Responses": responses})

    return fault


LISTS = proxy_event("GET", authorizer=session(42))
KEEPS = proxy_event("POST", authorizer=KEY, body=OUTCOME, headers={"Idempotency-Key": "k"})
BATCH = proxy_event("POST", "/api/outcomes/batch", authorizer=KEY, body={"outcomes": [OUTCOME] * 2})
MAKES = proxy_event("POST", "/api/keys", authorizer=session(42), body={"name": "Nightly"})
DAY = {"date": time.strftime("%Y-%m-%d", time.gmtime()), "source": "openai"}
PUTS = proxy_event("PUT", "/api/costs/{date}/{source}", authorizer=session(42), body={"lines": []}, parameters=DAY)
READ = reason("TableReadKeyRangeThroughputExceeded")


@pytest.mark.parametrize(
    ("app", "dynamodb", "event", "operation", "fault", "logged"),
    [
        (list_outcomes, list_outcomes.store.dynamodb, LISTS, "Query", throttled(READ), "TableReadKeyRange"),
        *[
            (app, dynamodb, event, "TransactWriteItems", cancelled("ThrottlingError", "None"), "ThrottlingError")
            for app, dynamodb, event in (
                (record_outcome, record_outcome.ledger.store.dynamodb, KEEPS),
                (manage_keys, manage_keys.agent_keys.dynamodb, MAKES),
                (costs, costs.days.dynamodb, PUTS),
            )
        ],
    ],
)
def test_every_route_logs_the_reason(
    app: Any, dynamodb: Any, event: Any, operation: str, fault: Fault, logged: str, log: Log
) -> None:
    with faulty(dynamodb, operation, fault):
        assert app.handler(event, None)["statusCode"] == 503
    [line] = log()
    assert (line["reason"], line["throttled"].startswith(logged)) == ("Busy", True)


@pytest.mark.parametrize(
    ("operation", "fault", "event", "logged"),
    [
        ("BatchExecuteStatement", unprocessed("ThrottlingError"), BATCH, "ThrottlingError"),
        ("BatchExecuteStatement", throttled(reason("TableWriteAccountLimitExceeded")), BATCH, "TableWriteAccountLimit"),
    ],
)
def test_a_busy_batch_logs_each_reason_once(operation: str, fault: Fault, event: Any, logged: str, log: Log) -> None:
    with faulty(record_batch.ledger.store.dynamodb, operation, fault):
        assert '"error":"Busy"' in record_batch.handler(event, None)["body"]
    [line] = log()
    assert (line["reason"], line["throttled"].startswith(logged)) == ("Busy", True)


def test_keys_that_dynamodb_leaves_unprocessed_are_logged_with_the_table(tables: dict[str, str]) -> None:
    def none(request: Request, _send: Send) -> Any:
        return answered(200, {"Responses": {}, "UnprocessedKeys": request.body["RequestItems"]})

    dynamodb = record_outcome.ledger.store.dynamodb
    with faulty(dynamodb, "BatchGetItem", none), pytest.raises(Busy) as raised:
        read_items(dynamodb, tables["KeysTable"], [{"id": {"S": "a"}}], Backoff())
    assert str(raised.value) == "Busy: UnprocessedKeys of KeysTable"
    assert raised.value.body() == BUSY


def test_sums_that_are_not_ready_because_reads_were_throttled_have_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    dynamodb = list_outcomes.store.dynamodb
    reads = PacedReads(dynamodb, NEVER, StillAddingUp)

    def end(_backoff: Backoff) -> bool:
        reads.until = float("-inf")
        return False

    monkeypatch.setattr(Backoff, "wait", end)
    with faulty(dynamodb, "Query", throttled(READ)), pytest.raises(StillAddingUp) as raised:
        reads.call({"TableName": "OutcomesTable"})
    assert throttled_by(raised.value) == "TableReadKeyRangeThroughputExceeded of outcomes-prod-OutcomesTable-1ABC"


def test_a_refusal_that_is_not_busy_has_no_reason_of_dynamodb(log: Log) -> None:
    record_outcome.handler(proxy_event("POST", authorizer=KEY, body={}), None)
    assert "throttled" not in log()[0]
    assert throttled_by(StillAddingUp()) == throttled_by(None) == ""
    assert str(Busy()) == "Busy"
