"""Test POST /api/outcomes, from the Lambda event to the response."""

import base64
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outcomes.contract import json_text

from functions.list_outcomes import app as list_outcomes
from functions.record_outcome import app
from tests.aws import scan
from tests.events import KEY, agent, proxy_event, session
from tests.faults import THROTTLED, error, faulty, fine
from tests.outcome_types import TYPES

type Log = Callable[[], list[dict[str, Any]]]

VALID = {"outcomeType": "deal_closed", "title": "Closed a deal", "userId": 42}
NAMES = ", ".join(TYPES)


def record(body: Any, authorizer: dict[str, Any] | None = KEY, **event: Any) -> tuple[int, str]:
    response = app.handler(proxy_event("POST", authorizer=authorizer, body=body, **event), None)
    return response["statusCode"], response["body"]


def feed(user_id: int) -> str:
    response = list_outcomes.handler(proxy_event("GET", authorizer=session(user_id)), None)
    return str(response["body"])


def listed(user_id: int) -> Any:
    return json_text.read(feed(user_id))["outcomes"]


pytestmark = pytest.mark.usefixtures("tables")


NOBODYS = {"outcomeType": "deal_closed", "title": "Closed a deal"}


@pytest.mark.parametrize(
    ("body", "caller", "unassigned"),
    [
        (NOBODYS, KEY, "true"),
        (NOBODYS | {"userId": None}, KEY, "true"),
        (VALID, KEY, None),
        (NOBODYS, session(42), None),
        (NOBODYS, agent(), None),
    ],
)
def test_an_outcome_without_a_user_has_the_header_unassigned(
    body: Any, caller: dict[str, Any], unassigned: str | None
) -> None:
    # The third request repeats the second one, so it is a replay.
    for header in {}, {"Idempotency-Key": "k"}, {"Idempotency-Key": "k"}:
        response = app.handler(proxy_event("POST", authorizer=caller, body=body, headers=header), None)
        assert (response["statusCode"], response["headers"].get("Unassigned")) == (200, unassigned)
        assert caller == session(42) or response["body"] == '{"ok":true}'
    assert response["headers"]["Idempotent-Replayed"] == "true"


def test_a_session_records_for_its_user_and_gets_the_id() -> None:
    status, body = record(VALID | {"userId": 7}, session(42))
    assert (status, listed(7)) == (200, [])
    assert body == f'{{"ok":true,"id":"{listed(42)[0]["id"]}"}}'


def test_an_outcome_comes_back_exactly_as_it_was_sent() -> None:
    body = """{"outcomeType":"task_complete","title":"T\\u00e9\\"\\\\\\n","description":"\\u0009",
        "valueUsd":0.1234567890123456789012345,"agentId":7.0,"userId":42,"metadata":{"b":[1e400,{"a":-0.0}],"":"\\ud83c\\udf89"}}"""
    assert record(body) == (200, '{"ok":true}')
    [outcome] = listed(42)
    assert outcome.pop("id")
    assert outcome.pop("created_at")
    assert outcome == {
        "user_id": 42,
        "agent_id": 7,
        "outcome_type": "task_complete",
        "title": 'Té"\\\n',
        "description": "\t",
        "value_usd": Decimal("0.1234567890123456789012345"),
        "metadata": {"b": [Decimal("1e400"), {"a": Decimal("-0.0")}], "": "🎉"},
    }


@pytest.mark.parametrize(
    "body",
    [
        *(None, "", " ", "nonsense", "[]", "null", '"text"', "1", "{", '{"a":01}', "{'a':1}"),
        *(f'{{"a":{number}}}' for number in ("NaN", "Infinity", "-Infinity", "1e9999999999999999999999")),
        '{"outcomeType":"deal_closed","title":"raw \ud800"}',
        '\ufeff{"outcomeType":"deal_closed","title":"byte order mark"}',
        *('{"a":' * 20_000, "[" * 100_000),
    ],
)
def test_a_body_other_than_a_json_object_is_refused(body: str | None) -> None:
    assert record(body) == (400, '{"error":"Invalid JSON"}')
    assert scan() == []


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"value_usd": 500, "agent_id": 3}, "value_usd, agent_id"),
        ({"idempotencyKey": "k"}, "idempotencyKey"),
        (
            {"a,b": 1, "c d": 1, "é": 1, "100%": 1, "\r\nX-Evil: 1": 1},
            "a%2Cb, c%20d, %C3%A9, 100%25, %0D%0AX-Evil:%201",
        ),
        ({"\ud800": 1}, "%3F"),
        ({"x" * 64: 1}, "x" * 64),
        ({"x" * 65: 1}, "x" * 61 + "..."),
        ({"é" * 1000: 1}, "%C3%A9" * 10 + "..."),
        ({str(index): 1 for index in range(1000)}, ", ".join([*map(str, range(20)), "..."])),
        ({}, None),
    ],
)
def test_ignored_fields_are_named_in_a_header_only(fields: dict[str, int], named: str | None) -> None:
    for body, status in (VALID | fields, 200), ({"title": "x"} | fields, 400):
        response = app.handler(proxy_event("POST", authorizer=KEY, body=body), None)
        assert (response["statusCode"], response["headers"].get("Ignored-Fields")) == (status, named)
        assert status != 200 or response["body"] == '{"ok":true}'


def test_the_user_in_a_session_s_body_is_not_named_as_ignored() -> None:
    response = app.handler(proxy_event("POST", authorizer=session(42), body=VALID | {"userId": 7}), None)
    assert "Ignored-Fields" not in response["headers"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (base64.b64encode(json.dumps(VALID).encode()), 200),
        (base64.b64encode(b"\xff\xfe{}"), 400),
        (base64.b64encode('{"a":1}'.encode("utf-16")), 400),
        (b"{}", 400),
    ],
    ids=["good", "not UTF-8", "UTF-16", "not base64"],
)
def test_a_base64_body_is_decoded_or_refused(body: bytes, status: int) -> None:
    assert record(body.decode(), base64=True) == (
        status,
        '{"ok":true}' if status == 200 else '{"error":"Invalid JSON"}',
    )


def test_a_number_of_thousands_of_digits_is_an_invalid_field() -> None:
    status, body = record('{"outcomeType":"deal_closed","title":"x","valueUsd":' + "9" * 5000 + "}")
    assert (status, json.loads(body)["error"]) == (400, "Invalid valueUsd")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (VALID | {"outcomeType": "sale"}, NAMES),
        ({"title": "x"}, NAMES),
        (VALID | {"outcomeType": ["deal_closed"]}, NAMES),
        (VALID | {"title": ""}, None),
        (VALID, None),
    ],
)
def test_an_invalid_type_is_answered_with_all_types_in_a_header(body: dict[str, Any], named: str | None) -> None:
    response = app.handler(
        proxy_event("POST", authorizer=KEY, body=body, headers={"Origin": "https://app.example.com"}), None
    )
    assert response["headers"].get("Outcome-Types") == named
    assert "Outcome-Types" in response["headers"]["Access-Control-Expose-Headers"].split(", ")
    assert named is None or (response["statusCode"], response["body"]) == (400, '{"error":"Invalid outcome_type"}')


@pytest.mark.parametrize(("size", "status"), [(128 * 1024, 200), (128 * 1024 + 1, 413)])
@pytest.mark.parametrize("character", ["x", "é"])
def test_a_body_may_have_128_kib_and_not_one_byte_more(size: int, status: int, character: str) -> None:
    frame = json.dumps(VALID | {"ignored": ""})
    padding, rest = divmod(size - len(frame), len(character.encode()))
    body = json.dumps(VALID | {"ignored": character * padding + "x" * rest}, ensure_ascii=False)
    assert len(body.encode()) == size
    assert record(body) == (status, '{"ok":true}' if status == 200 else '{"error":"Payload too large"}')
    assert len(scan()) == (status == 200)


@pytest.mark.parametrize("event", [{}, {"headers": None, "requestContext": None, "body": None}])
def test_a_malformed_event_is_a_401(event: dict[str, Any]) -> None:
    assert app.handler(event, None)["statusCode"] == 401


@pytest.mark.usefixtures("no_waiting")
def test_a_throttled_table_is_a_503_that_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """The CloudWatch dashboard shows the metric Busy, the number of these answers."""
    event = proxy_event("POST", authorizer=KEY, body=VALID)
    with faulty(app.store.dynamodb, "PutItem", error(THROTTLED)) as attempts:
        response = app.handler(event, None)
    assert (response["statusCode"], response["body"]) == (503, '{"error":"Busy"}')
    assert response["headers"]["Retry-After"] == "1"
    assert len(attempts) == 2
    assert scan() == []
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["Busy"] for line in lines if "Busy" in line] == [[1.0]]
    assert record({"title": 1})[0] == 400
    assert '"Busy"' not in capsys.readouterr().out


def test_every_answer_has_the_contracts_headers() -> None:
    for body in (VALID, None):
        headers = app.handler(proxy_event("POST", authorizer=KEY, body=body), None)["headers"]
        headers.pop("Outcome-Id", None)
        assert headers == {
            "Content-Type": "application/json",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
            "Vary": "Origin",
        }


@pytest.mark.parametrize(
    ("body", "answer", "logged"),
    [
        (VALID, (200, '{"ok":true}'), ["Metrics were not written"]),
        (None, (400, '{"error":"Invalid JSON"}'), ["Refused", "Metrics were not written"]),
    ],
)
def test_an_answer_is_sent_when_its_metrics_cannot_be_written(
    body: Any, answer: tuple[int, str], logged: list[str], monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    def fail(_line: str) -> None:
        raise OSError("no standard output")

    monkeypatch.setattr("outcomes.edge.observability.print", fail, raising=False)
    assert record(body) == answer
    assert [line["message"] for line in log()] == logged


def test_refusals_are_counted_by_reason_and_logged(capsys: pytest.CaptureFixture[str], log: Log) -> None:
    record(VALID | {"title": ""})
    [line] = log()
    [metric] = map(json.loads, capsys.readouterr().out.splitlines())
    assert (line["message"], line["reason"], line["fields"]) == ("Refused", "Invalid title", ["title"])
    assert (metric["reason"], metric["RequestsRefused"]) == ("Invalid title", [1.0])


def test_the_log_of_a_refusal_names_no_user(log: Log) -> None:
    _, answer = record(VALID | {"userId": 43}, agent() | {"userId": "777777"})
    [line] = log()
    assert "777777" in answer
    assert (line["reason"], line["fields"]) == ("Forbidden", ["userId"])
    assert "777777" not in json.dumps(line)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.text() | st.binary().map(lambda raw: base64.b64encode(raw).decode()), base64_=st.booleans())
def test_no_body_gives_a_500(body: str, base64_: bool) -> None:
    assert record(body, base64=base64_)[0] == 400


# ── The header Idempotency-Key ────────────────────────────────────────────────────────────────────────────────────────

PRICED = VALID | {"valueUsd": 12.5}


def once(key: str, authorizer: dict[str, Any] = KEY, header: str = "Idempotency-Key") -> Any:
    return app.handler(proxy_event("POST", authorizer=authorizer, body=PRICED, headers={header: key}), None)


def test_every_200_has_the_outcome_s_id() -> None:
    for response in (app.handler(proxy_event("POST", authorizer=KEY, body=PRICED), None), once("k")):
        assert (response["statusCode"], response["body"]) == (200, '{"ok":true}')
        assert len(response["headers"]["Outcome-Id"]) == 26
        assert "Idempotent-Replayed" not in response["headers"]


@pytest.mark.parametrize("authorizer", [KEY, session(42)])
def test_a_retry_repeats_the_first_answer(authorizer: dict[str, Any]) -> None:
    first, again = once("k", authorizer=authorizer), once("k", authorizer=authorizer)
    assert again == first | {"headers": first["headers"] | {"Idempotent-Replayed": "true"}}
    assert len(scan()) == 1


@pytest.mark.parametrize("key", ["!", "~" * 255, "8e03978e-40d5-43dd-bc93-6894a57f9324", '"quoted"', "a,b"])
def test_a_key_is_1_to_255_visible_ascii_characters(key: str) -> None:
    assert once(key)["statusCode"] == 200


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "é", "\x7f", "tab\t", "\ud800"])
def test_any_other_key_is_refused(key: str) -> None:
    response = once(key)
    assert (response["statusCode"], response["body"]) == (400, '{"error":"Invalid Idempotency-Key"}')
    assert scan() == []


def test_two_different_keys_are_refused_and_equal_ones_are_one() -> None:
    event = proxy_event("POST", authorizer=KEY, body=PRICED, headers={"Idempotency-Key": "a"})
    event["multiValueHeaders"]["Idempotency-Key"] = ["a", "b"]
    assert app.handler(event, None)["statusCode"] == 400
    event["multiValueHeaders"]["Idempotency-Key"] = ["a", "a"]
    assert app.handler(event, None)["statusCode"] == 200


@pytest.mark.parametrize("header", ["idempotency-key", "IDEMPOTENCY-KEY"])
def test_the_name_of_the_header_has_no_case(header: str) -> None:
    once("k")
    assert once("k", header=header)["headers"]["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(("key", "operation"), [("k", "TransactWriteItems"), (None, "PutItem")])
def test_recording_is_one_call(key: str | None, operation: str) -> None:
    headers = {"Idempotency-Key": key} if key else {}
    operations = {"PutItem", "GetItem", "Query", "TransactWriteItems", "BatchExecuteStatement"}
    with faulty(app.store.dynamodb, operations, fine) as calls:
        app.handler(proxy_event("POST", authorizer=KEY, body=PRICED, headers=headers), None)
    assert calls == [operation]


def test_a_replay_is_not_counted_again(capsys: pytest.CaptureFixture[str]) -> None:
    once("k")
    assert "OutcomesRecorded" in capsys.readouterr().out
    once("k")
    assert "OutcomesRecorded" not in capsys.readouterr().out
