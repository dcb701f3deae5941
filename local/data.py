"""The folder in which the local stack keeps what outlives it: `.local/` of the checkout, unless it is told otherwise.

journal.jsonl   the items of the template's tables, and what nobody has heard of yet
secrets.json    the bearer key, the session secret, that of records of erasures and that of moto's port
seeded          the users that were seeded
stack.json      where the running stack is
lock            locked by the process that uses the folder

All of it is for its owner only.
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
    """The bearer key that is let in, the secret that session cookies are encrypted with, that by which records of
    erasures know users, and that which calls of moto need.
    """

    key: str
    session_secret: str
    erasure_secret: str
    aws_secret: str


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Make the folder, and keep other processes from using it until the block ends, or this process.

    Raises StackError when another process uses it, and when it cannot be made or locked.
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
    """Read the secrets that the folder keeps; the first time, make them. Raises StackError when that fails."""
    file = folder / SECRETS
    try:
        found = json.loads(file.read_text())
        # Data folders of earlier versions lack these keys.
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
        raise StackError(f"{file} cannot be read; make reset starts anew") from error
    return kept


def empty(folder: Path) -> None:
    """Remove all that the folder keeps. Raises StackError when a running stack uses it, and when that fails."""
    with exclusive(folder):
        try:
            # The lock stays: who holds one that was removed keeps nobody out.
            for name in (JOURNAL, SECRETS, SEEDED, STACK):
                (folder / name).unlink(missing_ok=True)
                unfinished(folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise StackError(f"cannot empty {folder}: {error.strerror}") from error


def write(file: Path, text: str) -> None:
    """Write a whole file at once, for its owner only. Raises StackError when it cannot be written."""
    write_lines(file, [text]).close()
