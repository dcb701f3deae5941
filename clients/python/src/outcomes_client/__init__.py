"""Record the valuable work that an agent finishes, exactly once, and read it back."""

from ._calls import Retry
from ._client import AsyncOutcomesClient, OutcomesClient
from ._errors import (
    ApiError,
    BrokenAnswerError,
    BusyError,
    ConfigurationError,
    InvalidOutcomeError,
    KeyReusedError,
    NoAnswerError,
    OutcomesError,
    ServerError,
    UnauthorizedError,
    UnexpectedAnswerError,
)
from ._models import (
    AgentTotal,
    DayTotal,
    NewOutcome,
    Outcome,
    OutcomeType,
    Page,
    Recorded,
    Result,
    Summary,
    TypeTotal,
)

__all__ = [
    "AgentTotal",
    "ApiError",
    "AsyncOutcomesClient",
    "BrokenAnswerError",
    "BusyError",
    "ConfigurationError",
    "DayTotal",
    "InvalidOutcomeError",
    "KeyReusedError",
    "NewOutcome",
    "NoAnswerError",
    "Outcome",
    "OutcomeType",
    "OutcomesClient",
    "OutcomesError",
    "Page",
    "Recorded",
    "Result",
    "Retry",
    "ServerError",
    "Summary",
    "TypeTotal",
    "UnauthorizedError",
    "UnexpectedAnswerError",
]
