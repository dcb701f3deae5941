"""The values from which a call may choose.

They are apart from the other models, because the command needs them for --help, and dataclasses take long to import.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal


class OutcomeType(StrEnum):
    """The default outcome types. Plain strings work too, also for other types that a platform may have."""

    # make contract: outcome types
    NEGOTIATION_COMPLETE = "negotiation_complete"
    AMPLIFICATION_COMPLETE = "amplification_complete"
    DEAL_CLOSED = "deal_closed"
    BROADCAST_COMPLETE = "broadcast_complete"
    TASK_COMPLETE = "task_complete"
    CONTENT_PUBLISHED = "content_published"
    # end of make contract


class OutcomeStatus(StrEnum):
    """The status of an outcome. Plain strings with the same text work too."""

    # make contract: statuses
    RECORDED = "recorded"
    CONFIRMED = "confirmed"
    DISPUTED = "disputed"
    VOID = "void"
    # end of make contract


Division = Literal["day", "week", "month"]
"""The periods by which a summary groups its totals."""
Time = Literal["recorded", "occurred"]
"""The time that orders a list: when outcomes were recorded, or when they happened."""
IdOrNone = int | Literal["none"]
"""An id, or "none" for outcomes without an agent or a user."""
