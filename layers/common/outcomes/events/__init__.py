"""Publish domain events from the tables' streams to EventBridge, and deliver them as signed webhooks."""
