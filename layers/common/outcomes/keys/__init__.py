"""Agent keys: made, rotated, revoked and checked in a table of their own."""
