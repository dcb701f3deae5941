"""The call stack from a handler to DynamoDB is short."""

import traceback
from typing import Any

import pytest

from functions.correct_outcome import app as correct_outcome
from functions.export_outcomes import app as export_outcomes
from functions.get_outcome import app as get_outcome
from functions.list_outcomes import app as list_outcomes
from functions.record_batch import app as record_batch
from functions.record_outcome import app as record_outcome
from functions.summarize_outcomes import app as summarize_outcomes
from tests.corrections import given
from tests.events import KEY, proxy_event, session
from tests.faults import Request, Send, faulty

OUTCOME = {"outcomeType": "deal_closed", "title": "Closed a deal", "userId": 42}
ROOMS = ("/functions/", "/layers/common/outcomes/")
CALLS_OF_AWS = "/aws/services.py"


ONE = proxy_event("GET", "/api/outcomes/{id}", authorizer=session(42), parameters={"id": "an id"})
CORRECTION = proxy_event(
    "POST",
    "/api/outcomes/{id}/corrections",
    authorizer=session(42),
    body={"type": "confirm"},
    parameters={"id": "an id"},
)
SUMMARY = [
    *["aggregate", "run", "_aggregate", "_aggregate_until", "_add_rest", "_aggregate_entries"],
    *["_by_instant", "recorded_since", "_entries", "call"],
]
"""Functions that the last query of a summary passes. It reads the entries that no materialized total contains."""


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(
    ("app", "event", "operation", "way"),
    [
        (
            record_outcome,
            proxy_event("POST", authorizer=KEY, body=OUTCOME),
            "PutItem",
            ["record", "_record_plain", "put"],
        ),
        (
            record_outcome,
            proxy_event("POST", authorizer=KEY, body=OUTCOME, headers={"Idempotency-Key": "once"}),
            "TransactWriteItems",
            ["record", "record_all", "_put_once"],
        ),
        (
            record_batch,
            proxy_event("POST", authorizer=KEY, body={"outcomes": [OUTCOME]}),
            "BatchExecuteStatement",
            ["record_each", "record_all", "_insert"],
        ),
        (list_outcomes, proxy_event("GET", authorizer=session(42)), "Query", ["page", "_read"]),
        (export_outcomes, proxy_event("GET", authorizer=session(42)), "Query", ["export", "page_by_size", "_examined"]),
        (summarize_outcomes, proxy_event("GET", authorizer=session(42)), "Query", SUMMARY),
        (correct_outcome, CORRECTION, "TransactWriteItems", ["correct", "_run", "_write"]),
        (get_outcome, ONE, "BatchGetItem", ["read_history", "read_outcome", "read_items", "read_pages"]),
    ],
    ids=["record", "record with an idempotency key", "batch", "list", "export", "summary", "correct", "get"],
)
def test_a_call_passes_these_functions_only(app: Any, event: dict[str, Any], operation: str, way: list[str]) -> None:
    ours: list[str] = []

    def note_frames(_request: Request, send: Send) -> Any:
        frames = traceback.extract_stack()
        ours[:] = [
            frame.name
            for frame in frames
            if any(room in frame.filename for room in ROOMS) and not frame.filename.endswith(CALLS_OF_AWS)
        ]
        return send()

    if event["pathParameters"]:
        event = event | {"pathParameters": {"id": given()}}
    holders = {record_batch: "ledger", correct_outcome: "corrections"}
    store = getattr(app, holders[app]).store if app in holders else app.store
    with faulty(store.dynamodb, operation, note_frames):
        response = app.handler(event, None)

    assert response["statusCode"] == 200, response["body"]
    assert ours == ["handler", "handler", *way]
