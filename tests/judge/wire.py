"""Every call to AWS with its place in our code, and what runs between two of them."""

import ast
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

from outcomes.aws.connection import Connection, Reply

from tests.conftest import ROOT
from tests.faults import Killed, answered
from tests.interleaving.schedule import Schedule
from tests.interleaving.seam import WRITES

PRODUCT = ("layers/common/outcomes", "functions", "history")
FIRST_SECRET = "the secret of the tests", 0.0
HELPERS = {"outcomes/privacy/data_sources.py"}
"""Modules that only pass on the calls of others."""
STEP_SECONDS = 0.01
TABLE = re.compile(rb"\w+Table")
TIMEOUT_SECONDS = 30
"""Seconds after which Lambda kills a function. Imports and erasures may take longer."""


class Place(NamedTuple):
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Call(NamedTuple):
    """A call to AWS. tables: those that it names. places: the lines of our code that led to it, innermost first."""

    operation: str
    tables: frozenset[bytes]
    places: tuple[Place, ...]

    @property
    def is_write(self) -> bool:
        return self.operation in WRITES

    @property
    def place(self) -> Place:
        return next(place for place in self.places if place.file not in HELPERS)


class Wire:
    """Passes calls on, notes them, and runs something before one of them.

    secret: that of statements, and when it was created.
    """

    def __init__(self, schedule: Schedule, post: Callable[..., Reply]) -> None:
        self.schedule = schedule
        self.secret = FIRST_SECRET
        self.calls: list[Call] = []
        self.reached: set[Place] = set()
        self._before: Callable[[list[Call]], None] | None = None
        self._post = post
        self._ends_at = float("inf")

    def post(self, connection: Connection, headers: Mapping[str, str], body: bytes, until: float) -> Reply:
        """Replace `Connection.post`."""
        operation = headers["x-amz-target"].rpartition(".")[2]
        if self._before:
            call = Call(operation, frozenset(TABLE.findall(body)), places())
            self.calls.append(call)
            self.reached |= {*call.places} if call.is_write else set()
            self._before(self.calls)
        self.schedule.now += STEP_SECONDS
        if self.schedule.now > self._ends_at:
            raise Killed
        if until <= self.schedule.now:
            raise TimeoutError("no time left")
        if operation == "GetSecretValue":
            text, created = self.secret
            return answered(200, {"SecretString": text, "CreatedDate": created})
        return self._post(connection, headers, body, until)

    @contextmanager
    def watching(self, before: Callable[[list[Call]], None], seconds: float) -> Iterator[None]:
        """Note calls, run `before` with all calls before each one, and kill the caller after `seconds`."""
        self.calls, self._before, self._ends_at = [], before, self.schedule.now + seconds
        try:
            yield
        finally:
            self._before, self._ends_at = None, float("inf")

    @contextmanager
    def aside(self, seconds: float) -> Iterator[None]:
        """Let another caller use the wire."""
        kept = self.calls, self._before, self._ends_at
        try:
            with self.watching(lambda _: None, seconds):
                yield
        finally:
            self.calls, self._before, self._ends_at = kept


def places() -> tuple[Place, ...]:
    """Return the lines of our code that called this, innermost first, without those of the AWS client."""
    found = []
    frame = sys._getframe(2)
    while frame:
        if file := _in_product(frame.f_code.co_filename):
            found.append(Place(file, frame.f_lineno))
        frame = frame.f_back  # type: ignore[assignment]
    return tuple(found)


@cache
def _in_product(path: str) -> str:
    file = path.removeprefix(f"{ROOT}/")
    is_product = file.startswith(PRODUCT) and "/outcomes/aws/" not in file and "/tests/" not in file
    return file.removeprefix("layers/common/") if is_product else ""


@cache
def places_of_writes() -> dict[Place, range]:
    """Return each place in our code that writes to DynamoDB, with its lines."""
    found = {}
    for folder in PRODUCT:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if file := _in_product(str(path)):
                for node in ast.walk(ast.parse(path.read_text())):
                    if isinstance(node, ast.Call) and _operations(node) & WRITES:
                        found[Place(file, node.lineno)] = range(node.lineno, (node.end_lineno or 0) + 1)
    return found


def _operations(call: ast.Call) -> set[Any]:
    """Return the operations that a call of `DynamoDB.call`, or of a method that passes it on, may be for."""
    if not call.args or not isinstance(call.func, ast.Attribute):
        return set()
    return {each.value for each in ast.walk(call.args[0]) if isinstance(each, ast.Constant)}
