"""Files for their owner only, each of them whole or as it was."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from ops.errors import StackError


def write_lines(file: Path, lines: Iterable[str]) -> BinaryIO:
    """Write a whole file at once, for its owner only, and return it open at its end.

    Raises StackError when it cannot be written; a file that was there before then stays.
    """
    try:
        stream = open(unfinished(file), "wb", opener=owner_only)  # noqa: SIM115 (it is what is returned)
        try:
            stream.writelines(f"{line}\n".encode() for line in lines)
            stream.flush()
            os.fsync(stream.fileno())  # or the end of the machine could leave the name with nothing in the file
            unfinished(file).replace(file)
        except BaseException:
            stream.close()
            unfinished(file).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StackError(f"cannot write {file}: {error.strerror}") from error
    return stream


def owner_only(path: str, flags: int) -> int:
    """Open a file for `open(..., opener=owner_only)`: if that makes it, then readable by its owner alone."""
    return os.open(path, flags, 0o600)


def unfinished(file: Path) -> Path:
    """Name what a file is called until it is whole."""
    return file.with_name(f"{file.name}.new")
