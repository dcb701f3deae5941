"""Local stacks as processes of their own, as `make run` starts them.

As a pytest plugin (the conftest.py of the project names it) this is the fixture `stack`.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.session_cookies import mint
from local.state import State
from tests.canaries import MARKS, leaks

ROOT = Path(__file__).parents[2]
START_SECONDS = 30


@dataclass(frozen=True)
class Stack:
    """A running stack: `url` of the API, `aws_url` of moto, `key` that is let in, `tables` by logical id."""

    process: subprocess.Popen[str]
    state_file: Path
    log_file: Path
    output_file: Path
    url: str
    aws_url: str
    key: str
    session_secret: str
    tables: Mapping[str, str]

    @property
    def log(self) -> str:
        """Read what the stack and its functions have written to standard error."""
        return self.log_file.read_text()

    def cookie(self, user_id: int) -> str:
        """Make the value of a Cookie header with a session of the user."""
        return mint("next-auth", user_id, self.session_secret, int(time.time())).cookie

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run `python -m local` with the arguments on this stack."""
        return local("--state", str(self.state_file), *arguments)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the exit code."""
        self.process.send_signal(number)
        return self.process.wait(10)


@contextmanager
def running(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Stack]:
    """Run a stack on a free port, with its files in `folder`, until the block ends."""
    files = {name: folder / name for name in ("stack.json", "output", "log")}
    with files["output"].open("w") as output, files["log"].open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "local", "--state", str(files["stack.json"]), *arguments],
            cwd=ROOT,
            env={**os.environ, "PORT": "0", **(environment or {})},
            stdout=output,
            stderr=log,
            text=True,
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        # What it prints, in one piece, comes right after the file.
        while not (files["stack.json"].exists() and files["output"].stat().st_size):
            assert process.poll() is None, files["log"].read_text()
            assert time.monotonic() < deadline, files["log"].read_text()
            time.sleep(0.02)
        state = State(**json.loads(files["stack.json"].read_text()))
        yield Stack(
            process,
            files["stack.json"],
            files["log"],
            files["output"],
            state.url,
            state.aws_url,
            state.key,
            state.session_secret,
            state.tables,
        )
        # Of a test that fails, its own complaint is the one to hear.
        assert leaks(files["log"].read_text(), [state.key, state.session_secret, *MARKS]) == set()
    finally:
        process.terminate()
        process.wait(10)


def local(*arguments: str, environment: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """Run `python -m local` with the arguments to its end."""
    return subprocess.run(
        [sys.executable, "-m", "local", *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run our own template. Tests share it, so each uses users of its own."""
    with running(tmp_path_factory.mktemp("stack")) as stack:
        yield stack
