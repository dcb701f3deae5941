"""Every field of the model is stored and listed, however it was recorded."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from outcomes.contract.models import NEW_OUTCOME, NewOutcome
from outcomes.contract.outcome_fields import KINDS, Kind

from functions.list_outcomes import app as list_outcomes
from functions.record_batch import app as record_batch
from functions.record_outcome import app as record_outcome
from tests.events import KEY, proxy_event, session

AN_HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)
OF_KIND: dict[Kind, Any] = {
    Kind.NAME: "deal_closed",
    Kind.TEXT: "Closed a deal",
    Kind.NUMBER: 7,
    Kind.JSON: {"k": [1, {"deep": None}]},
    Kind.INSTANT: AN_HOUR_AGO.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
}
SENT = {in_request: OF_KIND[KINDS[name]] for name, in_request in NEW_OUTCOME.names.items() if name in KINDS}
SENT |= {"valueUsd": 12.5, "userId": 42}


def record(function: Any, body: Any, **headers: str) -> None:
    response = function.handler(proxy_event("POST", authorizer=KEY, body=body, headers=headers), None)
    assert response["statusCode"] == 200, response["body"]


@pytest.mark.usefixtures("tables")
@pytest.mark.parametrize("way", ["alone", "under an idempotency key", "in a batch"])
def test_every_field_of_the_model_comes_back_from_a_list(way: str) -> None:
    fields = dict(zip(NEW_OUTCOME.rules, NewOutcome._fields, strict=True))
    assert SENT.keys() == fields.keys(), "run make contract"
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
