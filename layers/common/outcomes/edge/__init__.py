"""The edge of a function: events in, responses, logs and metrics out."""
