"""Run concurrent callers in an order chosen by a seed, with faults and late writes in their AWS calls."""
