"""Test GET /api/outcomes, from the Lambda event to the response."""

import json
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from outcomes.contract.models import NewOutcome

from functions.list_outcomes import app
from tests.events import proxy_event, session

LAMBDA_RESPONSE_LIMIT = 6 * 1024 * 1024
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

pytestmark = pytest.mark.usefixtures("tables")


def add(count: int = 1, **fields: Any) -> None:
    for _ in range(count):
        app.store.add(
            NewOutcome.parse({"outcomeType": "deal_closed", "title": "Closed"} | fields, session_user=42), "session"
        )


def get(authorizer: dict[str, Any] | None = None, **event: Any) -> dict[str, Any]:
    return app.handler(proxy_event("GET", authorizer=authorizer or session(42), **event), None)


def listed(**event: Any) -> Any:
    return json.loads(get(**event)["body"])["outcomes"]


def test_an_outcome_has_exactly_the_fields_of_the_contract_in_their_order() -> None:
    assert get()["body"] == '{"outcomes":[],"next_cursor":null}'
    add()
    names = "id user_id agent_id outcome_type title description value_usd metadata created_at"
    assert list(listed()[0]) == names.split()


@pytest.mark.parametrize(
    ("limit", "count"),
    [(None, 20), ("1", 1), ("007", 7), ("49", 49), ("50", 50), ("51", 50), ("100", 50), ("9" * 5000, 50)],
)
def test_the_limit_is_20_by_default_and_50_at_most(limit: str | None, count: int) -> None:
    add(55)
    assert len(listed(query={"limit": limit} if limit else None)) == count


@pytest.mark.parametrize(
    "limit", ["", "0", "000", "-1", "+1", "1.0", "1e1", " 1", "1 ", "2_0", "٣", "²", "x", "0x10", "null", "1,2"]
)
def test_any_other_limit_is_refused(limit: str) -> None:
    response = get(query={"limit": limit})
    assert (response["statusCode"], response["body"]) == (400, '{"error":"Invalid limit"}')


@pytest.mark.parametrize("on", ["batch, totals", ""])
def test_a_list_says_which_capabilities_are_on(on: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "CAPABILITIES", on)
    headers = get(headers={"Origin": "https://app.example.com"})["headers"]
    assert headers["Capabilities"] == on
    assert {"Capabilities", "No-Such-Route"} <= set(headers["Access-Control-Expose-Headers"].split(", "))


def test_fifty_outcomes_of_maximal_metadata_list_in_one_response() -> None:
    metadata = {"a": "\U0001f389" * ((65536 - len('{"a":""}')) // 4)}
    add(50, metadata=metadata, title="\U0001f389" * 200, description="\U0001f389" * 1000, valueUsd=Decimal("1e-130"))
    response = get(query={"limit": "50"})
    assert len(json.loads(response["body"])["outcomes"]) == 50
    # Serialize like Lambda's runtime: https://github.com/aws/aws-lambda-python-runtime-interface-client
    assert len(json.dumps(response, ensure_ascii=False).encode()) < LAMBDA_RESPONSE_LIMIT


OURS = ("https://app.example.com", "https://beta.example.com")
OTHERS = ("https://app.example.com.evil.com", "https://app.example.com/", "HTTPS://APP.EXAMPLE.COM", "null", "", "*")


@pytest.mark.parametrize("origin", [*OURS, *OTHERS])
def test_only_listed_origins_may_read_answers_and_refusals(origin: str) -> None:
    for query, header in product(({}, {"limit": "x"}), ("Origin", "origin")):
        headers = get(headers={header: origin}, query=query)["headers"]
        assert headers.get("Access-Control-Allow-Origin") == (origin if origin in OURS else None)
        assert headers.get("Access-Control-Allow-Credentials") == ("true" if origin in OURS else None)
        assert headers["Vary"] == "Origin"
