"""Signed webhooks: events of the bus, posted to one receiver by the Standard Webhooks specification 1.0.0."""
