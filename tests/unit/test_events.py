"""Test which table changes are published as events, and the format of events."""

import json
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from outcomes.calendar import instants
from outcomes.contract import events, json_text
from outcomes.contract.caller import Bounds
from outcomes.contract.events import Event
from outcomes.contract.models import NewOutcome
from outcomes.costs.cost_rows import CostDay
from outcomes.events import stream
from outcomes.keys import key_text
from outcomes.ledger import ulid
from outcomes.ledger.items import outcome_item

from functions.costs import app as costs
from functions.definitions import app as definitions
from functions.manage_keys import app as manage_keys
from functions.record_outcome import app as record_outcome
from tests import streams
from tests.aws import aws_client, scan
from tests.corrections import OWNER, assign, correct, get, ledger, read
from tests.events import KEY, proxy_event
from tests.fields import UNSET
from tests.people import define, keep_statement
from tests.watches.telling import events_of_all_kinds

NOON = 1_775_044_800_000  # 2026-04-01T12:00:00Z
GOLDEN = Path(__file__).parent / "events"
OUTCOME = {
    "outcomeType": "deal_closed",
    "title": 'Renewed "Acme" für ein Jahr',
    "valueUsd": 12500.5,
    "agentId": 7,
    "userId": 42,
    "metadata": {"contract": "A-17"},
    "occurredAt": "2026-03-31T09:30:00Z",
}


@pytest.fixture(autouse=True)
def ledger_with_streams(tables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn on all streams, make ids predictable, and let each read of the clock advance it by a second."""
    streams.turn_on(tables["OutcomesTable"], tables["KeysTable"], tables["StatementsTable"], tables["CostsTable"])
    seconds, ids = count(NOON, 1000), count(1)
    monkeypatch.setattr(instants, "now", lambda: next(seconds))
    monkeypatch.setattr(ulid, "new", lambda milliseconds: ulid.from_number(milliseconds << 80 | next(ids)))
    monkeypatch.setattr(key_text, "new_id", lambda: f"key{next(ids):013}")


def record(body: dict[str, Any] = OUTCOME, caller: dict[str, Any] = KEY) -> str:
    response = record_outcome.handler(proxy_event("POST", authorizer=caller, body=body), None)
    assert response["statusCode"] == 200, response["body"]
    return str(response["headers"]["Outcome-Id"])


def ask_keys(method: str, path: str, body: Any = None, **parameters: str) -> Any:
    event = proxy_event(method, path, authorizer=OWNER, body=body, parameters=parameters)
    response = manage_keys.handler(event, None)
    assert response["statusCode"] == 200, response["body"]
    return json.loads(response["body"])


def entries_of(records: list[dict[str, Any]]) -> dict[str, Any]:
    keys = [key for record in records if (key := stream.entry_key_of(record))]
    items = [aws_client("dynamodb").get_item(TableName="OutcomesTable", Key=key).get("Item") for key in keys]
    return {item["created_at"]["S"].partition("#")[2]: item for item in items if item}


def told(table: str = "OutcomesTable") -> list[Event]:
    """Return the events in the stream of a table, in order."""
    records = streams.records(table)
    for number, each in enumerate(records):
        each["eventID"] = f"{number:032x}"
        each["dynamodb"]["ApproximateCreationDateTime"] = NOON / 1000 + number
    entries = entries_of(records)
    return [event for record in records if (event := stream.event_of(record, entries))]


def types(table: str = "OutcomesTable") -> list[str]:
    return [event.type for event in told(table)]


def data(event: Event) -> Any:
    return read(event.data)


# ── Format ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def outcomes_of_all_kinds() -> None:
    id_ = record()
    amended = {"valueUsd": 12000, "metadata": {"contract": "A-18"}, "occurredAt": None}
    for caller, body in (
        (KEY, {"type": "amend", "reason": "A discount", "changes": amended}),
        (OWNER, {"type": "dispute", "reason": "Not mine"}),
        (KEY, {"type": "uphold", "reason": "It is in the books"}),
        (OWNER, {"type": "confirm"}),
        (KEY, {"type": "void", "reason": "Cancelled"}),
    ):
        assert correct(id_, caller, body)[0] == 200


def keys_of_all_kinds() -> None:
    key = ask_keys("POST", "/api/keys", {"name": "Nightly import", "agentId": 7, "maxValueUsd": 500.5})
    ask_keys("POST", "/api/keys/{id}/rotate", {}, id=key["id"])
    limited_key = Bounds(key["id"], 42, None, None, None, {"record"}, 10_000)
    manage_keys.budgets.refusal(limited_key, NOON)
    ask_keys("DELETE", "/api/keys/{id}", id=key["id"])


def costs_of_a_day() -> None:
    """Put costs, restate them, and delete them."""
    for lines in ([{"agentId": 7, "costUsd": 9.8}], [{"costUsd": 1200, "label": "gpt-5"}], None):
        method, body = ("PUT", {"userId": 42, "lines": lines}) if lines else ("DELETE", None)
        parameters = {"date": "2026-04-01", "source": "openai"}
        event = proxy_event(method, "/api/costs/{date}/{source}", authorizer=KEY, body=body, parameters=parameters)
        event["queryStringParameters"] = {"userId": "42"}
        assert costs.handler(event, None)["statusCode"] == 200


def test_costs_are_published_with_what_was_before_in_brief_if_they_are_long() -> None:
    costs_of_a_day()
    first, second, third = told("CostsTable")
    assert (data(first)["before"], data(third)["after"], data(third)["version"]) == (None, None, 3)
    assert (
        data(second)["before"]
        == data(first)["after"]
        == {
            "cost_usd": Decimal("9.8"),
            "lines": [{"agent_id": 7, "cost_usd": Decimal("9.8"), "quantity": None, "unit": None, "label": None}],
        }
    )
    assert data(third)["before"] == data(second)["after"]
    brief = read(str(second.brief))
    assert brief == data(second) | {
        "before": {"cost_usd": Decimal("9.8")},
        "after": {"cost_usd": Decimal(1200)},
        "lines_omitted": True,
    }
    assert "E+" not in second.data  # 1200, not 1.2E+3
    row = {"TableName": "CostsTable", "Key": CostDay(42, "2026-04-01", "openai").key}
    aws_client("dynamodb").update_item(
        **row, UpdateExpression="SET repeated_by = :by", ExpressionAttributeValues={":by": {"S": "key"}}
    )
    aws_client("dynamodb").delete_item(**row)
    assert told("CostsTable") == [first, second, third]


def test_each_type_of_event_is_published_as_its_example() -> None:
    outcomes_of_all_kinds()
    assert assign(record({"outcomeType": "deal_closed", "title": "Closed", "metadata": {"a": 1}}))[0] == 200
    keep_statement(42)
    costs_of_a_day()
    keys_of_all_kinds()  # last: how often a function that manages keys reads the clock moves no other example
    define(42, "claimed")
    happened = [*told(), *told("KeysTable"), *told("StatementsTable"), *told("CostsTable"), *events_of_all_kinds()]

    examples = {file.stem: read(file.read_text()) for file in GOLDEN.glob("*.json")}
    for example in examples.values():
        if "recorded_by" in example["data"]:
            example["data"] |= UNSET
    # If a type has two events, the first of them is the golden example.
    assert {event.type: read(events.cloud_event(event, "outcomes-prod")) for event in reversed(happened)} == examples
    corrected = ("recorded", "amended", "disputed", "upheld", "confirmed", "voided")
    outcome_types = [f"outcome.{what}" for what in (*corrected, "recorded", "assigned", "recorded")]
    assert [event.type for event in happened] == [
        *outcome_types,
        "key.created",
        "key.rotated",
        "key.limited",
        "key.revoked",
        "outcome.statement",
        "outcome.definition",
        "costs.updated",
        "costs.updated",
        "costs.updated",
        "watch.reached",
        "watch.undone",
        "watch.missed",
        "watch.exceeded",
        "watch.silent",
        "digest.week",
    ]
    # An assignment publishes the void original and the outcome that was recorded for the user.
    assigned, recorded = happened[7:9]
    assert (recorded.subject, recorded.id) == (
        f"users/42/outcomes/{recorded.id}",
        data(assigned)["correction"]["assigned_id"],
    )
    assert examples.keys() == set(events.TYPES)


def test_an_entry_for_the_bus_has_the_event_s_type() -> None:
    event = Event("an-id", "outcome.recorded", "2026-04-01T12:00:00.000Z", "outcomes/an-id", '{"id":"an-id"}')

    assert events.entry(event, "outcomes-prod", "a-bus") == {
        "EventBusName": "a-bus",
        "Source": "outcomes-prod",
        "DetailType": "outcome.recorded",
        "Detail": events.cloud_event(event, "outcomes-prod"),
    }


# ── Which changes are events ──────────────────────────────────────────────────────────────────────────────────────────


def test_data_is_the_outcome_of_a_list_with_the_ledger_and_the_correction_of_its_history() -> None:
    id_ = record(OUTCOME | {"description": "Ünï \t 🎉", "valueUsd": 0.1})
    lists = [ledger()[0]]
    for body in ({"type": "confirm"}, {"type": "dispute", "reason": "Not mine"}):
        correct(id_, OWNER, body)
        lists += ledger()
    history = get(id_)[1]["corrections"]

    assert [event.id for event in told()] == [id_, *(each["id"] for each in history)]
    said = [data(event) for event in told()]
    assert [each.pop("correction", None) for each in said] == [None, *history]
    assert said == lists


def test_an_outcome_without_a_user_has_a_subject_and_no_user_id() -> None:
    id_ = record({"outcomeType": "deal_closed", "title": "Closed"})

    [event] = told()
    assert event.subject == f"outcomes/{id_}"
    assert data(event)["user_id"] is None


def erase(table: str, key: dict[str, Any]) -> None:
    aws_client("dynamodb").delete_item(TableName=table, Key=key)


def put(table: str, item: dict[str, Any]) -> None:
    aws_client("dynamodb").put_item(TableName=table, Item=item)


def test_an_imported_outcome_is_no_event_but_its_correction_is_one() -> None:
    id_ = ulid.from_number(NOON << 80)
    outcome = NewOutcome.parse(json_text.read(json.dumps(OUTCOME)), session_user=42)
    put("OutcomesTable", outcome_item(outcome, "key", id_) | {"imported": {"BOOL": True}})
    correct(id_, OWNER, {"type": "confirm"})

    assert types() == ["outcome.confirmed"]


def test_a_change_without_a_new_version_is_no_event() -> None:
    record()
    [item] = scan("OutcomesTable")
    put("OutcomesTable", item | {"kept_by_the_way": {"BOOL": True}})

    assert types() == ["outcome.recorded"]


@pytest.mark.parametrize("created_at", ["~~", "!erased", "erased#2026-04-01T12:00:00.000Z", "a0"])
def test_rows_of_other_kinds_are_no_events(created_at: str) -> None:
    row = {"user_id": {"S": "42"}, "created_at": {"S": created_at}}
    put("OutcomesTable", row)
    put("OutcomesTable", row | {"more": {"S": "more"}})
    erase("OutcomesTable", row)

    assert types() == []


def test_the_use_of_a_key_is_no_event() -> None:
    ask_keys("POST", "/api/keys", {"name": "Nightly import"})
    key = manage_keys.agent_keys.of_user(42)[0]
    manage_keys.agent_keys.mark_used(key)

    assert types("KeysTable") == ["key.created"]


def test_the_expiry_of_a_key_is_no_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two changes of rows follow the expiry of a key, and neither is published.

    DynamoDB deletes the key's row. The next creation of a key removes the expired key from the row of the user's keys.
    """
    old = ask_keys("POST", "/api/keys", {"name": "For an hour", "expiresAt": "2026-04-01T13:00:00Z"})
    erase("KeysTable", {"id": {"S": old["id"]}})
    later = count(NOON + 3_600_000, 1000)
    monkeypatch.setattr(instants, "now", lambda: next(later))
    new = ask_keys("POST", "/api/keys", {"name": "Another"})

    assert [(event.type, data(event)["id"]) for event in told("KeysTable")] == [
        ("key.created", old["id"]),
        ("key.created", new["id"]),
    ]


def test_the_revocation_of_an_expired_key_is_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another key was made since, so the row of the user's keys does not list the expired one any more."""
    old = ask_keys("POST", "/api/keys", {"name": "For an hour", "expiresAt": "2026-04-01T13:00:00Z"})
    later = count(NOON + 3_600_000, 1000)
    monkeypatch.setattr(instants, "now", lambda: next(later))
    ask_keys("POST", "/api/keys", {"name": "Another"})
    for _ in range(2):
        ask_keys("DELETE", "/api/keys/{id}", id=old["id"])

    assert [event.id for event in told("KeysTable")][2:] == [f"{old['id']}-revoked"]


def test_no_event_has_a_key_s_secret_or_digest() -> None:
    created = ask_keys("POST", "/api/keys", {"name": "Nightly import"})
    rotated = ask_keys("POST", "/api/keys/{id}/rotate", {}, id=created["id"])
    ask_keys("DELETE", "/api/keys/{id}", id=created["id"])
    secrets = [created["key"], rotated["key"]]
    secrets += [key.rpartition("_")[2] for key in secrets] + [key_text.digest(key) for key in secrets]

    happened = told("KeysTable")
    assert len(happened) == 3
    for event in happened:
        assert not [secret for secret in secrets if secret in events.cloud_event(event, "outcomes")]


def test_each_version_of_a_definition_is_an_event_also_a_deletion() -> None:
    define(42, "claimed", "never")
    path, parameters = "/api/definitions/{month}", {"month": "9998-12"}
    definitions.handler(proxy_event("DELETE", path, authorizer=OWNER, parameters=parameters), None)

    erase("StatementsTable", {"user_id": {"S": "42"}, "id": {"S": "definition#9998-12#000000001"}})
    happened = told("StatementsTable")

    assert [(data(event)["version"], data(event)["dispute_days"]) for event in happened] == [
        (1, 14),
        (2, 14),
        (3, None),
    ]
    assert [each["when"] for each in data(happened[1])["types"]] == ["never"]
    assert (data(happened[2])["types"], data(happened[2])["timezone"]) == (None, "Europe/Berlin")
    assert len({event.id for event in happened}) == 3
