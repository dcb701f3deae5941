"""What keeps a command, or the local stack, from doing what it is asked for."""


class StackError(Exception):
    """One clear line for the person at the keyboard."""
