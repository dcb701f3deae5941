"""Webhooks: one signed POST an event, by Standard Webhooks, with backoff and a dead-letter queue."""
