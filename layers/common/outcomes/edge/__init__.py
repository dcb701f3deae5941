"""Implement the HTTP layer of functions: events, responses, logs and metrics."""
