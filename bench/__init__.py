"""Measures starting, calling and storing, beside the bars that they must not pass: `make bench`."""
