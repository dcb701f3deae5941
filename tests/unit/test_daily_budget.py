"""A key records and corrects no more than its `maxPerDay` in a UTC day, whatever fails, and that takes few calls."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from time import monotonic
from typing import Any

import pytest
from outcomes.aws.services import Answer, ConditionFailed, Unavailable
from outcomes.calendar import instants
from outcomes.calendar.instants import DAY
from outcomes.contract.caller import Bounds
from outcomes.ledger.daily_budget import LEASE_SECONDS, DailyBudgets

from functions.correct_outcome import app as correct_outcome
from functions.manage_keys import app as manage_keys
from functions.mcp import app as mcp
from functions.record_batch import app as record_batch
from functions.record_outcome import app as record_outcome
from tests.corrections import BODIES, correct, given
from tests.events import KEY, agent, proxy_event, session
from tests.faults import DENIED, THROTTLED, Fault, answered, cancelled, error, faulty, fine, lost, unreachable, vanished
from tests.figures import count

NOON = 1_775_044_800_000  # 2026-04-01T12:00:00Z
SECOND = 1000
OUTCOME = {"outcomeType": "deal_closed", "title": "Closed a deal"}
SAID = {
    "error": "Too many outcomes",
    "details": [
        {"field": "maxPerDay", "message": "this key records 3 a day, and may again from 2026-04-02T00:00:00Z"},
    ],
}
WRITERS = (record_outcome.ledger, record_batch.ledger, correct_outcome.corrections, mcp.ledger)

pytestmark = pytest.mark.usefixtures("tables")


class Clock:
    """A clock in milliseconds since 1970, set by the test. Each read is a millisecond later."""

    now = NOON

    def read(self) -> int:
        self.now += 1
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(instants, "now", clock.read)
    return clock


@pytest.fixture(autouse=True)
def new_environments() -> None:
    """Forget all leases, as functions do that start."""
    for writer in WRITERS:
        writer.__dict__.pop("budgets", None)
    mcp._corrections.cache_clear()


def limited(a_day: int = 3, scopes: str = "record correct") -> dict[str, Any]:
    return agent(scopes, maxPerDay=str(a_day))


def record(caller: dict[str, Any], key: str | None = None, **fields: Any) -> tuple[int, Any, dict[str, str]]:
    headers = {} if key is None else {"Idempotency-Key": key}
    event = proxy_event("POST", authorizer=caller, body=OUTCOME | fields, headers=headers)
    response = record_outcome.handler(event, None)
    return response["statusCode"], json.loads(response["body"]), response["headers"]


def statuses(caller: dict[str, Any], *items: dict[str, Any]) -> list[str]:
    body = {"outcomes": [OUTCOME | item for item in items]}
    response = record_batch.handler(proxy_event("POST", authorizer=caller, body=body), None)
    return [each["status"] for each in json.loads(response["body"])["results"]]


def rows() -> list[Any]:
    """Return all outcomes and entries of corrections."""
    found: list[Any] = record_outcome.store.dynamodb.call("Scan", {"TableName": "OutcomesTable"})["Items"]
    return found


def test_what_exceeds_a_day_is_refused_until_midnight(clock: Clock) -> None:
    assert [record(limited())[0] for _ in range(3)] == [200, 200, 200]
    status, answer, headers = record(limited())
    assert (status, answer, headers["Retry-After"]) == (429, SAID, "60")
    clock.now = NOON + DAY // 2 - 30 * SECOND
    assert record(limited())[2]["Retry-After"] == "30"
    assert len(rows()) == 3
    clock.now = NOON + DAY // 2
    assert record(limited())[0] == 200


def test_each_key_has_a_budget_of_its_own_and_all_environments_share_it() -> None:
    other = limited() | {"keyId": "fedcba9876543210"}
    assert statuses(limited(), {}, {}) == ["created", "created"]
    assert statuses(limited() | {"scopes": "record"}, {}, {}) == ["created", "limited"]
    assert [record(caller)[0] for caller in (limited(), other, agent(), KEY | {}, session(42))] == [429, *[200] * 4]


@pytest.mark.parametrize("caller", [KEY, session(42), agent()], ids=["platform", "owner", "key without a limit"])
def test_callers_without_a_limit_make_no_call_more(caller: dict[str, Any]) -> None:
    with faulty(record_outcome.store.dynamodb, {"UpdateItem", "GetItem", "BatchGetItem"}, fine) as calls:
        assert record(caller)[0] == 200
        assert record(caller, "once")[0] == 200
    assert calls == []


def test_replays_and_refusals_count_nothing() -> None:
    assert record(limited(1), title="")[0] == 400
    assert record(limited(1), userId=7)[0] == 403
    first = record(limited(1), "once")
    assert first[0] == 200
    status, _, headers = record(limited(1), "once")
    assert (status, headers["Outcome-Id"], headers["Idempotent-Replayed"]) == (200, first[2]["Outcome-Id"], "true")
    assert record(limited(1), "once", title="Another")[0] == 422
    assert record(limited(1), "twice")[0] == 429


def test_a_replay_in_another_environment_leases_nothing() -> None:
    once = {"idempotencyKey": "once"}
    assert record(limited(2), "once")[0] == 200
    assert statuses(limited(2), once, once | {"title": "Another"}) == ["replayed", "conflict"]
    assert [record(limited(2))[0] for _ in range(2)] == [200, 429]


def test_in_a_batch_the_first_get_what_is_left_and_what_is_stored_needs_nothing() -> None:
    stored = {"idempotencyKey": "stored"}
    assert statuses(limited(), stored) == ["created"]
    new = [{"idempotencyKey": name} for name in "abc"]
    expected = ["replayed", "created", "invalid", "replayed", "created", "limited", "limited", "conflict"]
    items = [stored, new[0], {"title": ""}, new[0], new[1], new[2], {}, stored | {"title": "Another"}]
    assert statuses(limited(), *items) == expected
    body = {"outcomes": [OUTCOME]}
    response = json.loads(record_batch.handler(proxy_event("POST", authorizer=limited(), body=body), None)["body"])
    assert response == {"results": [{"status": "limited"} | SAID | {"retryable": False}], "created": 0} | {
        "replayed": 0,
        "failed": 1,
    }


def test_a_batch_over_midnight_uses_both_days(clock: Clock) -> None:
    created = []
    for before in range(16):  # each a millisecond earlier, so that midnight comes after another outcome
        clock.now = NOON + DAY // 2 - before
        caller = limited(2) | {"keyId": f"{before:016}"}
        created.append(statuses(caller, *[{}] * 5).count("created"))
    assert {*created} == {2, 3, 4}


@pytest.mark.parametrize("key", [None, "once"])
def test_what_was_certainly_not_stored_goes_back(key: str | None) -> None:
    operation = "TransactWriteItems" if key else "PutItem"
    fault = cancelled("None", "ThrottlingError") if key else error(THROTTLED)
    with faulty(record_outcome.store.dynamodb, operation, fault):
        assert record(limited(1), key)[0] == 503
    assert record(limited(1), key)[0] == 200
    assert record(limited(1))[0] == 429


@pytest.mark.parametrize("key", [None, "once"])
def test_what_may_be_stored_is_used_up(key: str | None) -> None:
    with faulty(record_outcome.store.dynamodb, "TransactWriteItems" if key else "PutItem", vanished):
        assert record(limited(1), key)[0] == 500
    assert record(limited(1), key)[0] == 429
    assert rows() == []


@pytest.mark.parametrize(
    ("faults", "status"), [([error(THROTTLED)], 503), ([error(DENIED)], 500), ([unreachable], 500)]
)
def test_without_a_lease_nothing_is_recorded(faults: list[Fault], status: int) -> None:
    with faulty(record_outcome.store.dynamodb, "UpdateItem", *faults):
        assert [record(limited(), key)[0] for key in (None, "once")] == [status, status]
        if status == 503:
            assert statuses(limited(), {}) == ["created"], "another environment"
    assert len(rows()) == (status == 503)


def test_a_lost_answer_is_a_lost_lease() -> None:
    with faulty(record_outcome.store.dynamodb, "UpdateItem", lost, fine):
        assert record(limited(2))[0] == 200
    assert record(limited(2))[0] == 429


def test_a_corrected_clock_counts_for_the_corrected_day(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    clock.now = NOON + DAY
    monkeypatch.setattr(
        instants, "correct_by", lambda seconds: setattr(clock, "now", clock.now + round(seconds * 1000))
    )
    date = {"date": "Wed, 01 Apr 2026 12:00:00 GMT"}

    def skewed(_request: Any, _send: Any) -> Any:
        reply = answered(400, {"__type": "#InvalidSignatureException"})
        return reply._replace(headers={**reply.headers, **date})

    with faulty(record_outcome.store.dynamodb, "PutItem", skewed, fine):
        assert record(limited(2))[0] == 200
    assert manage_keys.budgets.leased(["0123456789abcdef"]) == {"0123456789abcdef": 1}


def test_corrections_count_but_not_what_changes_nothing_fails_or_is_a_replay() -> None:
    id_ = given("key:0123456789abcdef")
    same = BODIES["amend"] | {"changes": {"title": "Closed a deal"}}
    assert correct(id_, limited(1), same)[0] == 200
    assert correct(id_, limited(1), BODIES["amend"] | {"reason": ""})[0] == 400
    assert correct("0" * 26, limited(1), BODIES["amend"])[0] == 404
    with faulty(correct_outcome.corrections.store.dynamodb, "TransactWriteItems", error(THROTTLED)):
        assert correct(id_, limited(1), BODIES["amend"])[0] == 503
    assert correct(id_, limited(1), BODIES["amend"], "once")[0] == 200
    assert correct(id_, limited(1), BODIES["amend"], "once")[0] == 200
    status, answer, headers = correct(id_, limited(1), BODIES["void"])
    assert (status, answer["error"], headers["Retry-After"]) == (429, "Too many outcomes", "60")
    assert [record(limited(1))[0], correct(id_, session(42), BODIES["confirm"])[0]] == [429, 200]


def test_a_correction_whose_answer_was_lost_counts_once() -> None:
    id_ = given("key:0123456789abcdef")
    with faulty(correct_outcome.corrections.store.dynamodb, "TransactWriteItems", lost, fine):
        assert correct(id_, limited(2), BODIES["amend"])[0] == 200
    assert correct(id_, limited(2), BODIES["void"])[0] == 200
    assert record(limited(2))[0] == 429


def test_corrections_in_bulk_take_what_they_need_in_one_call_and_the_first_get_what_is_left() -> None:
    ids = [given("key:0123456789abcdef") for _ in range(4)]
    items = [{"id": id_} | BODIES["void"] for id_ in ids]

    def bulk(count: int) -> list[str]:
        body = {"corrections": items[:count]}
        event = proxy_event("POST", "/api/outcomes/corrections", authorizer=limited(), body=body)
        results = json.loads(correct_outcome.handler(event, None)["body"])["results"]
        return [each["status"] for each in results]

    with faulty(correct_outcome.corrections.store.dynamodb, "UpdateItem", fine) as leases:
        assert bulk(1) == ["corrected"]
        assert bulk(4) == ["not_possible", "corrected", "corrected", "limited"]
    assert len(leases) == 3, "one lease, one of what is left, and the note of the refusal"


def test_a_model_hears_the_same_sentence() -> None:
    def call() -> Any:
        arguments = {"outcome_type": "deal_closed", "title": "Closed a deal", "idempotency_key": f"{instants.now()}"}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
        body = message | {"params": {"name": "record_outcome", "arguments": arguments}}
        response = mcp.handler(proxy_event("POST", "/mcp", authorizer=limited(1), body=body), None)
        return json.loads(response["body"])["result"]["content"][0]["text"]

    assert "this key records 1 a day" not in call()
    assert "this key records 1 a day, and may again from 2026-04-02T00:00:00Z. Do not call again before then." in call()


def test_a_model_s_corrections_share_the_leases_of_the_function() -> None:
    def void(id_: str) -> None:
        arguments = {"outcome_id": id_, "reason": "Never happened", "idempotency_key": id_}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
        body = message | {"params": {"name": "void_outcome", "arguments": arguments}}
        response = mcp.handler(proxy_event("POST", "/mcp", authorizer=limited(500), body=body), None)
        assert '"status":"void"' in json.loads(response["body"])["result"]["content"][0]["text"]

    ids = [given("key:0123456789abcdef") for _ in range(4)]
    with faulty(mcp.store.dynamodb, "UpdateItem", fine) as leases:
        for id_ in ids:
            void(id_)
    assert len(leases) == 3, "of one record, of one, and of two"


def test_leasing_leaves_time_for_the_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a deadline, two slow leases and a slow write would exceed the function's timeout."""
    budgets = record_outcome.ledger.budgets
    ends: list[float] = []
    call = budgets.dynamodb.call

    def late(operation: str, update: Any, **limits: Any) -> Answer:
        ends.append(limits["until"])
        return call(operation, update, **limits)

    assert record(limited(1))[0] == 200
    budgets._leases.clear()
    monkeypatch.setattr(budgets.dynamodb, "call", late)
    began = monotonic()
    assert record(limited(1))[0] == 429
    assert ends[0] <= monotonic() + LEASE_SECONDS
    assert ends[0] >= began


def refusals() -> list[Any]:
    items = record_outcome.store.dynamodb.call("Scan", {"TableName": "KeysTable"})["Items"]
    return [item for item in items if item["id"]["S"].startswith("limited#")]


def test_the_first_refusal_of_a_day_is_noted_once(clock: Clock) -> None:
    with faulty(record_outcome.store.dynamodb, "UpdateItem", fine) as calls:
        for _ in range(3):
            record(limited(1))
        assert statuses(limited(1), {}, {}) == ["limited", "limited"]
    row = {"id": {"S": "limited#0123456789abcdef"}, "limited_on": {"S": "2026-04-01"}, "user_id": {"N": "42"}}
    assert refusals() == [
        row | {"max_per_day": {"N": "1"}, "forget_at": {"N": str((NOON + DAY // 2) // 1000 + 259_200)}}
    ]
    assert len(calls) == 2, "one lease, and one note"
    clock.now = NOON + DAY
    assert [record(limited(1))[0] for _ in range(2)] == [200, 429]
    assert [each["limited_on"]["S"] for each in refusals()] == ["2026-04-02"]


def test_a_refusal_that_cannot_be_noted_is_noted_at_the_next() -> None:
    record(limited(1))
    with faulty(record_outcome.store.dynamodb, "UpdateItem", error(THROTTLED), fine):
        assert [record(limited(1))[0], refusals()] == [429, []]
        assert record(limited(1))[0] == 429
    assert len(refusals()) == 1


# ── What nobody exceeds, in random schedules ──────────────────────────────────────────────────────────────────────────

SCHEDULES = int(os.environ.get("BUDGETS", "300"))  # `make proof` runs 10,000


class Table:
    """The rows of budgets, with the faults of a schedule."""

    def __init__(self, chance: Random, faults: float) -> None:
        self.chance, self.faults = chance, faults
        self.leased: Counter[str] = Counter()
        self.writes = 0

    def call(self, operation: str, update: Any, **_limits: Any) -> Answer:
        """Do what `DailyBudgets` asks of DynamoDB: add to a row unless it exceeds the limit, or fail."""
        if operation == "UpdateItem" and "leased" not in update["UpdateExpression"]:
            return Answer()
        self.writes += 1
        row, values = update["Key"]["key_sha256"]["S"], update["ExpressionAttributeValues"]
        fate = self.chance.random()
        if fate < self.faults / 2:
            raise Unavailable("no connection")
        if self.leased[row] > int(values[":most"]["N"]):
            refused = ConditionFailed.__new__(ConditionFailed)
            refused.body = {"Item": {"leased": {"N": str(self.leased[row])}}}
            raise refused
        self.leased[row] += int(values[":count"]["N"])
        if fate < self.faults:
            raise Unavailable("the answer was lost")
        return Answer({"Attributes": {"leased": {"N": str(self.leased[row])}}})


def schedule(seed: int, faults: float = 0.05) -> Iterator[tuple[int, Counter[str]]]:
    """Let up to 20 environments with wrong clocks record around a midnight. Yield the limit and what each day got."""
    chance = Random(seed)  # noqa: S311 - repeatable
    limit = chance.choice([1, 2, 7, 10, 100, 3000])
    key = Bounds("0123456789abcdef", 42, None, None, None, {"record"}, limit)
    table = Table(chance, faults)
    skews = [chance.randint(-240, 240) * SECOND for _ in range(chance.randint(1, 20))]
    environments = [DailyBudgets(table, "IdempotencyTable", "KeysTable") for _ in skews]  # type: ignore[arg-type]
    recorded: Counter[str] = Counter()
    at = NOON + DAY // 2 - chance.randint(0, 600) * SECOND
    for _ in range(chance.choice([20, 200])):
        at += chance.randint(0, 6 * SECOND)
        place = chance.randrange(len(skews))
        if chance.random() < 0.02:  # the environment ends, and another starts
            environments[place] = DailyBudgets(table, "IdempotencyTable", "KeysTable")  # type: ignore[arg-type]
        wanted, instant = chance.choice([1, 1, 1, 100]), at + skews[place]
        try:
            taken = environments[place].take(key, instant, wanted)
        except Unavailable:
            continue
        not_stored = chance.randint(0, taken) if chance.random() < 0.2 else 0
        environments[place].give_back(key, instant, not_stored)
        recorded[instants.text(instant)[:10]] += taken - not_stored
    yield limit, recorded


def test_no_schedule_of_environments_faults_clocks_and_midnights_exceeds_a_limit() -> None:
    for seed in range(SCHEDULES):
        for limit, recorded in schedule(seed):
            assert max(recorded.values(), default=0) <= limit, seed
    count(budgets=SCHEDULES)


def environments(limit: int, faults: float = 0) -> tuple[Table, list[DailyBudgets], Bounds, Callable[[], int]]:
    """Return a table, 20 environments, a key, and a function that lets one of them record: 1, or 0 if it may not."""
    chance = Random(limit)  # noqa: S311 - repeatable
    table = Table(chance, faults)
    key = Bounds("0123456789abcdef", 42, None, None, None, {"record"}, limit)
    all_ = [DailyBudgets(table, "IdempotencyTable", "KeysTable") for _ in range(20)]  # type: ignore[arg-type]
    return table, all_, key, lambda: chance.choice(all_).take(key, NOON)


@pytest.mark.parametrize("limit", range(1, 11))
def test_a_small_limit_is_given_out_whole(limit: int) -> None:
    *_, record = environments(limit)
    assert sum(record() for _ in range(500)) == limit


def test_who_loses_a_race_for_the_last_records_gets_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    table, [one, *_], key, _ = environments(100)
    call = table.call

    def raced(operation: str, update: Any, **limits: Any) -> Answer:
        if table.writes < 5:
            table.leased[update["Key"]["key_sha256"]["S"]] += 1  # by another environment
        return call(operation, update, **limits)

    monkeypatch.setattr(table, "call", raced)
    assert one.take(key, NOON, 100) == 95


def test_leasing_takes_few_writes() -> None:
    table, *_, record = environments(10_000)
    recorded = sum(record() for _ in range(10_500))
    assert recorded > 9_900
    assert table.writes / recorded <= 0.05


def test_environments_that_all_end_lose_little() -> None:
    """Twenty environments end at the same moment, at twenty moments of a day."""
    _, all_, key, record = environments(10_000)
    lost = []
    for _ in range(20):
        for _ in range(500):
            record()
        lost.append(sum(each._leases[key.key_id].held for each in all_))
    assert sum(lost) / len(lost) / 10_000 <= 0.11
    assert max(lost) / 10_000 <= 0.22
