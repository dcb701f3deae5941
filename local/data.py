"""Read and write the local stack's data folder, by default `.local/` in the checkout. Only its owner can read it.

journal.jsonl   the items of the template's tables, and undelivered stream records and events
secrets.json    the bearer key, and secrets for sessions, erasure records and access to moto
seeded          the users that were seeded
stack.json      addresses and secrets of the running stack
lock            locked by the process that uses the folder
"""

import fcntl
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ops.errors import StackError
from ops.files import owner_only, unfinished, write_lines

JOURNAL = "journal.jsonl"
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
        found = json.loads(file.read_text())
        # Data folders of earlier versions lack these secrets.
        newer = {name: secrets.token_urlsafe(48) for name in ("erasure_secret", "aws_secret")}
        kept = Secrets(**newer | found)
        if not all(isinstance(text, str) and text for text in kept):
            raise TypeError("not texts")
        if kept._asdict() != found:
            write(file, json.dumps(kept._asdict()))
    except FileNotFoundError:
        kept = Secrets(secrets.token_urlsafe(32), *(secrets.token_urlsafe(48) for _ in range(3)))
        write(file, json.dumps(kept._asdict()))
    except (OSError, TypeError, ValueError) as error:
        raise StackError(f"{file} cannot be read; make reset deletes all") from error
    return kept


def empty(folder: Path) -> None:
    """Remove everything in the folder. Raises StackError if a running stack uses it or if removing fails."""
    with exclusive(folder):
        try:
            # The lock file stays, because a lock on a removed file has no effect.
            for name in (JOURNAL, SECRETS, SEEDED, STACK):
                (folder / name).unlink(missing_ok=True)
                unfinished(folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise StackError(f"cannot empty {folder}: {error.strerror}") from error


def write(file: Path, text: str) -> None:
    """Replace a file atomically; only its owner can read it. Raises StackError if it cannot be written."""
    write_lines(file, [text]).close()
