"""Materialized totals: stored sums of settled intervals, and summaries made from them."""
