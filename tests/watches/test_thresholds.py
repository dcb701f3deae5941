"""Test what watches tell: crossings, the limit of tellings, new months, and the close of periods."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from outcomes.calendar import instants
from outcomes.watches import periods
from outcomes.watches.figures import Figure
from outcomes.watches.stored_watches import Head, Watch
from outcomes.watches.thresholds import MOST_TELLINGS, evaluate, periods_of

DECEMBER, JANUARY = "2026-12-10T12:00:00Z", "2027-01-10T12:00:00Z"
HEAD = Head(42, "deals", 1, 0, "01KBYPJ7G00000000000000000", "session", "2026-12-01T00:00:00.000Z")


def watch(measure: str = "value", target: int = 100, at: tuple[int, ...] = (50, 90, 100), **more: Any) -> Watch:
    has_shares = measure in {"value", "counted", "cost"}
    made = Watch(HEAD, "Deals", measure, None, None, "month", "UTC", Decimal(target), at, [])
    return made._replace(**more) if has_shares else made._replace(every=None, at=())


class Told:
    """A watch that is evaluated again and again. tellings: `(type, period, percent, n)`, in order."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.data: list[dict[str, Any]] = []
        self.tellings: list[tuple[str, str, str, int]] = []
        self.writes = 0

    def at(self, instant: str, *values: float | None, status: str | None = None) -> list[tuple[str, str, str, int]]:
        """Evaluate the watch with these figures, and return what was told. The last figure is of all its periods."""
        now, first = instants.read(instant), len(self.tellings)
        for value in values:
            figure = Figure(None if value is None else Decimal(str(value)), status)
            states = evaluate(self.watch, {each.name: figure for each in periods_of(self.watch, now)}, now)
            if states is not None:
                self.writes += 1
                self._note(states)
                self.watch = self.watch._replace(states=states)
        return self.tellings[first:]

    def _note(self, states: list[dict[str, Any]]) -> None:
        assert len(states) <= 2
        before = {(each["period"], percent): row["n"] for each, percent, row in _rows(self.watch.states)}
        for period, percent, row in _rows(states):
            if row["n"] != before.get((period["period"], percent), 0):
                self.tellings.append((row["told"]["type"], period["period"], percent, int(row["n"])))
                self.data.append(row["told"])


def _rows(states: list[dict[str, Any]]) -> list[tuple[dict[str, Any], str, dict[str, Any]]]:
    return [(period, percent, row) for period in states for percent, row in period["thresholds"].items()]


@pytest.mark.parametrize(
    ("measure", "values", "tells"),
    [
        ("value", [10, 50], [("watch.reached", "50", 1)]),
        ("value", [10, 49.99], []),
        ("value", [10, 99, 100], [("watch.reached", "90", 1), ("watch.reached", "100", 1)]),
        ("value", [10, 120], [("watch.reached", "100", 1)]),
        ("counted", [10, 95, 89], [("watch.reached", "90", 1)]),
        ("counted", [10, 95, 88.99], [("watch.reached", "90", 1), ("watch.undone", "90", 2)]),
        ("value", [10, 100, 10], [("watch.reached", "100", 1), ("watch.undone", "50", 1)]),
        ("cost", [10, 100], [("watch.exceeded", "90", 1)]),
        ("cost", [10, 100.01], [("watch.exceeded", "100", 1)]),
        ("unreviewed", [0, 100, 101], [("watch.exceeded", "1", 1)]),
        ("unreviewed", [0, 101, 99], [("watch.exceeded", "1", 1)]),
        ("unreviewed", [0, 101, 98], [("watch.exceeded", "1", 1), ("watch.undone", "1", 2)]),
        ("silence", [0, 99, 100, 101], [("watch.silent", "1", 1)]),
        ("silence", [0, 100, 0, 100], [("watch.silent", "1", 1), ("watch.silent", "1", 2)]),
        ("value", [10, None, 60], [("watch.reached", "50", 1)]),
    ],
)
def test_a_crossing_is_told_once(measure: str, values: list[float | None], tells: list[tuple[str, str, int]]) -> None:
    told = Told(watch(measure))
    told.at(DECEMBER, *values)
    assert [(type_, percent, n) for type_, _, percent, n in told.tellings] == tells
    assert told.at(DECEMBER, values[-1]) == []


@pytest.mark.parametrize("measure", ["value", "counted", "cost", "unreviewed", "silence"])
def test_an_agent_that_oscillates_makes_three_events_a_threshold_and_period(measure: str) -> None:
    told = Told(watch(measure, at=(100,)))
    told.at(DECEMBER, *[0, 200] * 10)
    assert [n for *_, n in told.tellings] == [1, 2, 3]
    assert MOST_TELLINGS == 3
    told.at(JANUARY, *[0, 200])  # the next month counts anew
    assert next(n for _, period, _, n in told.tellings[3:] if period == "2027-01") == 1


def test_a_threshold_that_was_told_three_times_silences_no_other() -> None:
    told = Told(watch(at=(50, 100)))
    told.at(DECEMBER, 55, 40, 55, 40, 110)
    assert told.at(DECEMBER, 40) == [("watch.undone", "2026-12", "100", 2)]


def test_a_share_of_1_percent_is_undone_by_0() -> None:
    told = Told(watch(at=(1,)))
    told.at(DECEMBER, 5)
    assert told.at(DECEMBER, 0.5, 0) == [("watch.undone", "2026-12", "1", 2)]


@pytest.mark.parametrize("value", [60, 200])
def test_a_new_watch_tells_once_what_it_finds_above_already(value: int) -> None:
    told = Told(watch())
    assert len(told.at(DECEMBER, value, value)) == 1
    told.at(DECEMBER, 10)
    assert [data["already"] for data in told.data] == [True, False]


@pytest.mark.parametrize(
    ("measure", "closes", "last", "at", "tells"),
    [
        ("value", "2027-01-01T02:00:00Z", 80, (50, 90, 100), [("watch.missed", "2026-12", "100", 1)]),
        ("counted", "2027-01-01T02:00:00Z", 80, (50,), [("watch.missed", "2026-12", "100", 1)]),
        ("value", "2027-01-01T02:00:00Z", 100, (50,), []),
        # crossed since the last run, which may be long ago:
        ("value", "2027-01-01T02:00:00Z", 100, (100,), [("watch.reached", "2026-12", "100", 1)]),
        ("cost", "2027-01-04T00:00:00Z", 500, (100,), [("watch.exceeded", "2026-12", "100", 1)]),
        ("cost", "2027-01-04T00:00:00Z", 80, (100,), []),
    ],
)
def test_a_period_closes_with_one_last_word(
    measure: str, closes: str, last: int, at: tuple[int, ...], tells: list[tuple[str, str, str, int]]
) -> None:
    told = Told(watch(measure, at=at))
    told.at(DECEMBER, 60, 80)
    told.at("2027-01-01T00:00:00Z", 80)
    before = instants.text(instants.read(closes) - 1)
    told.at(before, 80)
    first = len(told.tellings)
    told.at(closes, last, last, 0, 80)
    assert [each for each in told.tellings[first:] if each[1] == "2026-12"] == tells


def test_a_close_waits_for_a_figure_unless_nothing_will_make_it_known() -> None:
    told = Told(watch())
    told.at(DECEMBER, 10)
    told.at("2027-01-01T02:00:00Z", None, status="Busy")
    assert told.at("2027-01-01T02:15:00Z", 10) == [("watch.missed", "2026-12", "100", 1)]
    without = Told(watch("counted"))
    without.at(DECEMBER, 10)
    without.at("2027-01-01T02:00:00Z", None, status="No definition")
    assert (without.tellings, without.watch.states) == ([], [])


def test_a_target_that_is_not_reached_any_more_when_its_period_closes_was_missed() -> None:
    told = Told(watch(at=(100,)))
    told.at(DECEMBER, 0, 100, 99.5)
    assert told.tellings == [("watch.reached", "2026-12", "100", 1)]
    assert told.at("2027-01-02T00:00:00Z", 99.5) == [("watch.missed", "2026-12", "100", 2)]


def test_the_last_word_follows_three_tellings_and_nothing_follows_it() -> None:
    told = Told(watch(at=(100,)))
    told.at(DECEMBER, 0, 200, 0, 200, 0)
    assert told.at("2027-01-02T00:00:00Z", 0) == [("watch.missed", "2026-12", "100", 4)]
    writes = told.writes
    assert told.at("2027-01-02T00:15:00Z", 0) == []
    assert told.writes == writes


def test_a_clock_that_stood_still_tells_nothing_of_periods_that_it_did_not_see() -> None:
    told = Told(watch())
    told.at(DECEMBER, 10)
    assert told.at("2027-03-05T00:00:00Z", 10) == [("watch.missed", "2026-12", "100", 1)]
    assert told.at("2027-04-05T00:00:00Z", 100) == [
        ("watch.reached", "2027-03", "100", 1),
        ("watch.reached", "2027-04", "100", 1),
    ]


def test_a_clock_that_goes_back_tells_nothing_again() -> None:
    told = Told(watch())
    told.at(DECEMBER, 10, 60)
    told.at("2027-01-01T00:00:01Z", 10)
    assert told.at("2026-12-31T23:59:00Z", 200, 0, 200) == []
    months = Told(watch("silence"))
    months.at("2027-01-01T00:00:01Z", 0, 100, 0)
    assert months.at("2026-12-31T23:59:00Z", 100) == [("watch.silent", "2027-01", "1", 2)]


def test_silence_that_lasts_into_a_new_month_is_not_told_again() -> None:
    told = Told(watch("silence"))
    told.at(DECEMBER, 0, 100)
    assert told.at(JANUARY, 131, 0) == []
    assert told.at(JANUARY, 100) == [("watch.silent", "2027-01", "1", 1)]


def test_a_row_is_written_only_if_a_state_changes_or_a_period_begins() -> None:
    told = Told(watch())
    told.at(DECEMBER, *range(50))
    assert told.writes == 1
    told.at("2027-01-01T01:00:00Z", 10, 11, 12)
    assert told.writes == 2


@pytest.mark.parametrize(
    ("zone", "every", "instant", "name", "since", "until"),
    [
        ("Europe/Berlin", "week", "2026-10-25T22:59:59Z", "2026-W43", "2026-10-18T22:00", "2026-10-25T23:00"),
        ("America/New_York", "month", "2026-11-01T04:00:00Z", "2026-11", "2026-11-01T04:00", "2026-12-01T05:00"),
        ("Asia/Kolkata", "month", "2026-12-31T18:29:59Z", "2026-12", "2026-11-30T18:30", "2026-12-31T18:30"),
        ("Australia/Lord_Howe", "week", "2026-10-03T15:30:00Z", "2026-W40", "2026-09-27T13:30", "2026-10-04T13:00"),
        ("Africa/Cairo", "week", "2027-01-02T00:00:00Z", "2026-W53", "2026-12-27T22:00", "2027-01-03T22:00"),
    ],
)
def test_periods_are_local(zone: str, every: str, instant: str, name: str, since: str, until: str) -> None:
    period = periods.containing(instants.read(instant), every, zone)
    assert period == periods.named(period.name, zone)
    assert (period.name, *(instants.text(each)[:16] for each in period[2:])) == (name, since, until)


@pytest.mark.parametrize(
    ("zone", "day", "hour", "instant"),
    [
        ("Asia/Kolkata", "2026-12-07", 8, "2026-12-07T02:30:00.000Z"),
        ("Europe/Berlin", "2026-03-29", 2, "2026-03-29T01:00:00.000Z"),  # this hour is skipped
        ("Europe/Berlin", "2026-10-25", 2, "2026-10-25T00:00:00.000Z"),  # this hour comes twice
        ("Africa/Cairo", "2026-04-24", 0, "2026-04-23T22:00:00.000Z"),  # midnight is skipped
    ],
)
def test_an_hour_of_a_local_day(zone: str, day: str, hour: int, instant: str) -> None:
    assert instants.text(periods.at_hour(date.fromisoformat(day), hour, zone)) == instant
