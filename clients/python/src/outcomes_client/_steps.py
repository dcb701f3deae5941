"""Name the steps of a call, and space its tries by exponential backoff with jitter."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass

from ._http import NoReply, Reply, Request


@dataclass(frozen=True)
class Retry:
    """Says how long and how often to try, in seconds.

    `deadline` bounds one call with all its retries (`record_many`: each of its batches); `timeout` one try. Between
    tries the client waits a random time from 0 to `first`, then 2, 4, 8 ... times that, at most `longest`, added to
    what `Retry-After` asks ("full jitter": https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).

    A first summary of a long history may take longer: each answer that the API is still adding up is progress, from
    which `deadline` counts anew, until the call has taken `adding_up`, or `deadline` where that is longer.
    """

    deadline: float = 60
    timeout: float = 30  # API Gateway answers within 29 s; to hang up earlier is to miss answers on their way
    first: float = 0.2
    longest: float = 10
    adding_up: float = 600  # a look takes the API some 10 s, for up to 120 MB of outcomes


@dataclass(frozen=True)
class Send:
    """Tells to send this as the next step, and to wait no longer than `timeout` seconds for the whole answer."""

    request: Request
    timeout: float


@dataclass(frozen=True)
class Wait:
    """Tells to wait as the next step."""

    seconds: float


@dataclass(frozen=True)
class Say:
    """Tells to let whoever runs this know, as the next step."""

    notice: str


type Call[T] = Generator[Send | Wait | Say, Reply | NoReply | None, T]


_SAY_AGAIN = 10.0  # seconds after which a wait for the same reason is worth another word


class Backoff:
    """Spaces the tries of one call: exponential backoff with full jitter, until its deadline."""

    def __init__(self, retry: Retry, clock: Callable[[], float], jitter: Callable[[float, float], float]) -> None:
        self._retry, self._clock, self._jitter = retry, clock, jitter
        self._ends = clock() + retry.deadline
        self._ends_adding_up = clock() + max(retry.deadline, retry.adding_up)
        self._ceiling = retry.first
        self._said, self._said_at = "", 0.0

    @property
    def timeout(self) -> float:
        """Tell how many seconds the next try may take."""
        return max(0.001, min(self._retry.timeout, self._ends - self._clock()))

    def wait(self, reason: str, at_least: float | None = None, *, progress: bool = False) -> Call[bool]:
        """Wait before the next try; False, without waiting, when too little time would be left for it.

        A try in the last moments could only time out, and hide the reason of the one before. `progress`: the one before
        came farther.
        """
        now = self._clock()
        last = self._ends
        if progress:
            last, self._ceiling = self._ends_adding_up, self._retry.first
            self._ends = min(last, max(self._ends, now + self._retry.deadline))
        seconds = (at_least or 0) + self._jitter(0, self._ceiling)
        self._ceiling = min(self._retry.longest, self._ceiling * 2)
        if self._ends - now - seconds < self._retry.timeout / 10:
            return False
        if reason != self._said or now - self._said_at >= _SAY_AGAIN:
            self._said, self._said_at = reason, now
            yield Say(f"{reason}. Trying again, for at most {math.ceil(last - now)} s")
        yield Wait(seconds)
        return True
