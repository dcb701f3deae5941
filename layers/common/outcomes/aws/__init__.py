"""A client for AWS services: sign, send, check the answer, retry with backoff. It does not depend on any table."""
