"""Check idempotency keys in headers, items of a batch, and tool arguments."""

from outcomes.limits import MAX_IDEMPOTENCY_KEY

WORDS = f"must be a string of 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters"


def is_idempotency_key(value: object) -> bool:
    return (
        isinstance(value, str) and 1 <= len(value) <= MAX_IDEMPOTENCY_KEY and all("!" <= char <= "~" for char in value)
    )
