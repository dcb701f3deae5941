"""Statements: what a user's outcomes of a month, quarter or year came to, signed and checkable offline."""
