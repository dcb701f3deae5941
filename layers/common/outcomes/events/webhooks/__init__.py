"""Deliver webhooks as the Standard Webhooks specification says: signed POSTs, with backoff and a dead-letter queue."""
