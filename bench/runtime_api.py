"""Lambda's Runtime API for one process at a time. It passes an event to the process and receives the answer.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import os
import signal
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, override

from bench.report import Times

PATH = "/2018-06-01/runtime/invocation"
REQUEST_ID = "52fdfc07-2182-154f-163f-5f0f9a621d72"
HEADERS = {
    "Content-Type": "application/json",
    "Lambda-Runtime-Aws-Request-Id": REQUEST_ID,
    "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:bench:live",
    "Lambda-Runtime-Trace-Id": "Root=1-67f0b2d1-5a1c9d1e2f3b4c5d6e7f8091;Parent=53995c3f42cd8ad8;Sampled=1",
}
WAIT_SECONDS = 60


def life(argv: list[str], environment: dict[str, str], event: dict[str, Any]) -> tuple[Times, Any]:
    """Run a process with this Runtime API until it has answered `event`. Return the time it took, and the answer.

    Raises RuntimeError if there is no answer.
    """
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
        return server.taken, json.loads(server.answer)


class _Server(HTTPServer):
    timeout = WAIT_SECONDS
    event: bytes
    answer: bytes | None = None
    fault: str | None = None
    pid: int
    begun: float
    taken: Times

    @override
    def handle_timeout(self) -> None:
        raise RuntimeError(f"the measured process was silent for {WAIT_SECONDS} s")


class _Exchange(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self._reply(200, self.server.event)

    def do_POST(self) -> None:
        said = self.rfile.read(int(self.headers["Content-Length"]))
        # This is Linux's clock for the processor time of another process:
        # https://man7.org/linux/man-pages/man3/clock_getcpuclockid.3.html
        cpu = time.clock_gettime((~self.server.pid << 3) | 2)
        self.server.taken = Times(cpu, time.perf_counter() - self.server.begun)
        if self.path == f"{PATH}/{REQUEST_ID}/response":
            self.server.answer = said
        else:
            self.server.fault = said.decode()
        self._reply(202, b"{}")

    def _reply(self, status: int, body: bytes) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + 20_000))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass
