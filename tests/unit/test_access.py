"""Test that the export of a user's data is complete and contains no secrets."""

import json
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from outcomes.aws.services import DynamoDB
from outcomes.contract import json_text
from outcomes.contract.sums import Cell, Sum, Sums
from outcomes.keys.key_text import is_id
from outcomes.privacy import data_sources
from outcomes.statements.statement_rows import ListedStatement, Statement, StatementsTable
from outcomes.totals import codec

from functions.export_user import app
from local.moto_backend import with_bytes
from tests.aws import aws_client
from tests.corrections import get, ledger
from tests.faults import THROTTLED, error, faulty
from tests.people import moto_tables, rows_of

pytestmark = pytest.mark.usefixtures("person", "dynamodb", "no_waiting")

SECRETS = ("secret_sha256", "previous_sha256", "token_sha256", "key_sha256", "fingerprint")


@pytest.fixture
def dynamodb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.access, "dynamodb", DynamoDB(data_sources.LIMITS))


def pages(user_id: int = 42) -> list[dict[str, Any]]:
    """Request all pages, converting to and from JSON as Lambda does."""
    answers: list[dict[str, Any]] = []
    event: dict[str, Any] = {"user_id": user_id}
    for _ in range(100):
        answers.append(json.loads(json.dumps(app.handler(json.loads(json.dumps(event)), None))))
        assert "error" not in answers[-1], answers[-1]
        if answers[-1]["cursor"] is None:
            return answers
        event["cursor"] = answers[-1]["cursor"]
    raise AssertionError(answers[-1])


def lines(user_id: int = 42) -> list[dict[str, Any]]:
    return [json_text.read(line) for page in pages(user_id) for line in page["lines"]]


def of(record: str, user_id: int = 42) -> list[dict[str, Any]]:
    """Return the exported lines of one record type, without their `record` field."""
    return [
        {name: value for name, value in line.items() if name != "record"}
        for line in lines(user_id)
        if line["record"] == record
    ]


def test_every_row_of_a_user_is_a_line_except_rows_that_serve_others() -> None:
    # The export has no line for these rows: the list of keys, a statement's entry in the list of statements, the
    # unfinished next statement and its sums of agents, the index of a statement, the key of a pseudonym, the changes
    # and sums of a month's costs, the count of sources, all definitions in force, as each version has a line, and the
    # row that guards the number of watches.
    without_line = 12
    corrections_of_the_original = 2
    assert len(lines()) == sum(map(len, rows_of(42).values())) - without_line + corrections_of_the_original
    assert rows_of(42).keys() == moto_tables().keys() - {"ErasuresTable"}
    assert lines(44) == []


def test_outcomes_are_those_of_a_list_with_the_ledger() -> None:
    assert sorted(of("outcome"), key=lambda each: each["id"], reverse=True) == sorted(
        [*ledger(), original()], key=lambda each: str(each["id"]), reverse=True
    )


def original() -> dict[str, Any]:
    """Return the line of the outcome that was recorded without a user and assigned to user 42."""
    [outcome] = [each for each in of("outcome") if each["user_id"] is None]
    assert (outcome["title"], outcome["description"], outcome["metadata"]) == ("", None, None)
    assert (outcome["status"], outcome["version"]) == ("void", 2)
    return outcome


def test_corrections_are_those_of_the_history() -> None:
    found = of("correction")
    of_outcome: dict[str, list[Any]] = {each["outcome_id"]: [] for each in found}
    for each in found:
        of_outcome[each.pop("outcome_id")].append(each)
    void, amend = of_outcome.pop(original()["id"])
    assert (void["type"], void["assigned_to"], amend["reason"]) == ("void", 42, "Call 42")
    assert amend["changes"] == {"title": {"before": "Unassigned", "after": "Called 42"}}
    [id_] = of_outcome
    assert of_outcome[id_] == get(id_)[1]["corrections"]
    assert void["assigned_id"] in {each["id"] for each in ledger()}


def test_agent_keys_are_exported_with_their_provenance_even_when_expired() -> None:
    [old, *_] = sorted(of("agent_key"), key=lambda each: each["created_at"])
    assert [each["name"] for each in of("agent_key")].count("Nightly import") == 1
    assert (old["name"], old["expires_at"]) == ("Old", "2026-02-01T12:00:00.000Z")
    provenance = {(key["name"], key["made_by"], key["rotated_by"], key["rotated_at"]) for key in of("agent_key")}
    assert provenance >= {("Nightly import", "platform", None, None)}
    [revoked] = of("revoked_agent_key")
    assert (is_id(revoked["id"]), revoked["user_id"], "revoked_at" in revoked) == (True, 42, True)


def test_costs_are_exported_with_their_earlier_versions_and_whom_each_source_belongs_to() -> None:
    line = {"agent_id": 7, "cost_usd": Decimal("9.8"), "quantity": None, "unit": None, "label": "model of 42"}
    found = sorted(of("cost"), key=lambda each: (each["date"], each["version"]))
    assert [(each["version"], each["lines"][0]["cost_usd"]) for each in found] == [
        (1, 1),
        (1, Decimal("9.8")),
        (2, Decimal("12.9")),
    ]
    assert (found[1]["source"], found[1]["lines"], found[1]["put_by"]) == ("openai", [line], "key")
    assert [(each["source"], each["put_by"]) for each in of("cost_source")] == [("openai", "key")]


def test_all_versions_of_definitions_are_exported() -> None:
    rules = {"outcome_type": "*", "each_usd": None, "basis": "stated", "note": "of 42"}
    assert [(each["from"], each["version"], each["types"]) for each in of("definition")] == [
        ("9998-12", 1, [rules | {"when": "claimed"}]),
        ("9998-12", 2, [rules | {"when": "never"}]),
    ]


def test_watches_and_the_setting_of_the_digest_are_exported() -> None:
    [watch], [digest] = of("watch"), of("digest")
    assert (watch["id"], watch["name"], watch["version"], watch["states"]) == ("deals", "of 42", 1, None)
    assert (digest["day"], digest["put_by"]) == ("monday", "session")
    assert all(each["first_put_at"] == each["put_at"] for each in (watch, digest))


def test_a_session_is_exported_without_its_token() -> None:
    assert of("session") == [{"user_id": 42, "expires_at": 4_000_000_000, "browser": "Firefox"}]


@pytest.mark.parametrize(
    ("text_bytes", "index_bytes", "is_shown"), [(9, 48, True), (9, 600_000, True), (600_000, 48, False)]
)
def test_a_statement_is_exported_if_its_text_is_in_its_first_row(
    text_bytes: int, index_bytes: int, is_shown: bool
) -> None:
    random = Random(0)  # noqa: S311 - repeatable
    text = f'{{"root":"00","totals":{{"count":"{random.randbytes(text_bytes).hex()}"}}}}'
    instant = "2026-04-30T22:00:00.000Z"
    statement = Statement(text, random.randbytes(index_bytes), b"salt", instant, instant)
    listed = ListedStatement("2026-04", "UTC", instant, instant, 2, "00" * 32, "sha256:" + "00" * 32)
    for put in StatementsTable("StatementsTable").put_statement(44, statement, listed, instant):
        item = json.loads(json.dumps(put["Put"]["Item"]), object_hook=with_bytes)
        aws_client("dynamodb").put_item(TableName="StatementsTable", Item=item)
    shown = json.loads(text) if is_shown else None
    assert of("statement", 44) == [{"id": "2026-04@UTC", "statement": shown}]


def test_attributes_of_any_dynamodb_type_are_exported() -> None:
    row = {
        "token_sha256": {"S": "0"},
        "user_id": {"N": "44"},
        "seen": {"L": [{"M": {"at": {"N": "1.5"}, "by": {"NULL": True}}}, {"BOOL": True}]},
        "numbers": {"NS": ["1"]},
        "bytes": {"B": b"a"},
    }
    aws_client("dynamodb").put_item(TableName="SessionsTable", Item=row)
    [session] = of("session", 44)
    assert session == {
        "user_id": 44,
        "seen": [{"at": Decimal("1.5"), "by": None}, True],
        "numbers": [1],
        "bytes": "YQ==",
    }


def test_materialized_totals_are_exported_decoded() -> None:
    nothing = {"count": 0, "value_usd": 0}
    tallies = {"standing": {"count": 2, "value_usd": 25}, "confirmed": nothing, "disputed": nothing, "voided": nothing}
    ends = {"from": "2026-04-01T22:00:00.000Z", "to": "2026-04-02T22:00:00.000Z"}
    assert of("kept_sum") == [
        {
            "timezone": "Europe/Berlin",
            **ends,
            "sums": [
                {"date": "2026-04-01", "outcome_type": outcome_type, "agent_id": agent_id} | tallies
                for outcome_type, agent_id in cells
            ],
        }
        | ({"statuses": statuses} if statuses else {})
        for statuses, cells in (
            (["confirmed", "disputed"], [("all", 7), ("deal_closed", "all")]),
            ([], [("all", 7), ("deal_closed", "all")]),
            ([], [("deal_closed", 7)]),
        )
    ]
    assert of("kept_zones") == [{"day": day, "timezones": ["Europe/Berlin"]} for day in (None, "2026-04-02")]
    assert of("imports") == [{"epoch": 2, "blocked_until": ["2026-04-01T22:00:00.000Z"]}]


def test_sums_of_open_months_say_of_which_month_they_are() -> None:
    sums = Sums()
    sums.add_to(Cell("2026-03-31", "deal_closed", 7), [Sum(2, Decimal("25.0")), Sum(-1, Decimal(-10))])
    row = {
        "user_id": {"S": "44"},
        "stretch": {"S": "Europe/Berlin open#1775080800000"},
        "end": {"N": "1775167200000"},
        "rules": {"S": f"{codec.FORMAT} 2026a 1"},
        "sums": {"B": codec.write(sums)[0]},
    }
    aws_client("dynamodb").put_item(TableName="TotalsTable", Item=row)

    [line] = of("kept_sum", 44)

    assert line["sums"] == [
        {
            "date": "2026-03-31",
            "outcome_type": "deal_closed",
            "agent_id": 7,
            "month": {"count": 2, "value_usd": 25},
            "month_before": {"count": -1, "value_usd": -10},
            "second_month_before": {"count": 0, "value_usd": 0},
        }
    ]
    assert "E+" not in str(line)


@pytest.mark.parametrize(
    ("attribute", "value"), [("rules", {"S": "0 2026a 1"}), ("sums", {"B": b"\0\0\0\0\xff"}), ("sums", {"B": b""})]
)
def test_unreadable_totals_are_exported_as_null(attribute: str, value: Any) -> None:
    aws_client("dynamodb").update_item(
        TableName="TotalsTable",
        Key={"user_id": {"S": "42"}, "stretch": {"S": "Europe/Berlin#1775080800000"}},
        UpdateExpression="SET #name = :value",
        ExpressionAttributeNames={"#name": attribute},
        ExpressionAttributeValues={":value": value},
    )
    assert None in [each["sums"] for each in of("kept_sum")]


def test_idempotency_keys_name_their_outcome_or_correction() -> None:
    ids = {each["id"] for each in of("outcome")}
    corrections = {each["id"] for each in of("correction") if each["outcome_id"] != original()["id"]}
    found = of("idempotency_key")
    assert {each["outcome_id"] for each in found} <= ids
    assert {each["correction_id"] for each in found} == corrections | {None}


def test_no_secret_or_digest_is_exported() -> None:
    text = "".join(line for page in pages() for line in page["lines"])
    for rows in rows_of(42).values():
        for row in rows:
            for name in SECRETS:
                assert name not in text
                if name in row and "S" in row[name]:
                    assert row[name]["S"] not in text


def test_a_full_response_ends_a_page_and_the_cursor_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = lines()
    monkeypatch.setattr("outcomes.privacy.access.MAX_RESPONSE_BYTES", 1000)
    assert len(pages()) > 3
    assert [{**each, "sums": None} for each in lines()] == [{**each, "sums": None} for each in whole]


def test_a_portion_out_of_time_ends_a_page_and_the_cursor_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = lines()
    ticks = iter(range(0, 10**9, 12))  # each call of the export has time for only a few reads
    monkeypatch.setattr("outcomes.privacy.data_sources.time.monotonic", lambda: next(ticks))
    assert len(pages()) > 3
    assert lines() == whole


def test_reading_the_originals_of_corrections_is_paced(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("outcomes.privacy.data_sources.time.sleep", waits.append)
    monkeypatch.setattr(app.access, "bounds", data_sources.Bounds(read_units=40, write_units=40))
    originals = [
        row for row in moto_tables()["OutcomesTable"].all_items() if "assigned_to" in row.to_json()["Attributes"]
    ]
    lines()
    assert sum(waits) == pytest.approx(len(originals) / (data_sources.SHARE * 40))


def test_a_throttled_table_asks_to_wait() -> None:
    with faulty(app.access.dynamodb, "Query", error(THROTTLED)):
        answer = app.handler({"user_id": 42}, None)
    assert answer["wait"] == 1
    assert answer["cursor"]


@pytest.mark.parametrize(
    "event",
    [
        *({}, {"user_id": "42"}, {"user_id": True}, {"user_id": 0}, {"user_id": 2**53}),
        *(
            {"user_id": 42} | more
            for more in ({"cursor": 7}, {"cursor": "nonsense"}, {"cursor": "[9, null]"}, {"limit": 7})
        ),
    ],
    ids=str,
)
def test_an_invalid_event_is_answered_with_an_error(event: dict[str, Any]) -> None:
    assert app.handler(event, None).keys() == {"error"}
