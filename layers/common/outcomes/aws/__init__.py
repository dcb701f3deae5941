"""Call AWS services: sign, send, check the answer, retry with backoff. This code does not depend on any table."""
