"""Run MiniStack, an emulator of AWS, and the commands of operators against it."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_server
from tempfile import TemporaryDirectory
from typing import Any

import boto3

from ops.errors import StackError
from tests.proof import answers

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".rehearsal"
CLONE = FOLDER / "clone"
"""The folder in which make runs: links to the repository's files, but a samconfig.toml and a build of its own."""
LOG = FOLDER / "log"
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 (TemporaryDirectory makes a folder of our own in it)
START_SECONDS = 60
SERVICES = ("DYNAMODB", "EVENTBRIDGE", "S3", "SECRETS_MANAGER", "SQS")


class Emulator:
    """A running emulator. url: its address. variables: for programs, so that they call it instead of AWS."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        account = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
        self.variables = account | {"AWS_ENDPOINT_URL": self.url, "SAM_CLI_POLL_DELAY": "1"}
        # The functions' own variable AWS_ENDPOINT_URL is empty, as on AWS, so they find the emulator by these.
        self.places = {f"AWS_ENDPOINT_URL_{service}": self.url for service in SERVICES}
        self.session: Any = boto3.Session("test", "test", region_name="us-east-1")

    def client(self, service: str) -> Any:
        return self.session.client(service, endpoint_url=self.url)

    def make(self, target: str, *settings: str, refused: str | None = None) -> str:
        """Run a target of the Makefile, and return its output.

        Raises StackError if it fails or, with `refused`, if it does not fail with this text.
        """
        return self.run(["make", target, *settings], refused)

    def run(self, command: list[str], refused: str | None = None) -> str:
        """Run a command like `make`."""
        done = subprocess.run(
            command,
            cwd=CLONE,
            env=os.environ | self.variables | {"PYTHONPATH": "layers/common"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        with LOG.open("a") as log:
            log.write(f"\n$ {' '.join(command)}\n{done.stdout}")
        if (done.returncode == 0) == (refused is not None) or (refused or "") not in done.stdout:
            expected = f"should have failed with {refused!r}" if refused else "failed"
            raise StackError(f"{' '.join(command[:2])} {expected}: see the end of {LOG.relative_to(ROOT)}")
        return done.stdout


@contextmanager
def running() -> Iterator[Emulator]:
    """Run MiniStack until the block ends, with all processes that it starts. Raises StackError if it does not start."""
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    emulator = Emulator(port)
    own = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "MINISTACK_ACCOUNT_ID": "123456789012"}
    # Each environment of a function is a copy of its code and of the layer, so they are written into memory.
    memory = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    with TemporaryDirectory(dir=memory) as place, (FOLDER / "emulator.log").open("w") as log:
        process = subprocess.Popen(
            [ROOT / ".tools/rehearse/bin/python", "-m", "ministack"],
            env={"PATH": os.environ["PATH"], "TMPDIR": place, "LAMBDA_WARM_TTL_SECONDS": "20", "IOT_MTLS_ENABLED": "0"}
            | emulator.places
            | own,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            until = time.monotonic() + START_SECONDS
            while not answers(port):
                if process.poll() is not None or time.monotonic() > until:
                    raise StackError("MiniStack does not start: see .rehearsal/emulator.log")
                time.sleep(0.1)
            yield emulator
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
