"""Test materialized totals: when they are stored, damaged rows, deadlines, and the exactness of summaries."""

import json
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from email.utils import formatdate
from typing import Any

import pytest
import tzdata
from hypothesis import given, settings
from hypothesis import strategies as st
from outcomes.aws import backoff, paced_reads, services
from outcomes.aws.connection import Reply
from outcomes.aws.services import Item
from outcomes.calendar import instants
from outcomes.contract.models import NewOutcome
from outcomes.contract.sums import ALL_AGENTS, Cell, Sums
from outcomes.totals import codec, materialized, monthly_sums, reading, settled_intervals, stored_sums
from outcomes.totals.materialized import Totals
from outcomes.totals.reading import Reading

from functions.summarize_outcomes import app
from tests.corrections import BODIES, correct
from tests.corrections import given as recorded
from tests.events import KEY, proxy_event, session
from tests.faults import DENIED, THROTTLED, Request, Send, error, faulty, fine, unreachable
from tests.outcome_types import TYPES
from tests.stopwatch import Stopwatch

HOUR = 60 * 60 * 1000
DAY = 24 * HOUR
LARGE = {"metadata": {"a": "x" * 60_000}}
"""Makes totals of five outcomes worth storing: 300 KB are 75 read units, a total is one write unit."""


def add(ago: int, **fields: Any) -> None:
    """Record an outcome. Its created_at is `ago` milliseconds before now."""
    add_at(instants.now() - ago, **fields)


def add_five() -> None:
    """Record five outcomes a day ago, so large that storing their totals is worthwhile."""
    for hours in range(5):
        add(DAY + hours, **LARGE)


def add_at(milliseconds: int, **fields: Any) -> None:
    body = {"outcomeType": "deal_closed", "title": "Closed", "userId": Decimal(42), "valueUsd": Decimal("0.1")} | fields
    app.store.add(NewOutcome.parse(body, session_user=None), "key", milliseconds=milliseconds)


def look(zone: str = "UTC", **query: str | list[str]) -> Any:
    response = app.handler(proxy_event("GET", authorizer=session(42), query={"timezone": zone, **query}), None)
    return response["statusCode"], json.loads(response["body"]), response["headers"]


def counted(zone: str = "UTC") -> int:
    status, body, _ = look(zone)
    assert status == 200, body
    count: int = body["count"]
    return count


def kept() -> list[Any]:
    rows: list[Any] = app.store.dynamodb.call("Scan", {"TableName": "TotalsTable"})["Items"]
    return [row for row in rows if "sums" in row]


@contextmanager
def asked(table: str = "OutcomesTable") -> Iterator[list[str]]:
    """Yield a list. Each query of the table adds to it the sort key at which the query begins."""
    begins: list[str] = []

    def note(request: Request, send: Send) -> Reply:
        between = request.body["ExpressionAttributeValues"]
        assert between[":first"]["S"] <= between[":last"]["S"]  # DynamoDB refuses a reversed range; moto does not
        if request.body["TableName"] == table:
            begins.append(request.body["ExpressionAttributeValues"][":first"]["S"])
        return send()

    with faulty(app.store.dynamodb, "Query", note):
        yield begins


class Clock:
    """Two clocks, in milliseconds since 1970.

    service: DynamoDB's clock. host: the clock of our functions' hosts.
    """

    def __init__(self) -> None:
        self.service = self.host = 0

    def at(self, day: int, hour: float = 0) -> None:
        """Set both clocks to an hour of a day in April 2026, in UTC."""
        self.service = self.host = april(day, hour)


def april(day: int, hour: float = 0) -> int:
    return 1_774_915_200_000 + day * DAY + round(hour * HOUR)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return clocks that only the test advances. Totals are stored even for a few outcomes."""
    clock = Clock()
    post = app.store.dynamodb.connection.post

    def at_a_time(headers: Any, body: bytes, until: float) -> Reply:
        reply = post(headers, body, until)
        return reply._replace(headers={**reply.headers, "date": formatdate(clock.service / 1000, usegmt=True)})

    monkeypatch.setattr(app.store.dynamodb.connection, "post", at_a_time)
    monkeypatch.setattr(instants, "now", lambda: clock.host)
    monkeypatch.setattr(settled_intervals, "SAVED_PER_COST", 0)
    return clock


def record(**fields: Any) -> str:
    body = {"outcomeType": "deal_closed", "title": "Closed", "userId": Decimal(42), "valueUsd": Decimal("0.1")} | fields
    return app.store.add(NewOutcome.parse(body, session_user=None), "key")


def between(since: int, until: int, zone: str = "UTC") -> Any:
    query: dict[str, str | list[str]] = {"from": instants.text(since), "to": instants.text(until), "timezone": zone}
    response = app.handler(proxy_event("GET", authorizer=session(42), query=query), None)
    assert response["statusCode"] == 200, response["body"]
    return json.loads(response["body"])


def in_april(since: float = 1, until: float = 31) -> int:
    """Count the outcomes with since <= occurred_at < until. since and until are days of April or fractions of days."""
    count: int = between(april(0, since * 24), april(0, until * 24))["count"]
    return count


def die(_request: Request, _send: Send) -> Reply:
    raise KeyboardInterrupt


pytestmark = pytest.mark.usefixtures("tables")


class TestKeeping:
    def test_a_summary_reads_only_what_came_since_the_one_before(self) -> None:
        for hours in range(5, 0, -1):
            add(hours * 60 * 60 * 1000, **LARGE)
        assert counted() == 5
        with asked() as begins:
            assert counted() == 5
        settled = instants.text(instants.now() - (stored_sums.SETTLED_SECONDS + 60) * 1000)
        assert [begin.lstrip("~") > settled for begin in begins] == [True, True]
        add(0)
        assert counted() == 6

    def test_a_stored_total_is_reused_unchanged(self) -> None:
        yesterday = instants.now() // DAY * DAY - DAY
        for seconds in range(5):
            add_at(yesterday + seconds * 1000, **LARGE)
        counted()
        before = kept()
        assert counted() == 5
        assert kept() == before

    def test_outcomes_of_the_last_ten_minutes_are_not_materialized(self) -> None:
        for seconds in range(5):
            add(seconds * 1000, **LARGE)
        assert counted() == 5
        assert kept() == []

    def test_a_reader_whose_clock_is_ahead_materializes_no_more(self, clock: Clock) -> None:
        clock.at(2)
        record()
        clock.host += HOUR
        assert in_april() == 1
        assert [row["end"]["N"] for row in kept() if int(row["end"]["N"]) > april(2)] == []
        clock.at(2, 0.1)
        record()
        assert in_april() == 2

    def test_totals_that_are_cheap_to_compute_are_not_stored(self) -> None:
        add(DAY)
        assert counted() == 1
        assert kept() == []

    @pytest.mark.parametrize(("outcomes", "rows"), [(2, 0), (3, 1)])
    def test_the_row_of_a_new_zone_counts_as_a_cost(self, outcomes: int, rows: int) -> None:
        for hours in range(outcomes):
            add(DAY + hours, **LARGE)
        assert counted() == outcomes
        assert len(kept()) == rows

    def test_without_a_date_header_nothing_is_materialized(self) -> None:
        add_five()

        def timeless(_request: Request, send: Send) -> Reply:
            reply = send()
            return reply._replace(headers={name: value for name, value in reply.headers.items() if name != "date"})

        with faulty(app.store.dynamodb, "Query", timeless):
            assert counted() == 5
        assert kept() == []

    @pytest.mark.usefixtures("no_waiting")
    @pytest.mark.parametrize("operation", ["PutItem", "UpdateItem"])
    @pytest.mark.parametrize("trouble", [error(THROTTLED), unreachable])
    def test_a_failed_write_does_not_fail_the_summary(self, operation: str, trouble: Any) -> None:
        add_five()
        with faulty(app.store.dynamodb, operation, trouble):
            assert counted() == 5
        assert kept() == []

    def test_a_denied_write_is_a_500(self) -> None:
        add_five()
        with faulty(app.store.dynamodb, "PutItem", error(DENIED)):
            assert look()[0] == 500

    def test_totals_are_stored_for_four_new_zones_a_day(self) -> None:
        add_five()
        zones = ["UTC", "Europe/Berlin", "Asia/Tokyo", "Asia/Kathmandu", "America/New_York"]
        assert [counted(zone) for zone in [*zones, *zones]] == [5] * 10
        assert {row["stretch"]["S"].partition("#")[0] for row in kept()} == set(zones[:4])

    def test_a_zone_whose_first_reader_died_is_continued(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(settled_intervals, "ZONES_A_DAY", 1)
        add_five()
        with faulty(app.store.dynamodb, "PutItem", die), pytest.raises(KeyboardInterrupt):
            counted()
        assert counted() == 5
        assert len(kept()) == 1

    @pytest.mark.parametrize(
        "changed",
        [(codec, "FORMAT", 99), (codec, "_WORDS", b"\ninvoice_paid"), (tzdata, "IANA_VERSION", "2099a"), None],
    )
    def test_rules_name_all_that_totals_depend_on(
        self, changed: tuple[Any, str, Any] | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = Totals(app.store, "TotalsTable", "1").rules
        if changed:
            monkeypatch.setattr(*changed)
        assert Totals(app.store, "TotalsTable", "1" if changed else "2").rules != before

    def test_totals_of_another_edition_are_ignored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        add_five()
        counted()
        [row] = kept()
        monkeypatch.setattr(app.totals, "rules", "another")
        add(2 * DAY, **LARGE)  # an old outcome appears, as if a backup was restored
        assert counted() == 6
        assert {each["rules"]["S"] for each in kept()} == {"another"}
        assert row["rules"]["S"] != "another"


class TestExact:
    """A summary equals the sum of all entries, no matter which totals are materialized."""

    def test_an_outcome_at_the_end_of_an_interval_counts_once(self, clock: Clock) -> None:
        clock.at(1, 1)
        record()
        clock.at(1, 2)
        record()
        # The settled interval ends exactly when the second outcome was recorded, and does not contain this outcome.
        clock.service += stored_sums.SETTLED_SECONDS * 1000
        assert [in_april(), in_april()] == [2, 2]
        assert [int(row["end"]["N"]) for row in kept()] == [april(1, 2)]

    def test_a_continued_interval_counts_once(self, clock: Clock) -> None:
        for hour in (1, 3, 5):
            clock.at(1, hour)
            record()
            clock.at(1, hour + 1)
            assert in_april() == (hour + 1) / 2
        assert in_april() == 3
        ends = [int(row["end"]["N"]) + stored_sums.SETTLED_SECONDS * 1000 for row in kept()]
        assert ends == [april(1, 2), april(1, 6)]  # the first interval began on 31 March

    def test_entries_before_an_interval_are_read(self, clock: Clock) -> None:
        for day in (1, 10):
            clock.at(day)
            record()
        clock.at(11)
        assert [in_april(5), in_april(1), in_april(1)] == [1, 2, 2]

    def test_overlapping_intervals_count_once(self, clock: Clock) -> None:
        for day in (2, 3):
            clock.at(day, 12)
            record()
        clock.at(4)
        assert [in_april(3), in_april(2), in_april(1), in_april(3)] == [1, 2, 2, 1]

    def test_an_outcome_dated_five_minutes_ahead_counts_on_that_day(self, clock: Clock) -> None:
        clock.at(1)
        record()
        clock.at(1, 24 - 5 / 60)
        record(occurredAt=instants.text(april(2)))
        clock.at(4)
        assert [in_april(2), in_april(1, 2), in_april(2)] == [1, 1, 1]
        # Both are in one interval, of which only entries about the cut day are read again.
        assert [in_april(1), in_april(1, 2.5), in_april(2, 2.5)] == [2, 2, 1]

    def test_a_day_begins_within_an_hour(self, clock: Clock) -> None:
        midnight = april(2, 18.25)
        clock.at(4)
        for lag in (-1, 0, -1):
            add_at(midnight + lag)
        by_day = between(april(1, 18.25), april(3, 18.25), "Asia/Kathmandu")["by_day"]
        assert [day["count"] for day in by_day] == [2, 1]

    def test_an_amended_occurred_at_moves_an_outcome_into_another_range(self, clock: Clock) -> None:
        clock.at(2, 11)
        id_ = record()
        clock.at(5)
        assert between(april(2, 10), april(5))["count"] == 1
        correct(id_, KEY, {"type": "amend", "reason": "Earlier", "changes": {"occurredAt": instants.text(april(2, 9))}})
        clock.at(7)
        for _ in range(2):  # on 2 April, the deltas -1 and +1 of the correction add up to zero
            assert between(april(2, 10), april(5))["count"] == 0
            assert between(april(2, 9), april(5))["count"] == 1

    @pytest.mark.parametrize("is_longer", [False, True])
    def test_a_reader_that_dies_half_way_leaves_no_wrong_total(
        self, is_longer: bool, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(codec, "PART_CHARACTERS", 1)

        def record_two() -> None:
            record()
            record(outcomeType="task_complete")

        clock.at(2, 1)
        record()
        clock.at(2, 2)
        assert in_april() == 1
        record_two()
        # The longer interval has two rows. The reader below dies after replacing the first row, so the second row has
        # an older `end`.
        if is_longer:
            clock.at(2, 6)
            assert in_april() == 3
            record_two()
        clock.at(2, 12)
        with faulty(app.store.dynamodb, "PutItem", fine, die), pytest.raises(KeyboardInterrupt):
            in_april()
        expected = 5 if is_longer else 3
        assert [in_april(), in_april()] == [expected, expected]

    def test_a_shorter_interval_does_not_replace_a_longer_one(self, clock: Clock) -> None:
        for hour in (1, 3):
            clock.at(2, hour)
            record()

        def meanwhile(_request: Request, send: Send) -> Reply:
            clock.at(2, 4)
            in_april()
            clock.at(2, 2)
            return send()

        clock.at(2, 2)
        with faulty(app.store.dynamodb, "PutItem", meanwhile, fine):
            assert in_april() == 2
        assert [int(row["end"]["N"]) for row in kept()] == [april(2, 4) - stored_sums.SETTLED_SECONDS * 1000]


class TestCoarse:
    """If days have few outcomes, one row stores the totals of many days."""

    def test_small_days_share_a_row(self, clock: Clock) -> None:
        for day in range(1, 31):
            clock.at(day)
            record()
        clock.at(31)
        assert in_april(until=32) == 30
        assert len(kept()) == 1

    def test_a_part_of_a_day_is_read_from_when_that_day_was_recorded(self, clock: Clock) -> None:
        for day in range(1, 11):
            clock.at(day, 12)
            record()
        clock.at(8, 13)
        record(occurredAt=instants.text(april(5, 12)))
        clock.at(12)
        in_april()
        for day, end in ((3, 4), (5, 9)):
            with asked() as begins, faulty(app.store.dynamodb, "Query", fine):
                assert between(april(day, 11), april(day + 1))["count"] == (1 if day == 3 else 2)
            assert {begin.lstrip("~") for begin in begins[:2]} == {instants.text(april(day) - 5 * 60 * 1000)}, end


class TestLarge:
    """Users with many outcomes have monthly sums and checkpoints."""

    def test_whole_months_are_read_instead_of_their_days(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(monthly_sums, "CELLS_SAVED", 0)
        monkeypatch.setattr(settled_intervals, "FILLED", 0)
        for day in range(-40, 20):
            clock.at(day)
            for agent in (7, 8):
                record(agentId=Decimal(agent), outcomeType=TYPES[day % 3])
            if day == 5:
                record(agentId=Decimal(9), occurredAt=instants.text(april(-11)))  # this outcome happened in March
        clock.at(20)
        expected = between(april(-40), april(31))
        assert {agent["count"] for agent in expected["by_agent"]} == {60, 1}
        with asked("TotalsTable") as begins:
            assert between(april(-40), april(31)) == expected
        months = [f"UTC#{april(day)}" for day in (-29, 1)]  # no sums of days are read for whole months
        assert not [begin for begin in begins if months[0] <= begin < months[1]]
        # These periods contain March and April completely or in part. The second finds what the first has stored.
        for since, until in ((-39.5, 15), (-40, 10), (-30, 20), (-10, 20), (-28, 1)):
            first, after = april(0, since * 24), april(0, until * 24)
            found = {agent["agent_id"]: agent["count"] for agent in between(first, after)["by_agent"]}
            days = sum(first <= april(day) < after for day in range(-40, 20))
            assert found == {7: days, 8: days} | ({9: 1} if first <= april(-11) else {})

    def test_users_with_few_outcomes_have_no_such_rows_and_no_more_queries(self, clock: Clock) -> None:
        for day in range(-40, 20):
            clock.at(day)
            record()
        for _ in range(2):
            with asked("TotalsTable") as begins:
                assert between(april(-40), april(31))["count"] == 60
            assert len(begins) == 3
        assert {row["stretch"]["S"].partition("#")[0] for row in kept()} == {"UTC"}

    @pytest.mark.usefixtures("stopwatch")
    def test_a_part_of_a_day_that_takes_several_looks_is_continued(self, monkeypatch: pytest.MonkeyPatch) -> None:
        midnight = instants.now() // DAY * DAY - 2 * DAY
        for minutes in range(1, 41):  # three pages
            add_at(midnight + minutes * 60_000, **LARGE)
        assert counted() == 40
        monkeypatch.setattr(paced_reads, "UNITS_PER_SECOND", 40)  # with this limit, each summary adds up two pages
        query: dict[str, Any] = {"from": instants.text(midnight + 120_000), "status": ["recorded"]}
        assert look(**query)[0] == 503
        for _ in range(2):
            with asked() as begins:
                assert look(**query)[1]["count"] == 39
            assert min(begin.lstrip("~") for begin in begins) > instants.text(midnight + HOUR // 2)
        [checkpoint] = [row for row in kept() if "read" in row]
        assert int(checkpoint["expires_at"]["N"]) > instants.now() // 1000 + DAY // 1000
        assert checkpoint["statuses"] == {"SS": ["recorded"]}  # the export of the user's data reads `statuses`


def replace(row: Item, sums: bytes | None) -> None:
    """Replace the bytes in a row, or remove them if `sums` is None."""
    changed = {name: value for name, value in row.items() if name != "sums"}
    changed |= {"sums": {"B": b2a_base64(sums, newline=False).decode()}} if sums is not None else {}
    app.store.dynamodb.call("PutItem", {"TableName": "TotalsTable", "Item": changed})


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "cut off": lambda sums: sums[: len(sums) // 2],
    "cut off within its last byte": lambda sums: sums[:-1],
    "empty": lambda _: b"",
    "garbage": lambda _: b"\xff" * 40,
    "one bit is another": lambda sums: sums[:-3] + bytes([sums[-3] ^ 1]) + sums[-2:],
    "the beginning is missing": lambda sums: sums[4:],
    "gone": lambda _: None,
}


class TestDamage:
    """A row that cannot be decoded is ignored."""

    @pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
    def test_it_is_computed_and_stored_again(self, damage: Callable[[bytes], bytes | None]) -> None:
        add_five()
        assert counted() == 5
        [row] = kept()
        replace(row, damage(a2b_base64(row["sums"]["B"])))
        assert counted() == 5
        # The rows may only differ in `end`, by a second.
        assert [again | {"end": row["end"]} for again in kept()] == [row]
        with asked() as begins:
            assert counted() == 5
        assert min(begin.lstrip("~") for begin in begins) > instants.text(instants.now() - DAY)

    def test_one_damaged_part_is_enough(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(codec, "PART_CHARACTERS", 1)
        clock.at(2)
        record()
        record(outcomeType="task_complete")
        clock.at(4)
        assert in_april() == 2
        rows = kept()
        assert len(rows) == 2
        replace(rows[1], b"")
        assert in_april() == 2
        assert kept() == rows

    def test_summaries_without_time_progress_to_an_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for days in range(5, 0, -1):
            add(days * DAY, **LARGE)
        assert counted() == 5
        [row] = kept()
        replace(row, b"")
        monkeypatch.setattr(materialized, "AGGREGATION_SECONDS", -1)
        monkeypatch.setattr(materialized, "GRACE_SECONDS", 100)
        looks = [look()[:2] for _ in range(8)]
        assert looks[0] == (503, {"error": "Still adding up"})
        assert (looks[-1][0], looks[-1][1]["count"]) == (200, 5)


class TestTime:
    """A summary reaches its deadline before it has added up everything."""

    def test_the_next_summary_continues(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for days in range(5, 0, -1):
            add(days * DAY)
        monkeypatch.setattr(materialized, "AGGREGATION_SECONDS", -1)
        monkeypatch.setattr(materialized, "GRACE_SECONDS", 100)
        seen = []
        for _ in range(10):
            status, body, headers = look()
            if status == 200:
                break
            seen.append((status, body, headers["Retry-After"]))
        assert body["count"] == 5
        assert len(seen) == 2
        assert set(map(str, seen)) == {str((503, {"error": "Still adding up"}, "1"))}

    def test_no_page_is_read_long_after_the_deadline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(materialized, "AGGREGATION_SECONDS", -100)
        with faulty(app.store.dynamodb, "Query", fine) as calls:
            assert look()[:2] == (503, {"error": "Still adding up"})
        assert calls == []


@pytest.fixture
def stopwatch(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    stopwatch = Stopwatch()
    for module in materialized, backoff, paced_reads:
        monkeypatch.setattr(module, "time", stopwatch)
    # Skip the waits between the retries of a call.
    monkeypatch.setattr(app.store.dynamodb, "_sleep", lambda _seconds: None)
    return stopwatch


BUSY = error(THROTTLED)


class TestThrottling:
    """While the table is throttled, a summary waits and retries. If it fails, it stores the sums of the entries read.

    A summary reads at a limited rate, which leaves capacity for lists.
    """

    @pytest.fixture(autouse=True)
    def three_pages(self, tables: dict[str, str]) -> None:  # noqa: ARG002 (they must exist)
        for hours in range(40):
            add(2 * DAY - hours * HOUR, **LARGE)

    @pytest.mark.parametrize("before", range(6))
    def test_a_throttled_look_waits_and_continues(self, stopwatch: Stopwatch, before: int) -> None:
        with faulty(app.store.dynamodb, "Query", *[fine] * before, *[BUSY] * 10, fine):
            assert counted() == 40
        assert len(stopwatch.sleeps) == 5  # each call makes two attempts

    @pytest.mark.usefixtures("stopwatch")
    def test_a_look_that_stays_throttled_keeps_what_it_has_read(self) -> None:
        with asked() as begins:
            assert counted("Asia/Tokyo") == 40  # the list `begins` shows how many queries are needed without faults
        queries = len(begins)
        # Two of the queries read totals, and the last one fails.
        with faulty(app.store.dynamodb, "Query", *[fine] * (queries + 1), BUSY):
            assert look()[:2] == (503, {"error": "Still adding up"})
        assert kept() != []
        with asked() as begins:
            assert counted() == 40
        assert len(begins) < queries

    def test_a_look_reads_at_a_limited_rate(self, stopwatch: Stopwatch, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(paced_reads, "UNITS_PER_SECOND", 200)
        assert counted() == 40
        units = 40 * 60_100 / 4096
        assert units / 200 - 1 - 1.4 < stopwatch.monotonic() < units / 200 - 1  # there is no wait after the last page


class TestReading:
    """A summary tells a web page which of the latest outcomes it has read, and when to request a new summary."""

    def test_the_ids_of_the_last_minute_are_listed_whatever_the_filters(self, clock: Clock) -> None:
        clock.at(2)
        clock.host -= 60_000
        record()
        clock.host += 1
        late = record(occurredAt="2026-03-20T00:00:00Z")
        clock.host = clock.service
        voided = record(agentId=Decimal(7))
        assert correct(voided, KEY, BODIES["void"])[0] == 200
        status, body, _ = look(include="recent", outcomeType="task_complete")
        assert (status, body["count"]) == (200, 0)
        assert body["recent"] == {"after": instants.text(clock.service - 60_000), "ids": [late, voided]}
        assert "recent" not in look()[1]
        assert look(include="ledger")[:2] == (400, {"error": "Invalid include"})

    def test_only_the_newest_are_listed_each_instant_as_a_whole(self, clock: Clock, monkeypatch: Any) -> None:
        monkeypatch.setattr(reading, "MAX_RECENT", 4)
        clock.at(2)
        ids = []
        for second in (0, 1, 1, 2, 2, 3):
            clock.host = clock.service + second * 1000
            ids.append(record())
        body = look(include="recent")[1]
        assert body["recent"] == {"after": instants.text(clock.service + 1000), "ids": ids[3:]}

    @pytest.mark.parametrize(("read_units", "seconds"), [(0, 5), (5, 5), (5.5, 6), (119.5, 120), (4166, 120)])
    def test_a_summary_is_fresh_for_a_second_for_each_read_unit(self, read_units: float, seconds: int) -> None:
        read = Reading()
        read.read_units = read_units
        assert read.fresh_seconds == seconds

    def test_the_header_tells_how_long_it_is_fresh(self) -> None:
        assert look()[2]["Fresh-For"] == "5"
        add_five()
        assert int(look()[2]["Fresh-For"]) > 75  # reading 300 KB takes more than 75 read units
        assert int(look()[2]["Fresh-For"]) < 10


def test_a_correction_is_not_counted_without_its_outcome() -> None:
    def meanwhile(request: Request, send: Send) -> Reply:
        reply = send()
        if request.body["TableName"] == "OutcomesTable":
            correct(recorded(), KEY, BODIES["void"])
        return reply

    with faulty(app.store.dynamodb, "Query", meanwhile):
        _, body, _ = look()
    assert (body["count"], body["voided"]["count"]) in {(0, 0), (1, 0), (0, 1)}


class TestClocks:
    """DynamoDB refuses signatures that are older than five minutes. So no write arrives more than five minutes late."""

    def test_the_settling_time_exceeds_the_longest_write(self) -> None:
        assert 300 + services.MAX_AGE + app.store.dynamodb.limits.total < stored_sums.SETTLED_SECONDS / 1.5


SUMS = st.lists(
    st.tuples(
        st.dates(min_value=date(2026, 3, 1), max_value=date(2026, 4, 1)).map(str),
        st.sampled_from([*TYPES, "lead_qualified", "x9"]),
        st.none() | st.integers(1, 5) | st.integers(1, 2**53 - 1),
        st.integers(0, 3),
        st.integers(-3, 1000),
        st.decimals(allow_nan=False, allow_infinity=False, min_value="-1e14", max_value="1e14", places=3)
        | st.just(Decimal("1E-130")),
    )
)


def sums_of(entries: Any) -> Sums:
    sums = Sums()
    for day, type_, agent, tally, count, value in entries:
        sums.of(Cell(day, type_, agent))[tally].add(count, value)
    return sums


def plain(sums: Sums) -> Any:
    return [(cell, [(sum_.count, sum_.exact) for sum_ in tallies]) for cell, tallies in sums.sorted()]


@pytest.mark.parametrize("most", [codec.PART_CHARACTERS, 40])
@settings(max_examples=40)
@given(entries=SUMS)
def test_sums_are_decoded_as_they_were_encoded(most: int, entries: Any) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(codec, "PART_CHARACTERS", most)
        parts = codec.write(sums_of(entries))
        assert codec.write(sums_of(reversed(entries))) == parts
    read = Sums()
    for part in parts:
        codec.read(part, read)
    assert plain(read) == plain(sums_of(entries))


def test_no_agent_comes_before_all_agents_in_every_process() -> None:
    """Processes must encode equal sums to equal bytes: rows of one interval may be stored by concurrent summaries."""
    sums = Sums()
    for number in range(10, 40):
        for agent in (ALL_AGENTS, None):
            sums.of(Cell("2026-04-01", f"type_{number}", agent))[0].add(1, None)
    [part] = codec.write(sums)
    assert codec._decompress(part).splitlines()[1:] == [f"type_{number},:1,0:1" for number in range(10, 40)]


def test_ten_thousand_agents_of_a_day_fit_into_items() -> None:
    sums = Sums()
    for agent in range(1, 10_001):
        for type_ in ("deal_closed", "task_complete"):
            sums.of(Cell("2026-04-01", type_, agent * 899_999_999_999))[0].add(agent, Decimal(agent * 7919) / 100)
    parts = codec.write(sums)
    assert len(parts) > 1
    assert all(len(part) < 390_000 for part in parts)
    read = Sums()
    for part in parts:
        codec.read(part, read)
    assert plain(read) == plain(sums)


KEPT = sums_of(
    [
        ("2026-04-01", "deal_closed", None, 0, 3, Decimal("3000.5")),
        ("2026-04-01", "deal_closed", 7, 0, 82, Decimal(310712)),
        ("2026-04-01", "deal_closed", 7, 2, 1, Decimal(99)),
        ("2026-04-02", "task_complete", 9_007_199_254_740_991, 0, 1, Decimal(0)),
        ("2026-04-05", "negotiation_complete", 7, 3, 12, Decimal("-0.000001")),
        ("2026-04-05", "deal_closed", 7, 1, 1, Decimal(999999999999999)),
    ]
)
"""Totals whose values are large, small, zero or negative."""


def test_any_flipped_bit_is_detected_or_harmless() -> None:
    [part] = codec.write(KEPT)
    for bit in range(len(part) * 8):
        damaged = bytearray(part)
        damaged[bit // 8] ^= 1 << bit % 8
        read = Sums()
        try:
            codec.read(bytes(damaged), read)
        except codec.Damaged:
            assert not read.by_cell
        else:
            assert plain(read) == plain(KEPT), f"bit {bit}"


def test_truncated_bytes_are_damaged() -> None:
    [part] = codec.write(KEPT)
    for length in range(len(part)):
        with pytest.raises(codec.Damaged):
            codec.read(part[:length], Sums())


def test_bytes_of_another_dictionary_are_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    [part] = codec.write(KEPT)
    monkeypatch.setattr(codec, "_WORDS", codec._WORDS.replace(b"\ndeal_closed", b"\ninvoice_paid,\ndeal_closed"))
    with pytest.raises(codec.Damaged):
        codec.read(part, Sums())
