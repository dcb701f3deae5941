"""Measure starts, calls and storage, and compare them with upper limits (bars): `make bench`."""
