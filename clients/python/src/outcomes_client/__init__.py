"""Record the valuable work that agents finish, exactly once, and read it back."""

import typing

if typing.TYPE_CHECKING:
    # make contract: exports
    from ._async_client import AsyncOutcomesClient
    from ._choices import OutcomeStatus, OutcomeType
    from ._client import OutcomesClient
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
        LimitError,
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
        AgentCost,
        AgentKey,
        AgentTotal,
        AgentValue,
        ByRule,
        Closing,
        Corrected,
        Correction,
        CorrectionResult,
        CostDay,
        CostLine,
        Costs,
        CostSummary,
        CostVersion,
        CountedDay,
        CountedHistory,
        CountedOutcome,
        CountedPage,
        CountedPeriod,
        CountedSummary,
        Counts,
        DayCost,
        DayTotal,
        Definition,
        Digest,
        ExportPart,
        History,
        ListedStatement,
        ListedType,
        NewAgentKey,
        NewCorrection,
        NewOutcome,
        OtherAgents,
        OtherCosts,
        OtherValues,
        Outcome,
        Page,
        PartByRule,
        PeriodTotal,
        Recorded,
        Result,
        SourceCost,
        StatementPage,
        Summary,
        Telling,
        Total,
        TypeByRule,
        TypeRule,
        TypeTotal,
        Waiting,
        Watch,
        Watches,
        WatchPeriod,
    )
    from ._steps import Retry
    # end of make contract

# make contract: names
__all__ = [
    "AgentCost",
    "AgentKey",
    "AgentTotal",
    "AgentValue",
    "ApiError",
    "AsyncOutcomesClient",
    "BrokenAnswerError",
    "BusyError",
    "ByRule",
    "CapabilityOffError",
    "Closing",
    "ConfigurationError",
    "ConflictError",
    "Corrected",
    "Correction",
    "CorrectionResult",
    "CostDay",
    "CostLine",
    "CostSummary",
    "CostVersion",
    "Costs",
    "CountedDay",
    "CountedHistory",
    "CountedOutcome",
    "CountedPage",
    "CountedPeriod",
    "CountedSummary",
    "Counts",
    "DayCost",
    "DayTotal",
    "Definition",
    "Digest",
    "ExportPart",
    "ForbiddenError",
    "History",
    "InvalidOutcomeError",
    "InvalidRequestError",
    "KeyReusedError",
    "LimitError",
    "ListedStatement",
    "ListedType",
    "NewAgentKey",
    "NewCorrection",
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
    "PartByRule",
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
    "Telling",
    "Total",
    "TypeByRule",
    "TypeRule",
    "TypeTotal",
    "UnauthorizedError",
    "UnexpectedAnswerError",
    "Waiting",
    "Watch",
    "WatchPeriod",
    "Watches",
]
# end of make contract


if not typing.TYPE_CHECKING:  # otherwise type checkers would accept every name

    def __getattr__(name):
        """Import a name on first use: importing all modules takes longer than printing the command's help."""
        from importlib import import_module

        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        # Each of these modules imports those before it.
        for module in ("_errors", "_choices", "_models", "_steps", "_client", "_async_client"):
            loaded = vars(import_module(f"{__name__}.{module}"))
            if name in loaded:
                break
        globals()[name] = loaded[name]
        return loaded[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
