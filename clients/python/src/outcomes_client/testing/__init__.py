"""A fake of the API, for tests of agents: in memory, over HTTP, without AWS.

pytest gets the fixture `outcomes_fake`. Without pytest:

    with OutcomesFake() as fake:
        run_my_agent(url=fake.url, key=fake.key)
        assert fake.recorded[0]["title"] == "Closed the Acme renewal"

The fake runs the functions that the API deploys, on tables in memory. It supports recording, lists, corrections, agent
keys, costs, definitions, watches and summaries. It answers export, statements and `/mcp` with 501. Set `now` to move
its clock, which evaluates watches: `events` has what they tell.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self, override

import httpx

from outcomes_client._client import OutcomesClient
from outcomes_client._errors import missing
from outcomes_client._json import decode
from outcomes_client._steps import Retry

from . import _gateway
from ._copied.calendar import instants
from ._copied.ledger.items import outcome_json, status_of
from ._surroundings import KEY
from ._tables import Tables

__all__ = ["OutcomesFake"]

_NEVER = 253_402_300_799  # the end of the year 9999, in seconds since 1970


class OutcomesFake:
    """A fake API with empty tables, which listens at `url` until it is closed. `key` is the platform's key."""

    key = KEY

    def __init__(self, port: int = 0) -> None:
        """Listen on 127.0.0.1. port: 0 means any free port. Raises ModuleNotFoundError without the extra `testing`."""
        try:
            _gateway.load()
        except ModuleNotFoundError as exc:
            raise ModuleNotFoundError(missing(exc, "testing"), name=exc.name) from exc
        self._tables = Tables()
        self._lock = threading.Lock()
        self._events: list[dict[str, Any]] = []
        self._failures: deque[int] = deque()
        self._delay = 0.0
        self._closing = threading.Event()
        self._client: OutcomesClient | None = None
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.fake = self
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, and close `client`."""
        self._closing.set()
        if self._thread.is_alive():
            socket.create_connection(("127.0.0.1", self._server.server_port)).close()  # wakes the thread
        self._thread.join()
        self._server.server_close()
        if self._client:
            self._client.close()

    def _serve(self) -> None:
        while not self._closing.is_set():
            self._server.handle_request()

    def wait(self) -> None:
        """Wait until another thread closes the fake."""
        self._closing.wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def client(self) -> OutcomesClient:
        """A client with the platform's key, which retries almost at once. Threads may share it."""
        with self._lock:
            self._client = self._client or OutcomesClient(self.url, self.key, retry=Retry(first=0.01, longest=0.1))
            return self._client

    @property
    def recorded(self) -> list[dict[str, Any]]:
        """The outcomes of all users, newest first, with the fields of a list. Void outcomes are left out."""
        with self._lock:
            items = [item for item in self._tables.items("OUTCOMES_TABLE") if item["created_at"]["S"] < "~"]
        items.sort(key=lambda item: str(item["created_at"]["S"]), reverse=True)
        return [decode(outcome_json(item, False).encode()) for item in items if status_of(item) != "void"]

    @property
    def events(self) -> list[dict[str, Any]]:
        """Return the [CloudEvents](docs/events.md) of watches and digests that came while `now` moved, oldest first."""
        with self._lock:
            return [*self._events]

    @property
    def now(self) -> datetime:
        """The time of the fake, which passes as usual. Set it to move its clock: `fake.now += timedelta(days=7)`.

        Watches and digests are evaluated every 15 minutes that are skipped, but at most 100 times. Setting raises
        ValueError for a time without a time zone, and for an earlier time if anything was recorded or put.
        """
        with self._lock, self._tables.in_use():
            now: datetime = instants.local(instants.now(), UTC)
        return now

    @now.setter
    def now(self, time: datetime) -> None:
        if time.tzinfo is None:
            raise ValueError("the time needs a time zone, such as datetime.UTC")
        with self._lock:
            with self._tables.in_use():
                skipped = instants.milliseconds(time) - instants.now()
            if skipped > 0:
                self._events += _gateway.pass_time(self._tables, skipped)
            elif skipped == 0 or self._tables.are_empty:
                self._tables.ahead += skipped
            else:
                raise ValueError("the clock goes back only before anything is recorded or put")

    def fail(self, status: int, times: int = 1) -> None:
        """Answer the next calls with an error that the API has for this status. Such a call records nothing.

        Raises ValueError if the API has no such error.
        """
        if status not in _gateway.FAILURES:
            raise ValueError(f"the API has no error {status}, only {', '.join(map(str, _gateway.FAILURES))}")
        self._failures.extend([status] * times)

    def delay(self, seconds: float) -> None:
        """Delay the answers to all further calls by this time. `delay(0)` ends the delay.

        Raises ValueError unless the seconds are from 0 to 3,600.
        """
        if not 0 <= seconds <= 3600:
            raise ValueError("seconds must be from 0 to 3600")
        self._delay = float(seconds)

    def session(self, user_id: int) -> str:
        """Sign a user in. Return the value of the Cookie header. Raises ValueError if the API allows no such id."""
        if not isinstance(user_id, int) or not 1 <= user_id <= 2**53 - 1:
            raise ValueError("user_id must be a whole number from 1 to 9007199254740991")
        token = f"session-of-user-{user_id}"
        row = {"token_sha256": {"S": sha256(token.encode()).hexdigest()}, "user_id": {"N": str(user_id)}}
        self._tables.put("SESSIONS_TABLE", row | {"expires_at": {"N": str(_NEVER)}})
        return f"session={token}"

    def agent_key(self, user_id: int, name: str = "test", **bounds: Any) -> str:
        """Create an agent key, and return it as text. `bounds` are the same as for `OutcomesClient.create_key`."""

        def answer(request: httpx.Request) -> httpx.Response:
            status, headers, body = self._answer(
                request.method, request.url.path, request.headers.items(), request.content
            )
            return httpx.Response(status, headers=headers, content=body)

        transport = httpx.MockTransport(answer)
        with OutcomesClient(self.url, cookie=self.session(user_id), transport=transport) as owner:
            return owner.create_key(name, **bounds).key

    def answer(self, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes) -> _gateway.Answer:
        """Answer a call without using the network. `target` is the path with the query."""
        if target.startswith("/fake/"):
            return self._controlled(target.removeprefix("/fake/"), body)
        self._closing.wait(self._delay)
        with self._lock:
            status = self._failures.popleft() if self._failures else None
        if status:
            return _gateway.failure(status, method, target)
        return self._answer(method, target, headers, body)

    def _controlled(self, name: str, body: bytes) -> _gateway.Answer:
        """Answer a call that controls the fake, for tests in other languages."""
        try:
            given = decode(body or b"{}")
            match name:
                case "fail":
                    self.fail(**given)
                case "delay":
                    self.delay(**given)
                case "session":
                    return _gateway.respond(200, {"cookie": self.session(**given)})
                case "recorded":
                    return _gateway.respond(200, {"recorded": self.recorded})
                case "events":
                    return _gateway.respond(200, {"events": self.events})
                case "now":
                    return _gateway.respond(200, {"now": self._moved(**given)})
                case _:
                    return _gateway.respond(404, {"error": "Not found"})
        except (TypeError, ValueError) as exc:
            return _gateway.respond(400, {"error": str(exc)})
        return _gateway.respond(200, {"ok": True})

    def _moved(self, now: str | None = None) -> str:
        if now is not None:
            self.now = datetime.fromisoformat(now)
        return self.now.isoformat()

    def _answer(self, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes) -> _gateway.Answer:
        with self._lock:
            return _gateway.answer(self._tables, method, target, headers, body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    fake: OutcomesFake

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing if a client closed the connection, for example after its timeout."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Send headers and body in one packet. Otherwise, the body waits 40 ms until the client acknowledges the headers.
    wbufsize = -1
    server: _Server

    def _serve(self) -> None:
        status, headers, answer = self.server.fake.answer(self.command, self.path, self.headers.items(), self._body())
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(answer))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer)

    def _body(self) -> bytes:
        if "Transfer-Encoding" not in self.headers:
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():  # read the trailers, which end with an empty line
            pass
        return body

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = do_OPTIONS = _serve  # noqa: N815 - http.server's names

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""
