"""Argument parsing and exit codes for commands."""

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from ops.errors import StackError

MAX_USER_ID = 2**53 - 1


class Parser(argparse.ArgumentParser):
    """A parser that raises StackError for wrong arguments instead of printing the usage."""

    def error(self, message: str) -> NoReturn:
        raise StackError(message)


def exit_code(command: Callable[[], object], *, if_interrupted: str = "") -> int:
    """Run a command and return the process's exit code.

    The exit code is 1 if the command returns true, and after a StackError, which is printed. if_interrupted: the text
    to print after Ctrl-C or the end of the input.
    """
    try:
        return 1 if command() else 0
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (EOFError, KeyboardInterrupt):
        print(f"\n{if_interrupted}", file=sys.stderr)
        return 130


def named_stack(text: str) -> str:
    """Return `text`, the name of a stack. Raises StackError if it is empty."""
    if not text:
        raise StackError("STACK is missing, such as STACK=outcomes-prod")
    return text


def user_id(text: str) -> int:
    """Parse a user's id. Raises StackError, which names the variable USER_ID of `make`."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:17]) <= MAX_USER_ID and len(text) <= 16):
        raise StackError(f"USER_ID must be a whole number from 1 to {MAX_USER_ID}, not {text!r}")
    return int(text)
