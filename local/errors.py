"""Errors that keep the stack from running."""


class StackError(Exception):
    """One clear line for the person at the keyboard."""
