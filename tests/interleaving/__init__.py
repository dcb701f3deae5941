"""Concurrent callers in an order drawn from a seed, with faults and late writes at their calls of AWS."""
