"""A deterministic scheduler: callers stop before every AWS call, and a seed chooses which caller continues.

Each caller is a thread, and only one thread runs at a time. Time is simulated: it advances with each step, and jumps to
the next wake-up when all callers wait. So long waits take no real time, and a seed always gives the same run with the
same ids.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from threading import Lock, Thread
from typing import Any, NamedTuple
from unittest.mock import patch

from outcomes.calendar import instants

from tests.faults import Killed

# 2026-03-10T23:50:00Z, shortly before a day ends, and two days after a clock change in New York.
BEGIN = 1_773_186_600.0
NEVER = float("inf")


class Caller:
    """A simulated host. ahead: how many seconds its clock is ahead of AWS's clock."""

    def __init__(self, name: str, ahead: float) -> None:
        self.name = name
        self.ahead = ahead
        self.correction = 0  # the milliseconds by which the host corrects its clock (see `instants`)
        self.wake = BEGIN
        self.ends_at = NEVER  # the time when Lambda kills the running function
        self.trouble = 0  # how many AWS calls had a fault
        self.is_done = False
        self.failure: BaseException | None = None
        self.may_go = Lock()
        self.may_go.acquire()


class Late(NamedTuple):
    """A request that arrives after its sender gave up."""

    at: float
    what: str
    arrive: Callable[[], Any]


class Schedule:
    """The run of one seed.

    random: the only source of randomness, for the callers and for the faults of AWS calls.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = Random(seed)  # noqa: S311 - to be drawn again
        self.now = BEGIN
        self.callers: list[Caller] = []
        self.late: list[Late] = []
        self.running: Caller | None = None
        self.is_over = False
        self.course: list[str] = []
        self._stopped = Lock()
        self._stopped.acquire()

    def add(self, name: str, script: Callable[[], object], ahead: float = 0) -> None:
        """Add a caller that runs a script."""
        caller = Caller(name, ahead)
        self.callers.append(caller)
        Thread(target=self._follow, args=(caller, script), name=name, daemon=True).start()

    def run(self) -> None:
        """Run all callers and late requests to the end. Raises the first failure of a caller."""
        try:
            while waiting := self._waiting():
                times = [each.at if isinstance(each, Late) else each.wake for each in waiting]
                self.now = max(self.now, min(times))
                ready = [each for each, at in zip(waiting, times, strict=True) if at <= self.now]
                self._let_on(self.random.choice(ready))
                self.now += self.random.uniform(0.001, 0.02)
        finally:
            self.is_over = True  # from now on, a caller that is resumed is killed
            for caller in self.callers:
                if not caller.is_done:
                    self._resume(caller)
            self.callers.clear()

    def _waiting(self) -> list[Caller | Late]:
        return [*(caller for caller in self.callers if not caller.is_done), *self.late]

    def _let_on(self, chosen: Caller | Late) -> None:
        if isinstance(chosen, Late):
            self.late.remove(chosen)
            self.note(f"late: {chosen.what} arrives")
            chosen.arrive()
            return
        self._resume(chosen)
        if chosen.failure:
            raise chosen.failure

    def _resume(self, caller: Caller) -> None:
        self.running, instants._correction = caller, caller.correction
        caller.may_go.release()
        self._stopped.acquire()
        caller.correction, instants._correction = instants._correction, 0
        self.running = None

    def _follow(self, caller: Caller, script: Callable[[], object]) -> None:
        caller.may_go.acquire()
        try:
            if not self.is_over:
                script()
        except Killed:
            pass
        except BaseException as failure:  # noqa: BLE001 - raised again, where the schedule is run
            caller.failure = failure
        caller.is_done = True
        self._stopped.release()

    def stop(self, seconds: float = 0) -> None:
        """Pause the running caller for at least this many seconds. Raises Killed after the caller's timeout."""
        caller = self.running
        if caller is None:  # outside a schedule, nothing has to wait
            self.now += seconds
            return
        caller.wake = self.now + seconds
        self._stopped.release()
        caller.may_go.acquire()
        if self.is_over or self.now > caller.ends_at:
            raise Killed

    def note(self, what: str) -> None:
        """Add a line to the list of events, which a failure shows."""
        name = self.running.name if self.running else ""
        self.course.append(f"{self.now - BEGIN:10.3f} s  {name:8}  {what}")

    def host_time(self) -> float:
        """Return the time by the clock of the host that is running."""
        return self.now + (self.running.ahead if self.running else 0)

    @contextmanager
    def clocks(self) -> Iterator[None]:
        """Replace this process's clocks and random bytes by those of the schedule."""
        drawn = Random(self.seed)  # noqa: S311 - to be drawn again
        with (
            patch.object(time, "time", self.host_time),
            patch.object(time, "time_ns", lambda: int(self.host_time() * 1000) * 1_000_000),
            patch.object(time, "monotonic", lambda: self.now),
            patch.object(time, "sleep", self.stop),
            patch.object(os, "urandom", drawn.randbytes),
            patch.object(instants, "_correction", 0),
        ):
            yield
