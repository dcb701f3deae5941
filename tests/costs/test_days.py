"""Test the costs of a day from a source: versions, preconditions, permissions, invalid lines, races and failures."""

import json
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from outcomes.calendar import instants
from outcomes.contract.caller import Caller
from outcomes.contract.costs import CostLine
from outcomes.contract.preconditions import Preconditions
from outcomes.costs import cost_rows
from outcomes.costs import days as cost_days
from outcomes.costs.cost_rows import CostDay
from outcomes.costs.days import CostDays
from outcomes.limits import MAX_LINES, MAX_SOURCES, MAX_SOURCES_OF_KEY, MAX_VERSIONS

from functions.costs.app import days
from tests.aws import scan
from tests.costs.service import CALLERS, DAY, LINE, call, delete, put, read
from tests.events import agent
from tests.faults import THROTTLED, Fault, Request, Send, cancelled, error, faulty, fine, lost, vanished

pytestmark = pytest.mark.usefixtures("tables", "no_waiting")

CHEAP, DEAR = LINE | {"costUsd": 1}, LINE | {"costUsd": 100}
OPENAI = CostDay(42, DAY, "openai")
OWNER = Caller(session_user=42)
FAILED = (500, {"error": "Failed to put or read costs"})
CONFLICT = (409, {"error": "Conflict"})
NOT_FOUND = (404, {"error": "Not found"})
TOO_MANY = (409, {"error": "Too many sources"})


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Set the clock to noon of a day, and return a list with this day. Changing the list changes the day.

    Each read of the clock advances it by a millisecond.
    """
    today = ["2026-11-28"]
    ticks = count()
    monkeypatch.setattr(instants, "now", lambda: instants.read(f"{today[0]}T12:00:00Z") + next(ticks))
    return today


def costs(answer: Any) -> list[Any]:
    """Return the amounts of an answer's lines."""
    return [line["cost_usd"] for line in answer["lines"] or ()]


class TestADay:
    def test_is_returned_as_put_and_its_earlier_versions_after_it(self) -> None:
        body = json.dumps({"lines": [LINE, {"costUsd": 37, "quantity": None, "label": ""}]}).replace("9.8", "9.80")
        status, answer, headers = call("PUT", "session", body)
        assert (status, answer, headers["ETag"]) == (200, {"ok": True, "version": 1}, '"1"')
        assert put("platform", LINE | {"agentId": 9}) == (200, 2)
        by_7 = {"agent_id": 7, "cost_usd": 9.8, "quantity": 1_200_000, "unit": "tokens", "label": "gpt-5"}
        unallocated = {"agent_id": None, "cost_usd": 37, "quantity": None, "unit": None, "label": None}
        earlier = {"version": 1, "lines": [unallocated, by_7], "put_by": "session"}
        present = {"version": 2, "lines": [by_7 | {"agent_id": 9}], "put_by": "key"}
        present |= {"date": DAY, "source": "openai"}
        assert {"put_at"} == call("GET", "session")[1].keys() - present.keys()
        status, answer, headers = call("GET", "session", query={"include": "versions"})
        assert answer.pop("put_at") > answer["versions"][0].pop("put_at") > "2026-11-28T12"
        assert (status, answer, headers["ETag"]) == (200, present | {"versions": [earlier]}, '"2"')

    def test_keeps_its_version_if_the_same_lines_are_put_in_any_order_and_notation(self) -> None:
        assert put("session", LINE, {"costUsd": 0}) == (200, 1)
        again = json.dumps({"lines": [{"costUsd": 0, "agentId": None, "unit": ""}, LINE]})
        assert call("PUT", "session", again.replace("9.8", "98.00e-1"))[1]["version"] == 1
        assert put("session", LINE) == (200, 2)
        assert put("session") == put("session") == (200, 3)

    def test_has_exact_amounts(self) -> None:
        exact = "-99999999999999.000000000000000000000001"
        assert call("PUT", "session", f'{{"lines":[{{"costUsd":{exact},"quantity":1e-130}}]}}')[0] == 200
        made = days.read(OPENAI, OWNER)
        assert made.lines is not None
        assert str(made.lines[0].cost_usd) == exact

    def test_is_unknown_after_a_delete_and_counts_on(self) -> None:
        assert delete("session") == read() == NOT_FOUND
        assert put("session", LINE) == (200, 1)
        assert delete("session") == delete("session") == (200, 2)
        assert read() == NOT_FOUND
        assert put("session", LINE) == (200, 3)
        assert [(each["version"], each["lines"] is None) for each in read()[1]["versions"]] == [(2, True), (1, False)]

    def test_keeps_the_latest_versions_of_each_kind_of_caller(self) -> None:
        assert put("key", CHEAP) == (200, 1)
        assert put("session", DEAR) == (200, 2)
        for number in range(MAX_VERSIONS + 2):
            assert put("platform", LINE | {"costUsd": number}) == (200, number + 3)
        found = [each["version"] for each in read()[1]["versions"]]
        assert found == [*range(MAX_VERSIONS + 3, 3, -1), 2, 1]
        # If a put happens between the two reads of a request, the answer does not list the version of this put.
        assert [each.version for each in days.versions_before(OPENAI, 4, OWNER)] == [3, 2, 1]

    def test_has_its_earlier_versions_even_if_they_exceed_a_page_of_a_megabyte(self) -> None:
        for label in "abcdef":
            lines = tuple(CostLine(Decimal(1), agent, label=label * 1500) for agent in range(1, MAX_LINES + 1))
            days.put(OPENAI, lines, OWNER, Preconditions())
        assert [each.version for each in days.versions_before(OPENAI, 6, OWNER)] == [5, 4, 3, 2, 1]

    def test_has_only_the_newest_earlier_versions_if_not_all_fit_into_a_response(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Without this limit, a response with the versions of three kinds of callers could have 8 MB, more than Lambda
        # allows.
        for number in range(5):
            put("session", LINE | {"costUsd": number})
        whole = read()[1]
        assert [each["version"] for each in whole["versions"]] == [4, 3, 2, 1]
        monkeypatch.setattr("functions.costs.app.MAX_RESPONSE_BYTES", 700)
        assert read()[1] == whole | {"versions": whole["versions"][:2]}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"If-Match": '"2"'}, [412, 200, 412]),
        ({"If-Match": '"1", "2"'}, [412, 200, 412]),
        ({"If-Match": "*"}, [412, 200, 412]),
        ({"If-Match": '"1"'}, [412, 412, 412]),
        ({"If-Match": 'W/"2"'}, [412, 412, 412]),
        ({"If-Match": "2"}, [412, 412, 412]),
        ({"If-None-Match": "*"}, [200, 412, 200]),
        ({"If-None-Match": '"2"'}, [400, 400, 400]),
        ({"If-Match": '"2"', "If-None-Match": "*"}, [412, 412, 412]),
    ],
)
def test_a_precondition_is_checked_before_the_lines(headers: dict[str, str], expected: list[int]) -> None:
    """Test a day that nobody has put, a day with version 2, and a deleted day."""
    dates = "2026-11-20", "2026-11-21", "2026-11-22"
    for date in dates[1:]:
        assert [put("session", line, date=date) for line in (CHEAP, DEAR)] == [(200, 1), (200, 2)]
    assert delete("session", dates[2]) == (200, 3)
    wrong = [call("PUT", "session", {"lines": None}, date, headers=headers)[:2] for date in dates]
    right = [call("PUT", "session", {"lines": []}, date, headers=headers)[0] for date in dates]
    assert right == expected
    for (status, answer), allowed in zip(wrong, right, strict=True):
        error = {200: "Invalid lines", 400: "Invalid If-None-Match", 412: "Precondition failed"}[allowed]
        assert (status, answer["error"]) == (400 if allowed == 200 else allowed, error)


# Each column names the caller that owns a source. Each row names a caller, which may put and delete the source's days
# ("put"), read them ("get"), or gets a 404 ("404").
MAY = """
caller                | nobody  | platform | session | key     | other key
platform              | put 404 | put get  | put 404 | put 404 | put 404
session               | put get | get      | put get | put get | put get
key                   | put get |          |         | put get |
reading key           | put get | get      | get     | get     | put get
agent's key           | get     | get      | get     | get     | get
key without the scope | get     | get      | get     | get     | get
recording key         |         |          |         |         |
"""


def rows() -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in MAY.strip().splitlines()]


@pytest.mark.parametrize("row", rows()[1:], ids=lambda row: row[0])
def test_who_may_put_delete_and_read_whose_source(row: list[str]) -> None:
    for owner, cell in zip(rows()[0][1:], row[1:], strict=True):
        source = owner.replace(" ", "-")
        if owner != "nobody":
            assert put(owner, CHEAP, source=source)[0] == 200
        found = 404 if "404" in cell else 200 if "get" in cell else 403
        assert read(row[0], source=source)[0] == (404 if (owner, found) == ("nobody", 200) else found), owner
        for method, body in ("PUT", {"lines": [DEAR]}), ("DELETE", None):
            status, answer, _ = call(method, row[0], body, source=source)
            assert status == (200 if "put" in cell else 403), (owner, method)
            assert "put" in cell or answer["error"] == "Forbidden"


@pytest.mark.parametrize("by", ["session", "key"])
def test_a_platform_that_may_not_read_reads_only_what_it_put_itself(by: str) -> None:
    assert put(by, CHEAP) == (200, 1)
    status, answer, headers = call("GET", "platform")
    assert (status, answer, headers.get("ETag")) == (*NOT_FOUND, None)
    assert put("platform", DEAR) == (200, 2)
    assert put("platform", LINE) == (200, 3)
    status, answer, headers = call("GET", "platform", query={"include": "versions"})
    assert (status, costs(answer), headers["ETag"]) == (200, [9.8], '"3"')
    assert [(each["version"], costs(each)) for each in answer["versions"]] == [(2, [100])]
    assert [each["version"] for each in read()[1]["versions"]] == [2, 1]


def test_lines_that_the_platform_put_again_are_its_own() -> None:
    """Without this, a PUT of the platform would be answered with a version that its GET does not find."""
    assert put("session", CHEAP) == put("platform", CHEAP) == (200, 1)
    assert costs(read("platform")[1]) == [1]
    assert put("platform", DEAR) == (200, 2)
    assert read("platform")[1]["versions"] == []


def test_a_day_that_the_platform_deleted_after_others_put_it_is_not_found() -> None:
    assert put("session", CHEAP) == (200, 1)
    assert delete("platform") == (200, 2)
    assert read("platform") == NOT_FOUND


def test_a_platform_that_may_read_reads_what_others_put() -> None:
    platform = Caller(platform_may_read=True)
    assert put("session", CHEAP) == (200, 1)
    assert days.read(OPENAI, platform).put_by == "session"
    assert put("platform", DEAR) == (200, 2)
    assert [each.put_by for each in days.versions_before(OPENAI, 2, platform)] == ["session"]


def test_nobody_puts_or_reads_the_costs_of_another_user() -> None:
    assert put("other user", CHEAP) == put("session", DEAR) == (200, 1)
    assert call("PUT", "key", {"userId": 43, "lines": []})[0] == 403
    for method in "GET", "DELETE":
        assert [call(method, "key", query={"userId": user})[0] for user in ("43", "x")] == [403, 400]
    assert call("PUT", "session", {"userId": 43, "lines": [DEAR]})[1] == {"ok": True, "version": 1}
    assert (costs(read("other user")[1]), costs(read("session")[1])) == ([1], [100])


def test_who_is_more_trusted_takes_a_source_over_for_good_even_with_the_same_lines() -> None:
    assert put("key", CHEAP) == put("session", CHEAP) == (200, 1)
    assert put("key", DEAR, date="2026-11-25")[0] == 403
    assert put("session", DEAR, date="2026-11-25") == (200, 1)
    assert delete("platform") == (200, 2)
    assert put("session", CHEAP)[0] == delete("session", "2026-11-25")[0] == 403
    assert put("platform", CHEAP) == (200, 3)


def test_the_sources_of_each_kind_of_caller_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(MAX_SOURCES):
        key = f"key {number // MAX_SOURCES_OF_KEY}"
        monkeypatch.setitem(CALLERS, key, agent("cost", keyId=f"{key:0<16}"))
        assert put(key, source=f"s{number}") == (200, 1)
    assert put("key", source="new") == TOO_MANY
    assert put("key 0", LINE, source="s0") == (200, 2)
    assert put("session", source="new") == put("platform", source="newer") == (200, 1)


def test_the_bytes_that_agent_keys_put_for_a_month_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    full = (409, {"error": "Too many lines"})
    for module in (cost_rows, cost_days):
        monkeypatch.setattr(module, "MAX_MONTH_BYTES", 100)
    long = LINE | {"label": "x" * 50}  # 77 bytes; LINE has 32
    assert put("key", long) == put("session", long, source="own") == put("platform", long, source="all") == (200, 1)
    assert put("other key", long, source="other") == full  # keys share the limit; owner and platform have none
    assert put("key", long, source="second", date="2026-11-02") == full
    assert put("key", long, source="second", date="2026-10-31") == (200, 1)
    assert put("key", LINE, source="second", date="2026-11-02") == full
    assert put("key", LINE) == (200, 2)  # a smaller version makes room
    assert put("key", LINE, source="second", date="2026-11-02") == (200, 1)
    assert put("key", long) == full
    assert put("session", long) == (200, 3)  # what a key put is replaced, and no longer counts
    assert put("key", LINE, source="second", date="2026-11-03") == (200, 1)


def test_puts_of_keys_at_the_same_time_do_not_exceed_the_bytes_of_a_month_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in (cost_rows, cost_days):
        monkeypatch.setattr(module, "MAX_MONTH_BYTES", 60)

    def after_another_put(_request: Request, send: Send) -> Any:
        assert put("other key", LINE, source="other") == (200, 1)
        return send()

    with faulty(days.dynamodb, "TransactWriteItems", after_another_put, fine, fine):
        assert put("key", LINE) == (409, {"error": "Too many lines"})


def test_an_agent_key_owns_at_most_ten_sources_until_the_owner_takes_one_over() -> None:
    assert MAX_SOURCES_OF_KEY == 10
    for number in range(MAX_SOURCES_OF_KEY):
        assert put("key", LINE, source=f"s{number}") == (200, 1)
    assert put("key", source="new") == TOO_MANY
    assert put("other key", source="another") == put("session", source="own") == (200, 1)
    assert put("session", LINE, source="s0") == (200, 1)
    assert put("key", source="new") == (200, 1)
    assert put("key", source="newer") == TOO_MANY


@pytest.mark.parametrize(("caller", "allowed"), [("key", MAX_SOURCES_OF_KEY), ("session", MAX_SOURCES)])
def test_puts_at_the_same_time_do_not_exceed_the_limit_together(caller: str, allowed: int) -> None:
    for number in range(allowed - 1):
        assert put(caller, source=f"s{number}") == (200, 1)

    def before_another_source(_request: Request, send: Send) -> Any:
        counted = send()
        assert put(caller, source="first") == (200, 1)
        return counted

    with faulty(days.dynamodb, "Query", before_another_source, fine, fine):
        assert put(caller, source="second") == TOO_MANY
    assert {row["day_source"]["S"] for row in scan("CostsTable")}.isdisjoint({f"{DAY}#second", "source#second"})


def test_a_place_that_may_have_been_taken_is_taken_once() -> None:
    with faulty(days.dynamodb, "TransactWriteItems", lost, fine):
        assert put("key", LINE) == (200, 1)
    [places] = [row for row in scan("CostsTable") if row["day_source"]["S"] == "sources"]
    assert places["changes"] == {"N": "1"}


@pytest.mark.parametrize(
    ("date", "allowed"),
    [
        *[("2026-11-29", True), ("2026-11-30", False), ("2025-10-24", True), ("2025-10-23", False)],
        *[(wrong, False) for wrong in ("2026-02-29", "20261126", "2026-11-26T", "\uff12026-11-26", "0000-01-01", "")],
    ],
)
def test_days_are_utc_days_from_400_days_ago_to_tomorrow(date: str, allowed: bool) -> None:
    status, answer, _ = call("PUT", "session", {"lines": []}, date)
    assert (status, answer.get("error")) == ((200, None) if allowed else (400, "Invalid date"))
    assert call("DELETE", "session", date=date)[0] == status


@pytest.mark.parametrize("source", ["", "OpenAI", "-a", "_a", "a b", "a#b", "a" * 41, "é", "a\n"])
def test_a_source_has_lower_case_letters_digits_underscores_and_dashes(source: str) -> None:
    for method in "PUT", "GET", "DELETE":
        status, answer, _ = call(method, "session", {"lines": []}, source=source)
        assert (status, answer["error"], answer["details"][0]["field"]) == (400, "Invalid source", "source")


@pytest.mark.parametrize(
    ("lines", "fields"),
    [
        *[(None, ["lines"]), ({}, ["lines"]), ("[]", ["lines"]), ([LINE] * (MAX_LINES + 1), ["lines"])],
        ([LINE, LINE | {"label": "a"}, 7, LINE | {"costUsd": "1"}], ["lines.2", "lines.3.costUsd"]),
        ([LINE, LINE | {"costUsd": 1}], ["lines.1"]),
        ([{"costUsd": 1}, {"costUsd": 2, "label": "", "agentId": None}], ["lines.1"]),
        ([{"agentId": 7}, {"costUsd": None}, {"costUsd": True}], [f"lines.{index}.costUsd" for index in range(3)]),
        ([LINE | {"agentId": agent} for agent in (0, 1.5, "7")], [f"lines.{index}.agentId" for index in range(3)]),
        ([LINE | {"quantity": "1", "unit": "x" * 41}], ["lines.0.quantity", "lines.0.unit"]),
        ([LINE | {"label": "x" * 101}, LINE | {"label": 7}], ["lines.0.label", "lines.1.label"]),
        ([LINE | {"costUsd": 1e15}, LINE | {"label": "\x00"}], ["lines.0.costUsd", "lines.1.label"]),
    ],
)
def test_all_faults_of_lines_are_named_and_nothing_is_stored(lines: Any, fields: list[str]) -> None:
    status, answer, _ = call("PUT", "session", {"lines": lines})
    assert (status, answer["error"], [each["field"] for each in answer["details"]]) == (400, "Invalid lines", fields)
    assert scan("CostsTable") == []


def test_unknown_fields_are_ignored_and_named() -> None:
    _, _, headers = call("PUT", "session", {"lines": [LINE | {"cost": 1}], "note": ""})
    assert headers["Ignored-Fields"] == "note, lines.0.cost"
    for user in {}, {"userId": "42"}, {"userId": 0}:
        _, answer, headers = call("PUT", "platform", {"userId": None, "lines": 7} | user)
        assert (answer["error"], headers.get("Ignored-Fields")) == ("Invalid userId", None)


def after_other_puts(times: int = 1) -> Fault:
    """Return a fault (see `tests.faults`) that puts the same day `times` times before it forwards a request.

    These puts have the costs 100, 101 and so on.
    """

    def fault(_request: Request, send: Send) -> Any:
        others = CostDays("CostsTable")
        for number in range(times):
            line = CostLine(Decimal(100 + number))
            others.put(OPENAI, (line,), OWNER, Preconditions())
        return send()

    return fault


@pytest.mark.parametrize(
    ("faults", "expected", "stored"),
    [
        ([after_other_puts(), fine], (200, 3), [1]),
        ([after_other_puts(2), fine], (200, 4), [1]),
        ([cancelled("TransactionConflict", "None"), fine], (200, 2), [1]),
        ([cancelled("ThrottlingError", "None")], (503, {"error": "Busy"}), [9.8]),
        ([error(THROTTLED)] * 2, (503, {"error": "Busy"}), [9.8]),
        ([error("AccessDeniedException")], FAILED, [9.8]),
        ([vanished, fine], (200, 2), [1]),
        ([vanished] * 3, FAILED, [9.8]),
        ([lost, fine], (200, 2), [1]),
        ([lost, after_other_puts()], (200, 2), [100]),
        ([vanished, after_other_puts()], (200, 3), [1]),
        ([lost, vanished, vanished], FAILED, [1]),
        ([lost, cancelled("TransactionConflict", "None"), fine], (200, 2), [1]),
        ([vanished, cancelled("ThrottlingError", "None")], FAILED, [9.8]),
    ],
)  # fmt: skip
def test_a_put_takes_effect_once_whatever_comes_between(faults: list[Fault], expected: Any, stored: list[Any]) -> None:
    assert put("session", LINE) == (200, 1)
    with faulty(days.dynamodb, "TransactWriteItems", *faults):
        assert put("session", CHEAP) == expected
    answer = read()[1]
    assert costs(answer) == stored
    assert [each["version"] for each in answer["versions"]] == [*range(answer["version"] - 1, 0, -1)]


@pytest.mark.parametrize(
    ("faults", "answer"), [([after_other_puts()], CONFLICT), ([vanished, after_other_puts()], FAILED)]
)
@pytest.mark.usefixtures("waiting_too_long")
def test_a_put_without_time_to_retry_is_a_conflict_unless_it_may_be_stored(faults: list[Fault], answer: Any) -> None:
    assert put("session", LINE) == (200, 1)
    with faulty(days.dynamodb, "TransactWriteItems", *faults):
        assert put("session", CHEAP) == answer


def test_a_source_that_may_have_been_taken_over_is_not_put_over_what_came_since() -> None:
    assert put("key", CHEAP) == (200, 1)
    with faulty(days.dynamodb, "TransactWriteItems", vanished, after_other_puts()):
        assert put("session", CHEAP) == FAILED
    assert costs(read()[1]) == [100]


@pytest.mark.parametrize("taken_over", [False, True])
@pytest.mark.parametrize("lines", [(CostLine(Decimal(1)),), None])
def test_a_put_that_was_allowed_before_a_takeover_does_not_replace_the_same_lines_of_the_new_owner(
    lines: Any, taken_over: bool
) -> None:
    assert put("key", {"costUsd": 1}) == (200, 1)
    assert lines or delete("key") == (200, 2)
    version = 1 if lines else 2

    def after_the_same_lines(_request: Request, send: Send) -> Any:
        owner, by = CostDays("CostsTable"), OWNER
        if taken_over:
            owner.put(OPENAI._replace(date="2026-11-25"), (), by, Preconditions())
        assert owner.put(OPENAI, lines, by, Preconditions()) == version
        return send()

    with faulty(days.dynamodb, "TransactWriteItems", after_the_same_lines, fine):
        assert put("key", DEAR)[0] == 403
    assert read()[0] == (200 if lines else 404)
    with faulty(days.dynamodb, "TransactWriteItems", fine) as sent:
        assert call("PUT", "session", {"lines": [{"costUsd": 1}]})[1]["version"] == (1 if lines else 3)
    assert len(sent) == (0 if lines else 1)
    assert put("session", DEAR) == (200, version + (1 if lines else 2))


def test_puts_of_different_days_never_wait_for_each_other() -> None:
    """Once a source has an owner, transactions for today and yesterday have no row in common."""
    assert put("session", LINE) == (200, 1)
    touched: list[set[str]] = []

    def noted(request: Request, send: Send) -> Any:
        actions = [next(iter(action.values())) for action in request.body["TransactItems"]]
        touched.append({(action.get("Item") or action["Key"])["day_source"]["S"] for action in actions})
        return send()

    with faulty(days.dynamodb, "TransactWriteItems", noted, noted):
        assert put("session", LINE, date="2026-11-28") == put("session", LINE, date="2026-11-27") == (200, 1)
    assert not touched[0] & touched[1]


@pytest.mark.parametrize(("today", "changes"), [("2026-11-01", None), ("2026-11-02", 2), ("2027-01-30", 2)])
def test_each_change_of_a_day_that_may_be_in_stored_sums_is_counted(
    clock: list[str], today: str, changes: int | None
) -> None:
    clock[0] = today
    assert put("session", LINE, date="2026-10-31") == put("session", LINE, date="2026-10-31") == (200, 1)
    assert delete("session", "2026-10-31") == (200, 2)
    [*months] = [row for row in scan("CostsTable") if row["day_source"]["S"] == "month#2026-10"]
    assert [row["changes"]["N"] for row in months] == ([] if changes is None else [str(changes)])
