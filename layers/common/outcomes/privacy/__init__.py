"""Process data requests: erase or export all stored data of a user."""
