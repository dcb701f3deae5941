"""Read and write the local stack's data folder, by default `.local/` in the checkout. Only its owner can read it.

journal.jsonl   the items of the template's tables, and undelivered stream records and events
dynamodb/       the items, if DynamoDB Local holds them (ENGINE=dynamodb)
secrets.json    the bearer key, and secrets for sessions, erasure records and access to moto
seeded          the users that were seeded
stack.json      addresses and secrets of the running stack
lock            locked by the process that uses the folder
"""

import fcntl
import json
import secrets
import shlex
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from local.environment import AwsEndpoint
from ops.errors import StackError
from ops.files import owner_only, unfinished, write_lines

ROOT = Path(__file__).parent.parent
JOURNAL = "journal.jsonl"
DAMAGED = f"{JOURNAL}.damaged"  # the copy that is made before a damaged line is removed
ITEMS = "dynamodb"
SECRETS = "secrets.json"
SEEDED = "seeded"
STACK = "stack.json"
LOCK = "lock"


class Secrets(NamedTuple):
    """The credentials of a local stack."""

    key: str
    """The bearer key."""
    session_secret: str
    """Encrypts session cookies."""
    erasure_secret: str
    """Keys the HMAC of users in erasure records."""
    aws_secret: str
    """Must be sent with calls to moto."""


def named(folder: Path) -> str:
    """Return the setting that names a folder to make, after a blank; without it, make works on `.local`."""
    return "" if folder.resolve() == (ROOT / ".local").resolve() else f" DATA={shlex.quote(str(folder))}"


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Create the folder if needed, and lock it until the block or this process ends.

    Raises StackError if another process uses the folder, or if it cannot be created or locked.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = open(folder / LOCK, "w", opener=owner_only)  # noqa: SIM115 (closed below)
    except OSError as error:
        raise StackError(f"cannot use {folder}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackError(f"a stack is running on {folder}: stop it, or choose another folder with DATA=") from error
        except OSError as error:
            raise StackError(f"cannot lock {folder}: {error.strerror}") from error
        yield


def kept_secrets(folder: Path) -> Secrets:
    """Read the folder's secrets, or create them on first use. Raises StackError if that fails."""
    file = folder / SECRETS
    try:
        kept = Secrets(**json.loads(file.read_text()))
        if not all(isinstance(text, str) and text for text in kept):
            raise TypeError("not texts")
    except FileNotFoundError:
        kept = Secrets(secrets.token_urlsafe(32), *(secrets.token_urlsafe(48) for _ in range(3)))
        write(file, json.dumps(kept._asdict()))
    except (OSError, TypeError, ValueError) as error:
        raise StackError(f"{file} cannot be read; make reset{named(folder)} deletes all") from error
    return kept


def engine_of(folder: Path, wanted: str) -> str:
    """Return what answers calls of DynamoDB: the engine that holds the folder's items or, of a new folder, `wanted`.

    Raises StackError if `wanted` is no engine or another one.
    """
    kept = "dynamodb" if (folder / ITEMS).is_dir() else "moto" if (folder / JOURNAL).exists() else ""
    if wanted not in {"", "moto", "dynamodb"}:
        raise StackError(f"ENGINE is moto or dynamodb, not {wanted!r}")
    if kept and wanted and kept != wanted:
        raise StackError(
            f"{kept} holds the items of {folder}: choose another folder with DATA=, or make reset{named(folder)} first"
        )
    return wanted or kept or "moto"


def empty(folder: Path) -> None:
    """Remove a stack's data. Raises StackError if the folder is another one or in use, or if removing fails."""
    found = {file.name for file in folder.iterdir()} if folder.is_dir() else set()
    if found and not found & {JOURNAL, ITEMS, SECRETS, SEEDED, STACK, LOCK}:
        raise StackError(f"{folder} has files, but no data of a local stack")
    with exclusive(folder):
        try:
            # The lock file stays, because a lock on a removed file has no effect.
            for name in (JOURNAL, DAMAGED, SECRETS, SEEDED, STACK):
                (folder / name).unlink(missing_ok=True)
                unfinished(folder / name).unlink(missing_ok=True)
            shutil.rmtree(folder / ITEMS, ignore_errors=True)
        except OSError as error:
            raise StackError(f"cannot empty {folder}: {error.strerror}") from error


def write(file: Path, text: str) -> None:
    """Replace a file atomically; only its owner can read it. Raises StackError if it cannot be written."""
    write_lines(file, [text]).close()


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
        start = f"make run{named(file.parent)}"
        try:
            state = cls(**json.loads(file.read_text()))
        except FileNotFoundError as error:
            raise StackError(f"no local stack is running on {file.parent}; start one with: {start}") from error
        except (OSError, TypeError, ValueError) as error:
            raise StackError(f"{file} cannot be read; remove it and start the stack with: {start}") from error
        address = urlsplit(state.aws_url)
        try:
            socket.create_connection((address.hostname or "", address.port or 0), timeout=2).close()
        except OSError as error:
            raise StackError(f"the stack of {file} no longer runs; start one with: {start}") from error
        return state
