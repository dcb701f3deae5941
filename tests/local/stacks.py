"""Run local stacks as processes like `make run`, but fork them from a process that has loaded all modules.

The project's conftest.py loads it as a pytest plugin with the fixtures `stack`, `platform_stack` and `core_stack`.
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
from tempfile import TemporaryDirectory

import pytest

from local.data import STACK, State
from local.session_cookies import mint
from tests.canaries import MARKS, leaks
from tests.local.forked import Forked

ROOT = Path(__file__).parents[2]
START_SECONDS = 30
COMMAND_SECONDS = 600  # a busy machine may need this long
STACK_SECRET = "local"
"""The session token of all SDKs in tests, so that they may call any stack's AWS services."""
by_dynamodb = pytest.mark.skipif("WITNESS" not in os.environ, reason="needs Java: make proof PART=engines")
ENGINES = ["moto", pytest.param("dynamodb", marks=by_dynamodb)]
"""The engines in which a stack may keep its items. The next start of its folder needs no ENGINE."""
WITHOUT_EVENTS = ("--parameter", "EventBusName=")
WITHOUT_ISSUER = ("--parameter", "OidcIssuer=")
WITH_WATCHES = ("--parameter", "Watches=On")  # without events, it only serves their routes
WITH_OWN_TYPES = ("--parameter", "OutcomeTypes=lead_qualified,ticket_resolved")


@dataclass(frozen=True)
class Stack:
    """A running stack.

    data: its data folder. url: the API's URL. aws_url: moto's URL. key: the platform's key. tables: each table's name
    by its logical id.
    """

    process: Forked | subprocess.Popen[str]
    data: Path
    log_file: Path
    output_file: Path
    url: str
    aws_url: str
    key: str
    session_secret: str
    tables: Mapping[str, str]

    @property
    def log(self) -> str:
        """Return what the stack and its functions have written to standard error."""
        return self.log_file.read_text()

    def cookie(self, user_id: int) -> str:
        """Return the value of a Cookie header with a session for the user."""
        return mint("next-auth", user_id, self.session_secret, int(time.time())).cookie

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run `python -m local` with these arguments on this stack's data folder."""
        return local(self.data, *arguments)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the exit code."""
        self.process.send_signal(number)
        return self.process.wait(10)


@contextmanager
def running(
    folder: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    module: str = "local",
    is_forked: bool = True,
) -> Iterator[Stack]:
    """Run a stack on a free port until the block ends. A later stack may continue with the files in `folder`.

    is_forked: pass False to test how Python starts, or in which order modules are loaded.
    """
    data, output_file, log_file = folder / "data", folder / "output", folder / "log"
    command = [module, "--data", str(data), *arguments]
    variables = {**os.environ, "PORT": "0", "LOCAL_AWS_SECRET": STACK_SECRET, **(environment or {})}
    with output_file.open("w") as output, log_file.open("w") as log:
        process: Forked | subprocess.Popen[str] = (
            Forked(*command, cwd=ROOT, env=variables, stdout=output, stderr=log)
            if is_forked
            else subprocess.Popen(
                [sys.executable, "-m", *command], cwd=ROOT, env=variables, stdout=output, stderr=log, text=True
            )
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        # The stack prints its banner after it has written its state file.
        while not output_file.stat().st_size:
            assert process.poll() is None, log_file.read_text()
            assert time.monotonic() < deadline, log_file.read_text()
            time.sleep(0.02)
        state = State(**json.loads((data / STACK).read_text()))
        yield Stack(
            process,
            data,
            log_file,
            output_file,
            state.url,
            state.aws_url,
            state.key,
            state.session_secret,
            state.tables,
        )
        # This check is not in `finally`, because there it would hide another failure of the test.
        assert leaks(log_file.read_text(), [state.key, state.session_secret, *MARKS]) == set()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def local(
    data: Path, *arguments: str, environment: Mapping[str, str] | None = None, module: str = "local"
) -> "subprocess.CompletedProcess[str]":
    """Run `python -m local`, or another module, with these arguments on a data folder, until it exits."""
    command = [module, "--data", str(data), *arguments]
    with TemporaryDirectory() as folder:
        files = Path(folder, "output"), Path(folder, "log")
        with files[0].open("w") as output, files[1].open("w") as log:
            variables = {**os.environ, **(environment or {})}
            process = Forked(*command, cwd=ROOT, env=variables, stdout=output, stderr=log)
        code = process.wait(COMMAND_SECONDS)
        return subprocess.CompletedProcess(command, code, *(file.read_text() for file in files))


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run template.yaml without events or issuer. Tests share the stack, so each test must use its own users."""
    with running(tmp_path_factory.mktemp("stack"), *WITHOUT_EVENTS, *WITHOUT_ISSUER, *WITH_WATCHES) as stack:
        yield stack


@pytest.fixture(scope="session")
def platform_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run template.yaml with custom outcome types. Tests share the stack, so each test must use its own users."""
    with running(tmp_path_factory.mktemp("platform"), *WITHOUT_EVENTS, *WITH_OWN_TYPES) as stack:
        yield stack


@pytest.fixture(scope="session")
def core_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Run template.yaml with every capability off. Tests share the stack, so each test must use its own users."""
    with running(tmp_path_factory.mktemp("core"), "--core") as stack:
        yield stack
