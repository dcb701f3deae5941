"""Run a proxy in front of an API. The proxy simulates failures of networks and clouds."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, override

Upstream = Callable[[str, str, Mapping[str, str], bytes], tuple[int, Mapping[str, str], bytes]]
"""Method, target, headers and body in; status, headers and body out."""

AFTER_THE_WRITE = (
    "drop after the write",
    "500 after the write",
    "502 after the write",
    "garbage after the write",
    "html after the write",
    "half an answer after the write",
    "silence after the write",
    "drip after the write",
)
BEFORE_THE_WRITE = (
    "drop",
    "500",
    "503",
    "503 busy",
    "504 without a body",
    "409",
    "429",
    "garbage",
)
SLOW = ("silence after the write", "drip after the write")
NO_HEADERS: Mapping[str, str] = {}
FAILED = b'{"error":"Failed to record outcome"}'
ANSWERS: dict[str, tuple[int, Mapping[str, str], bytes]] = {
    "500": (500, {}, FAILED),
    "500 after the write": (500, {}, FAILED),
    "502 after the write": (502, {}, b"<html>Bad Gateway</html>"),
    "503": (503, {"Retry-After": "0"}, b'{"error":"Service Unavailable"}'),
    "503 busy": (503, {"Retry-After": "0"}, b'{"error":"Busy"}'),
    "504 without a body": (504, {}, b""),
    "409": (409, {"Retry-After": "0"}, b'{"error":"Too many at once"}'),
    "429": (429, {}, b'{"error":"Too Many Requests"}'),
    "html after the write": (200, {"Content-Type": "text/html"}, b"<html>Please sign in to the hotel's network</html>"),
}


class FaultyServer(ThreadingHTTPServer):
    """Applies the next of `faults` to each request. When no fault is left, requests pass through."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, upstream: Upstream) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.faults: deque[str] = deque()
        self.seen: Counter[str] = Counter()
        self.times: list[float] = []
        self.requests: list[tuple[Mapping[str, str], bytes]] = []
        self.closing = threading.Event()
        self.waited_out = False  # records whether a client waited until the end of a slow answer

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing, because these tests expect clients to hang up."""

    @override
    def server_close(self) -> None:
        self.closing.set()
        super().server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Otherwise, the body waits 40 ms until the client acknowledges the headers.
    disable_nagle_algorithm = True
    server: FaultyServer

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Keep the test output quiet."""

    def _serve(self) -> None:
        self.server.times.append(time.monotonic())
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.server.faults.popleft() if self.server.faults else ""
        self.server.seen[fault] += 1
        headers = dict(self.headers)
        self.server.requests.append((headers, body))
        status, ours, answer = 200, NO_HEADERS, b""
        if not fault or fault in AFTER_THE_WRITE:
            status, ours, answer = self.server.upstream(self.command, self.path, headers, body)
        self.close_connection = bool(fault)
        if fault == "":
            self._answer(status, ours, answer)
        elif fault in ANSWERS:
            self._answer(*ANSWERS[fault])
        elif fault.startswith("garbage"):
            self.wfile.write(b"\x00\xff\xfe this is not HTTP\r\n\r\n")
        elif fault == "half an answer after the write":
            self._answer(status, ours, answer, announced=len(answer) * 2)
        elif fault == "silence after the write":
            self.server.waited_out = not self.server.closing.wait(30)
        elif fault == "drip after the write":
            self._answer(status, ours, b"", announced=10_000)
            # 30 s, so that a client that waits for the answer fails its test instead of hanging
            for _ in range(600):
                if self.server.closing.wait(0.05):
                    return
                self.wfile.write(b" ")
            self.server.waited_out = True
        else:
            assert fault.startswith("drop"), f"no such fault: {fault}"

    do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = _serve  # noqa: N815 - as http.server calls them

    def _answer(self, status: int, headers: Mapping[str, str], body: bytes, announced: int | None = None) -> None:
        self.send_response_only(status)
        usual = {"Content-Type": "application/json", "Date": formatdate(usegmt=True)}
        for name, value in {**usual, **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if announced is None else announced))
        if self.close_connection:
            # RFC 9112, 9.6. Without this header, the next call may reuse this closed connection.
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
