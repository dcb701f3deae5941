"""The HTTP edge of functions: events, responses, logs and metrics."""
