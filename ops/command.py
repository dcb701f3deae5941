"""How commands read what they are given, and refuse it."""

import argparse
from typing import NoReturn

from ops.errors import StackError

MAX_USER_ID = 2**53 - 1


class Parser(argparse.ArgumentParser):
    """A parser that complains in one line."""

    def error(self, message: str) -> NoReturn:
        """Raise StackError instead of printing the usage."""
        raise StackError(message)


def user_id(text: str) -> int:
    """Read a user's id from the command line. Raises StackError, which names it as `make` does."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:17]) <= MAX_USER_ID and len(text) <= 16):
        raise StackError(f"USER_ID must be a whole number from 1 to {MAX_USER_ID}, not {text!r}")
    return int(text)
