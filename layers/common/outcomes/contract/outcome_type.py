"""The outcome types, in a module that loads fast."""

from enum import StrEnum


class OutcomeType(StrEnum):
    NEGOTIATION_COMPLETE = "negotiation_complete"
    AMPLIFICATION_COMPLETE = "amplification_complete"
    DEAL_CLOSED = "deal_closed"
    BROADCAST_COMPLETE = "broadcast_complete"
    TASK_COMPLETE = "task_complete"
    CONTENT_PUBLISHED = "content_published"
