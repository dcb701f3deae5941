"""Data requests of a person: erase what is stored of a user, or export it."""
