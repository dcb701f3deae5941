"""Define the contract's limits, and the AWS limits that they depend on.

This module imports nothing, so that any module may import it.
"""

# The largest whole number that every JSON reader keeps exact (RFC 8259, section 6).
MAX_ID = 2**53 - 1

# Lengths are in characters. A character is a Unicode code point.
MAX_TITLE = 200
MAX_DESCRIPTION = 1000
MAX_REASON = 500
MAX_KEY_NAME = 80
MAX_IDEMPOTENCY_KEY = 255  # maximum length in visible ASCII characters

MAX_METADATA_BYTES = 64 * 1024
MAX_METADATA_LEVELS = 32

MAX_CORRECTIONS = {"agent": 20, "owner": 50, "platform": 50}
"""Maximum corrections of one outcome by each kind of caller; all agent keys count together."""
MAX_HISTORY = 900
"""Maximum corrections in an outcome's history. The newest corrections are listed, as many as always fit into a
response. An outcome can have more corrections only if it is disputed and upheld again and again."""

MAX_BODY_BYTES = 128 * 1024
MAX_BATCH_BYTES = 1024 * 1024
MAX_BATCH_OUTCOMES = 100  # also the maximum number of outcomes in all messages of one POST /mcp
MAX_BULK_CORRECTIONS = 100
MAX_BULK_CALLS = 1  # maximum number of calls of tools for several outcomes in one POST /mcp

MAX_IGNORED_FIELDS = 20  # maximum number of ignored fields that an answer names
MAX_IGNORED_NAME = 64  # maximum characters of an ignored field's name, after encoding

# Maximum number of a user's live agent keys. One call to DynamoDB can read this many.
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
MAX_KEYS = 100
MAX_PER_DAY = 1_000_000  # the highest limit of what an agent key records in a UTC day
MAX_OVERLAP_HOURS = 168
DEFAULT_OVERLAP_HOURS = 24

MAX_DAYS_LATE = 34
"""Maximum days from when an outcome happened until it is recorded. Idempotency keys are stored for one day longer, so a
retry is either a replay or refused."""
MAX_MINUTES_EARLY = 5  # minutes by which an agent's clock may be ahead of ours

DEFAULT_PAGE = 20
MAX_PAGE = 50
MAX_TYPES_FILTERED = 100  # DynamoDB's operator IN accepts at most this many operands

DEFAULT_DAYS = 30
MAX_YEARS = 10  # maximum length of a summary's period, in local years
MAX_BUCKETS = 366  # maximum number of days, weeks or months in a summary
MAX_AGENTS = 100  # maximum number of agents that a summary lists; "no agent" counts as one
MAX_AGENTS_WITH_COST = 10_000  # maximum number of agents that a report of costs lists
MAX_RECENT = 200  # maximum number of ids of the latest outcomes in a summary; the feed reads this many outcomes at once
MIN_FRESH_SECONDS, MAX_FRESH_SECONDS = 5, 120

MAX_COST_DAYS = 400  # the costs of a UTC day can be written until this many days later
MAX_LINES = 200  # maximum number of lines in a source's costs of a day
MAX_UNIT = 40
MAX_LABEL = 100
MAX_SOURCES = 50  # maximum number of cost sources of a user for each kind of caller
MAX_SOURCES_OF_KEY = 10  # maximum number of these sources that one agent key owns
MAX_MONTH_BYTES = 16_000_000  # maximum bytes of the lines, as stored, that agent keys put for a user's days of a month
MAX_VERSIONS = 20  # maximum number of earlier versions of a day's costs in an answer, for each kind of caller
COUNT_AFTER_DAYS = 2  # from this many days later, changes of a day's costs are counted, so that its sums may be stored
FOLD_AFTER_DAYS = 35  # the sums of a month's costs are stored for good this many days after its end

MAX_STATEMENT_ZONES = 3  # maximum number of time zones in which a user has statements

MAX_DEFINITIONS = 100  # maximum number of definitions of a user
MAX_DEFINITION_BYTES = 100_000  # maximum bytes of all definitions of a user, as stored, without notes
MAX_DEFINITION_TYPES = 40  # maximum number of types with a rule of their own in a definition
MAX_DISPUTE_DAYS = 31
MAX_NOTE = 200

MAX_WATCHES = 20  # maximum number of a user's watches that the session made, and of those that the platform made
MAX_WATCH_NAME = 80
MAX_WATCH_SHARES = 5  # maximum number of percents of a watch's target
MAX_UNREVIEWED = 100_000  # greatest target of a watch of outcomes that wait for review
RECENT_DAYS = 90  # whole days before today at which `unreviewed`, `silence` and the digest look, besides today
MAX_SILENT_DAYS = RECENT_DAYS

# Lambda's limit of 6 MB applies to the whole response, which contains the body as a JSON string.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_RESPONSE_BYTES = 6_000_000
