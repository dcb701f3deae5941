"""Simulated callers that put and delete the costs of a day.

The result must be the same as if the requests came one after the other. The version numbers have no gap. Every answer
agrees with the stored rows. No request is stored twice, and none replaces a newer version.
"""

from decimal import Decimal
from typing import NamedTuple

from outcomes.aws.services import CallFailed, DynamoDB
from outcomes.contract.caller import Bounds, Caller, kind_of
from outcomes.contract.costs import TRUST, CostLine
from outcomes.contract.preconditions import Preconditions, etag
from outcomes.costs.cost_rows import CostDay, CostVersion
from outcomes.costs.days import LIMITS, CostDays
from outcomes.errors import Mistimed, Refused

from tests.aws import scan
from tests.faults import Killed
from tests.interleaving.schedule import NEVER, Schedule

DAY = CostDay(42, "2026-03-10", "openai")
TIMEOUT = 20  # the function's timeout, in seconds


def key(id_: str) -> Caller:
    return Caller(agent_key=Bounds(id_, 42, None, None, None, {"cost"}))


CALLERS = Caller(), Caller(session_user=42), Caller(session_user=42), key("a"), key("b")
"""Callers: the platform, two sessions, and two agent keys."""


class Sent(NamedTuple):
    """A request and its answer.

    cost: the cost of the request's only line, or None for a DELETE. Each PUT has a different cost.
    replaces: the version in If-Match. version: the version in the answer, or None if the answer was an error.
    is_refused: whether the answer says that nothing was stored.
    """

    caller: Caller
    cost: int | None
    replaces: int | None
    began: float
    ended: float
    version: int | None
    is_refused: bool


class Puts:
    """The requests of all callers, and their answers."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.sent: list[Sent] = []
        self.costs = iter(range(1, 1000))

    def put_several(self) -> None:
        caller, days, version = self.schedule.random.choice(CALLERS), CostDays("CostsTable"), None
        days.dynamodb = DynamoDB(LIMITS, clock=lambda: self.schedule.now, sleep=self.schedule.stop)
        for _ in range(self.schedule.random.randint(1, 4)):
            self.schedule.stop(self.schedule.random.choice((0, 0, 0.3, 30)))
            version = self.put(caller, days, version) or version

    def put(self, caller: Caller, days: CostDays, seen: int | None) -> int | None:
        """Send a request. Return the version in its answer. seen: the version in the caller's last answer."""
        draw, sender = self.schedule.random, self.schedule.running
        assert sender
        cost = None if draw.random() < 0.2 else next(self.costs)
        replaces = seen if seen is not None and draw.random() < 0.4 else None
        lines = None if cost is None else (CostLine(Decimal(cost), 7),)
        preconditions = Preconditions(None if replaces is None else frozenset({etag(replaces)}))
        began, sender.ends_at = self.schedule.now, self.schedule.now + TIMEOUT
        version, is_refused = None, False
        try:
            version = days.put(DAY, lines, caller, preconditions)
        except (Refused, Mistimed):
            is_refused = True
        except (CallFailed, TimeoutError, Killed):
            if self.schedule.is_over:
                raise
        sender.ends_at = NEVER
        self.sent.append(Sent(caller, cost, replaces, began, self.schedule.now, version, is_refused))
        self.schedule.note(f"= {self.sent[-1]}")
        return version

    def check(self) -> None:
        rows = [row for row in scan("CostsTable") if "version" in row]
        versions = {int(row["version"]["N"]): CostVersion.of(row) for row in rows}
        assert [*versions] or not [sent for sent in self.sent if sent.version]
        assert sorted(versions) == [*range(1, len(rows) + 1)], "a gap, or a version twice"
        stored = [_cost(version) for version in versions.values()]
        costs = [cost for cost in stored if cost is not None]
        assert len(costs) == len(set(costs)), "stored twice"
        for sent in self.sent:
            assert not (sent.is_refused and sent.cost in costs), "stored, but refused"
            if sent.version is None:
                continue
            version = versions[sent.version]
            assert _cost(version) == sent.cost, "another version is stored than answered"
            if sent.cost is not None:
                assert version.put_by == sent.caller.recorded_by
                assert sent.replaces in (None, sent.version - 1), "If-Match was ignored"
            for later in self.sent:
                if later.version and later.began > sent.ended:
                    assert later.version >= sent.version, "not in order"
        trust = [TRUST.index(kind_of(versions[number].put_by)) for number in sorted(versions)]
        assert trust == sorted(trust), "a less trusted caller changed the day"
        owners = [row["put_by"]["S"] for row in scan("CostsTable") if row["day_source"]["S"] == "source#openai"]
        # A more trusted caller that puts unchanged costs adds no version, but becomes the owner of the source `openai`.
        answered = {TRUST.index(sent.caller.kind) for sent in self.sent if sent.version}
        assert max(answered, default=0) <= max([TRUST.index(kind_of(owner)) for owner in owners], default=0)


def _cost(version: CostVersion) -> int | None:
    return int(version.lines[0].cost_usd) if version.lines else None
