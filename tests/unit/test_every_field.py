"""Every field of the model is stored and listed, however it was recorded."""

import json
from typing import Any

import pytest
from outcomes.contract.models import NEW_OUTCOME, NewOutcome

from functions.list_outcomes import app as list_outcomes
from functions.record_batch import app as record_batch
from functions.record_outcome import app as record_outcome
from tests.events import KEY, proxy_event, session
from tests.fields import SENT


def record(function: Any, body: Any, **headers: str) -> None:
    response = function.handler(proxy_event("POST", authorizer=KEY, body=body, headers=headers), None)
    assert response["statusCode"] == 200, response["body"]


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("way", ["alone", "under an idempotency key", "in a batch"])
def test_every_field_of_the_model_comes_back_from_a_list(way: str) -> None:
    fields = dict(zip(NEW_OUTCOME.rules, NewOutcome._fields, strict=True))
    sent = SENT | {"userId": 42}
    assert sent.keys() == fields.keys(), "run make contract"
    match way:
        case "alone":
            record(record_outcome, sent)
        case "under an idempotency key":
            record(record_outcome, sent, **{"Idempotency-Key": "once"})
        case _:
            record(record_batch, {"outcomes": [sent]})

    response = list_outcomes.handler(proxy_event("GET", authorizer=session(42), query={"include": "ledger"}), None)
    [listed] = json.loads(response["body"])["outcomes"]

    assert {in_request: listed.get(name) for in_request, name in fields.items()} == sent
