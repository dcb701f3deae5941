"""The client of AWS services: sign, send, check the answer, retry with backoff. Knows no table."""
