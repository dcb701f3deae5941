"""The fixture `api`: an API behind a proxy that fails on demand, and a way to read what was recorded.

The API is the in-memory `ledger` or, for tests marked `everywhere`, also the local stack with the deployment's own
routes, functions and tables.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer.main
from outcomes_client import OutcomesClient, Retry
from outcomes_client.__main__ import main
from outcomes_client._sending import LOG

from clients.python.tests.faults import SLOW, FaultyServer
from clients.python.tests.ledger import KEY, Ledger, decode, encode, listed
from tests.local.stacks import Stack

QUICK = Retry(deadline=20, timeout=10, first=0.01, longest=0.05)
# Leaves no time for a second attempt, which needs a tenth of `timeout`, but enough for one on a busy machine.
ONE_TRY = Retry(deadline=20, timeout=300)

users = itertools.count(90_000)  # users of the stack; the in-memory ledger's user is 42

everywhere = pytest.mark.parametrize("api", ["ledger", "stack"], indirect=True)


def failing(*faults: str) -> pytest.MarkDecorator:
    """Parametrize `faults`: on the ledger each fault alone and all one after another, on the stack only the latter.

    To the stack, faults only differ in the number of requests that reach it.
    """
    alone = [pytest.param("ledger", [fault], id=fault) for fault in faults]
    in_turn = [pytest.param(api, faults, id=f"all in turn-{api}") for api in ("ledger", "stack")]
    return pytest.mark.parametrize(("api", "faults"), [*alone, *in_turn], indirect=["api"])


@dataclass
class Api:
    """An API behind the proxy `door`. recorded: reads the user's outcomes without the proxy, newest first."""

    door: FaultyServer
    recorded: Callable[[], list[dict[str, Any]]]
    key: str
    cookie: str
    user: int
    ledger: Ledger = field(default_factory=Ledger)  # unused if the API is the stack
    quick: Retry = QUICK

    @property
    def url(self) -> str:
        return self.door.url

    @property
    def settings(self) -> dict[str, Any]:
        return {"url": self.url, "api_key": self.key, "cookie": self.cookie, "retry": self.quick}

    @property
    def environment(self) -> dict[str, str]:
        return {"OUTCOMES_URL": self.url, "INTERNAL_API_KEY": self.key, "OUTCOMES_COOKIE": self.cookie}

    def fail(self, *faults: str) -> None:
        """Apply these faults to the next requests. If one is slow, clients created later have a short timeout."""
        self.door.faults.extend(faults)
        if set(SLOW) & set(faults):
            self.quick = replace(self.quick, timeout=0.3 if self.user == 42 else 1)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the environment variables and settings of the machine that runs the tests."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in [name for name in os.environ if name.startswith("OUTCOMES_") or name == "INTERNAL_API_KEY"]:
        monkeypatch.delenv(name)


@pytest.fixture
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    behind = getattr(request, "param", "ledger")
    if behind == "ledger":
        yield from _ledger()
    else:
        yield from _of_stack(request.getfixturevalue(behind))


def _ledger() -> Iterator[Api]:
    ledger = Ledger()

    def upstream(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Any:
        status, answer_headers, answer = ledger.answer(method, target, headers, body)
        return status, answer_headers, answer.encode() if isinstance(answer, str) else encode(answer)

    def recorded() -> list[dict[str, Any]]:
        mine = [one for one in reversed(ledger.outcomes) if one["user_id"] == 42]
        return [listed(one) for one in mine if one["status"] != "void"]

    with FaultyServer(upstream).running() as door:
        yield Api(door, recorded, KEY, "session=of-user-42", 42, ledger)


def _of_stack(stack: Stack) -> Iterator[Api]:
    """Yield an API that is the running stack, with a new user."""
    user = next(users)
    cookie = stack.cookie(user)
    hop_by_hop = {"host", "connection", "accept-encoding"}
    with httpx.Client(base_url=stack.url, timeout=30) as http:

        def upstream(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Any:
            end_to_end = {name: value for name, value in headers.items() if name.lower() not in hop_by_hop}
            answer = http.request(method, target, headers=end_to_end, content=body)
            kept = {"outcome-id", "idempotent-replayed", "unassigned", "retry-after", "ignored-fields", "next-cursor"}
            kept |= {"content-type", "capabilities", "no-such-route"}
            return answer.status_code, {n.title(): v for n, v in answer.headers.items() if n in kept}, answer.content

        def recorded() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = []
            cursor: str | None = ""
            while cursor is not None:
                query = {"limit": "50", **({"cursor": cursor} if cursor else {})}
                answer = http.get("/api/outcomes", params=query, headers={"Cookie": cookie})
                assert answer.status_code == 200, answer.text
                page = decode(answer.content)
                found += page["outcomes"]
                cursor = page["next_cursor"]
            return found

        with FaultyServer(upstream).running() as door:
            yield Api(door, recorded, stack.key, cookie, user)


@pytest.fixture
def client(api: Api) -> Iterator[OutcomesClient]:
    with OutcomesClient(**api.settings) as client:
        yield client


@dataclass(frozen=True)
class Run:
    """The exit code and output of a run of the command."""

    code: int
    out: str
    err: str


type Outcomes = Callable[..., Run]

# Build the command only once per process, because that takes longer than most commands.
_command = cache(typer.main.get_command)


@pytest.fixture
def outcomes(api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Outcomes:
    """Return a function that runs the command `outcomes` in this process."""
    for name in ("handlers", "propagate"):  # main() changes the logger, which other tests use
        monkeypatch.setattr(LOG, name, getattr(LOG, name))
    monkeypatch.setattr("typer.main.get_command", _command)
    for name, value in {**api.environment, "OUTCOMES_DEADLINE": "20", "COLUMNS": "100"}.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> Run:
        with pytest.raises(SystemExit) as exit_:
            main(list(arguments))
        said = capsys.readouterr()
        assert isinstance(exit_.value.code, int)
        return Run(exit_.value.code, said.out, said.err)

    return run
