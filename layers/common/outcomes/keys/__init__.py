"""Agent keys: create, rotate, revoke and authenticate them."""
