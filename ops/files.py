"""Write files atomically."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from ops.errors import StackError

type Opener = Callable[[str, int], int]


def owner_only(path: str, flags: int) -> int:
    """Open or create a file that only its owner can read. This is an `opener` for `open`."""
    return os.open(path, flags, 0o600)


def write_lines(file: Path, lines: Iterable[str], opener: Opener | None = owner_only) -> BinaryIO:
    """Replace a file atomically. Return the new file, open at its end. By default, only its owner can read it.

    Raises StackError if it cannot be written; the old file then stays.
    """
    try:
        stream = open(unfinished(file), "wb", opener=opener)  # noqa: SIM115 (it is what is returned)
        try:
            stream.writelines(f"{line}\n".encode() for line in lines)
            stream.flush()
            os.fsync(stream.fileno())  # otherwise a crash of the machine could leave an empty file
            unfinished(file).replace(file)
        except BaseException:
            stream.close()
            unfinished(file).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StackError(f"cannot write {file}: {error.strerror}") from error
    return stream


def unfinished(file: Path) -> Path:
    """Return the temporary path of a file that is being written."""
    return file.with_name(f"{file.name}.new")
