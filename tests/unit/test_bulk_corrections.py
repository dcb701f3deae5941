"""Test POST /api/outcomes/corrections, from the Lambda event to the response."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from outcomes.limits import MAX_CORRECTIONS

from functions.correct_outcome import app
from functions.list_outcomes import app as list_outcomes
from tests import streams
from tests.aws import scan
from tests.corrections import (
    AGENT,
    BODIES,
    OWNER,
    assign,
    correct,
    correct_many,
    correct_raw,
    get,
    given,
    ledger,
    meanwhile,
    stored,
    writes_meet,
)
from tests.events import KEY, agent
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
)
from tests.outcome_types import TYPES
from tests.stopwatch import Stopwatch

pytestmark = pytest.mark.usefixtures("tables")

MISSING = "0" * 26
every_call_meets = partial(faulty, app.corrections.store.dynamodb, {"BatchGetItem", "TransactWriteItems"})


def of(id_: str, type_: str = "void", **fields: Any) -> dict[str, Any]:
    """Return one of several corrections."""
    return {"id": id_, **BODIES[type_], **fields}


def statuses(answer: Any) -> list[str]:
    return [result["status"] for result in answer["results"]]


def test_every_correction_has_its_result_in_its_place() -> None:
    ids = [given() for _ in range(9)]
    theirs, void = given(user_id=7), given(status="void")
    made = correct(ids[1], OWNER, BODIES["dispute"], key="k")[1]
    answer = correct_many(
        OWNER,
        of(ids[0], "confirm"),
        of(ids[1], "dispute", idempotencyKey="k"),
        of(ids[1].lower(), "confirm"),
        "nonsense",
        {"type": "confirm"},
        of(ids[2], "void"),
        of(ids[3], "dispute", reason=""),
        of(ids[4], "confirm", idempotencyKey=""),
        of(void, "confirm"),
        of(theirs, "confirm"),
        of(ids[5], "confirm", ifVersion=3),
        of(ids[6], "dispute", userId="ignored", ifVersion=0),
    )
    results = answer["results"]
    confirmed, disputed = get(ids[0])[1], get(ids[6])[1]
    assert results[0] == {
        "status": "corrected",
        "id": ids[0],
        "correction": confirmed["corrections"][0]["id"],
        "outcome_status": "confirmed",
        "version": 1,
    }
    assert results[1] == results[0] | {
        "status": "replayed",
        "id": ids[1],
        "correction": made["id"],
        "outcome_status": "disputed",
    }
    assert results[2] == {"status": "not_found", "id": ids[1].lower(), "error": "Not found"}
    assert results[3] == {"status": "invalid", "error": "Invalid correction"}
    no_id = [{"field": "id", "message": "must be the id of an outcome"}]
    assert results[4] == {"status": "invalid", "error": "Invalid id", "details": no_id}
    assert results[5] == {"status": "forbidden", "id": ids[2], "error": "Forbidden"}
    assert (results[6]["status"], results[6]["error"]) == ("invalid", "Invalid reason")
    assert (results[7]["status"], results[7]["error"]) == ("invalid", "Invalid idempotencyKey")
    said = [{"field": "type", "message": "cannot confirm an outcome that is void"}]
    assert results[8] == {"status": "not_possible", "id": void, "error": "Not possible", "details": said}
    assert results[9] == {"status": "not_found", "id": theirs, "error": "Not found"}
    stale = [{"field": "ifVersion", "message": "is not the version of the outcome"}]
    assert results[10] == {"status": "stale", "id": ids[5], "error": "Stale", "details": stale, "version": 0}
    assert (results[11]["status"], disputed["outcome"]["status"]) == ("corrected", "disputed")
    assert (answer["corrected"], answer["replayed"], answer["failed"]) == (2, 1, 9)
    assert list(answer) == ["results", "corrected", "replayed", "failed"]
    assert "Closed a deal" not in json.dumps(results, default=str)


@pytest.mark.parametrize("caller", [KEY, AGENT], ids=["the platform", "an agent's key"])
def test_callers_who_may_not_read_get_status_and_version_but_no_version_of_a_stale_one(caller: dict[str, Any]) -> None:
    made, stale = given(), given()
    answer = correct_many(caller, of(made, "amend"), of(stale, ifVersion=1))
    assert (answer["results"][0]["outcome_status"], answer["results"][0]["version"]) == ("recorded", 1)
    assert (answer["results"][1]["status"], "version" in answer["results"][1]) == ("stale", False)


def test_a_key_of_another_correction_is_a_conflict() -> None:
    id_ = given()
    correct(id_, KEY, BODIES["amend"], key="k")
    [result] = correct_many(KEY, of(id_, idempotencyKey="k"))["results"]
    assert (result["status"], result["error"]) == ("conflict", "Idempotency key reused")
    assert [each["field"] for each in result["details"]] == ["changes.title", "reason", "type"]


def test_an_amend_that_changes_nothing_is_invalid_or_corrected_for_a_key_that_does_not_read() -> None:
    same = {"changes": {"title": "Closed a deal"}}
    first, second, third = given(), given(), given()
    answer = correct_many(KEY, of(first, "amend", **same), of(second, "amend"))
    nothing = [{"field": "changes", "message": "would change nothing"}]
    wanted = {"status": "invalid", "id": first, "error": "Invalid changes", "details": nothing}
    assert (answer["results"][0], statuses(answer)[1]) == (wanted, "corrected")
    [result] = correct_many(agent("correct read"), of(third, "amend", **same))["results"]
    assert result == wanted | {"id": third}
    for status in ("corrected", "replayed"):
        [result] = correct_many(AGENT, of(third, "amend", idempotencyKey="k", **same))["results"]
        assert (result["status"], result["outcome_status"], result["version"]) == (status, "recorded", 0)
    [result] = correct_many(AGENT, of(third, "amend", **same))["results"]
    assert (result["status"], result["version"], ledger()[0]["version"]) == ("corrected", 0, 0)


# ── The body ──────────────────────────────────────────────────────────────────────────────────────────────────────────

A_CORRECTION = {"id": MISSING, "type": "confirm"}
RULE = "must be a list of 1 to 100 corrections, each of another outcome"
TWICE = [A_CORRECTION, {"id": "1"}, {"id": MISSING, "userId": 7}]


@pytest.mark.parametrize("items", [None, [], {}, "x", [{}] * 101, TWICE])
def test_what_is_no_list_of_different_outcomes_is_refused_and_nothing_is_corrected(items: Any) -> None:
    details = [{"field": "corrections", "message": RULE}]
    status, answer, headers = correct_raw(OWNER, {"corrections": items, "correction": 1})
    assert (status, answer) == (400, {"error": "Invalid corrections", "details": details})
    assert headers["Ignored-Fields"] == "correction"
    assert correct_raw(OWNER, {})[0] == 400


def test_items_without_an_id_are_not_the_same_outcome() -> None:
    items: list[Any] = [None, {}, {"id": None}, {"id": 5}, {"id": ["x"]}] * 20  # as many as are allowed
    answer = correct_many(OWNER, *items)
    assert statuses(answer) == ["invalid"] * 100
    assert {result["error"] for result in answer["results"]} == {"Invalid correction", "Invalid id"}


@pytest.mark.parametrize("reason", ["", " ", "x" * 501, "x\x1b", 5, ["x"], {}])
def test_an_invalid_reason_of_all_is_refused(reason: Any) -> None:
    id_ = given()
    status, answer, _ = correct_raw(OWNER, {"reason": reason, "corrections": [of(id_, "dispute")]})
    assert (status, answer["error"], [each["field"] for each in answer["details"]]) == (
        400,
        "Invalid reason",
        ["reason"],
    )
    both = correct_raw(OWNER, {"reason": reason, "corrections": []})[1]
    assert (both["error"], [each["field"] for each in both["details"]]) == ("Invalid reason", ["reason", "corrections"])
    assert ledger()[0]["version"] == 0


def test_the_reason_of_all_is_for_those_without_one() -> None:
    ids = [given() for _ in range(4)]
    bodies = [of(ids[0], "dispute"), *({"id": each, "type": "dispute"} for each in ids[1:3]), of(ids[3], "confirm")]
    bodies[2]["reason"] = None
    assert statuses(correct_many(OWNER, *bodies, reason="All wrong")) == ["corrected"] * 4
    reasons = [get(each)[1]["corrections"][0]["reason"] for each in ids]
    assert reasons == ["Not mine", "All wrong", "All wrong", "All wrong"]
    answer = correct_many(OWNER, {"id": given(), "type": "dispute"}, reason=None)
    assert answer["results"][0]["error"] == "Invalid reason"


def test_a_body_may_have_one_mebibyte_and_not_one_byte_more() -> None:
    body = json.dumps({"corrections": [of(given(), "confirm")]})
    fits = body + " " * (1024 * 1024 - len(body))
    assert correct_raw(OWNER, fits + " ")[:2] == (413, {"error": "Payload too large"})
    assert correct_raw(OWNER, fits)[:1] == (200,)


def test_only_ids_that_can_be_one_are_repeated() -> None:
    strange = ["", "x" * 65, "\ud800", "\n", "é"]
    answer = correct_many(OWNER, *(of(each, "confirm") for each in [*strange, "x" * 64]))
    assert [each.get("id") for each in answer["results"]] == [None] * 5 + ["x" * 64]
    assert statuses(answer) == ["not_found"] * 6


def test_ignored_fields_are_named() -> None:
    first, second = given(), given()
    status, answer, headers = correct_raw(
        OWNER,
        {
            "why": "x",
            "corrections": [
                of(first, "confirm", user=1, idempotencyKey="k"),
                of(second, "confirm", type="Confirm", reasons="y"),
                {"ID": "x"},
            ],
        },
    )
    assert (status, headers["Ignored-Fields"]) == (200, "why")
    assert [each.get("ignored") for each in answer["results"]] == [["user"], ["reasons"], ["ID"]]


def test_an_invalid_outcome_type_is_answered_with_all_types_in_a_header() -> None:
    wrong = of(given(), "amend", userId=42, changes={"outcomeType": "sale"})
    assert correct_raw(KEY, {"corrections": [wrong]})[2]["Outcome-Types"] == ", ".join(TYPES)


# ── Idempotency keys ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_corrections_sent_again_with_a_key_in_the_header_are_made_once() -> None:
    ids = [given() for _ in range(3)]
    bodies = [of(ids[0]), of(ids[1], idempotencyKey="own"), of(ids[2])]
    first = correct_many(KEY, *bodies, key="clean")
    again = correct_many(KEY, *bodies, key="clean")
    assert (statuses(first), statuses(again)) == (["corrected"] * 3, ["replayed"] * 3)
    assert [each["correction"] for each in again["results"]] == [each["correction"] for each in first["results"]]
    assert {each["version"] for each in ledger()} == {1}
    # The header's key is extended by each place, and a key is the same alone and among several.
    assert correct(ids[2], KEY, BODIES["void"], key="clean#2")[2]["Idempotent-Replayed"] == "true"
    assert correct_raw(KEY, {"corrections": bodies}, key="two words")[:2] == (400, {"error": "Invalid Idempotency-Key"})


def test_an_amend_to_a_type_that_was_removed_is_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [given(), given()]
    bodies = [of(each, "amend", changes={"outcomeType": "task_complete"}, idempotencyKey="k") for each in ids]
    correct_many(KEY, bodies[0])
    monkeypatch.setattr(app, "TYPES", ("deal_closed",))
    assert statuses(correct_many(KEY, *bodies)) == ["replayed", "invalid"]


# ── Who may do what ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_platform_names_the_user_of_each_outcome() -> None:
    ours, theirs, nobodys = given(), given(user_id=7), given(user_id=None)
    wrong = [of(ours, userId=7), of(theirs, userId=None), of(nobodys, userId=42)]
    assert statuses(correct_many(KEY, *wrong)) == ["not_found"] * 3
    right = [of(ours, userId=42), of(theirs, userId=7), of(nobodys, userId=None)]
    assert statuses(correct_many(KEY, *right)) == ["corrected"] * 3
    assert get(theirs, 7)[1]["outcome"]["version"] == ledger()[0]["version"] == 1


def test_an_agent_key_s_rights_and_bounds_are_those_of_single_corrections() -> None:
    bounded = agent("correct read", maxValueUsd="9", agentId="7")
    fields: dict[str, Any] = {"agentId": Decimal(7), "valueUsd": Decimal(9)}
    large, ours, theirs = given(agentId=Decimal(7)), given(**fields), given(user_id=7, **fields)
    answer = correct_many(
        bounded,
        *(of(large), of(theirs), of(given("session", **fields)), of(given(**fields), "confirm")),
        *(of(given(**fields), "amend", changes={"valueUsd": 10}), of(given(**fields), userId=7), of(ours)),
    )
    assert statuses(answer) == ["forbidden", "not_found", *["forbidden"] * 4, "corrected"]
    fields_of = [[fault["field"] for fault in each.get("details", [])] for each in answer["results"]]
    assert fields_of == [["valueUsd"], [], [], [], ["changes.valueUsd"], ["userId"], []]
    without_scope = correct_many(agent("record"), of(given()), of(MISSING))
    assert statuses(without_scope) == ["forbidden", "not_found"]


def test_the_limit_of_corrections_is_that_of_single_corrections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MAX_CORRECTIONS, "agent", 1)
    first, second = given(), given()
    assert correct(first, AGENT, BODIES["amend"])[0] == 200
    answer = correct_many(AGENT, of(first), of(second))
    assert statuses(answer) == ["not_possible", "corrected"]
    assert answer["results"][0]["error"] == "Not possible"


# ── What several corrections cost, and what they leave ────────────────────────────────────────────────────────────────


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    """Let only waiting and calls of DynamoDB take time."""
    clock = Stopwatch()
    monkeypatch.setattr("outcomes.aws.backoff.time", clock)
    return clock


def takes(clock: Stopwatch, seconds: float = 0.04) -> Fault:
    def slow(_request: Request, send: Send) -> Any:
        clock.sleep(seconds)
        return send()

    return slow


def test_a_hundred_corrections_take_less_than_five_seconds_at_40_ms_a_call(clock: Stopwatch) -> None:
    ids = [given(description="d" * 900) for _ in range(100)]
    with every_call_meets(takes(clock)) as calls:
        answer = correct_many(OWNER, *(of(each, "dispute") for each in ids), key="k")
    assert answer["corrected"] == 100
    assert clock.monotonic() < 5
    assert len(calls) - 2 == calls.count("TransactWriteItems") <= 5  # each call writes 33, limited by their size


def test_corrections_are_paced_by_size_and_what_is_not_done_in_time_has_failed(
    clock: Stopwatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outcomes.aws.backoff.UNITS_PER_SECOND", 8)
    monkeypatch.setattr("outcomes.ledger.corrections.UNITS_PER_TRANSACTION", 8)
    ids = [given(description="d" * 1000) for _ in range(20)]
    bodies = [of(each, idempotencyKey="k") for each in ids]
    with every_call_meets(takes(clock)) as calls:
        answer = correct_many(KEY, *bodies)
    done = int(answer["corrected"])
    late = {"status": "failed", "error": "Failed to correct outcome", "retryable": True}
    assert answer["results"][done:] == [{"id": id_} | late for id_ in ids[done:]]
    # An outcome with its entry takes 6 units: 8 may be used at once, 8 a second for 6 s, and a last transaction.
    assert 8 * 6 < done * 6 <= 8 * (1 + 6 + 1)
    assert calls.count("TransactWriteItems") == done
    assert clock.monotonic() < 7
    assert correct_many(KEY, *bodies[:done])["replayed"] == done


def test_several_corrections_leave_the_rows_of_single_ones() -> None:
    """Totals, statements, events, exports, undone imports and erasures read only these rows."""
    made = [(KEY, "amend"), (KEY, "void"), (OWNER, "confirm"), (OWNER, "dispute")]
    single, several = [given() for _ in made], [given() for _ in made]
    for id_, (caller, type_) in zip(single, made, strict=True):
        correct(id_, caller, BODIES[type_], key="k")
    bodies = [of(id_, type_, idempotencyKey="k") for id_, (_, type_) in zip(several, made, strict=True)]
    correct_many(KEY, *bodies[:2])
    correct_many(OWNER, *bodies[2:])

    def rows(ids: list[str]) -> list[str]:
        found = [json.dumps(item) for id_ in ids for item in stored() if id_ in json.dumps(item)]
        return [re.sub('"[0-9]{13}"|[0-9]{4}-[-0-9T:.]+Z|01[0-9A-Z]{24}', "X", item) for item in found]

    assert rows(several) == rows(single)
    remembered = scan("IdempotencyTable")
    assert len(remembered) == 8
    assert len({(*row,) for row in remembered}) == 1


def test_each_correction_is_told_once(tables: dict[str, str]) -> None:
    streams.turn_on(tables["OutcomesTable"])
    ids = [given() for _ in range(3)]
    correct_many(OWNER, *(of(each, "confirm") for each in ids), of(MISSING, "confirm"))
    changed = [each for each in streams.records("OutcomesTable") if each["eventName"] == "MODIFY"]
    assert [each["dynamodb"]["Keys"]["created_at"]["S"].partition("#")[2] for each in changed] == ids


# ── Races and failures ────────────────────────────────────────────────────────────────────────────────────────────────


def cancelled_by(place: int, code: str) -> Fault:
    """Cancel a transaction because of the correction at this place, each of which has two actions."""

    def fault(request: Request, send: Send) -> Any:
        codes = ["None"] * len(request.body["TransactItems"])
        codes[2 * place] = code
        return cancelled(*codes)(request, send)

    return fault


@pytest.mark.usefixtures("no_waiting")
class TestRaces:
    def test_a_contended_outcome_holds_up_no_other(self) -> None:
        ids = [given() for _ in range(3)]
        conflict = cancelled_by(1, "TransactionConflict")
        of_one = cancelled("TransactionConflict", "None")

        def fault(request: Request, send: Send) -> Any:
            places = [each.get("Update", {}).get("Key", {}) for each in request.body["TransactItems"]]
            is_alone = len(request.body["TransactItems"]) == 2
            is_there = any(ids[1] in key.get("created_at", {}).get("S", "") for key in places)
            return (of_one if is_alone else conflict)(request, send) if is_there else send()

        with writes_meet(fault) as sent:
            answer = correct_many(KEY, *(of(each) for each in ids))
        assert statuses(answer) == ["corrected", "failed", "corrected"]
        assert answer["results"][1] == {"status": "failed", "id": ids[1], "error": "Conflict", "retryable": True}
        assert len(sent) > 3
        assert [each["version"] for each in ledger()] == [1, 0, 1]

    @pytest.mark.parametrize("faults", [[lost, fine], [lost, cancelled_by(0, "TransactionConflict"), fine]])
    @pytest.mark.parametrize("key", [None, "k"])
    def test_a_lost_answer_corrects_each_once(self, key: str | None, faults: list[Fault]) -> None:
        ids = [given(), given()]
        with writes_meet(*faults):
            answer = correct_many(KEY, *(of(each, ifVersion=0) for each in ids), key=key)
        assert statuses(answer) == ["corrected"] * 2
        assert [each["version"] for each in ledger()] == [1, 1]
        assert len(stored()) == 4

    def test_a_correction_made_meanwhile_is_judged_as_a_later_one(self) -> None:
        """The condition on each version guards what was read of each outcome."""
        ids = [given() for _ in range(4)]

        def others() -> None:
            correct(ids[0], KEY, BODIES["void"])
            correct(ids[1], OWNER, BODIES["dispute"])
            correct(ids[2], OWNER, BODIES["dispute"])

        with writes_meet(meanwhile(others)):
            answer = correct_many(KEY, of(ids[0]), of(ids[1]), of(ids[2], ifVersion=0), of(ids[3], ifVersion=0))
        assert statuses(answer) == ["not_possible", "corrected", "stale", "corrected"]
        assert [each["type"] for each in get(ids[1])[1]["corrections"]] == ["dispute", "void"]

    def test_of_two_bulks_with_the_same_outcomes_each_correction_is_made_once(self) -> None:
        ids = [given() for _ in range(5)]
        other: list[Any] = []
        with writes_meet(meanwhile(lambda: other.append(correct_many(KEY, *(of(each) for each in ids[:3]))))):
            answer = correct_many(OWNER, *(of(each, "confirm") for each in ids))
        assert statuses(other[0]) == ["corrected"] * 3
        assert statuses(answer) == ["not_possible"] * 3 + ["corrected"] * 2
        assert [each["version"] for each in ledger()] == [1] * 5

    def test_the_same_keys_at_the_same_time_correct_each_once(self) -> None:
        ids = [given() for _ in range(3)]
        bodies = [of(each, idempotencyKey="k") for each in ids]
        with writes_meet(meanwhile(lambda: correct_many(KEY, *bodies[:2]))):
            answer = correct_many(KEY, *bodies)
        assert statuses(answer) == ["replayed", "replayed", "corrected"]
        assert [each["version"] for each in ledger()] == [1] * 3

    def test_outcomes_erased_or_assigned_meanwhile_are_judged_as_they_are_then(self) -> None:
        ours, nobodys, theirs = given(), given(user_id=None), given(user_id=7)

        def others() -> None:
            assign(nobodys, 42)
            erase_rows_of("7")

        with writes_meet(meanwhile(others)):
            answer = correct_many(KEY, of(ours, userId=42), of(nobodys, userId=None), of(theirs, userId=7))
        assert statuses(answer) == ["corrected", "not_possible", "not_found"]
        assert not [item for item in stored() if item["user_id"] == {"S": "7"}]

    @pytest.mark.parametrize(
        ("trouble", "error_text", "level"),
        [
            (error(DENIED), "Failed to correct outcome", "ERROR"),
            (unreachable, "Failed to correct outcome", "ERROR"),
            (error(THROTTLED), "Busy", "INFO"),
        ],
    )
    @pytest.mark.parametrize("operation", ["BatchGetItem", "TransactWriteItems"])
    def test_corrections_that_the_tables_refuse_fail_and_are_logged_once(
        self,
        trouble: Fault,
        error_text: str,
        level: str,
        operation: str,
        log: Callable[[], list[dict[str, Any]]],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        ids = [given(), given()]
        with faulty(app.corrections.store.dynamodb, operation, trouble):
            answer = correct_many(KEY, of(ids[0]), "nonsense", of(ids[1]))
        assert answer["failed"] == 3
        assert answer["results"][0] == {"status": "failed", "id": ids[0], "error": error_text, "retryable": True}
        [logged] = log()
        assert (logged["level"], logged["message"]) == (level, "Refused" if level == "INFO" else error_text)
        assert '"reason":"Invalid correction"' in capsys.readouterr().out
        assert {each["version"] for each in ledger()} == {0}
        assert correct_many(KEY, *(of(each) for each in ids))["corrected"] == 2

    def test_a_throttled_partition_is_not_tried_again_and_another_user_s_is(self) -> None:
        ids = [given(), given(), given(user_id=7)]
        with writes_meet(cancelled_by(0, "ThrottlingError"), fine) as sent:
            answer = correct_many(KEY, *(of(each, userId=7 if each == ids[2] else 42) for each in ids))
        assert statuses(answer) == ["failed", "failed", "corrected"]
        assert {each["error"] for each in answer["results"][:2]} == {"Busy"}
        assert len(sent) == 2

    def test_a_correction_that_cannot_be_stored_fails_alone(self) -> None:
        ids = [given() for _ in range(3)]
        with writes_meet(cancelled_by(1, "ValidationError"), fine):
            answer = correct_many(KEY, *(of(each) for each in ids))
        assert statuses(answer) == ["corrected", "failed", "corrected"]
        assert answer["results"][1]["error"] == "Failed to correct outcome"

    @pytest.mark.parametrize("codes", [(None,), ("TransactionConflict",), ("None", "None", "None", "None")])
    def test_a_transaction_canceled_without_a_reason_for_each_action_is_never_taken_for_stored(
        self, codes: tuple[str | None, ...]
    ) -> None:
        with writes_meet(cancelled(*codes)):
            answer = correct_many(KEY, of(given()), of(given()))
        assert statuses(answer) == ["failed"] * 2
        assert {each["version"] for each in ledger()} == {0}

    def test_without_any_time_nothing_is_tried(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("outcomes.aws.backoff.RETRY_SECONDS", -1.0)
        assert statuses(correct_many(KEY, of(given()), of(given()))) == ["failed"] * 2

    def test_outcomes_that_are_not_read_fail_alone(self) -> None:
        ids = [given(), given()]

        def half(request: Request, send: Send) -> Any:
            [(table, wanted)] = request.body["RequestItems"].items()
            all_ = json.loads(send().body)["Responses"][table]
            found = [item for item in all_ if item["created_at"]["S"].endswith(ids[0])]
            left = {table: wanted | {"Keys": wanted["Keys"][1:]}}
            return answered(200, {"Responses": {table: found}, "UnprocessedKeys": left})

        with faulty(app.corrections.store.dynamodb, "BatchGetItem", half, error(DENIED)):
            answer = correct_many(KEY, of(ids[0]), of(ids[1]))
        assert statuses(answer) == ["corrected", "failed"]

    def test_rows_that_are_not_read_fail_only_their_corrections(self) -> None:
        ids = [given(), given()]

        def unprocessed(request: Request, send: Send) -> Any:
            if "IdempotencyTable" not in request.body["RequestItems"]:
                return send()
            return error("InternalServerError", status=500)(request, send)

        with faulty(app.corrections.store.dynamodb, "BatchGetItem", unprocessed):
            answer = correct_many(KEY, of(ids[0], idempotencyKey="k"), of(ids[1]))
        assert statuses(answer) == ["failed", "corrected"]


def erase_rows_of(user: str) -> None:
    """Delete the user's outcomes, as an erasure does."""
    for item in stored():
        if item["user_id"]["S"] == user:
            key = {name: item[name] for name in ("user_id", "created_at")}
            list_outcomes.store.dynamodb.call("DeleteItem", {"TableName": "OutcomesTable", "Key": key})
