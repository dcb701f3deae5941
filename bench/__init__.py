"""Measures starts, calls and storage against upper limits, the bars: `make bench`."""
