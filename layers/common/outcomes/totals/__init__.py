"""Materialized totals: sums of settled intervals that are kept, and the summary made from them."""
