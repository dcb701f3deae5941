"""Lambda's Runtime API for one process at a time. It passes an event to the process and receives the answer.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import os
import signal
import time
from functools import cached_property
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NamedTuple, override

PATH = "/2018-06-01/runtime/invocation"
REQUEST_ID = "52fdfc07-2182-154f-163f-5f0f9a621d72"
WAIT_SECONDS = 60


class Moment(NamedTuple):
    """The resources that a process has used so far: seconds of processor and wall time, and peak memory."""

    cpu: float
    wall: float
    peak_bytes: int


class Life(NamedTuple):
    """Resources used by a process: until it asked for its first event, and until it had answered this event."""

    event: Moment
    answered: Moment
    answer: Any


def life(argv: list[str], environment: dict[str, str], event: dict[str, Any]) -> Life:
    """Run a process with this Runtime API until it has answered `event`. Raises RuntimeError if there is no answer."""
    # Each process has its own server, so that a late request of an ended process does not reach the next process.
    with _Server(("127.0.0.1", 0), _Exchange) as server:
        server.event = json.dumps(event).encode()
        variables = {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}",
            # With AWS_EXECUTION_ENV, the bootstrap waits for events as on Lambda.
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        }
        quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
        server.begun = time.perf_counter()
        server.pid = os.posix_spawn(argv[0], argv, environment | variables, file_actions=quiet)
        try:
            while server.answer is None:
                server.handle_request()
                if server.fault:
                    raise RuntimeError(f"the measured process failed: {server.fault}")
        finally:
            os.kill(server.pid, signal.SIGKILL)
            os.wait4(server.pid, 0)
        first, last = server.moments
        return Life(first, last, json.loads(server.answer))


class _Server(HTTPServer):
    timeout = WAIT_SECONDS
    event: bytes
    answer: bytes | None = None
    fault: str | None = None
    pid: int
    begun: float

    @cached_property
    def moments(self) -> list[Moment]:
        """Collects the resources used until the process asked for its event, and until it had answered this event."""
        return []

    def note(self) -> None:
        """Store the resources that the process has used so far."""
        # This is Linux's clock for the processor time of another process:
        # https://man7.org/linux/man-pages/man3/clock_getcpuclockid.3.html
        cpu = time.clock_gettime((~self.pid << 3) | 2)
        wall = time.perf_counter() - self.begun
        self.moments.append(Moment(cpu, wall, peak_bytes(self.pid)))

    @override
    def handle_timeout(self) -> None:
        raise RuntimeError(f"the measured process was silent for {WAIT_SECONDS} s")


class _Exchange(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.note()
        self._reply(200, self.server.event)

    def do_POST(self) -> None:
        said = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.note()
        if self.path == f"{PATH}/{REQUEST_ID}/response":
            self.server.answer = said
        else:
            self.server.fault = said.decode()
        self._reply(202, b"{}")

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Lambda-Runtime-Aws-Request-Id", REQUEST_ID)
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + 20_000))
        self.send_header(
            "Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:bench:live"
        )
        self.send_header(
            "Lambda-Runtime-Trace-Id",
            "Root=1-67f0b2d1-5a1c9d1e2f3b4c5d6e7f8091;Parent=53995c3f42cd8ad8;Sampled=1",
        )
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass


def peak_bytes(process: int | str = "self") -> int:
    """Return a process's peak memory. getrusage would include its parent's memory."""
    [line] = [line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024
