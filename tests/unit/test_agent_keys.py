"""Test the storage of agent keys: creation, rotation, revocation, the limit, and failures."""

from decimal import Decimal
from typing import Any

import pytest
from outcomes.aws.connection import Reply
from outcomes.aws.services import CallFailed, ServiceError
from outcomes.calendar import instants
from outcomes.contract.agent_key_bodies import NewAgentKey, Scope
from outcomes.errors import Busy, Contended, Mistimed, NotFound, TooManyKeys
from outcomes.keys import key_text
from outcomes.keys.agent_keys import AgentKey, AgentKeys
from outcomes.limits import MAX_KEYS

from tests.aws import aws_client, scan
from tests.faults import (
    DENIED,
    THROTTLED,
    Fault,
    Request,
    Send,
    answered,
    cancelled,
    error,
    faulty,
    fine,
    lost,
    unreachable,
    vanished,
)

NOON = 1_775_044_800_000  # 2026-04-01T12:00:00Z
HOUR = 3_600_000
WANTED = NewAgentKey("Nightly import", 42)
CONFLICT = error("TransactionConflictException")
CONFLICT_WITHIN = cancelled("TransactionConflict", "None")
HOT = cancelled("ThrottlingError", "None")

pytestmark = [pytest.mark.usefixtures("tables", "no_waiting")]


class Clock:
    """A clock in milliseconds since 1970, set by the test."""

    now = NOON


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(instants, "now", lambda: clock.now)
    return clock


@pytest.fixture
def keys() -> AgentKeys:
    return AgentKeys("KeysTable")


def ids(keys: AgentKeys, user_id: int = 42) -> list[str]:
    return [key.id for key in keys.of_user(user_id)]


def works(keys: AgentKeys, text: str) -> bool:
    return keys.authenticate(text) is not None


class TestAKey:
    def test_is_created_as_asked_and_found_by_its_text(self, keys: AgentKeys) -> None:
        wanted = NewAgentKey(
            name="Ünï 🎉",
            user_id=42,
            agent_id=7,
            outcome_types=("deal_closed", "task_complete"),
            max_value_usd=Decimal("500.5"),
            scopes=(Scope.RECORD, Scope.READ),
            expires_at=NOON + 1,
            max_per_day=500,
        )
        text, key = keys.create(wanted, "session")
        assert key == AgentKey(
            id=str(key_text.read_id(text)),
            user_id=42,
            name="Ünï 🎉",
            agent_id=7,
            outcome_types=["deal_closed", "task_complete"],
            max_value_usd="500.5",
            max_per_day=500,
            scopes=["record", "read"],
            created_at="2026-04-01T12:00:00.000Z",
            expires_at="2026-04-01T12:00:00.001Z",
            last_used_at=None,
            made_by="session",
            rotated_by=None,
            rotated_at=None,
            paused_at=None,
        )
        assert keys.authenticate(text) == keys.find(key.id) == key
        assert keys.of_user(42) == [key]

    def test_is_stored_as_a_digest_only(self, keys: AgentKeys) -> None:
        text, _ = keys.create(WANTED, "session")
        next_text, _ = keys.rotate(42, str(key_text.read_id(text)), 24, "session")
        assert text[20:] not in str(scan("KeysTable"))
        assert next_text[20:] not in str(scan("KeysTable"))
        assert key_text.digest(text) in str(scan("KeysTable"))

    def test_with_another_secret_is_refused(self, keys: AgentKeys) -> None:
        text, key = keys.create(WANTED, "session")
        assert not works(keys, key_text.new_key(key.id))
        assert not works(keys, key_text.new_key(key_text.new_id()))
        assert works(keys, text)

    def test_stays_known_for_400_days_after_its_expiry_so_that_its_user_may_revoke_it(self, keys: AgentKeys) -> None:
        keys.create(WANTED, "session")
        keys.create(WANTED._replace(expires_at=NOON + 1), "session")
        forgotten = [int(row["forget_at"]["N"]) for row in scan("KeysTable") if "forget_at" in row]
        assert forgotten == [NOON // 1000 + 400 * 24 * 3600]

    def test_may_be_revoked_repeatedly_and_stays_known_by_whom_for_400_days(
        self, keys: AgentKeys, clock: Clock
    ) -> None:
        text, key = keys.create(WANTED, "session")
        keys.revoke(42, key_text.new_id())
        keys.revoke(7, key_text.new_id())
        for clock.now in (NOON, NOON + HOUR):
            keys.revoke(42, key.id)
        [noted, row] = sorted(scan("KeysTable"), key=lambda row: row["id"]["S"])
        assert noted == {
            "id": {"S": f"revoked#{key.id}"},
            "user_id": {"N": "42"},
            "revoked_at": {"S": "2026-04-01T12:00:00.000Z"},
            "forget_at": {"N": str(NOON // 1000 + 400 * 24 * 3600)},
        }
        assert row["id"] == {"S": "user#42"}
        assert not works(keys, text)
        assert (keys.find(key.id), keys.of_user(42)) == (None, [])

    @pytest.mark.parametrize("faults", [[lost, fine], [vanished, fine], [CONFLICT_WITHIN, fine]])
    def test_is_noted_as_revoked_once_whatever_fails(self, keys: AgentKeys, faults: list[Fault]) -> None:
        text, key = keys.create(WANTED, "session")
        with faulty(keys.dynamodb, "TransactWriteItems", *faults):
            keys.revoke(42, key.id)
        assert sorted(row["id"]["S"] for row in scan("KeysTable")) == [f"revoked#{key.id}", "user#42"]
        assert not works(keys, text)

    @pytest.mark.parametrize("other", ["revoke", "erase"])
    def test_revoked_while_another_call_deletes_it_is_noted_only_by_the_first(
        self, keys: AgentKeys, clock: Clock, other: str
    ) -> None:
        _, key = keys.create(WANTED, "session")

        def meanwhile(_request: Request, send: Send) -> Reply:
            if other == "revoke":
                AgentKeys("KeysTable").revoke(42, key.id)
            else:  # the keys of an erased user, and then the row that lists them
                for id_ in (key.id, "user#42"):
                    aws_client("dynamodb").delete_item(TableName="KeysTable", Key={"id": {"S": id_}})
            clock.now += 1
            return send()

        with faulty(keys.dynamodb, "TransactWriteItems", meanwhile, fine):
            keys.revoke(42, key.id)
        noted = [row["revoked_at"]["S"] for row in scan("KeysTable") if "revoked_at" in row]
        assert noted == (["2026-04-01T12:00:00.000Z"] if other == "revoke" else [])


class TestRotation:
    @pytest.mark.parametrize("faults", [[lost, fine], [lost, CONFLICT, fine], [CONFLICT, fine]])
    def test_with_passing_trouble_happens_once(self, keys: AgentKeys, faults: list[Fault]) -> None:
        first, key = keys.create(WANTED, "session")
        with faulty(keys.dynamodb, "UpdateItem", *faults) as calls:
            second, rotated = keys.rotate(42, key.id, 24, "session")
        assert len(calls) == 2
        assert rotated == key._replace(rotated_by="session", rotated_at="2026-04-01T12:00:00.000Z")
        assert [works(keys, text) for text in (first, second)] == [True, True]
        assert keys.of_user(42) == [rotated]

    def test_that_lands_late_does_not_undo_the_next_one(self, keys: AgentKeys) -> None:
        _, key = keys.create(WANTED, "session")
        late: list[Send] = []

        def hold(_request: Request, send: Send) -> Reply:
            late.append(send)
            raise TimeoutError("timed out")

        with faulty(keys.dynamodb, "UpdateItem", hold, fine):
            second, _ = keys.rotate(42, key.id, 24, "session")
            third, rotated = keys.rotate(42, key.id, 0, "session")
        [send] = late
        assert send().status == 400
        assert [works(keys, text) for text in (second, third)] == [False, True]
        assert keys.of_user(42) == [rotated]

    def test_during_another_rotation_gives_a_secret_that_works(self, keys: AgentKeys) -> None:
        _, key = keys.create(WANTED, "session")
        others: list[str] = []

        def other_first(_request: Request, send: Send) -> Reply:
            others.append(keys.rotate(42, key.id, 24, "platform")[0])
            return send()

        with faulty(keys.dynamodb, "UpdateItem", other_first, fine):
            text, rotated = keys.rotate(42, key.id, 24, "session")
        assert [works(keys, each) for each in (*others, text)] == [True, True]
        assert keys.of_user(42) == [rotated]


class TestPausing:
    @pytest.mark.parametrize("paused", [True, False])
    @pytest.mark.parametrize("faults", [[lost, fine], [lost, CONFLICT, fine], [CONFLICT, fine]])
    def test_with_passing_trouble_happens_once(self, keys: AgentKeys, faults: list[Fault], *, paused: bool) -> None:
        _, key = keys.create(WANTED, "session")
        if not paused:
            keys.set_paused(42, key.id, paused=True)
        with faulty(keys.dynamodb, "UpdateItem", *faults):
            found = keys.set_paused(42, key.id, paused=paused)
        assert found == key._replace(paused_at="2026-04-01T12:00:00.000Z" if paused else None)
        assert keys.of_user(42) == [found]

    def test_again_keeps_the_time_and_resuming_again_changes_nothing(self, keys: AgentKeys, clock: Clock) -> None:
        _, key = keys.create(WANTED, "session")
        paused = keys.set_paused(42, key.id, paused=True)
        clock.now += 1
        assert keys.set_paused(42, key.id, paused=True) == paused
        assert [keys.set_paused(42, key.id, paused=False) for _ in range(2)] == [key, key]

    def test_is_not_ended_by_a_resumption_that_lands_late(self, keys: AgentKeys, clock: Clock) -> None:
        _, key = keys.create(WANTED, "session")
        keys.set_paused(42, key.id, paused=True)
        late: list[Send] = []

        def hold(_request: Request, send: Send) -> Reply:
            late.append(send)
            raise TimeoutError("timed out")

        with faulty(keys.dynamodb, "UpdateItem", hold, fine):
            keys.set_paused(42, key.id, paused=False)
            clock.now += 1
            again = keys.set_paused(42, key.id, paused=True)
        [send] = late
        assert send().status == 400
        assert keys.of_user(42) == [again]

    @pytest.mark.parametrize("paused", [True, False])
    def test_of_no_live_key_of_the_user_is_not_found(self, keys: AgentKeys, clock: Clock, *, paused: bool) -> None:
        _, expired = keys.create(WANTED._replace(expires_at=NOON + 1), "session")
        _, revoked = keys.create(WANTED, "session")
        _, theirs = keys.create(WANTED._replace(user_id=7), "session")
        keys.revoke(42, revoked.id)
        clock.now += 1
        before = scan("KeysTable")
        for key in (expired, revoked, theirs):
            with pytest.raises(NotFound):
                keys.set_paused(42, key.id, paused=paused)
        assert scan("KeysTable") == before

    def test_beside_a_revocation_leaves_no_row(self, keys: AgentKeys) -> None:
        _, key = keys.create(WANTED, "session")

        def revoked_first(_request: Request, send: Send) -> Reply:
            keys.revoke(42, key.id)
            return send()

        with faulty(keys.dynamodb, "UpdateItem", revoked_first, fine), pytest.raises(NotFound):
            keys.set_paused(42, key.id, paused=True)
        assert keys.find(key.id) is None
        assert {"S": key.id} not in [row["id"] for row in scan("KeysTable")]


class TestKeysOfAUser:
    def test_are_the_user_s_own_newest_first(self, keys: AgentKeys, clock: Clock) -> None:
        made = []
        for clock.now in (NOON, NOON + 1, NOON + 2):
            made.append(keys.create(WANTED, "session")[1].id)
            keys.create(WANTED._replace(user_id=7), "session")
        assert ids(keys) == made[::-1]
        assert len(ids(keys, 7)) == 3
        assert ids(keys, 8) == []

    def test_are_there_as_soon_as_they_are_made(self, keys: AgentKeys) -> None:
        requests: list[Any] = []

        def watched(request: Request, send: Send) -> Reply:
            requests.append(request.body)
            return send()

        _, key = keys.create(WANTED, "session")
        with faulty(keys.dynamodb, {"GetItem", "BatchGetItem"}, watched):
            assert ids(keys) == [key.id]
        row, batch = requests
        assert row["ConsistentRead"] is batch["RequestItems"]["KeysTable"]["ConsistentRead"] is True

    def test_left_unprocessed_are_read_again(self, keys: AgentKeys) -> None:
        made = {keys.create(WANTED, "session")[1].id for _ in range(3)}

        def one_less(request: Request, _send: Send) -> Reply:
            asked = request.body["RequestItems"]["KeysTable"]
            *left, now = asked["Keys"]
            item = aws_client("dynamodb").get_item(TableName="KeysTable", Key=now)["Item"]
            unprocessed = {"KeysTable": asked | {"Keys": left}} if left else {}
            return answered(200, {"Responses": {"KeysTable": [item]}, "UnprocessedKeys": unprocessed})

        with faulty(keys.dynamodb, "BatchGetItem", one_less) as calls:
            assert set(ids(keys)) == made
        assert len(calls) == 3

    def test_of_which_none_can_be_read_raise_busy(self, keys: AgentKeys) -> None:
        keys.create(WANTED, "session")

        def nothing(request: Request, _send: Send) -> Reply:
            return answered(200, {"Responses": {}, "UnprocessedKeys": request.body["RequestItems"]})

        with faulty(keys.dynamodb, "BatchGetItem", nothing) as calls, pytest.raises(Busy):
            keys.of_user(42)
        assert len(calls) == 1

    def test_that_cannot_all_be_read_in_time_raise_busy(self, keys: AgentKeys, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("outcomes.aws.backoff.RETRY_SECONDS", 0)
        for _ in range(2):
            keys.create(WANTED, "session")

        def one(request: Request, _send: Send) -> Reply:
            asked = request.body["RequestItems"]["KeysTable"]
            return answered(
                200, {"Responses": {}, "UnprocessedKeys": {"KeysTable": asked | {"Keys": asked["Keys"][:1]}}}
            )

        with faulty(keys.dynamodb, "BatchGetItem", one), pytest.raises(Busy):
            keys.of_user(42)

    def test_omit_those_whose_rows_are_gone(self, keys: AgentKeys) -> None:
        _, gone = keys.create(WANTED, "session")
        _, key = keys.create(WANTED, "session")
        aws_client("dynamodb").delete_item(TableName="KeysTable", Key={"id": {"S": gone.id}})
        assert ids(keys) == [key.id]


class TestTheLimit:
    @pytest.fixture
    def full(self, keys: AgentKeys) -> AgentKeys:
        """Create one key fewer than the limit. The first expires after an hour."""
        keys.create(WANTED._replace(expires_at=NOON + HOUR), "session")
        for _ in range(MAX_KEYS - 2):
            keys.create(WANTED, "session")
        return keys

    def test_is_a_hundred_live_keys(self, full: AgentKeys, clock: Clock) -> None:
        _, last = full.create(WANTED, "session")
        with pytest.raises(TooManyKeys):
            full.create(WANTED, "session")
        full.create(WANTED._replace(user_id=7), "session")
        assert len(ids(full)) == MAX_KEYS
        full.revoke(42, last.id)
        full.create(WANTED, "session")
        with pytest.raises(TooManyKeys):
            full.create(WANTED, "session")
        clock.now = NOON + HOUR
        full.create(WANTED, "session")
        with pytest.raises(TooManyKeys):
            full.create(WANTED, "session")
        assert len(ids(full)) == MAX_KEYS

    def test_removes_expired_keys_from_the_user_s_row(self, keys: AgentKeys, clock: Clock) -> None:
        for clock.now in range(NOON, NOON + 5 * HOUR, HOUR):
            keys.create(WANTED._replace(expires_at=clock.now + HOUR), "session")
        [row] = [row for row in scan("KeysTable") if row["id"]["S"] == "user#42"]
        assert len(row) == len({"id", "changes", "the last key"})

    def test_holds_for_two_concurrent_creations_of_the_last_key(self, full: AgentKeys) -> None:
        made = []

        def overtaken(_request: Request, send: Send) -> Reply:
            made.append(AgentKeys("KeysTable").create(WANTED, "session"))
            return send()

        with faulty(full.dynamodb, "TransactWriteItems", overtaken, fine), pytest.raises(TooManyKeys):
            full.create(WANTED, "session")
        assert len(ids(full)) == MAX_KEYS
        assert works(full, made[0][0])


class TestTrouble:
    @pytest.mark.parametrize("trouble", [error(THROTTLED), error("X", status=500), error(DENIED), unreachable])
    def test_leaves_nothing_half_done(self, keys: AgentKeys, trouble: Fault) -> None:
        text, key = keys.create(WANTED, "session")
        before = scan("KeysTable")
        for write in (
            lambda: keys.create(WANTED, "session"),
            lambda: keys.rotate(42, key.id, 0, "session"),
            lambda: keys.set_paused(42, key.id, paused=True),
            lambda: keys.revoke(42, key.id),
        ):
            with (
                faulty(keys.dynamodb, {"TransactWriteItems", "UpdateItem"}, trouble),
                pytest.raises((Busy, CallFailed)),
            ):
                write()
        assert scan("KeysTable") == before
        assert works(keys, text)

    @pytest.mark.parametrize("trouble", [error(THROTTLED), error("X", status=500), unreachable])
    def test_with_a_read_raises(self, keys: AgentKeys, trouble: Fault) -> None:
        text, _ = keys.create(WANTED, "session")
        with faulty(keys.dynamodb, "GetItem", trouble), pytest.raises((Busy, CallFailed)):
            keys.authenticate(text)

    def test_with_lasting_conflicts_raises_contended(self, keys: AgentKeys, monkeypatch: pytest.MonkeyPatch) -> None:
        _, key = keys.create(WANTED, "session")
        monkeypatch.setattr("outcomes.aws.backoff.RETRY_SECONDS", 0)
        with faulty(keys.dynamodb, "TransactWriteItems", CONFLICT_WITHIN):
            with pytest.raises(Contended):
                keys.create(WANTED, "session")
            with pytest.raises(Contended):
                keys.revoke(42, key.id)

    @pytest.mark.parametrize("code", ["ProvisionedThroughputExceeded", "ThrottlingError"])
    def test_with_a_hot_partition_is_tried_once_more(self, keys: AgentKeys, code: str) -> None:
        hot = cancelled(code, "None")
        with faulty(keys.dynamodb, "TransactWriteItems", hot, fine):
            text, key = keys.create(WANTED, "session")
        assert works(keys, text)
        with faulty(keys.dynamodb, "TransactWriteItems", hot) as calls, pytest.raises(Busy):
            keys.revoke(42, key.id)
        assert len(calls) == 2

    @pytest.mark.parametrize(
        "faults",
        [[vanished, CONFLICT_WITHIN], [vanished, CONFLICT_WITHIN, error(THROTTLED)], [HOT, lost, HOT]],
        ids=["conflicts", "conflict and throttling", "hot partition"],
    )
    def test_after_an_attempt_that_may_have_landed_is_not_reported_as_refused(
        self, keys: AgentKeys, faults: list[Fault]
    ) -> None:
        with faulty(keys.dynamodb, "TransactWriteItems", *faults), pytest.raises(CallFailed):
            keys.create(WANTED, "session")

    def test_after_an_attempt_that_may_have_landed_makes_no_second_key_when_the_clock_is_set(
        self, keys: AgentKeys, clock: Clock
    ) -> None:
        def conflict(request: Request, send: Send) -> Reply:
            clock.now -= HOUR
            return CONFLICT_WITHIN(request, send)

        with faulty(keys.dynamodb, "TransactWriteItems", vanished, conflict, fine), pytest.raises(CallFailed):
            keys.create(WANTED, "session")
        with faulty(keys.dynamodb, "TransactWriteItems", conflict, fine), pytest.raises(Mistimed):
            keys.create(WANTED, "session")
        assert ids(keys) == []

    @pytest.mark.parametrize("reasons", [("ValidationError", "None"), ("None", "None"), (None,)])
    def test_that_is_permanent_is_not_retried(self, keys: AgentKeys, reasons: tuple[str | None, ...]) -> None:
        with (
            faulty(keys.dynamodb, "TransactWriteItems", cancelled(*reasons)) as calls,
            pytest.raises(ServiceError, match="TransactionCanceledException"),
        ):
            keys.create(WANTED, "session")
        assert len(calls) == 1


class TestUse:
    def used(self, keys: AgentKeys, text: str) -> AgentKey:
        key = keys.authenticate(text)
        assert key
        keys.mark_used(key)
        return key

    def test_is_noted_once_an_hour(self, keys: AgentKeys, clock: Clock) -> None:
        text, key = keys.create(WANTED, "session")
        with faulty(keys.dynamodb, "UpdateItem", fine) as writes:
            for clock.now in (NOON, NOON + 1, NOON + HOUR - 1):
                self.used(keys, text)
            assert len(writes) == 1
            assert keys.of_user(42)[0].last_used_at == "2026-04-01T12:00:00.000Z"
            clock.now = NOON + HOUR + 1
            self.used(keys, text)
            assert len(writes) == 2
        assert keys.of_user(42) == [key._replace(last_used_at="2026-04-01T13:00:00.000Z")]

    def test_is_noted_once_by_concurrent_calls(self, keys: AgentKeys) -> None:
        text, _ = keys.create(WANTED, "session")
        read_before = keys.authenticate(text)
        self.used(keys, text)
        assert read_before
        keys.mark_used(read_before)
        assert keys.of_user(42)[0].last_used_at == "2026-04-01T12:00:00.000Z"

    def test_is_written_in_one_attempt(self, keys: AgentKeys) -> None:
        _, key = keys.create(WANTED, "session")
        with faulty(keys.dynamodb, "UpdateItem", error("X", status=500)) as calls, pytest.raises(CallFailed):
            keys.mark_used(key)
        assert len(calls) == 1

    def test_stays_noted_when_the_clock_goes_back(self, keys: AgentKeys, clock: Clock) -> None:
        text, _ = keys.create(WANTED, "session")
        self.used(keys, text)
        clock.now = NOON - HOUR
        assert self.used(keys, text).last_used_at == "2026-04-01T12:00:00.000Z"
