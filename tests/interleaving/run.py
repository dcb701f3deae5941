"""Run the schedules of a seed, and check the invariants."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from io import StringIO
from typing import Any
from unittest.mock import patch

from outcomes.aws.connection import Connection
from outcomes.totals import codec, settled_intervals

from tests import streams
from tests.conftest import template_tables
from tests.interleaving.callers import Callers
from tests.interleaving.checks import Checks
from tests.interleaving.costs import Puts
from tests.interleaving.schedule import Schedule
from tests.interleaving.seam import Seam
from tests.people import two_shards

AHEAD = (0, 0, 0, 0, 200, -200, 3600, -3600)
"""Skews of host clocks, in seconds."""

QUIET_SECONDS = 3600
"""Seconds until everything has settled."""


@contextmanager
def surroundings(schedule: Schedule, template: Any) -> Iterator[Seam]:
    """Give a schedule empty tables, clocks and faults. An exception gets the list of events as a note."""
    with ExitStack() as stack:
        stack.enter_context(template_tables(template))
        stack.enter_context(schedule.clocks())
        stack.enter_context(redirect_stdout(StringIO()))  # hides printed metrics
        logging.disable()
        stack.callback(logging.disable, logging.NOTSET)
        seam = Seam(schedule, Connection.post)
        stack.enter_context(patch.object(Connection, "post", lambda *args, **how: seam.post(*args, **how)))
        try:
            yield seam
        except Exception as failure:
            course = "\n".join(schedule.course)
            failure.add_note(f"The course of seed {schedule.seed} (make soak SEED={schedule.seed}):\n{course}")
            raise


def run_puts_of_costs(seed: int, template: Any) -> None:
    """Let callers put the costs of a day."""
    schedule = Schedule(seed)
    draw, puts = schedule.random, Puts(schedule)
    with surroundings(schedule, template):
        for name in "ABCD"[: draw.randint(2, 4)]:
            schedule.add(name, puts.put_several, draw.choice((0, 0, 0, 0, 200, -200, 3600)))
        schedule.run()
        puts.check()


def run(seed: int, template: Any) -> None:
    """Let callers record, correct, assign and read outcomes, and end a key, erase the user or publish events."""
    schedule = Schedule(seed)
    draw = schedule.random
    with surroundings(schedule, template) as seam, ExitStack() as stack:
        stack.enter_context(two_shards())
        # With these values, each summary stores totals.
        for name, value in (("SAVED_PER_COST", 0), ("FILLED", 0.05), ("ZONES_A_DAY", 3)):
            stack.enter_context(patch.object(settled_intervals, name, value))
        stack.enter_context(patch.object(codec, "PART_CHARACTERS", 40))
        callers = Callers(schedule)
        stack.enter_context(callers.hosts())
        streams.turn_on("OutcomesTable")
        callers.record()
        for name in "ABCD"[: draw.randint(2, 4)]:
            schedule.add(name, callers.caller, draw.choice(AHEAD))
        if draw.random() < 0.4:
            callers.make_key()
            schedule.add("keys", callers.end_key)
        if draw.random() < 0.2:
            schedule.add("erasure", callers.erase)
        elif draw.random() < 0.4:
            schedule.add("events", callers.publish)
        schedule.run()
        schedule.now += QUIET_SECONDS
        Checks(callers, seam).all()
