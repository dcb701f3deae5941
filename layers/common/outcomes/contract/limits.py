"""The numbers of the contract, and those of AWS that the contract rests on.

What a docstring does not say is the contract's own choice. This module imports nothing, so anyone may import it.
"""

MAX_ID = 2**53 - 1
"""Greatest user or agent id: the largest whole number that every JSON reader keeps exact (RFC 8259, section 6)."""

MAX_TITLE = 200
"""Characters (code points)."""

MAX_DESCRIPTION = 1000
"""Characters (code points)."""

MAX_METADATA_BYTES = 64 * 1024
MAX_METADATA_LEVELS = 32

MAX_REASON = 500
"""Characters (code points) of why an outcome is corrected."""
MAX_CORRECTIONS = {"agent": 20, "owner": 50, "platform": 50}
"""Corrections of one outcome by each kind of caller, all agents' keys together: none uses up those of another."""
MAX_HISTORY = 900
"""Corrections of one outcome, the newest, that it names and shows: as many as fit into a response, however long they
are. Only disputes that are upheld again and again become more."""

MAX_BODY_BYTES = 128 * 1024
MAX_BATCH_BYTES = 1024 * 1024
MAX_BATCH_OUTCOMES = 100
"""Also of all messages of one POST /mcp."""
MAX_BULK_CALLS = 1
"""Calls of `record_outcomes` in one POST /mcp."""

MAX_IDEMPOTENCY_KEY = 255
"""Characters, all of them visible ASCII."""

MAX_IGNORED_FIELDS = 20
"""Unread fields of a body that are named, at most."""
MAX_IGNORED_NAME = 64
"""Characters of a name that is given back, once encoded."""

MAX_KEYS = 100
"""Live agent keys of a user. BatchGetItem takes as many:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html"""

MAX_KEY_NAME = 80
"""Characters (code points)."""

MAX_OVERLAP_HOURS = 168
DEFAULT_OVERLAP_HOURS = 24

MAX_DAYS_LATE = 34
"""Days since an outcome happened, at most. An idempotency key is remembered for a day longer, so what is sent again is
either known or refused."""
MAX_MINUTES_EARLY = 5
"""Minutes by which an agent's clock may be ahead of ours."""

DEFAULT_PAGE = 20
MAX_PAGE = 50

DEFAULT_DAYS = 30
MAX_YEARS = 10
"""Years that a summary covers, by the clocks of its time zone."""
MAX_BUCKETS = 366
"""Days, weeks or months of a summary, those that are cut among them."""

MAX_AGENTS = 100
"""Agents that a summary tells apart, no agent among them."""

MAX_RESPONSE_BYTES = 6_000_000
"""Bytes of a body, where it is a JSON string in Lambda's response: Lambda's 6 MB, less room for the rest.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
