"""Commands of `make version` and `make release-check`."""
