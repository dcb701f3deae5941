"""Store materialized totals, which are sums of settled intervals, and make summaries from them."""
