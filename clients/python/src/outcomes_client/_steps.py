"""The steps of a call, and exponential backoff with jitter."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass

from ._http import NoReply, Reply, Request


@dataclass(frozen=True)
class Retry:
    """Time limits of a call, and exponential backoff between its tries, in seconds.

    `deadline` limits one call with all its retries (for `record_many`, each batch). `timeout` limits one try.

    Before the first retry, the client waits a random time from 0 to `first`. This maximum doubles with each retry, up
    to `longest` ("full jitter": https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). If the
    answer has the header `Retry-After`, the client waits that much longer. It does not retry if the wait would leave a
    tenth or less of the time until the deadline.

    The first summary of a long history may take longer. Each 503 `Still adding up` means progress, and restarts the
    time of `deadline`. In total, the call takes at most `adding_up` or `deadline`, whichever is longer.
    """

    deadline: float = 60
    timeout: float = 30  # longer than API Gateway's timeout of 29 s; with a shorter timeout, answers could be missed
    first: float = 0.2
    longest: float = 10
    adding_up: float = 600  # enough for several GB of outcomes: the API adds up about 120 MB in 10 s


@dataclass(frozen=True)
class Send:
    """Step: send a request and wait at most `timeout` seconds for the complete answer."""

    request: Request
    timeout: float


@dataclass(frozen=True)
class Wait:
    """Step: wait."""

    seconds: float


@dataclass(frozen=True)
class Say:
    """Step: log a notice."""

    notice: str


type Call[T] = Generator[Send | Wait | Say, Reply | NoReply | None, T]


_SAY_AGAIN = 10.0  # seconds until a wait for the same reason is logged again


class Backoff:
    """Exponential backoff with full jitter for the tries of one call, until its deadline."""

    def __init__(self, retry: Retry, clock: Callable[[], float], jitter: Callable[[float, float], float]) -> None:
        self._retry, self._clock, self._jitter = retry, clock, jitter
        self._ends = clock() + retry.deadline
        self._ends_adding_up = clock() + max(retry.deadline, retry.adding_up)
        self._ceiling = retry.first
        self._said, self._said_at = "", 0.0

    @property
    def timeout(self) -> float:
        """Return how many seconds the next try may take."""
        return max(0.001, min(self._retry.timeout, self._ends - self._clock()))

    def wait(self, reason: str, at_least: float | None = None, *, progress: bool = False) -> Call[bool]:
        """Wait before the next try. Return False at once if that would leave a tenth or less of the time that is left.

        A last-moment try would time out and hide the error of the previous try. `progress`: whether the previous try
        made progress.
        """
        now = self._clock()
        last = self._ends
        if progress:
            last, self._ceiling = self._ends_adding_up, self._retry.first
            self._ends = min(last, max(self._ends, now + self._retry.deadline))
        seconds = (at_least or 0) + self._jitter(0, self._ceiling)
        self._ceiling = min(self._retry.longest, self._ceiling * 2)
        if seconds >= (self._ends - now) * 0.9:
            return False
        if reason != self._said or now - self._said_at >= _SAY_AGAIN:
            self._said, self._said_at = reason, now
            yield Say(f"{reason}. Trying again, for at most {math.ceil(last - now)} s")
        yield Wait(seconds)
        return True
