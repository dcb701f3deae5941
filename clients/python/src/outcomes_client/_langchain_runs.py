"""Which runs of LangChain count: the outermost ones."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from langchain_core.runnables import ensure_config


class OutermostRuns:
    """Tells a run that counts from a run inside it, which LangChain may also report without a parent.

    `with_fallbacks` calls its choices with the caller's callbacks, so their runs have no parent. But it calls them in
    a context whose config has the run of `with_fallbacks` as parent; LangChain also copies this context to threads and
    tasks. Inside a tool, the parent is the tool's run, so a chain that a tool calls by hand counts.
    """

    def __init__(self) -> None:
        # Lists, because runs at the same time may have the same id, and a hook may be in a config twice.
        self._open: list[UUID] = []
        self._inner: list[UUID] = []

    def on_chain_start(self, *_: Any, run_id: UUID, parent_run_id: UUID | None = None, **__: Any) -> Any:
        if parent_run_id is None:
            if getattr(ensure_config().get("callbacks"), "parent_run_id", None) in self._open:
                self._inner.append(run_id)
            self._open.append(run_id)

    def on_chain_error(self, *_: Any, **run: Any) -> Any:
        self.end(**run)

    def on_interrupt(self, event: Any) -> Any:
        """Do not count a run of LangGraph that waits for an answer: the run that resumes it counts."""
        if event.run_id in self._open:
            self._inner.append(event.run_id)

    def end(self, run_id: UUID, parent_run_id: UUID | None = None, **_: Any) -> bool:
        """Forget a run. Return whether it was an outermost one."""
        counts = parent_run_id is None and run_id not in self._inner
        for runs in (self._open, self._inner):
            if run_id in runs:
                runs.remove(run_id)
        return counts
