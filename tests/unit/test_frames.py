"""The way from a handler to DynamoDB is short: each function on it does something."""

import traceback
from typing import Any

import pytest

from functions.export_outcomes import app as export_outcomes
from functions.list_outcomes import app as list_outcomes
from functions.record_batch import app as record_batch
from functions.record_outcome import app as record_outcome
from functions.summarize_outcomes import app as summarize_outcomes
from tests.events import KEY, proxy_event, session
from tests.faults import Request, Send, faulty

OUTCOME = {"outcomeType": "deal_closed", "title": "Closed a deal", "userId": 42}
ROOMS = ("/functions/", "/layers/common/outcomes/")
CALLER_OF_AWS = "/aws/caller.py"


SUMMARY = ["aggregate", "run", "_aggregate_entries", "recorded_since", "_outcomes", "_pages"]
"""To the last call, which reads what is not kept."""


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize(
    ("app", "event", "operation", "way"),
    [
        (record_outcome, proxy_event("POST", authorizer=KEY, body=OUTCOME), "PutItem", ["add"]),
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
            ["record_all", "_insert"],
        ),
        (list_outcomes, proxy_event("GET", authorizer=session(42)), "Query", ["page"]),
        (export_outcomes, proxy_event("GET", authorizer=session(42)), "Query", ["export", "page_by_size"]),
        (
            summarize_outcomes,
            proxy_event("GET", authorizer=session(42)),
            "Query",
            SUMMARY,
        ),
    ],
    ids=["record", "record with an idempotency key", "batch", "list", "export", "summary"],
)
def test_a_call_goes_by_these_functions_of_ours(
    app: Any, event: dict[str, Any], operation: str, way: list[str]
) -> None:
    ours: list[str] = []

    def note_frames(_request: Request, send: Send) -> Any:
        frames = traceback.extract_stack()
        ours[:] = [
            frame.name
            for frame in frames
            if any(room in frame.filename for room in ROOMS) and not frame.filename.endswith(CALLER_OF_AWS)
        ]
        return send()

    store = app.ledger.store if app is record_batch else app.store
    with faulty(store.dynamodb, operation, note_frames):
        response = app.handler(event, None)

    assert response["statusCode"] == 200, response["body"]
    assert ours == ["handler", "handler", *way]
