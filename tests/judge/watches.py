"""Watches in the judge's machine: who puts them, the clock, and what both must have told in the end."""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from outcomes.aws.services import CallFailed
from outcomes.calendar import instants
from outcomes.contract import json_text
from outcomes.errors import Busy
from outcomes.ledger import ulid

from functions.evaluate_watches import app as evaluate_watches
from functions.publish_events import app as publish_events
from functions.watches import app as watches
from smoke.model import Choice, State, added_up
from tests import what_counts
from tests.events import KEY, proxy_event
from tests.faults import Killed
from tests.interleaving.callers import AGENT, DAY, OWNER, THINKING, TYPES, USER, ZONES, Callers
from tests.judge import verdict
from tests.people import rows_of
from tests.watches.model import CLOSES, NEVER, UPS, WEEKDAYS, Digest, Watch

MEASURES = ("value", "value", "value", "counted", "cost", "unreviewed", "silence")
RUN_SECONDS = (900, 900, 900, 0.05, 0.4)
"""Seconds after which a run of the clock is killed."""
AGAIN = (0, 0, 1, 5)
"""The number of records of the stream that come again."""


class Watching(Callers):
    """Callers who put watches and run the clock."""

    watched: dict[str, Any] = {}  # noqa: RUF012 - replaced
    published = 0  # records of the stream

    def put_watch(self, id_: str = "") -> None:
        """Put a watch or the digest, perhaps only under another name, or delete it."""
        id_ = id_ or self.random.choice(("a", "b", "digest"))
        new = self.digest() if id_ == "digest" else self.watch()
        old = self.watched.get(id_, new)
        body = self.random.choice(
            [None, new, new, new, *[old | ({} if id_ == "digest" else {"name": new["name"]})] * 3]
        )
        by = self.random.choice((OWNER, OWNER, KEY))
        self.watched = self.watched | {id_: body or new}
        event = proxy_event(
            "PUT" if body else "DELETE",
            "/api/watches/digest" if id_ == "digest" else "/api/watches/{id}",
            authorizer=by,
            body=body and body | ({"userId": USER} if by is KEY else {}),
            query={} if body or by is OWNER else {"userId": str(USER)},
            parameters=None if id_ == "digest" else {"id": id_},
        )
        self.note(f"puts {id_} {body} = {self.call(watches.handler, event).status or 'none'}")

    def watch(self) -> dict[str, Any]:
        draw, measure = self.random, self.random.choice(MEASURES)
        body: dict[str, Any] = {
            "name": f"Watch {draw.random()}",
            "measure": measure,
            "timezone": draw.choice((self.zone, self.zone, *ZONES)),
            "target": draw.choice((1, 2, 5)),
        }
        if measure in CLOSES:
            body |= {"every": draw.choice(("week", "month")), "at": sorted(draw.sample([20, 50, 90, 100], 2))}
        if draw.random() < 0.3:
            body |= {"agentId": AGENT} if measure == "cost" else {"outcomeType": draw.choice(TYPES)}
        return body

    def digest(self) -> dict[str, Any]:
        draw = self.random
        return {"timezone": draw.choice(ZONES), "day": draw.choice(WEEKDAYS), "hour": draw.randrange(24)}

    def clock(self) -> None:
        """Run the clock as fast as the callers act, and then every few days."""
        for pause in (*self.random.choices(THINKING, k=6), *(self.random.random() * 9 * DAY for _ in range(3))):
            self.schedule.stop(pause)
            self.evaluate()
            self.tell_watches()

    def evaluate(self) -> None:
        caller = self.schedule.running
        trouble = caller.trouble if caller else 0
        self.note("runs the clock")
        try:
            self.within(self.random.choice(RUN_SECONDS), lambda: evaluate_watches.handler({}, None))
        except Killed:
            if self.schedule.is_over:
                raise
        except (Busy, CallFailed, TimeoutError, evaluate_watches.UsersFailed):
            assert caller, "a failure while nobody else does anything"
            assert caller.trouble > trouble, "a failure without any trouble"

    def tell_watches(self) -> None:
        """Publish the stream's new records, and some again."""
        begin = max(0, self.published - self.random.choice(AGAIN))
        records = self.records("WatchesTable")[begin:]
        try:
            left = self.within(60, lambda: publish_events.handler({"Records": records}, None))["batchItemFailures"]
        except (Killed, Busy, CallFailed, TimeoutError):
            if self.schedule.is_over:
                raise
            return
        numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
        told = numbers.index(left[0]["itemIdentifier"]) if left else len(records)
        self.published = max(self.published, begin + told)

    # ── While nobody else does anything ───────────────────────────────────────────────────────────────────────────────

    def tells_all(self) -> None:
        """Run the clock, and check that the rows are then what the model makes of them and of the stored outcomes."""
        before = {row["id"]["S"]: row for row in _rows()}
        for _ in range(3):  # after a run that was killed, the next one may leave its user out
            evaluate_watches.handler({}, None)
        outcomes, now = verdict.listed(OWNER), instants.now()
        for row in _rows():
            was = before[row["id"]["S"]]
            if row["id"]["S"] == "digest":
                expected = _digest_of(was).due(now) or _digest_of(was).week
                assert _digest_of(row).week == expected, f"the digest is not told: {row}"
                continue
            figure = partial(_figure, _watch_of(was), outcomes, now)
            after, _ = _watch_of(was).step(now, figure)
            assert _watch_of(row) == after, f"the row of {row['setting']['S']}"

    def oscillate(self) -> None:
        """Record and void a value, until no line may be told any more."""
        body = {"outcomeType": TYPES[0], "title": "Again", "agentId": AGENT, "valueUsd": 1000, "userId": USER}
        for _ in range(3):
            answer = self.post_outcome(OWNER, body, None)
            self.tells_all()
            self.post_correction(OWNER, answer.body["id"], {"type": "void", "reason": "Again"}, None)
            self.tells_all()

    def each_is_told_once(self, heard: list[Any]) -> None:
        """Check what all records of the stream tell, and that the bus hears it if they come again."""
        known, self.published = len(heard), 0
        self.tell_watches()
        told, again = [*_tellings(self.records("WatchesTable"))], heard[known:]
        assert len({id_ for id_, *_ in told}) == len(told), f"told twice: {told}"
        assert [(each["id"], each["type"], each["data"].get("figure")) for each in again] == told
        events: dict[str, Any] = {}
        for each in heard:
            assert "/watches/" not in each["subject"] or events.setdefault(each["id"], each) == each, "told otherwise"


def _tellings(records: list[Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield what rows of watches tell: id, type and figure. Raises AssertionError if a row may not be as it is."""
    gone = set[str]()
    for record in records:
        old, new = (record["dynamodb"].get(image, {}) for image in ("OldImage", "NewImage"))
        if "setting" not in old | new and "states" not in new:  # the row that counts watches, or the clock's
            continue
        if old and old["made"] != new.get("made"):
            gone.add(old["made"]["S"])
        if new:
            assert "made" in new, f"written after it was deleted or erased: {new}"
            assert new["made"]["S"] not in gone, f"written after it was replaced: {new}"
            is_same = old.get("made") == new["made"]
            assert is_same or "states" not in new, f"a new watch has what was told of another: {new}"
            assert not is_same or "states" in new or "states" not in old, f"what was told is lost: {old}"
            if "states" in new and old.get("states") != new["states"]:
                yield from _of_digest(old, new) if new["id"]["S"] == "digest" else _of_watch(old, new)


def _of_digest(old: Any, new: Any) -> Iterator[tuple[str, str, Any]]:
    before, after = _digest_of(old), _digest_of(new)
    at = instants.read(json_text.read(new["states"]["S"])["told"]["at"])
    assert after.week == before.due(at), f"a digest that is not due: {new}"
    yield f"{after.made}#{after.week}", "digest.week", None


def _of_watch(old: Any, new: Any) -> Iterator[tuple[str, str, Any]]:
    before, after = _watch_of(old), _watch_of(new)
    measure, is_of_months = after.setting["measure"], not after.setting["every"]
    for state in json_text.read(new["states"]["S"]):
        period, sides = state["period"], after.sides[state["period"]]
        was = before.sides.get(period, dict.fromkeys(sides, ("under", 0)))
        if is_of_months and before.sides and period not in before.sides:
            [last] = before.sides.values()
            was = {1: (last[1][0], 0)}
        changed = {percent: now for percent, (now, _) in sides.items() if now != was.get(percent, ("under", 0))[0]}
        is_closed = period in after.closed
        is_missed = any(one.get("told", {}).get("type") == "watch.missed" for one in state["thresholds"].values())
        ups, downs = ([each for each, side in changed.items() if side == now] for now in ("over", "under"))
        most = {max(ups, default=0), 0 if measure == "silence" else min(downs, default=0)} - {0}
        expected = {100} if is_missed else {percent for percent in most if was[percent][1] < 3}
        told = {percent for percent, (_, n) in sides.items() if n != was.get(percent, ("", 0))[1]}
        assert told == expected, f"tells {told} and not {expected}: {old} {new}"
        for percent in told:
            side, n = sides[percent]
            said = state["thresholds"][str(percent)]["told"]
            at = instants.read(said["at"])
            assert n == was.get(percent, ("", 0))[1] + 1 <= 3 + is_missed, f"told too often: {new}"
            assert said["already"] == (not before.sides), f"already: {new}"
            up = UPS.get(measure, "watch.reached")
            type_ = "watch.missed" if is_missed else up if side == "over" else "watch.undone"
            assert said["type"] == type_, new
            for each, (now, _) in sides.items():
                if not is_missed:
                    assert now == after.over(said["figure"], each, was[each][0]), f"{percent} beside {each}: {new}"
            is_over = not is_of_months and at >= after.bounds(period)[1] + CLOSES[measure]
            assert is_over == is_closed, f"told of a closed period: {new}"
            is_below = measure != "cost" and after.over(said["figure"], 100, "under") == "under"
            assert is_missed == (is_closed and is_below), f"the last word: {new}"
            assert not is_of_months or after.name(at) == period, f"of another month: {new}"
            yield f"{after.made}#{period}#{percent}#{n}", type_, float(said["figure"])


def _rows() -> list[Any]:
    return [row for row in rows_of(USER).get("WatchesTable", []) if "setting" in row]


def _watch_of(row: Any) -> Watch:
    setting = json_text.read(row["setting"]["S"])
    setting["at"] = setting["at"] and [*map(int, setting["at"])]
    states = json_text.read(row["states"]["S"]) if "states" in row else []
    sides = {
        each["period"]: {int(percent): (one["state"], int(one["n"])) for percent, one in each["thresholds"].items()}
        for each in states
    }
    return Watch(row["made"]["S"], setting, sides, frozenset(each["period"] for each in states if each.get("closed")))


def _digest_of(row: Any) -> Digest:
    setting = json_text.read(row["setting"]["S"])
    week = json_text.read(row["states"]["S"])["week"] if "states" in row else ""
    weekday = WEEKDAYS.index(setting["day"])
    return Digest(row["made"]["S"], setting["timezone"], weekday, int(setting["hour"]), week)


def _figure(watch: Watch, outcomes: list[State], now: int, period: str) -> Decimal:
    """Compute a watch's figure from the listed and stored outcomes. period: its name, if the watch has any."""
    setting, measure = watch.setting, watch.setting["measure"]
    own, found, today = verdict.defined()
    is_counted = bool(found.all) and (not setting["every"] or found.timezone == setting["timezone"])
    zone = ZoneInfo(found.timezone if is_counted and measure == "unreviewed" else setting["timezone"])
    if setting["every"]:
        since, until = watch.bounds(period)
    else:
        midnight = datetime.combine(datetime.fromtimestamp(now / 1000, zone), time.min, zone)
        age = max(0, (midnight.date() - watch.local(ulid.milliseconds(watch.made)).date()).days)
        back = 90 + (age if measure == "silence" and age <= 90 else 0)
        since, until = (round((midnight + timedelta(days)).timestamp() * 1000) for days in (-back, 1))
    types = (setting["outcome_type"],) if setting["outcome_type"] else ()
    choice = Choice(types, setting["agent_id"], since=instants.text(since), until=instants.text(until))
    match measure:
        case "cost":
            days = range(since, until)
            lines = [each for each in verdict.costs_of_days() if instants.read(f"{each[0]}T00:00:00Z") in days]
            return sum((cost for _, agent, cost in lines if setting["agent_id"] in {None, agent}), Decimal(0))
        case "silence":
            begin = instants.text(ulid.milliseconds(watch.made))
            happened = [each["occurred_at"] for each in outcomes if choice.takes(each, "occurred_at")]
            last = max(happened, default=begin)
            quiet = watch.local(now).date() - watch.local(instants.read(last)).date()
            return Decimal(min(90, max(0, quiet.days - 1)))
        case "value" | "unreviewed" if measure == "value" or not is_counted:
            sums = added_up(outcomes, choice, setting["timezone"])
            return sums["standing"][1] if measure == "value" else Decimal(sums["standing"][0] - sums["confirmed"][0])
    parts: Any = what_counts.divided(own, found, today, choice)
    names = {"counted": ("counted", "waiting"), "unreviewed": ("waiting", "unconfirmed")}[measure]
    kind = "value_usd" if measure == "counted" else "count"
    return sum((Decimal(parts.get(("", part, kind), 0)) for part in names), Decimal(0)) if is_counted else NEVER
