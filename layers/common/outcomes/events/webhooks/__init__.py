"""Webhooks that follow the Standard Webhooks specification: signed POSTs, with backoff and a dead-letter queue."""
