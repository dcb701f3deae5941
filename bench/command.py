"""Measures how long the command `outcomes` takes from a shell's prompt to the next, as it is installed here."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING, Any, override

from bench.measure import Samples

if TYPE_CHECKING:
    from bench.__main__ import Report

COMMAND_BARS = {"outcomes --version": 0.25, "outcomes --help": 0.25}
"""Seconds that each may take. Beside an idle processor, so it is those of the processor that are judged."""

BARE = "bare python"
ANSWERS = {"GET": b'{"outcomes":[],"next_cursor":null}', "POST": b'{"ok":true}'}


def command_start(report: "Report", runs: int) -> None:
    """Report whole runs of the command beside a Python that does nothing, in turns."""
    python = Path(sys.executable)
    command = str(python.with_name("outcomes"))
    record = ["record", "--type", "deal_closed", "--title", "Renewed Acme", "--user", "42"]
    programs = {
        BARE: [str(python), "-c", "pass"],
        "outcomes --version": [command, "--version"],
        "outcomes --help": [command, "--help"],
        "outcomes record": [command, *record],
        "outcomes list": [command, "list"],
    }
    samples = Samples()
    with _api() as url, TemporaryDirectory() as home:
        environment = {"HOME": home, "PATH": os.defpath, "OUTCOMES_URL": url}
        environment |= {"INTERNAL_API_KEY": "bench", "OUTCOMES_COOKIE": "session=bench"}
        for run in range(-1, runs):  # the first round only warms the file cache
            for name, program in programs.items():
                cpu, wall = _run(program, environment)
                if run >= 0:
                    samples.add(name, cpu, wall)
    taken = samples.times()
    rows = []
    for name, times in taken.items():
        seconds = [f"{times.cpu:.3f}", f"{times.cpu / taken[BARE].cpu:.1f}", f"{times.wall:.3f}"]
        rows.append([name, *seconds, *report.bar(name, COMMAND_BARS.get(name), times.cpu)])
    report.text(
        f"## Start of the command: {runs} new processes each\n\nFrom beginning to end, with the packages that it has "
        "here. Who records and lists asks an API on this machine that answers at once."
    )
    report.table(["", "s", "over bare python", "s by wall time", "bar", "verdict"], rows)


def _run(program: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Measure seconds of processor and of wall time of a whole run. Raises RuntimeError when it fails."""
    begun = time.perf_counter()
    unseen = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    pid = os.posix_spawn(program[0], program, environment, file_actions=unseen)
    _, status, used = os.wait4(pid, 0)
    wall = time.perf_counter() - begun
    if status:
        raise RuntimeError(f"{program!r} failed")
    return used.ru_utime + used.ru_stime, wall


@contextmanager
def _api() -> Iterator[str]:
    """Answer calls to record and to list, at the URL that this yields, until the block ends."""
    server = HTTPServer(("127.0.0.1", 0), _Api)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Api(BaseHTTPRequestHandler):
    """Answers the same to whatever is asked by a method."""

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = ANSWERS[self.command]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Outcome-Id", "01M881HMN5BK0R53WV7N3P1R3Q")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _answer  # noqa: N815 (http.server's own names)

    @override
    def log_message(self, *_: Any) -> None:
        pass
