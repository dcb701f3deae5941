"""Check a deployed API against the contract: `make smoke URL=...`. It deletes all data that it stores."""
