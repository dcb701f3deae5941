"""Costs of agents by UTC day and source: versions of each day, who owns a source, and months."""
