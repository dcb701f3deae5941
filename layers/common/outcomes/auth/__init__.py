"""Valid keys and sessions, for the authorizer alone."""
