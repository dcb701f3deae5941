"""Checks a deployed API against the contract: `make smoke URL=...`. It deletes what it stores."""
