"""Test publishing to EventBridge: order, batches, retries, dead letters, and resending dead letters."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from outcomes.aws import backoff
from outcomes.aws.connection import Reply
from outcomes.contract import events
from outcomes.events import bus as bus_module
from outcomes.events import dead_letters
from outcomes.keys.agent_keys import AgentKeys

from functions.publish_events import app
from functions.record_outcome import app as record_outcome
from local.environment import REGION
from ops.errors import StackError
from ops.resend import resend
from tests import streams
from tests.aws import STACKS, aws_client
from tests.corrections import OWNER, PLAIN, correct
from tests.events import KEY, proxy_event
from tests.faults import DENIED, THROTTLED, Fault, Request, Send, answered, error, faulty, lost, unreachable
from tests.people import define, keep_statement, make_key, moto_tables, put_costs, rows_of

type Bucket = Callable[[], dict[str, bytes]]
type Log = Callable[[], list[dict[str, Any]]]

pytestmark = pytest.mark.usefixtures("tables", "no_waiting")


class Bus:
    """A fake EventBridge, which checks the real one's limits, and accepts or refuses each entry.

    refuse: a function that returns an error code for a CloudEvent, or None to accept it.
    """

    def __init__(self) -> None:
        self.calls: list[list[Any]] = []
        self.refuse: Callable[[Any], str | None] = lambda _event: None

    def __call__(self, request: Request, send: Send) -> Reply:
        entries = request.body["Entries"]
        assert 1 <= len(entries) <= 10
        assert (
            sum(len(entry[name].encode()) for entry in entries for name in ("Source", "DetailType", "Detail")) < 2**18
        )
        assert {(entry["EventBusName"], entry["Source"]) for entry in entries} == {("default", "outcomes-prod")}
        assert send().status == 200  # moto checks and accepts the entries, too
        results: list[dict[str, str]] = []
        self.calls.append([])
        for number, entry in enumerate(entries):
            event = json.loads(entry["Detail"])
            assert entry["DetailType"] == event["type"]
            if code := self.refuse(event):
                results.append({"ErrorCode": code, "ErrorMessage": "as the test wants it"})
            else:
                self.calls[-1].append(event)
                results.append({"EventId": str(number)})
        failed = sum("ErrorCode" in result for result in results)
        return answered(200, {"FailedEntryCount": failed, "Entries": results})

    @property
    def heard(self) -> list[Any]:
        return [event for call in self.calls for event in call]

    @property
    def ids(self) -> list[str]:
        return [event["id"] for event in self.heard]


@pytest.fixture
def bus(tables: dict[str, str]) -> Iterator[Bus]:
    streams.turn_on(tables["OutcomesTable"], tables["KeysTable"])
    bus = Bus()
    with faulty(app.bus.eventbridge, "PutEvents", bus):
        yield bus


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the function make no retries of its own."""
    monkeypatch.setattr(backoff.Backoff, "wait", lambda _self: False)


@pytest.fixture
def bucket(tables: dict[str, str]) -> Bucket:
    """Create the bucket for dead letters, and return a function that reads it."""
    assert tables
    s3 = aws_client("s3")
    s3.create_bucket(Bucket="kept-events")

    def read() -> dict[str, bytes]:
        objects = s3.list_objects_v2(Bucket="kept-events").get("Contents", [])
        return {each["Key"]: s3.get_object(Bucket="kept-events", Key=each["Key"])["Body"].read() for each in objects}

    return read


def record(**fields: Any) -> str:
    response = record_outcome.handler(proxy_event("POST", authorizer=KEY, body=PLAIN | {"userId": 42} | fields), None)
    assert response["statusCode"] == 200, response["body"]
    return str(response["headers"]["Outcome-Id"])


def records() -> list[Any]:
    return streams.records("OutcomesTable")


def give(batch: list[Any]) -> str | None:
    """Invoke the function on a batch.

    Return the sequence number of the first record that Lambda should retry, or None.
    """
    # Convert to and from JSON, as Lambda does.
    answer = json.loads(json.dumps(app.handler(json.loads(json.dumps({"Records": batch})), None)))
    assert answer.keys() == {"batchItemFailures"}
    failures = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
    assert len(failures) <= 1
    return failures[0] if failures else None


def number_of(record: Any) -> str:
    number: str = record["dynamodb"]["SequenceNumber"]
    return number


def keep_giving(batch: list[Any]) -> None:
    """Invoke the function with retries, as Lambda does."""
    for _ in range(100):
        again_from = give(batch)
        if again_from is None:
            return
        batch = batch[[number_of(each) for each in batch].index(again_from) :]
    pytest.fail("never done")


# ── Order and batches ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_everything_is_published_once_and_in_order(bus: Bus) -> None:
    outcomes = [record(title=f"No. {number}") for number in range(12)]
    for id_ in outcomes[:3]:
        correct(id_, OWNER, {"type": "confirm"})

    assert give(records()) is None
    assert [(event["type"], event["data"]["id"]) for event in bus.heard] == [
        *(("outcome.recorded", id_) for id_ in outcomes),
        *(("outcome.confirmed", id_) for id_ in outcomes[:3]),
    ]
    assert len(set(bus.ids)) == 15
    assert [len(call) for call in bus.calls] == [10, 5]


def test_a_call_has_one_event_of_an_outcome(bus: Bus) -> None:
    """With two events of one outcome in a call, EventBridge could refuse the earlier one and accept the later one."""
    id_ = record()
    correct(id_, OWNER, {"type": "confirm"})
    correct(id_, OWNER, {"type": "dispute", "reason": "Not mine"})

    assert give(records()) is None
    assert [[event["data"]["version"] for event in call] for call in bus.calls] == [[0], [1], [2]]


@pytest.mark.usefixtures("bus")
def test_without_corrections_no_table_is_read() -> None:
    record()
    with faulty(app.bus.dynamodb, "BatchGetItem", error(DENIED)) as calls:
        assert give(records()) is None
    assert calls == []


@pytest.mark.usefixtures("bus")
def test_published_events_are_counted_by_type(capsys: pytest.CaptureFixture[str]) -> None:
    batch = [record() for _ in range(2)] and records()
    capsys.readouterr()
    give(batch)

    [line] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (line["type"], line["EventsTold"]) == ("outcome.recorded", [2.0])


# ── Size ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

LARGE = {"text": "x" * 60_000}


def test_a_call_stays_within_eventbridge_s_limits(bus: Bus) -> None:
    for number in range(9):
        record(title=f"No. {number}", metadata=LARGE)

    assert give(records()) is None
    assert [len(call) for call in bus.calls] == [4, 4, 1]
    assert all(event["data"]["metadata"] == LARGE for event in bus.heard)


def test_an_event_too_large_is_published_without_metadata(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MAX_ENTRY_BYTES", 100_000)
    id_ = record(metadata=LARGE)
    correct(id_, KEY, {"type": "amend", "reason": "A typo", "changes": {"metadata": {"text": "x" * 50_000}}})
    correct(id_, OWNER, {"type": "confirm"})
    record(metadata=None)

    assert give(records()) is None
    recorded, amended, confirmed, other = [event["data"] for event in bus.heard]
    assert recorded["metadata"] == LARGE
    assert (amended["metadata"], amended["metadata_omitted"]) == (None, True)
    assert amended["correction"]["changes"] == {"metadata": {"omitted": True}}
    assert confirmed["metadata"] == {"text": "x" * 50_000}
    assert "metadata_omitted" not in recorded | confirmed | other


def test_the_largest_outcome_is_published(bus: Bus) -> None:
    text = "\\" * 32_000  # each backslash has two bytes in JSON
    id_ = record(title="🎉" * 200, description="🎉" * 1000, metadata={"text": text})
    changes = {"title": "🎊" * 200, "description": "🎊" * 1000, "metadata": {"more": text}}
    correct(id_, KEY, {"type": "amend", "reason": "🎉" * 500, "changes": changes})

    assert give(records()) is None
    assert [event["type"] for event in bus.heard] == ["outcome.recorded", "outcome.amended"]


# ── Retries ───────────────────────────────────────────────────────────────────────────────────────────────────────────

TROUBLE: dict[str, Fault] = {
    "throttled": error(THROTTLED),
    "denied": error(DENIED),
    "no such bus": error("ResourceNotFoundException"),
    "broken": error("InternalException", status=500),
    "unreachable": unreachable,
    "an answer that got lost": lost,
    "an answer of another form": lambda _request, _send: answered(200, {"Entries": None}),
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("trouble", TROUBLE)
def test_a_failing_bus_makes_lambda_retry_the_batch(bus: Bus, trouble: str) -> None:
    outcomes = [record() for _ in range(3)]
    batch = records()
    with faulty(app.bus.eventbridge, "PutEvents", TROUBLE[trouble]):
        try:
            again_from = give(batch)
        except TypeError:  # if the function raises an error, Lambda retries the whole batch
            again_from = number_of(batch[0])
    assert again_from == number_of(batch[0])

    assert give(batch) is None
    assert set(bus.ids) == set(outcomes)


@pytest.mark.usefixtures("impatient")
def test_a_partial_failure_is_retried_from_the_first_refused_record(
    bus: Bus, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = [record() for _ in range(12)]
    refused = {outcomes[4], outcomes[7]}
    bus.refuse = lambda event: "ThrottlingException" if event["id"] in refused else None
    batch = records()

    capsys.readouterr()
    assert give(batch) == number_of(batch[4])
    assert bus.ids == [id_ for id_ in outcomes[:10] if id_ not in refused]
    assert '"EventsTold":[8.0]' in capsys.readouterr().out

    refused.clear()
    keep_giving(batch[4:])
    assert set(bus.ids) == set(outcomes)


def test_a_refused_entry_is_retried_at_once_and_alone(bus: Bus) -> None:
    outcomes = [record() for _ in range(3)]
    times = iter(["InternalFailure"])
    bus.refuse = lambda event: next(times, None) if event["id"] == outcomes[1] else None

    assert give(records()) is None
    assert [[event["id"] for event in call] for call in bus.calls] == [[outcomes[0], outcomes[2]], [outcomes[1]]]


def test_an_unreadable_table_makes_lambda_retry_the_batch(bus: Bus) -> None:
    correct(record(), OWNER, {"type": "confirm"})
    with faulty(app.bus.dynamodb, "BatchGetItem", error(DENIED)), pytest.raises(Exception, match=DENIED):
        give(records())
    assert bus.heard == []


# ── Dead letters ──────────────────────────────────────────────────────────────────────────────────────────────────────


def damaged(record: Any) -> Any:
    """Return a copy of a record that cannot be converted to an event any more."""
    broken = deepcopy(record)
    del broken["dynamodb"]["NewImage"]["title"]
    return broken | {"eventID": "f" * 32}


def test_a_damaged_record_becomes_a_dead_letter_and_delays_no_other(bus: Bus, bucket: Bucket, log: Log) -> None:
    outcomes = [record(), record()]
    batch = records()
    poison = damaged(batch[0])

    assert give([batch[0], poison, batch[1]]) is None
    assert bus.ids == outcomes
    [(name, body)] = bucket().items()
    assert name == f"unknown/{'f' * 32}.json"
    assert dead_letters.records_of(body) == json.loads(json.dumps([poison]))
    [line] = log()
    assert (line["level"], line["message"]) == ("ERROR", "Kept an event that cannot be published")
    assert (line["record"], line["cause"]) == ("f" * 32, "missing 'title'")


@pytest.mark.usefixtures("bus")
def test_a_dead_letter_that_cannot_be_stored_is_retried() -> None:
    record()
    with pytest.raises(Exception, match="NoSuchBucket"):
        give([damaged(records()[0])])


def test_an_entry_that_makes_a_call_invalid_becomes_a_dead_letter(
    bus: Bus,
    bucket: Bucket,
    capsys: pytest.CaptureFixture[str],
    log: Log,
) -> None:
    outcomes = [record(title=title) for title in ("fine", "invalid", "fine too")]
    batch = records()
    capsys.readouterr()

    def refuse_whole(request: Request, send: Send) -> Reply:
        is_invalid = any('"invalid"' in entry["Detail"] for entry in request.body["Entries"])
        return error("ValidationException")(request, send) if is_invalid else send()

    with faulty(app.bus.eventbridge, "PutEvents", refuse_whole):
        assert give(batch) is None
    assert bus.ids == [outcomes[0], outcomes[2]]
    [body] = bucket().values()
    assert dead_letters.records_of(body)[0]["eventID"] == batch[1]["eventID"]
    assert '"EventsTold":[2.0]' in capsys.readouterr().out
    assert [line["cause"] for line in log()] == ["ValidationException"]


def test_contents_of_a_damaged_record_are_not_logged(bus: Bus, bucket: Bucket, log: Log) -> None:
    record()
    [broken] = records()
    broken["dynamodb"]["Keys"]["created_at"]["S"] = "2026#a private word"

    assert give([broken]) is None
    assert bus.heard == []
    assert len(bucket()) == 1
    assert [line["cause"] for line in log()] == ["unexpected value"]


def test_a_malformed_detail_is_retried_without_metadata(bus: Bus) -> None:
    record(metadata={"a number": 10**30})
    bus.refuse = lambda event: "MalformedDetail" if event["data"]["metadata"] else None

    assert give(records()) is None
    assert [event["data"]["metadata_omitted"] for event in bus.heard] == [True]


def test_an_event_refused_for_good_becomes_a_dead_letter(bus: Bus, bucket: Bucket) -> None:
    first, second = record(metadata={"a": 1}), record()
    bus.refuse = lambda event: "MalformedDetail" if event["id"] == first else None

    batch = records()
    assert give(batch) is None
    assert bus.ids == [second]
    [body] = bucket().values()
    assert dead_letters.records_of(body)[0]["eventID"] == batch[0]["eventID"]


# ── Resending ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def stack(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Describe a deployed stack that publishes to the test's bus."""
    assert not bucket()
    tables = {"OutcomesTableName": "OutcomesTable", "KeysTableName": "KeysTable"}
    STACKS[REGION, "outcomes-prod"] = tables | {"KeptEventsBucketName": "kept-events", "EventBusName": "default"}

    def as_the_function_has_it(*named: str) -> bus_module.Bus:
        assert named == ("OutcomesTable", "default", "outcomes-prod")
        return app.bus

    monkeypatch.setattr(bus_module, "Bus", as_the_function_has_it)


def keep_as_lambda_does(
    batch: list[Any], name: str = "aws/lambda/uuid/shardId-1/2026/04/01/2026-04-01T12.00.00-x"
) -> None:
    """Store a failed batch in Lambda's format: https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html"""
    body = {
        "requestContext": {"requestId": "R1", "condition": "RecordExpired", "approximateInvokeCount": 500},
        "version": "1.0",
        "DDBStreamBatchInfo": {"shardId": "shardId-1", "batchSize": len(batch)},
        "payload": json.dumps({"Records": batch}, default=lambda binary: b64encode(binary).decode()),
    }
    aws_client("s3").put_object(Bucket="kept-events", Key=name, Body=json.dumps(body).encode())


@pytest.mark.usefixtures("stack")
def test_resending_publishes_dead_letters_with_their_ids_and_deletes_them(
    bus: Bus, bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    id_ = record()
    _, corrected, _ = correct(id_, OWNER, {"type": "confirm"})
    keep_as_lambda_does(records())
    first = record()
    dead_letters.keep("kept-events", records()[-1])

    assert resend("outcomes-prod") == 0
    assert bus.ids == [id_, corrected["id"], first]
    assert bucket() == {}
    assert capsys.readouterr().out.endswith("Published 3 events of 2 objects. 0 are left in kept-events.\n")


@pytest.mark.usefixtures("stack")
def test_resending_keeps_what_still_fails(bus: Bus, bucket: Bucket, capsys: pytest.CaptureFixture[str]) -> None:
    id_ = record()
    [fine] = records()
    keep_as_lambda_does([damaged(fine), fine], "aws/lambda/1")
    aws_client("s3").put_object(Bucket="kept-events", Key="something/else", Body=b"{}")

    assert resend("outcomes-prod") == 2
    assert bus.ids == [id_]
    assert bucket().keys() == {"aws/lambda/1", "something/else"}
    out = capsys.readouterr().out
    assert "aws/lambda/1 stays: missing 'title'" in out
    assert "something/else stays: it contains no records of a stream" in out


@pytest.mark.usefixtures("stack", "impatient")
def test_resending_to_a_failing_bus_keeps_everything(bus: Bus, bucket: Bucket) -> None:
    record()
    keep_as_lambda_does(records())
    bus.refuse = lambda _event: "ThrottlingException"

    with pytest.raises(StackError, match="the bus default accepts no events: ThrottlingException"):
        resend("outcomes-prod")
    assert len(bucket()) == 1


@pytest.mark.usefixtures("stack")
def test_resending_skips_keys_of_erased_users_but_not_revoked_keys(bus: Bus, bucket: Bucket) -> None:
    for user_id, name in ((42, "Of who is erased"), (43, "Revoked")):
        make_key(user_id, name)
    keys = AgentKeys("KeysTable")
    [revoked] = keys.of_user(43)
    keys.rotate(43, revoked.id, 1, "session")
    keys.revoke(43, revoked.id)
    keep_as_lambda_does(streams.records("KeysTable"))
    [erased] = keys.of_user(42)
    for id_ in (erased.id, "user#42"):
        aws_client("dynamodb").delete_item(TableName="KeysTable", Key={"id": {"S": id_}})

    assert resend("outcomes-prod") == 0
    assert [(event["type"], event["data"]["user_id"]) for event in bus.heard] == [
        ("key.created", 43),
        ("key.rotated", 43),
        ("key.revoked", 43),
    ]
    assert bucket() == {}


@pytest.mark.usefixtures("stack")
@pytest.mark.parametrize(
    ("table", "write", "types"),
    [
        ("OutcomesTable", lambda user_id: record(userId=user_id), ["outcome.recorded"]),
        ("CostsTable", put_costs, ["costs.updated"] * 3),
        ("StatementsTable", keep_statement, ["outcome.statement"]),
        ("StatementsTable", lambda user_id: define(user_id, "claimed"), ["outcome.definition"]),
    ],
)
def test_resending_skips_outcomes_costs_and_statements_of_erased_users(
    table: str, write: Callable[[int], None], types: list[str], bus: Bus, bucket: Bucket
) -> None:
    streams.turn_on(table)
    for user_id in 42, 43:
        write(user_id)
    keep_as_lambda_does(streams.records(table))
    keys = [each["AttributeName"] for each in moto_tables()[table].schema]
    for row in rows_of(42)[table]:
        aws_client("dynamodb").delete_item(TableName=table, Key={name: row[name] for name in keys})

    assert resend("outcomes-prod") == 0
    assert [event["type"] for event in bus.heard] == types
    assert {event["data"]["user_id"] for event in bus.heard} == {43}
    assert bucket() == {}


def test_resending_without_a_bus_or_stack_is_an_error(tables: dict[str, str]) -> None:
    STACKS[REGION, "outcomes-dev"] = {"OutcomesTableName": tables["OutcomesTable"]}
    with pytest.raises(StackError, match="outcomes-dev publishes no events"):
        resend("outcomes-dev")
    with pytest.raises(StackError, match=r"cannot publish the dead letters of outcomes-none: .* does not exist"):
        resend("outcomes-none")
