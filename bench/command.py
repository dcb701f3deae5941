"""Measures whole runs of the installed command `outcomes`."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, override

from bench.measure import in_turns
from bench.report import Report

COMMAND_BARS = {"outcomes --version": 10, "outcomes --help": 8, "outcomes record --help": 12}
"""Maximum processor times of runs, as multiples of the time of a Python that does nothing."""

BARE = "bare python"
ANSWERS = {"GET": b'{"outcomes":[],"next_cursor":null}', "POST": b'{"ok":true}'}


def command_start(report: Report, runs: int) -> None:
    """Measure runs of the command, in turns with a Python that does nothing, and add them to the report."""
    python = Path(sys.executable)
    command = str(python.with_name("outcomes"))
    record = ["record", "--type", "deal_closed", "--title", "Renewed Acme", "--user", "42"]
    programs = {
        BARE: [str(python), "-c", "pass"],
        "outcomes --version": [command, "--version"],
        "outcomes --help": [command, "--help"],
        "outcomes record --help": [command, "record", "--help"],
        "outcomes record": [command, *record],
        "outcomes list": [command, "list"],
    }
    with _api() as url, TemporaryDirectory() as home:
        environment = {"HOME": home, "PATH": os.defpath, "OUTCOMES_URL": url}
        environment |= {"INTERNAL_API_KEY": "bench", "OUTCOMES_COOKIE": "session=bench"}
        taken = in_turns({name: (program, environment) for name, program in programs.items()}, runs)
    rows = []
    for name, times in taken.items():
        ratio = times.cpu / taken[BARE].cpu
        cells = [name, f"{times.cpu:.3f}", f"{times.wall:.3f}", f"{ratio:.1f}"]
        rows.append(cells + report.bar(name, COMMAND_BARS.get(name), ratio))
    report.text(
        f"## Start of the command: {runs} new processes each\n\nWhole runs, with the packages installed here. `record` "
        "and `list` call an API on this machine that answers at once."
    )
    report.table(["", "s", "s by wall time", "over bare python", "bar", "verdict"], rows)


@contextmanager
def _api() -> Iterator[str]:
    """Context manager: serve calls that record and list outcomes, and yield the URL."""
    server = HTTPServer(("127.0.0.1", 0), _Api)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Api(BaseHTTPRequestHandler):
    """Answers each HTTP method with a fixed response."""

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
