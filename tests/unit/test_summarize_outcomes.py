"""Test GET /api/outcomes/summary: the response, the period, and the sums."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import tzdata
from outcomes.aws.connection import Reply
from outcomes.calendar import instants
from outcomes.calendar.local_days import LocalDays
from outcomes.calendar.period import Period
from outcomes.contract import json_text
from outcomes.contract.json_text import response_bytes
from outcomes.contract.models import NewOutcome
from outcomes.contract.status import CountedFields
from outcomes.contract.sums import Cell, Sum, Sums
from outcomes.errors import BadRequest
from outcomes.limits import MAX_RESPONSE_BYTES
from outcomes.totals.summary import Summary

from functions.summarize_outcomes import app
from tests.events import proxy_event, session
from tests.faults import DENIED, Fault, Request, Send, error, faulty, fine
from tests.outcome_types import TYPES

NOON = 1_775_044_800_000  # 2026-04-01T12:00:00Z
NOW = datetime(2026, 4, 1, 12, tzinfo=UTC)
HOUR = 60 * 60 * 1000
APRIL = {"from": "2026-04-01", "to": "2026-05-01"}


def add(at: str | int = NOON, **fields: Any) -> None:
    body = {"outcomeType": "deal_closed", "title": "Closed", "userId": Decimal(42)} | fields
    milliseconds = at if isinstance(at, int) else int(datetime.fromisoformat(at).timestamp() * 1000)
    app.store.add(NewOutcome.parse(body, session_user=None), "key", milliseconds=milliseconds)


def get(authorizer: dict[str, Any] | None = None, **event: Any) -> dict[str, Any]:
    path = "/api/outcomes/summary"
    return app.handler(proxy_event("GET", path, authorizer=authorizer or session(42), **event), None)


def summary(**query: str | list[str]) -> Any:
    response = get(query=query or APRIL)
    assert response["statusCode"] == 200, response["body"]
    return json_text.read(response["body"])


def asked(**query: str) -> Period:
    return Period.from_query(query.get("from"), query.get("to"), query.get("timezone"), query.get("by"), now=NOW)


@pytest.mark.usefixtures("tables")
class TestTheResponse:
    def test_it_is_exactly_as_in_the_contract(self) -> None:
        add("2026-04-01T12:00:00Z", valueUsd=Decimal("12500.50"), agentId=Decimal(7))
        add("2026-04-01T23:00:00Z", valueUsd=Decimal("-0.25"), outcomeType="task_complete")
        add("2026-04-03T00:00:00Z", agentId=Decimal(7))
        assert get(query={"from": "2026-04-01", "to": "2026-04-04"})["body"] == (
            '{"from":"2026-04-01T00:00:00.000Z","to":"2026-04-04T00:00:00.000Z","timezone":"UTC"'
            ',"count":3,"value_usd":12500.25'
            ',"confirmed":{"count":0,"value_usd":0},"disputed":{"count":0,"value_usd":0},"voided":{"count":0,"value_usd":0}'
            ',"by_type":[{"outcome_type":"deal_closed","count":2,"value_usd":12500.5}'
            ',{"outcome_type":"task_complete","count":1,"value_usd":-0.25}]'
            ',"by_agent":[{"agent_id":7,"count":2,"value_usd":12500.5},{"agent_id":null,"count":1,"value_usd":-0.25}]'
            ',"by_day":[{"date":"2026-04-01","count":2,"value_usd":12500.25},{"date":"2026-04-02","count":0,"value_usd":0}'
            ',{"date":"2026-04-03","count":1,"value_usd":0}]}'
        )

    @pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12", "Asia/Kathmandu"])
    def test_an_outcome_just_recorded_belongs_to_the_present_day(self, zone: str) -> None:
        app.store.add(NewOutcome.parse({"outcomeType": "deal_closed", "title": "Now"}, session_user=42), "session")
        response = json.loads(get(query={"timezone": zone})["body"])
        assert len(response["by_day"]) == 30
        assert [day["count"] for day in response["by_day"]] == [0] * 29 + [1]

    def test_all_pages_are_read_consistently_without_metadata(self) -> None:
        for hour in range(40):
            add(NOON + hour * HOUR, metadata={"a": "x" * 65000}, valueUsd=Decimal("0.1"))
        sent: list[Any] = []

        def look(request: Request, send: Send) -> Reply:
            if request.body["TableName"] == "OutcomesTable":
                sent.append(request.body)
            return send()

        with faulty(app.store.dynamodb, "Query", look):
            response = summary()
        assert (response["count"], response["value_usd"]) == (40, 4)
        assert len(sent) == 4  # three queries read outcomes, one reads corrections
        for params in sent:
            assert params["ConsistentRead"] is True
            assert "metadata" not in params["ProjectionExpression"]

    @pytest.mark.parametrize("before", [[], [fine]], ids=["the first page", "a later page"])
    def test_a_page_that_cannot_be_read_fails_the_summary(self, before: list[Fault]) -> None:
        for _ in range(20):
            add(metadata={"a": "x" * 65000})
        with faulty(app.store.dynamodb, "Query", *before, error(DENIED)):
            response = get(query=APRIL)
        assert response["statusCode"] == 500


@pytest.mark.usefixtures("tables", "recorded")
class TestFiltersAndGroups:
    """Summaries can be filtered, grouped by week or month, and compared with the previous period."""

    @pytest.fixture
    def recorded(self) -> None:
        for at, type_, agent, value in (
            ("2026-03-01T12:00:00Z", "deal_closed", 7, "3"),  # this outcome happened before the previous period
            ("2026-03-02T00:00:00Z", "deal_closed", 7, "10"),
            ("2026-03-31T23:59:59.999Z", "task_complete", 8, "20"),
            ("2026-04-01T00:00:00Z", "deal_closed", 7, "100"),
            ("2026-04-06T00:00:00Z", "task_complete", 7, "200"),
            ("2026-04-07T00:00:00Z", "task_complete", None, "400"),
            ("2026-04-30T12:00:00Z", "content_published", 8, "800"),
            ("2026-05-01T00:00:00Z", "deal_closed", 7, "1600"),
        ):
            add(at, outcomeType=type_, agentId=agent and Decimal(agent), valueUsd=Decimal(value))

    def test_weeks_or_months_replace_days_and_previous_comes_last(self) -> None:
        assert get(query={**APRIL, "by": "month", "compare": "previous", "outcomeType": "task_complete"})["body"] == (
            '{"from":"2026-04-01T00:00:00.000Z","to":"2026-05-01T00:00:00.000Z","timezone":"UTC"'
            ',"count":2,"value_usd":600'
            ',"confirmed":{"count":0,"value_usd":0},"disputed":{"count":0,"value_usd":0},"voided":{"count":0,"value_usd":0}'
            ',"by_type":[{"outcome_type":"task_complete","count":2,"value_usd":600}]'
            ',"by_agent":[{"agent_id":null,"count":1,"value_usd":400},{"agent_id":7,"count":1,"value_usd":200}]'
            ',"by_month":[{"date":"2026-04-01","count":2,"value_usd":600}]'
            ',"previous":{"from":"2026-03-02T00:00:00.000Z","to":"2026-04-01T00:00:00.000Z","count":1,"value_usd":20}}'
        )

    def test_a_day_may_belong_to_both_periods_in_part(self) -> None:
        shown = summary(**{"from": "2026-04-06T00:00:00.001Z", "to": "2026-04-08"}, compare="previous")
        assert (shown["value_usd"], shown["previous"]["value_usd"]) == (400, 200)

    @pytest.mark.parametrize(
        ("since", "until", "value", "before"),
        [
            ("2026-04-06", "2026-04-30T12:00:00Z", 600, 120),
            ("2026-04-06", "2026-04-30T12:00:00.001Z", 1400, 120),
            ("2026-04-01T00:00:00.001Z", "2026-05-01", 1400, 120),
            # This period is one millisecond longer than whole days.
            ("2026-04-01T00:00:00Z", "2026-05-01T00:00:00.001Z", 3100, 30),
        ],
    )
    def test_a_day_may_be_cut_at_either_end(self, since: str, until: str, value: int, before: int) -> None:
        shown = summary(**{"from": since, "to": until}, compare="previous")
        assert (shown["value_usd"], shown["previous"]["value_usd"]) == (value, before)

    def test_before_1970_the_previous_period_is_empty(self) -> None:
        shown = summary(**{"from": "1970-01-01", "to": "1970-01-02"}, compare="previous")
        assert shown["previous"] == {
            "from": "1970-01-01T00:00:00.000Z",
            "to": "1970-01-01T00:00:00.000Z",
            "count": 0,
            "value_usd": 0,
        }

    def test_the_previous_period_is_read_with_the_present_one(self) -> None:
        with faulty(app.store.dynamodb, "Query", fine) as calls:
            summary(**APRIL, compare="previous", by="week")
        assert len(calls) == 5  # three queries read totals, one reads outcomes, and one reads corrections

    @pytest.mark.parametrize(
        ("query", "name"),
        [
            *(({"outcomeType": types}, "outcomeType") for types in ("d", "", ["deal_closed", "DEAL_CLOSED"])),
            *(({"agentId": agent}, "agentId") for agent in ("0", "null", "9007199254740992", "9" * 5000, ["7", ""])),
            *(({"compare": to}, "compare") for to in ("", "Previous", ["previous", "next"])),
            *(({"status": status}, "status") for status in ("", "Void", "voided", ["void", "standing"])),
            ({"by": ["week", "hour"]}, "by"),
            ({"recordedBy": "key:7Fq2LmXw9KdR4sTb"}, "recordedBy"),  # no sum has only what one key recorded
        ],
    )
    def test_any_other_is_refused_by_name(self, query: dict[str, Any], name: str) -> None:
        response = get(query={**APRIL, **query})
        assert (response["statusCode"], json.loads(response["body"])) == (400, {"error": f"Invalid {name}"})

    @pytest.mark.parametrize(
        "query",
        [
            {"from": "2026-05-02"},  # after `to`
            {"from": "yesterday"},
            {"from": "2026-04-01T12:00:00"},
            {"from": "2025-04-29"},  # 367 days
            {"from": "2019-04-21", "by": "week"},  # 367 weeks
            {"from": "2016-04-29", "by": "month"},  # a day more than ten years
        ],
    )
    def test_a_wrong_from_is_refused_with_its_whole_rule(self, query: dict[str, Any]) -> None:
        response = get(query={**APRIL, **query})
        assert (response["statusCode"], json.loads(response["body"])) == (
            400,
            {"error": "Invalid from", "details": [{"field": "from", "message": WHOLE_RULE}]},
        )


WHOLE_RULE = (
    "must be a date, or an instant with offset, before `to` (by default the end of today) and at most 366 days before "
    "it; by=week allows 366 weeks, and by=month 10 years"
)


class TestThePeriod:
    @pytest.mark.parametrize(
        ("query", "since", "until", "days"),
        [
            ({}, "2026-03-03T00:00:00.000Z", "2026-04-02T00:00:00.000Z", 30),
            ({"from": "2026-04-01"}, "2026-04-01T00:00:00.000Z", "2026-04-02T00:00:00.000Z", 1),
            ({"to": "2026-05-01"}, "2026-04-01T00:00:00.000Z", "2026-05-01T00:00:00.000Z", 30),
            ({"to": "2026-04-30T18:00:00+02:00"}, "2026-04-01T00:00:00.000Z", "2026-04-30T16:00:00.000Z", 30),
            ({"from": "2026-04-01T10:00:00.5Z"}, "2026-04-01T10:00:00.500Z", "2026-04-02T00:00:00.000Z", 1),
            # Berlin's clocks go forward on 29 March, so these thirty days are an hour shorter.
            ({"timezone": "Europe/Berlin"}, "2026-03-02T23:00:00.000Z", "2026-04-01T22:00:00.000Z", 30),
            # At noon UTC, it is 17:45 in Kathmandu, and already tomorrow in Kiritimati.
            ({"timezone": "Asia/Kathmandu"}, "2026-03-02T18:15:00.000Z", "2026-04-01T18:15:00.000Z", 30),
            ({"timezone": "Pacific/Kiritimati"}, "2026-03-03T10:00:00.000Z", "2026-04-02T10:00:00.000Z", 30),
            ({"from": "2025-04-01", "to": "2026-04-02"}, "2025-04-01T00:00:00.000Z", "2026-04-02T00:00:00.000Z", 366),
            ({"from": "1900-01-01", "to": "1970-01-03"}, "1970-01-01T00:00:00.000Z", "1970-01-03T00:00:00.000Z", 2),
        ],
    )
    def test_it_is_thirty_local_days_to_the_end_of_today_by_default(
        self, query: dict[str, str], since: str, until: str, days: int
    ) -> None:
        period = asked(**query)
        assert (instants.text(period.since), instants.text(period.until), len(period.buckets)) == (since, until, days)

    @pytest.mark.parametrize(
        ("zone", "since", "until", "hours"),
        [
            ("Europe/Berlin", "2026-03-28", "2026-03-31", [24, 23, 24]),
            ("Europe/Berlin", "2026-10-24", "2026-10-27", [24, 25, 24]),
            ("America/New_York", "2026-03-07", "2026-03-10", [24, 23, 24]),
            ("America/New_York", "2026-10-31", "2026-11-03", [24, 25, 24]),
            ("Australia/Lord_Howe", "2026-04-04", "2026-04-07", [24, 24.5, 24]),
            ("Asia/Kathmandu", "2026-03-28", "2026-03-30", [24, 24]),
            # This day has no midnight: clocks went from 23:59:59 to 01:00:00.
            ("America/Sao_Paulo", "2018-11-03", "2018-11-06", [24, 23, 24]),
            # This day has two midnights: clocks went from 00:59:59 to 00:00:00.
            ("America/Havana", "2025-11-01", "2025-11-04", [24, 25, 24]),
            # Both ends of this period are in the middle of a day.
            ("UTC", "2026-04-01T20:00:00Z", "2026-04-03T01:00:00Z", [4, 24, 1]),
            ("Europe/Berlin", "2026-03-29T00:30:00Z", "2026-03-29T01:30:00Z", [1]),
        ],
    )
    def test_its_days_have_their_local_length(self, zone: str, since: str, until: str, hours: list[float]) -> None:
        period = asked(**{"from": since, "to": until, "timezone": zone})
        edges = [instants.text(period.since), *(day.end for day in period.buckets)]
        moments = [datetime.fromisoformat(edge) for edge in edges]
        lengths = [(end - begin) / timedelta(hours=1) for begin, end in pairwise(moments)]
        assert lengths == hours
        assert edges[-1] == instants.text(period.until)

    def test_its_time_zone_comes_from_tzdata_not_from_the_machine(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tokyo = Path(tzdata.__file__).parent / "zoneinfo/Asia/Tokyo"
        (tmp_path / "Europe").mkdir()
        (tmp_path / "Europe/Paris").write_bytes(tokyo.read_bytes())
        monkeypatch.setattr("zoneinfo.TZPATH", (str(tmp_path),))
        monkeypatch.setattr("zoneinfo._tzpath.TZPATH", (str(tmp_path),))
        assert ZoneInfo.no_cache("Europe/Paris").utcoffset(NOW) == timedelta(hours=9)

        period = asked(**{"from": "2026-04-01", "to": "2026-04-02", "timezone": "Europe/Paris"})

        assert instants.text(period.since) == "2026-03-31T22:00:00.000Z"

    def test_a_day_that_clocks_skipped_is_omitted(self) -> None:
        period = asked(**{"from": "2011-12-28", "to": "2012-01-02", "timezone": "Pacific/Apia"})
        assert [day.date for day in period.buckets] == ["2011-12-28", "2011-12-29", "2011-12-31", "2012-01-01"]

    @pytest.mark.parametrize(
        ("zone", "since", "until"),
        [
            ("UTC", "2024-01-01", "2025-01-01"),
            ("America/New_York", "2024-11-04", "2025-11-05"),  # of these 366 days, one has 23 hours and one has 25
            ("Europe/Berlin", "2025-03-30", "2026-03-31"),  # of these 366 days, two have 23 hours and one has 25
            ("Europe/Berlin", "2025-03-29T12:00:00+01:00", "2026-03-30"),  # the first of these 366 days is incomplete
            ("Pacific/Apia", "2011-01-01", "2012-01-03"),  # these are 367 dates, but the clocks skipped one of them
        ],
    )
    def test_it_may_have_366_days(self, zone: str, since: str, until: str) -> None:
        query = {"from": since, "timezone": zone}
        assert len(asked(**query, to=until).buckets) == 366
        later = (datetime.fromisoformat(until) + timedelta(milliseconds=1)).replace(tzinfo=ZoneInfo(zone)).isoformat()
        with pytest.raises(BadRequest, match="Invalid from"):
            asked(**query, to=later)

    @pytest.mark.parametrize(
        ("by", "zone", "since", "until", "dates"),
        [
            # The period is from a Wednesday to a Tuesday, so its first and last weeks are incomplete.
            ("week", "UTC", "2026-04-01", "2026-04-15", ["2026-04-01", "2026-04-06", "2026-04-13"]),
            ("week", "UTC", "2026-03-30", "2026-04-13", ["2026-03-30", "2026-04-06"]),
            ("week", "UTC", "2026-04-05T22:00:00Z", "2026-04-06T02:00:00Z", ["2026-04-05", "2026-04-06"]),
            # In Berlin, all four hours of this period are on Monday.
            ("week", "Europe/Berlin", "2026-04-05T22:00:00Z", "2026-04-06T02:00:00Z", ["2026-04-06"]),
            ("week", "America/New_York", "2026-03-02", "2026-03-16", ["2026-03-02", "2026-03-09"]),
            # In Apia, clocks skipped Friday, 30 December 2011. If a period begins on this day, its first week begins on
            # Saturday.
            ("week", "Pacific/Apia", "2011-12-26", "2012-01-03", ["2011-12-26", "2012-01-02"]),
            ("week", "Pacific/Apia", "2011-12-30", "2012-01-03", ["2011-12-31", "2012-01-02"]),
            ("month", "UTC", "2026-01-31", "2026-03-02", ["2026-01-31", "2026-02-01", "2026-03-01"]),
            ("month", "UTC", "2025-12-01", "2026-02-01", ["2025-12-01", "2026-01-01"]),
            ("month", "Europe/Berlin", "2026-03-31T21:59:59Z", "2026-03-31T22:00:01Z", ["2026-03-31", "2026-04-01"]),
            ("month", "UTC", "1970-01-01", "1970-02-02", ["1970-01-01", "1970-02-01"]),
            ("month", "UTC", "9999-11-30", "9999-12-31", ["9999-11-30", "9999-12-01"]),
            ("week", "UTC", "9999-12-26", "9999-12-31", ["9999-12-26", "9999-12-27"]),
            ("day", "UTC", "9999-12-30", "9999-12-31", ["9999-12-30"]),
        ],
    )
    def test_weeks_begin_on_monday_months_on_the_first_unless_the_range_cuts_them(
        self, by: str, zone: str, since: str, until: str, dates: list[str]
    ) -> None:
        period = asked(**{"from": since, "to": until, "timezone": zone}, by=by)
        assert [bucket.date for bucket in period.buckets] == dates
        assert period.buckets[-1].end == instants.text(period.until)

    @pytest.mark.parametrize(
        ("by", "zone", "since", "until", "count"),
        [
            ("month", "UTC", "2016-04-01", "2026-04-01", 120),
            ("month", "UTC", "2016-04-15", "2026-04-15", 121),
            ("month", "UTC", "2016-02-29", "2026-02-28", 121),
            ("month", "UTC", "2014-03-01", "2024-03-01", 120),
            ("month", "Europe/Berlin", "2016-03-30T12:00:00+02:00", "2026-03-30T12:00:00+02:00", 121),
            ("month", "America/New_York", "2016-03-10T12:00:00-05:00", "2026-03-10T12:00:00-04:00", 121),
        ],
    )
    def test_it_may_be_ten_years_long_by_the_clocks_there(
        self, by: str, zone: str, since: str, until: str, count: int
    ) -> None:
        query = {"from": since, "timezone": zone, "by": by}
        assert len(asked(**query, to=until).buckets) == count
        later = (datetime.fromisoformat(until) + timedelta(days=1)).replace(tzinfo=ZoneInfo(zone)).isoformat()
        with pytest.raises(BadRequest, match="Invalid from"):
            asked(**query, to=later)

    def test_it_may_have_366_weeks(self) -> None:
        first = datetime(2019, 4, 1, tzinfo=UTC)  # a Monday
        last = str((first + timedelta(weeks=366)).date())
        assert len(asked(**{"from": "2019-04-01", "to": last}, by="week").buckets) == 366
        for query in ({"from": "2019-03-31", "to": last}, {"from": "2019-04-01", "to": f"{last}T00:00:00.001Z"}):
            with pytest.raises(BadRequest, match="Invalid from"):
                asked(**query, by="week")

    @pytest.mark.parametrize(
        ("zone", "since", "until", "before"),
        [
            ("UTC", "2026-04-01", "2026-05-01", "2026-03-02T00:00:00.000Z"),
            ("UTC", "2026-04-01", "2026-04-02", "2026-03-31T00:00:00.000Z"),
            # Clocks go forward on 29 March: these thirty days are an hour shorter than the thirty before.
            ("Europe/Berlin", "2026-03-29", "2026-04-28", "2026-02-26T23:00:00.000Z"),
            ("Europe/Berlin", "2026-03-30", "2026-04-29", "2026-02-27T23:00:00.000Z"),
            ("America/Sao_Paulo", "2018-11-04", "2018-11-06", "2018-11-02T03:00:00.000Z"),
            # In Apia, clocks skipped 30 December 2011. The period of the first row lacks this day. In the second row,
            # the previous period lacks this day.
            ("Pacific/Apia", "2011-12-28", "2012-01-02", "2011-12-24T10:00:00.000Z"),
            ("Pacific/Apia", "2011-12-31", "2012-01-07", "2011-12-23T10:00:00.000Z"),
            # These are whole days in UTC, but not in Berlin.
            ("Europe/Berlin", "2026-04-01T00:00:00Z", "2026-04-03T00:00:00Z", "2026-03-30T00:00:00.000Z"),
            ("UTC", "2026-04-01", "2026-04-01T06:00:00Z", "2026-03-31T18:00:00.000Z"),
            ("UTC", "2026-04-01T10:00:00.001Z", "2026-04-01T10:00:00.002Z", "2026-04-01T10:00:00.000Z"),
            # The previous period begins in 1970 at the earliest.
            ("UTC", "1970-01-03", "1970-01-06", "1970-01-01T00:00:00.000Z"),
            ("UTC", "1970-01-01", "1970-01-06", "1970-01-01T00:00:00.000Z"),
            ("America/New_York", "1900-01-01", "1970-01-06", "1970-01-01T00:00:00.000Z"),
            ("UTC", "1970-01-01T01:00:00Z", "1970-01-01T06:00:00Z", "1970-01-01T00:00:00.000Z"),
        ],
    )
    @pytest.mark.parametrize("by", ["day", "week", "month"])
    def test_the_previous_period_has_as_many_days_or_the_same_length(
        self, by: str, zone: str, since: str, until: str, before: str
    ) -> None:
        period = asked(**{"from": since, "to": until, "timezone": zone}, by=by)
        previous = period.previous()
        assert (instants.text(previous.since), previous.until) == (before, period.since)

    def test_the_previous_period_of_ten_years_is_ten_years(self) -> None:
        previous = asked(**{"from": "2016-04-01", "to": "2026-04-01"}, by="month").previous()
        # This period and the previous one have 3,652 days each.
        assert instants.text(previous.since) == "2006-04-02T00:00:00.000Z"

    @pytest.mark.parametrize(
        ("query", "name"),
        [
            *(
                ({"from": since}, "from")
                for since in ("yesterday", "", "2026-04-01T12:00:00", "2026-02-30", "2020-01-01")
            ),
            # Without `to`, the period ends today.
            *(({"from": since}, "from") for since in ("2026-04-02", "2027-01-01")),
            *(({"from": since, "to": "2026-04-01"}, "from") for since in ("2026-04-01", "2026-04-02")),
            *(({"from": "0001-01-01", "to": until}, "from") for until in ("1969-12-31", "9999-12-30")),
            *(({"from": "0001-01-01", "to": until, "by": "month"}, "from") for until in ("9999-12-30", "1980-01-02")),
            ({"from": "2024-01-01", "to": "2025-01-02"}, "from"),
            # Without `to`, the period ends today, and this is more than ten years.
            ({"from": "2016-04-01", "by": "month"}, "from"),
            ({"from": "2025-03-29T12:00:00Z", "to": "2026-03-30T12:00:00Z"}, "from"),  # these 366 days have 367 dates
            *(
                ({"from": "9999-12-01", "to": "9999-12-31T12:00:00Z", "by": by}, "to")
                for by in ("month", "week", "day")
            ),
            ({"from": "9999-12-30", "to": "9999-12-31T23:59:59Z", "timezone": "Asia/Tokyo"}, "to"),
            *(({"to": until}, "to") for until in ("9999-12-31T23:59:59-14:00", "1714521600", "")),
            ({"to": "0001-01-01", "timezone": "Asia/Tokyo"}, "from"),  # a period cannot end before 1970
            *(({"by": by}, "by") for by in ("", "Week", "year", "by_week")),
            *(
                ({"timezone": zone}, "timezone")
                for zone in ("", "Mars/Olympus", "Europe", "europe/berlin", "localtime", "Factory")
            ),
            *(({"timezone": zone}, "timezone") for zone in ("right/Europe/Berlin", "../../etc/localtime", "+02:00")),
            *(({"timezone": zone}, "timezone") for zone in ("/etc/localtime", "UTC\0", "UTC UTC", "é" * 5000)),
        ],
    )
    def test_any_other_is_refused_by_name(self, query: dict[str, str], name: str) -> None:
        with pytest.raises(BadRequest) as refused:
            asked(**query)
        assert refused.value.error == f"Invalid {name}"


def fact_of(at: str, value: str | None = None, agent: int | None = None, type_: str = "deal_closed") -> CountedFields:
    return CountedFields(at, type_, agent, None if value is None else Decimal(value))


def summary_of(facts: list[CountedFields], period: Period) -> str:
    """Return the summary of outcomes that were never corrected."""
    days, sums = LocalDays(period.zone), Sums()
    for fact in facts:
        cell = Cell(days.of(fact.occurred_at).date, fact.outcome_type, fact.agent_id)
        sums.of(cell)[0].add(1, fact.value_usd)
    summary = Summary(period)
    for cell, tallies in sums.by_cell.items():
        summary.add(cell, tallies)
    return summary.response()


class TestTheSums:
    @pytest.mark.parametrize(
        ("values", "total"),
        [
            (["0.1"] * 3, "0.3"),
            (["0.5", "0.5"], "1"),
            (["1e14", "-1e14"], "0"),
            (["0.00", None], "0"),
            ([None, None], "0"),
            (["1E+2"], "100"),
            (["999999999999999", "1"], "1000000000000000"),
            (["999999999999999.99999999999999999999999"] * 1000, "999999999999999999.99999999999999999999"),
            (["999999999999999", "1e-130"], f"999999999999999.{'0' * 129}1"),
            (
                ["1.0000000000000000000000000000000000001e-130", "1"],
                f"1.{'0' * 129}10000000000000000000000000000000000001",
            ),
        ],
    )
    def test_money_is_exact_and_a_plain_number(self, values: list[str | None], total: str) -> None:
        outcomes = [fact_of("2026-04-01T12:00:00.000Z", value) for value in values]
        assert f'"count":{len(values)},"value_usd":{total},"confirmed"' in summary_of(outcomes, asked())

    def test_groups_are_sorted_by_value_then_count_then_name(self) -> None:
        at = "2026-04-01T12:00:00.000Z"
        outcomes = [
            fact_of(at, "-5", 9, "task_complete"),
            fact_of(at, None, None, "broadcast_complete"),
            fact_of(at, "10", 10, "negotiation_complete"),
            fact_of(at, "20", 2, "deal_closed"),
            fact_of(at, "4", 3, "content_published"),
            fact_of(at, "6", 3, "content_published"),
            fact_of(at, "10", 1, "amplification_complete"),
            fact_of(at, "0", 8, "broadcast_complete"),
        ]
        response = json.loads(summary_of(outcomes, asked()))
        first = ["deal_closed", "content_published", "amplification_complete", "negotiation_complete"]
        types = [entry["outcome_type"] for entry in response["by_type"]]
        assert types == [*first, "broadcast_complete", "task_complete"]
        assert [entry["agent_id"] for entry in response["by_agent"]] == [2, 3, 1, 10, 8, None, 9]

    @pytest.mark.parametrize(
        ("agents", "nobodys", "others"),
        [
            (100, None, None),
            (101, None, (1, 1)),
            (99, "-1", None),
            (100, "-1", (1, 1)),
            (100, "1000", (1, 1)),
            (300, None, (200, 200 * 201 // 2)),
            (300, "0.5", (201, 201 * 202 // 2)),
        ],
    )
    def test_a_hundred_agents_are_listed_and_the_others_summed(
        self, agents: int, nobodys: str | None, others: tuple[int, int] | None
    ) -> None:
        summary = Summary(asked())
        ids: list[int | None] = list(range(1, agents + 1))
        for agent in ids:
            summary.add(Cell("2026-04-01", "deal_closed", agent), (Sum(2, Decimal(agent or 0)), Sum(), Sum(), Sum()))
        if nobodys:
            ids.append(None)
            tallies = (Sum(1, Decimal(nobodys)), Sum(), Sum(), Sum())
            summary.add(Cell("2026-04-01", "deal_closed", None), tallies)
        response = json.loads(summary.response())
        expected = sorted(ids, key=lambda agent: -(agent or float(nobodys or 0)))[:100]
        if nobodys and None not in expected:
            expected[-1] = None
        assert [each["agent_id"] for each in response["by_agent"]] == expected
        if others:
            assert response["other_agents"] == {"agents": others[0], "count": 2 * others[0], "value_usd": others[1]}
        else:
            assert "other_agents" not in response
        told = [*response["by_agent"], *([response["other_agents"]] if others else [])]
        assert sum(each["count"] for each in told) == response["count"]

    def test_the_largest_summary_fits_into_a_response(self) -> None:
        since, until = "2025-04-02", "2026-04-03"
        summary, value = Summary(asked(**{"from": since, "to": until})), Decimal("9" * 26 + "." + "9" * 168)
        for day in range(366):
            for type_ in TYPES:
                at = str(date(2025, 4, 2) + timedelta(day))
                summary.add(Cell(at, type_, 2**53 - 1 - day), (Sum(10**17, value), Sum(), Sum(), Sum()))
        response = summary.response(summary.previous())
        assert len(json.loads(response)["by_agent"]) == 100
        assert response_bytes(response) < MAX_RESPONSE_BYTES / 10
