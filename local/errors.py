"""What keeps the stack from running."""


class StackError(Exception):
    """One clear line for the person at the keyboard."""
