"""Record the valuable work that agents finish, exactly once, and read it back."""

import typing

from ._cost_models import (
    AgentCost,
    AgentValue,
    CostDay,
    CostLine,
    Costs,
    CostSummary,
    CostVersion,
    DayCost,
    OtherCosts,
    OtherValues,
    SourceCost,
)
from ._errors import (
    ApiError,
    BrokenAnswerError,
    BusyError,
    CapabilityOffError,
    ConfigurationError,
    ConflictError,
    ForbiddenError,
    InvalidOutcomeError,
    InvalidRequestError,
    KeyReusedError,
    NoAnswerError,
    NotFoundError,
    OutcomesError,
    PreconditionFailedError,
    ServerError,
    StatementError,
    StillAddingUpError,
    UnauthorizedError,
    UnexpectedAnswerError,
)
from ._models import (
    AgentKey,
    AgentTotal,
    Corrected,
    Correction,
    DayTotal,
    ExportPart,
    History,
    ListedStatement,
    ListedType,
    NewAgentKey,
    NewOutcome,
    OtherAgents,
    Outcome,
    OutcomeStatus,
    OutcomeType,
    Page,
    PeriodTotal,
    Recorded,
    Result,
    StatementPage,
    Summary,
    Total,
    TypeTotal,
)

if typing.TYPE_CHECKING:
    from ._async_client import AsyncOutcomesClient
    from ._client import OutcomesClient
    from ._steps import Retry

__all__ = [
    "AgentCost",
    "AgentKey",
    "AgentTotal",
    "AgentValue",
    "ApiError",
    "AsyncOutcomesClient",
    "BrokenAnswerError",
    "BusyError",
    "CapabilityOffError",
    "ConfigurationError",
    "ConflictError",
    "Corrected",
    "Correction",
    "CostDay",
    "CostLine",
    "CostSummary",
    "CostVersion",
    "Costs",
    "DayCost",
    "DayTotal",
    "ExportPart",
    "ForbiddenError",
    "History",
    "InvalidOutcomeError",
    "InvalidRequestError",
    "KeyReusedError",
    "ListedStatement",
    "ListedType",
    "NewAgentKey",
    "NewOutcome",
    "NoAnswerError",
    "NotFoundError",
    "OtherAgents",
    "OtherCosts",
    "OtherValues",
    "Outcome",
    "OutcomeStatus",
    "OutcomeType",
    "OutcomesClient",
    "OutcomesError",
    "Page",
    "PeriodTotal",
    "PreconditionFailedError",
    "Recorded",
    "Result",
    "Retry",
    "ServerError",
    "SourceCost",
    "StatementError",
    "StatementPage",
    "StillAddingUpError",
    "Summary",
    "Total",
    "TypeTotal",
    "UnauthorizedError",
    "UnexpectedAnswerError",
]


def __getattr__(name: str) -> typing.Any:
    """Import the clients on first use: importing httpx alone takes longer than printing the command's help."""
    if name == "Retry":
        from . import _steps as module
    elif name == "AsyncOutcomesClient":
        from . import _async_client as module  # type: ignore[no-redef]  # each branch binds the same name
    elif name == "OutcomesClient":
        from . import _client as module  # type: ignore[no-redef]
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    loaded = globals()[name] = getattr(module, name)
    return loaded


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
