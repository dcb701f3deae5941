"""Parse the arguments of commands, and return their exit codes."""

import argparse
import errno
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, override

from ops.errors import StackError

MAX_USER_ID = 2**53 - 1


class Parser(argparse.ArgumentParser):
    """A parser that raises StackError for wrong arguments instead of printing the usage.

    The message calls an option as `make` does: USER_ID, not --user-id.
    """

    @override
    def error(self, message: str) -> NoReturn:
        raise StackError(re.sub(r"^argument --([a-z-]+)", lambda name: name[1].upper().replace("-", "_"), message))

    @override
    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        sys.stdout.flush()  # now, because `exit_code` does not see that Python's flush at exit fails
        super().exit(status, message)


def positional(*names: str) -> list[str]:
    """Return the command's arguments, as many as they have names. Raises StackError."""
    if len(given := sys.argv[1:]) != len(names):
        raise StackError(f"give {' and '.join(names) or 'no argument'}, not {len(given)} arguments")
    return given


def add_place(parser: Parser) -> None:
    """Add the options that say where a command works: on a deployed stack, or on the data folder of the local stack."""
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--stack", type=named_stack)
    place.add_argument("--data", type=Path, metavar="FOLDER")


def exit_code(command: Callable[[], object], *, if_interrupted: str = "", if_refused: int = 1) -> int:
    """Run a command and return the process's exit code.

    A command that returns a true value has failed: the exit code is 1. After a StackError, print its message; the exit
    code is `if_refused`. if_interrupted: the text to print if Ctrl-C, the end of the input, a closed output or a full
    disk ends the command; empty if nothing is left to do.
    """
    try:
        code = 1 if command() else 0
        sys.stdout.flush()
        return code
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return if_refused
    except (EOFError, KeyboardInterrupt):
        if if_interrupted:
            print(f"\n{if_interrupted}", file=sys.stderr)
        return 130
    except OSError as error:
        is_closed = isinstance(error, BrokenPipeError)  # the reader of the output, such as `| head`, closed the pipe
        if not is_closed and error.errno != errno.ENOSPC:
            raise
        # Redirect standard output. Otherwise Python's flush at exit would raise the error again:
        # https://docs.python.org/3/library/signal.html#note-on-sigpipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        why = "the output was closed before the end" if is_closed else error.strerror
        if if_interrupted or not is_closed:
            print(f"error: {why}. {if_interrupted}".strip(), file=sys.stderr)
        return 141 if is_closed else 1  # shells use 128 plus the number of the signal SIGPIPE


def named_stack(text: str) -> str:
    """Check that the name of a stack is not empty, use the stack's settings, and return the name. Raises StackError."""
    from ops.configuration import use_settings  # which imports this module, and the SDK

    if not text:
        raise StackError("STACK is missing, such as STACK=outcomes-prod")
    use_settings(text)
    return text


def user_id(text: str) -> int:
    """Parse a user's id. Raises StackError, whose message calls the id USER_ID, as `make` does."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:17]) <= MAX_USER_ID and len(text) <= 16):
        raise StackError(f"USER_ID must be a whole number from 1 to {MAX_USER_ID}, not {text!r}")
    return int(text)
