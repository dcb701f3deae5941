"""Test GET /api/outcomes, from the Lambda event to the response: outcomes, pages and filters."""

import base64
import json
from decimal import Decimal
from itertools import batched, product
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outcomes.contract.models import NewOutcome
from outcomes.ledger.items import new_item

from functions.list_outcomes import app
from tests.aws import aws_client
from tests.events import KEY, proxy_event, session
from tests.faults import faulty, fine

NOON = 1_775_044_800_000  # 2026-04-01T12:00:00Z

PLAIN = {"outcomeType": "deal_closed", "title": "Closed"}

LAMBDA_RESPONSE_LIMIT = 6 * 1024 * 1024
"""https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

pytestmark = pytest.mark.usefixtures("tables")


def add(milliseconds: int = NOON, user: int = 42, **fields: Any) -> str:
    return app.store.add(NewOutcome.parse(PLAIN | fields, session_user=user), "session", milliseconds=milliseconds)


def get(user: int = 42, **query: Any) -> tuple[int, Any]:
    query = {name.rstrip("_"): value for name, value in query.items() if value is not None}
    response = app.handler(proxy_event("GET", authorizer=session(user), query=query), None)
    return response["statusCode"], json.loads(response["body"])


def respond(**event: Any) -> dict[str, Any]:
    return app.handler(proxy_event("GET", authorizer=session(42), **event), None)


def page(user: int = 42, **query: Any) -> tuple[list[str], str | None]:
    status, answer = get(user, **query)
    assert status == 200
    return [outcome["id"] for outcome in answer["outcomes"]], answer["next_cursor"]


def walk(cursor: str | None = None, **query: Any) -> list[list[str]]:
    pages = []
    while True:
        ids, cursor = page(cursor=cursor, **query)
        pages.append(ids)
        if cursor is None:
            return pages


def flat(pages: list[list[str]]) -> list[str]:
    return [id_ for ids in pages for id_ in ids]


def newest_first(ids: list[str]) -> list[str]:
    return sorted(ids, reverse=True)


@pytest.mark.parametrize(
    ("count", "limit", "sizes"), [(0, 5, [0]), (4, 5, [4]), (5, 5, [5]), (6, 5, [5, 1]), (10, 5, [5, 5])]
)
def test_a_full_last_page_ends_with_null(count: int, limit: int, sizes: list[int]) -> None:
    ids = [add(NOON + second) for second in range(count)]
    pages = walk(limit=str(limit))
    assert [len(ids) for ids in pages] == sizes
    assert flat(pages) == newest_first(ids)


def test_pages_of_any_size_give_each_outcome_once_even_within_one_millisecond() -> None:
    ids = [add(NOON + index // 7) for index in range(23)]
    for limit in (1, 2, 3, 22, 23, 24):
        assert flat(walk(limit=str(limit))) == newest_first(ids)


def test_new_outcomes_neither_move_nor_repeat_a_page() -> None:
    ids = [add(NOON + index) for index in range(6)]
    first, cursor = page(limit="2")
    new = add(NOON + 100)
    rest = walk(cursor, limit="2")
    assert first + flat(rest) == newest_first(ids)
    assert page(limit="1")[0] == [new]


def test_a_cursor_reveals_no_user_and_reads_only_its_reader_s_outcomes() -> None:
    theirs = [add(NOON + index, user=7) for index in range(3)]
    mine = [add(NOON + index) for index in range(3)]
    _, cursor = page(limit="1")
    assert cursor is not None
    assert "42" not in cursor
    assert set(page(7, cursor=cursor)[0]) <= set(theirs)
    assert set(page(cursor=cursor)[0]) <= set(mine)


@pytest.mark.parametrize(
    "cursor",
    [
        *("", "x", "null", "A" * 21, "A" * 23, "A" * 21 + "B", "A" * 21 + "=", "A" * 20 + "=="),
        *("é" * 22, " " * 22, "+" * 22, "A" * 9999),
    ],
)
def test_a_malformed_cursor_is_refused(cursor: str) -> None:
    assert get(cursor=cursor) == (400, {"error": "Invalid cursor"})


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(min_size=16, max_size=16))
def test_any_well_formed_cursor_is_accepted(position: bytes) -> None:
    cursor = base64.urlsafe_b64encode(position).decode().rstrip("=")
    assert get(cursor=cursor)[0] == 200


@pytest.mark.parametrize(
    ("from_", "to", "found"),
    [
        ("2026-04-01T12:00:00Z", None, [0, 1, 2]),
        ("2026-04-01T12:00:00.001Z", None, [1, 2]),
        ("2026-04-01T12:00:00.0005Z", None, [1, 2]),
        (None, "2026-04-01T12:00:00.001Z", [0]),
        (None, "2026-04-01T12:00:00Z", []),
        (None, "2026-04-01T12:00:00.0005Z", [0]),
        ("2026-04-01T14:00:00+02:00", "2026-04-01T08:00:00.001-04:00", [0]),
        ("2026-04-01", "2026-04-02", [0, 1, 2]),
        ("2026-04-02", None, []),
        (None, "2026-04-01", []),
        ("2026-04-02", "2026-04-01", []),
        ("0001-01-01", "9999-12-31T23:59:59-23:59", [0, 1, 2]),
    ],
)
def test_from_is_inclusive_and_to_exclusive(from_: str | None, to: str | None, found: list[int]) -> None:
    ids = [add(NOON + milliseconds) for milliseconds in range(3)]
    assert page(from_=from_, to=to)[0] == [ids[index] for index in reversed(found)]


def test_a_cursor_of_one_range_may_be_used_with_another() -> None:
    for index in range(5):
        add(NOON + index)
    _, cursor = page(limit="1")
    assert page(cursor=cursor, from_="2027-01-01") == ([], None)
    assert page(cursor=cursor, to="2020-01-01") == ([], None)


def test_rare_matches_are_searched_in_few_queries() -> None:
    # Five reads find a page of two outcomes. Each reads four times as many as the one before: 3 + 12 + 48 + 192 + 768.
    between = 1_100
    wanted = [add(NOON, agentId=Decimal(7)), add(NOON + between, agentId=Decimal(7))]
    others = [
        new_item(NewOutcome.parse(PLAIN, session_user=42), "session", NOON + index)[1] for index in range(1, between)
    ]
    for put in batched(others, 25, strict=False):
        puts: Any = [{"PutRequest": {"Item": item}} for item in put]
        aws_client("dynamodb").batch_write_item(RequestItems={"OutcomesTable": puts})
    with faulty(app.store.dynamodb, "Query", fine) as calls:
        ids, cursor = page(agentId="7", limit="2")
    assert ids == wanted[1:]
    assert cursor is not None
    assert len(calls) <= 5
    assert flat(walk(agentId="7", limit="2")) == wanted[::-1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("outcomeType", value) for value in ("", "Sale", "DEAL_CLOSED", "deal_closed,task_complete")],
        *[("agentId", value) for value in ("", "0", "-1", "1.5", "x", "٣", "9007199254740992", "9" * 5000)],
        *[("recordedBy", f"key:{'a' * 15}{end}") for end in ("", "-", "ä", "aa", "a\n")],
        *[("recordedBy", value) for value in ("", "key", "session", "key:", f"session:{'a' * 16}", "a" * 16)],
        *[
            (name, value)
            for name in ("from", "to")
            for value in (
                *("", "x", "now", "2026-02-30", "2026-04-01T12:00", "2026-04-01T25:00:00Z", "٢026-04-01"),
                "2026-04-01T12:00:00Z\0",
            )
        ],
    ],
)
def test_a_bad_value_is_refused_by_name(name: str, value: Any) -> None:
    assert get(**{name: value}) == (400, {"error": f"Invalid {name}"})


def test_a_page_that_would_not_fit_into_a_response_ends_early() -> None:
    backslashes = {"a": "\\" * ((65536 - len('{"a":""}')) // 2)}
    ids = [add(NOON + index, metadata=backslashes) for index in range(50)]
    sizes: list[int] = []
    found: list[str] = []
    query: dict[str, str | list[str]] = {"limit": "50"}
    while query.get("cursor", "") is not None:
        response = app.handler(proxy_event("GET", authorizer=session(42), query=query), None)
        sizes.append(len(json.dumps(response, ensure_ascii=False).encode()))
        answer = json.loads(response["body"])
        found += [outcome["id"] for outcome in answer["outcomes"]]
        query["cursor"] = answer["next_cursor"]
    assert max(sizes) < 6 * 1024 * 1024 < sum(sizes)
    assert found == newest_first(ids)


# ── The answer ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_outcome_has_exactly_the_fields_of_the_contract_in_their_order() -> None:
    assert respond()["body"] == '{"outcomes":[],"next_cursor":null}'
    add()
    names = "id user_id agent_id outcome_type title description value_usd metadata created_at"
    assert list(json.loads(respond()["body"])["outcomes"][0]) == names.split()


@pytest.mark.parametrize(
    ("limit", "count"),
    [(None, 20), ("1", 1), ("007", 7), ("49", 49), ("50", 50), ("51", 50), ("100", 50), ("9" * 5000, 50)],
)
def test_the_limit_is_20_by_default_and_50_at_most(limit: str | None, count: int) -> None:
    for _ in range(55):
        add()
    assert len(page(limit=limit)[0]) == count


@pytest.mark.parametrize(
    "limit", ["", "0", "000", "-1", "+1", "1.0", "1e1", " 1", "1 ", "2_0", "٣", "²", "x", "0x10", "null", "1,2"]
)
def test_any_other_limit_is_refused(limit: str) -> None:
    assert get(limit=limit) == (400, {"error": "Invalid limit"})


@pytest.mark.parametrize("on", ["batch, totals", ""])
def test_a_list_says_which_capabilities_are_on(on: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "CAPABILITIES", on)
    headers = respond(headers={"Origin": "https://app.example.com"})["headers"]
    assert headers["Capabilities"] == on
    assert {"Capabilities", "No-Such-Route"} <= set(headers["Access-Control-Expose-Headers"].split(", "))


def test_fifty_outcomes_of_maximal_metadata_list_in_one_response() -> None:
    metadata = {"a": "\U0001f389" * ((65536 - len('{"a":""}')) // 4)}
    largest: dict[str, Any] = {"metadata": metadata, "title": "\U0001f389" * 200, "description": "\U0001f389" * 1000}
    for _ in range(50):
        add(**largest, valueUsd=Decimal("1e-130"))
    response = respond(query={"limit": "50"})
    assert len(json.loads(response["body"])["outcomes"]) == 50
    # Serialize like Lambda's runtime: https://github.com/aws/aws-lambda-python-runtime-interface-client
    assert len(json.dumps(response, ensure_ascii=False).encode()) < LAMBDA_RESPONSE_LIMIT


OURS = ("https://app.example.com", "https://beta.example.com")
OTHERS = ("https://app.example.com.evil.com", "https://app.example.com/", "HTTPS://APP.EXAMPLE.COM", "null", "", "*")


@pytest.mark.parametrize("origin", [*OURS, *OTHERS])
def test_only_listed_origins_may_read_answers_and_refusals(origin: str) -> None:
    for query, header in product(({}, {"limit": "x"}), ("Origin", "origin")):
        headers = respond(headers={header: origin}, query=query)["headers"]
        assert headers.get("Access-Control-Allow-Origin") == (origin if origin in OURS else None)
        assert headers.get("Access-Control-Allow-Credentials") == ("true" if origin in OURS else None)
        assert headers["Vary"] == "Origin"


@pytest.mark.parametrize(("sent", "status"), [("42", 200), ("042", 200), ("43", 401), ("none", 401), ("x", 400)])
def test_the_platform_reads_only_the_user_whom_the_authorizer_logged(sent: str, status: int) -> None:
    event = proxy_event("GET", authorizer=KEY | {"reads": "42"}, query={"userId": sent})
    assert app.handler(event, None)["statusCode"] == status
