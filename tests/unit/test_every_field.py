"""Whatever an outcome may say comes back: no field is lost on the way into the store or out of it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from outcomes.contract.models import NEW_OUTCOME, NewOutcome

from functions.list_outcomes import app as list_outcomes
from functions.record_batch import app as record_batch
from functions.record_outcome import app as record_outcome
from tests.events import KEY, proxy_event, session

pytestmark = pytest.mark.usefixtures("tables")

# A value for each field of the model, by its name in a request, none of which is what the field is without one.
SENT: dict[str, Any] = {
    "outcomeType": "deal_closed",
    "title": "Closed a deal",
    "description": "Two years",
    "valueUsd": 12.5,
    "agentId": 7,
    "userId": 42,
    "metadata": {"k": [1, {"deep": None}]},
    "occurredAt": (datetime.now(UTC) - timedelta(days=1)).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
}


def record(function: Any, body: Any, **headers: str) -> None:
    response = function.handler(proxy_event("POST", authorizer=KEY, body=body, headers=headers), None)
    assert response["statusCode"] == 200, response["body"]


@pytest.mark.parametrize("way", ["alone", "under an idempotency key", "in a batch"])
def test_every_field_of_the_model_comes_back_from_a_list(way: str) -> None:
    fields = dict(zip(NEW_OUTCOME.rules, NewOutcome._fields, strict=True))
    assert SENT.keys() == fields.keys(), "a field of the model without a value here"
    match way:
        case "alone":
            record(record_outcome, SENT)
        case "under an idempotency key":
            record(record_outcome, SENT, **{"Idempotency-Key": "once"})
        case _:
            record(record_batch, {"outcomes": [SENT]})

    response = list_outcomes.handler(proxy_event("GET", authorizer=session(42), query={"include": "ledger"}), None)
    [listed] = json.loads(response["body"])["outcomes"]

    assert {sent: listed.get(name) for sent, name in fields.items()} == SENT
