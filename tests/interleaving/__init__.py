"""Callers that are let on in an order drawn from a seed, with faults and late writes where they call AWS."""
