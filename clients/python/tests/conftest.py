"""The fixture `api`: an API behind a proxy that fails on demand, and a way to read what was recorded.

The API is `outcomes_client.testing`'s fake or, for tests marked `everywhere`, also the local stack with the
deployment's own routes, functions and tables. The fake's clock begins on 2026-04-01 and advances by a minute a call.
"""

from __future__ import annotations

import errno
import io
import itertools
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, override
from urllib.parse import urlsplit

import httpx
import pytest
import typer.main
from outcomes_client import NewOutcome, OutcomesClient, Retry
from outcomes_client.__main__ import main
from outcomes_client._json import decode, encode
from outcomes_client._sending import LOG
from outcomes_client.testing import OutcomesFake, _gateway
from outcomes_client.testing._copied.calendar import instants
from outcomes_client.testing._copied.ledger import store

from clients.python.copied_functions import rewritten
from clients.python.tests.faults import SLOW, FaultyServer
from tests.local.stacks import Stack
from tests.servers import serving

ROOT = Path(__file__).parents[3]
QUICK = Retry(deadline=20, timeout=10, first=0)
# The random wait before a second attempt is almost certainly longer than the deadline. So there is only one attempt,
# which may take 20 s on a busy machine.
ONE_TRY = Retry(deadline=20, timeout=20, first=1e12)

WORK = {"outcome_type": "task_complete", "title": "Sent the offer", "idempotency_key": "offer-sent", "value_usd": 12.5}
DEAL = NewOutcome(outcome_type="deal_closed", title="Acme renewed", user_id=42)
RUN = "00000000-0000-0000-0000-000000001267"
"""The id of an agent's run."""

users = itertools.count(90_000)  # ids of the stack's users: each test has a new user. The fake's user is always 42.

everywhere = pytest.mark.parametrize("api", ["fake", "stack"], indirect=True)


def failing(*faults: str) -> pytest.MarkDecorator:
    """Parametrize `faults`.

    Tests on the fake run once with each fault alone, and once with all faults except slow ones one after the other.
    Tests on the stack run only with these in turn: the proxy simulates the faults, and the stack sees only whether a
    request arrives.
    """
    alone = [pytest.param("fake", [fault], id=fault) for fault in faults]
    quick = [fault for fault in faults if fault not in SLOW]
    in_turn = [pytest.param(api, quick, id=f"all in turn-{api}") for api in ("fake", "stack")]
    return pytest.mark.parametrize(("api", "faults"), [*alone, *in_turn], indirect=["api"])


@dataclass
class Clock:
    """The fake's clock. now: milliseconds since 1970."""

    now: int = 1_775_044_800_000  # 2026-04-01T12:00:00Z
    step: int = 60_000


@dataclass
class Api:
    """An API behind the proxy `door`. recorded: reads the user's outcomes without the proxy, newest first."""

    door: FaultyServer
    recorded: Callable[[], list[dict[str, Any]]]
    key: str
    cookie: str
    user: int
    clock: Clock = field(default_factory=Clock)  # the fake's clock; not used with the stack
    quick: Retry = QUICK
    timeout: float = 0.3  # seconds that suffice for an answer, even on a busy machine
    unready_items: int = 0  # the number of batch items that fail next, with a retryable error

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
        """Apply these faults to the next requests. If a fault is slow, clients created later have a short timeout."""
        self.door.faults.extend(faults)
        if set(SLOW) & set(faults):
            self.quick = replace(self.quick, timeout=self.timeout)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the environment variables and settings of the machine that runs the tests."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in [name for name in os.environ if name.startswith("OUTCOMES_") or name == "INTERNAL_API_KEY"]:
        monkeypatch.delenv(name)


@pytest.fixture
def api(request: pytest.FixtureRequest) -> Iterator[Api]:
    behind = getattr(request, "param", "fake")
    if behind == "fake":
        yield from _of_fake()
    else:
        yield from _of_stack(request.getfixturevalue(behind))


EXPORT = "GET /api/outcomes/export"


@cache
def export_function() -> str:
    """Import the function `export_outcomes` as the fake imports its copied functions. Return its name for `ROUTES`."""
    name = "export_outcomes"
    module = ModuleType(name)
    exec(rewritten((ROOT / f"functions/{name}/app.py").read_text()), vars(module))  # noqa: S102 - code of our own
    sys.modules[f"outcomes_client.testing._copied.functions.{name}"] = module
    return name


def _of_fake() -> Iterator[Api]:
    """Yield the fake API. Add exports, which `OutcomesFake` does not support."""
    clock = Clock()
    with OutcomesFake() as fake, pytest.MonkeyPatch.context() as patched:
        patched.setattr(instants, "now", lambda: clock.now)
        patched.delitem(_gateway.UNANSWERED, EXPORT)
        patched.setitem(_gateway.ROUTES, EXPORT, export_function())

        def upstream(method: str, target: str, headers: Mapping[str, str], body: bytes) -> Any:
            clock.now += clock.step
            path = urlsplit(target).path
            if path.endswith("/batch") and api.unready_items:
                return unready(decode(body)["outcomes"])
            with pytest.MonkeyPatch.context() as smaller:
                if path.endswith("/export"):
                    smaller.setattr(store, "MAX_RESPONSE_BYTES", 5000)
                return fake.answer(method, target, headers.items(), body)

        def unready(items: list[Any]) -> Any:
            count = min(api.unready_items, len(items))
            api.unready_items -= count
            failed = {"status": "failed", "error": "Failed to record outcome", "retryable": True}
            key = {"Authorization": f"Bearer {fake.key}"}
            rest = fake.answer("POST", "/api/outcomes/batch", key.items(), encode({"outcomes": items[count:]}))
            results = decode(rest.body).get("results", [])
            counts = {name: sum(one["status"] == name for one in results) for name in ("created", "replayed")}
            return 200, {}, encode({"results": [failed] * count + results, **counts, "failed": count})

        def recorded() -> list[dict[str, Any]]:
            return [one for one in fake.recorded if one["user_id"] == 42]

        with serving(FaultyServer(upstream)) as door:
            api = Api(door, recorded, fake.key, fake.session(42), 42, clock)
            yield api


def _of_stack(stack: Stack) -> Iterator[Api]:
    """Yield the running local stack as the API, with a new user."""
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

        with serving(FaultyServer(upstream)) as door:
            yield Api(door, recorded, stack.key, cookie, user, timeout=1)


@pytest.fixture
def client(api: Api) -> Iterator[OutcomesClient]:
    with OutcomesClient(**api.settings) as client:
        yield client


@pytest.fixture
def owner(api: Api) -> Iterator[OutcomesClient]:
    """Yield a client that has only the user's session. Name it before `outcomes`, which sets the key's variable."""
    with OutcomesClient(**{**api.settings, "api_key": None}) as client:
        yield client


@dataclass(frozen=True)
class Run:
    """The exit code and output of a run of the command."""

    code: int
    out: str
    err: str


type Outcomes = Callable[..., Run]


class FullDisk(io.StringIO):
    """Standard output that goes to a full disk. Like the buffer of a real one, it fails only when it is flushed."""

    @property
    def buffer(self) -> Any:
        return self

    @override
    def write(self, text: str | bytes) -> int:
        return len(text)

    @override
    def flush(self) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands make a single attempt of each call, with enough time for a busy machine."""
    monkeypatch.setattr("outcomes_client._settings.Retry", lambda **_: ONE_TRY)


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list of the clients' waits in seconds. Clients do not really wait."""
    seconds: list[float] = []

    async def sleep(for_seconds: float) -> None:
        seconds.append(for_seconds)

    monkeypatch.setattr("outcomes_client._client.time.sleep", seconds.append)
    monkeypatch.setattr("outcomes_client._async_client.anyio.sleep", sleep)
    return seconds


# Build the command only once per process, because building it takes longer than running most commands.
_command = cache(typer.main.get_command)


@pytest.fixture
def outcomes(api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Outcomes:
    """Return a function that runs the command `outcomes` in this process."""
    for name in ("handlers", "propagate"):  # main() changes the logger, which other tests also use
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


def keys(api: Api) -> list[str]:
    """Return the idempotency keys of all requests."""
    return [headers["Idempotency-Key"] for headers, _ in api.door.requests]
