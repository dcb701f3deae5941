"""Define the errors that commands and the local stack raise."""


class StackError(Exception):
    """An error whose message is shown to the user as one line."""


def one_line(error: object) -> str:
    """Return the text of an error without line breaks."""
    return " ".join(str(error).split())
