"""The commands that `make version` and `make release-check` run."""
