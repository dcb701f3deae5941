"""Webhooks by the Standard Webhooks specification: signed POSTs, with backoff and a dead-letter queue."""
