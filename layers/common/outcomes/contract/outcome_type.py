"""The kinds of valuable work, for those who need no model."""

from enum import StrEnum


class OutcomeType(StrEnum):
    """A kind of work that an agent can have finished."""

    NEGOTIATION_COMPLETE = "negotiation_complete"
    AMPLIFICATION_COMPLETE = "amplification_complete"
    DEAL_CLOSED = "deal_closed"
    BROADCAST_COMPLETE = "broadcast_complete"
    TASK_COMPLETE = "task_complete"
    CONTENT_PUBLISHED = "content_published"
