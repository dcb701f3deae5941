"""Domain events: from the tables' streams to EventBridge and signed webhooks."""
