"""Read and write the state file of the running stack, which other commands use. Only its owner can read it."""

import json
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from local.data import write
from local.environment import AwsEndpoint
from ops.errors import StackError


@dataclass(frozen=True)
class State:
    """The state of a running stack.

    tables: the tables' names by logical id. off: the capabilities that are Off. parameters: the template parameters
    that have a string value.
    """

    pid: int
    url: str
    aws_url: str
    aws_secret: str
    key: str
    session_secret: str
    tables: dict[str, str]
    off: list[str]
    parameters: dict[str, str]

    @property
    def aws(self) -> AwsEndpoint:
        """Return the stack's AWS endpoint."""
        return AwsEndpoint(self.aws_url, self.aws_secret)

    def table(self, logical_id: str) -> str:
        """Return a table's name. Raises StackError if the stack has no such table."""
        if logical_id not in self.tables:
            raise StackError(f"the running stack has no {logical_id}")
        return self.tables[logical_id]

    def write(self, file: Path) -> None:
        """Write the file. Raises StackError if that fails."""
        write(file, json.dumps(asdict(self), indent=2))

    def remove(self, file: Path) -> None:
        """Remove the file, unless another stack wrote it."""
        with suppress(OSError, ValueError):
            if json.loads(file.read_text())["pid"] == self.pid:
                file.unlink()

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read the state of the running stack. Raises StackError if no stack is running."""
        try:
            state = cls(**json.loads(file.read_text()))
        except FileNotFoundError as error:
            raise StackError(f"no local stack is running on {file.parent}; start one with: make run") from error
        except (OSError, TypeError, ValueError) as error:
            raise StackError(f"{file} cannot be read; remove it and start the stack with: make run") from error
        address = urlsplit(state.aws_url)
        try:
            socket.create_connection((address.hostname or "", address.port or 0), timeout=2).close()
        except OSError as error:
            raise StackError(f"the stack of {file} no longer runs; start one with: make run") from error
        return state
