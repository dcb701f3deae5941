"""One order in which callers go on: each is stopped before every call of AWS, and a seed says who goes on next.

A caller is a thread, but never does anything while another does. Time is the schedule's own: it passes when somebody
goes on, and where all wait it leaps to when the first of them has waited long enough. So minutes cost nothing, and one
seed is one course of things, to the last digit of an id.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from threading import Lock, Thread
from typing import Any, NamedTuple
from unittest.mock import patch

from outcomes.contract import instants

BEGIN = 1_773_186_600.0  # 2026-03-10T23:50:00Z: days end in every schedule, and clocks changed in New York two days ago
NEVER = float("inf")


class Killed(BaseException):
    """The process of a caller ends."""


class Caller:
    """A host that calls, with a clock of its own. ahead: seconds by which that is before the service's."""

    def __init__(self, name: str, ahead: float) -> None:
        self.name = name
        self.ahead = ahead
        self.correction = 0  # of its clock, in milliseconds: see `instants`
        self.wake = BEGIN
        self.ends_at = NEVER  # when Lambda ends what it runs
        self.trouble = 0  # calls of AWS that met some
        self.is_done = False
        self.failure: BaseException | None = None
        self.may_go = Lock()
        self.may_go.acquire()


class Late(NamedTuple):
    """A request that arrives when who sent it has given up."""

    at: float
    what: str
    arrive: Callable[[], Any]


class Schedule:
    """What happens of one seed. random: draws all that is not said, by callers and at the seam, too."""

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

    def add(self, name: str, script: Callable[[], None], ahead: float = 0) -> None:
        """Let one more caller follow a script, from the beginning of the run on."""
        caller = Caller(name, ahead)
        self.callers.append(caller)
        Thread(target=self._follow, args=(caller, script), name=name, daemon=True).start()

    def run(self) -> None:
        """Let all callers act, and all that is late arrive. Raises the first failure of a caller."""
        try:
            while waiting := self._waiting():
                times = [each.at if isinstance(each, Late) else each.wake for each in waiting]
                self.now = max(self.now, min(times))
                ready = [each for each, at in zip(waiting, times, strict=True) if at <= self.now]
                self._let_on(self.random.choice(ready))
                self.now += self.random.uniform(0.001, 0.02)
        finally:
            self.is_over = True  # whoever is let on now is killed
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

    def _follow(self, caller: Caller, script: Callable[[], None]) -> None:
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
        """Stop whoever runs, for so many seconds at least, until the seed lets it on. Raises Killed at its end."""
        caller = self.running
        if caller is None:  # who checks, before or after the run, waits for nobody
            self.now += seconds
            return
        caller.wake = self.now + seconds
        self._stopped.release()
        caller.may_go.acquire()
        if self.is_over or self.now > caller.ends_at:
            raise Killed

    def note(self, what: str) -> None:
        """Add a line to the course of things."""
        name = self.running.name if self.running else ""
        self.course.append(f"{self.now - BEGIN:10.3f} s  {name:8}  {what}")

    def host_time(self) -> float:
        """Read the clock of the host that runs."""
        return self.now + (self.running.ahead if self.running else 0)

    @contextmanager
    def clocks(self) -> Iterator[None]:
        """Let all of the process live in this time, and draw its random bytes from this seed."""
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
