"""Create, rotate, revoke and authenticate agent keys."""
