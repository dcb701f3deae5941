"""The wire to AWS: sign, send, check the answer, retry with backoff. Knows no table."""
