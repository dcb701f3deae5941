"""Record outcomes in LangChain and LangGraph (https://docs.langchain.com/oss/python/)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, override

from ._errors import missing

try:
    from langchain_core.callbacks import AsyncCallbackHandler
    from langchain_core.callbacks import BaseCallbackHandler as _Handler
except ImportError as exc:
    raise ImportError(missing(exc, "langchain"), name=exc.name) from exc
with suppress(ImportError):  # LangGraph is optional. It reports interrupts only to handlers of its own class.
    from langgraph.callbacks import GraphCallbackHandler as _Handler

from ._agents import MaybeOutcome, OnError, OutcomeOf, arecord_run, record_run
from ._async_client import AsyncOutcomesClient
from ._client import OutcomesClient
from ._langchain_runs import OutermostRuns
from ._langchain_tool import record_outcome_tool

__all__ = ["AsyncOutcomesCallback", "OutcomesCallback", "record_outcome_tool"]


class _Hook[Recording, Finding](OutermostRuns):
    raise_error = True  # Without this, LangChain would only log an exception that `on_error` raises.

    def __init__(self, client: Recording, outcome_of: Finding, *, on_error: OnError = None) -> None:
        super().__init__()
        self._client, self._outcome_of, self._on_error = client, outcome_of, on_error


class OutcomesCallback(_Hook[OutcomesClient, Callable[[Any], MaybeOutcome]], _Handler):
    """Records the outcome of a finished run: `agent.invoke(..., {"callbacks": [OutcomesCallback(...)]})`.

    The run is the outermost chain, graph or agent, also with `with_fallbacks`. A run of LangGraph that stops to wait
    for an answer records nothing; the run that resumes it does. `outcome_of` gets the run's output. The idempotency key
    is the `run_id`, a new one for each call unless the config sets `{"run_id": UUID(...)}`. With `ainvoke`, LangChain
    runs this callback in a thread; `AsyncOutcomesCallback` runs in the event loop.
    """

    @override
    def on_chain_end(self, outputs: Any, **run: Any) -> None:
        if self.end(**run):
            outcome_of, key = partial(self._outcome_of, outputs), partial(str, run["run_id"])
            record_run(self._client, outcome_of, key, self._on_error)


class AsyncOutcomesCallback(_Hook[AsyncOutcomesClient, OutcomeOf[[Any]]], AsyncCallbackHandler, _Handler):
    """Async version of `OutcomesCallback`, for `ainvoke` and `astream`; `outcome_of` may be async."""

    @override
    async def on_chain_end(self, outputs: Any, **run: Any) -> None:
        if self.end(**run):
            outcome_of, key = partial(self._outcome_of, outputs), partial(str, run["run_id"])
            await arecord_run(self._client, outcome_of, key, self._on_error)
