"""The contract against a deployed API: `make smoke URL=...`. What it stores, it deletes."""
