"""Verify keys and sessions; used by the authorizer only."""
