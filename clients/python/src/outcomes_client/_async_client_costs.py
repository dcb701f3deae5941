"""The async client's calls about costs. `make awaiting` generates this module from _client_costs.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from . import _cost_calls
from ._choices import Division, IdOrNone
from ._cost_models import CostDay, CostLine, Costs, CostSummary
from ._moments import Moment
from ._requests import filters

if TYPE_CHECKING:
    from ._calls import Calls
    from ._steps import Call


class AsyncCostsClient:
    """The part of `AsyncOutcomesClient` that puts and reads the costs of agents."""

    _calls: Calls

    if TYPE_CHECKING:

        async def _run[T](self, call: Call[T]) -> T: ...

    async def put_costs(
        self,
        day: date | str,
        source: str,
        lines: Iterable[CostLine | Mapping[str, Any]],
        *,
        if_version: int | None = None,
        user_id: int | None = None,
    ) -> int:
        """Replace the costs of a UTC day from a source. Return their version; unchanged lines keep the version.

        A line is a `CostLine` or a line of the API's request (`{"costUsd": ...}`). Needs the platform's key (`user_id`
        is the user), an agent key with the scope `cost`, or a session. `if_version` is the version that must be stored
        before the call; 0 means that there must be none. Raises PreconditionFailedError if another version is stored.
        A retry also raises this error if the first try stored the lines but its answer was lost.

        Without `if_version`, the last call wins. Such a call is not retried after a lost answer (`retryable` is false),
        because others may have put costs since. Check `get_costs` before you call again.
        """
        return await self._run(_cost_calls.put(self._calls, day, source, lines, if_version, user_id))

    async def get_costs(
        self, day: date | str, source: str, *, versions: bool = False, user_id: int | None = None
    ) -> CostDay:
        """Read the costs of a UTC day from a source; with `versions`, also read earlier versions.

        Raises NotFoundError if the source has put no costs for that day.
        """
        return await self._run(_cost_calls.get(self._calls, day, source, user_id, versions=versions))

    async def delete_costs(
        self, day: date | str, source: str, *, if_version: int | None = None, user_id: int | None = None
    ) -> int:
        """Delete the costs of a UTC day from a source: they become unknown. Return the version of the deletion.

        See `put_costs` for `if_version` and retries.
        """
        return await self._run(_cost_calls.delete(self._calls, day, source, if_version, user_id))

    async def cost_summary(
        self,
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        timezone: str | None = None,
        agent_id: IdOrNone | None = None,
        by: Division | None = None,
        compare: Literal["previous"] | None = None,
        user_id: IdOrNone | None = None,
    ) -> CostSummary:
        """Return a summary of the user's outcomes, with the costs of the agents in the period. See `summary`."""
        asked = filters(None, agent_id, start, end, None, user_id)
        return await self._run(_cost_calls.summary(self._calls, asked, timezone, by, compare))

    async def list_costs(
        self,
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        agent_id: IdOrNone | None = None,
        timezone: str | None = None,
        user_id: IdOrNone | None = None,
    ) -> Costs:
        """Return the user's costs by agent, UTC day and source, by default of the last 30 days.

        `start` and `end` without an offset are in `timezone`. See `list` for `user_id`.
        """
        asked = filters(None, agent_id, start, end, None, user_id)
        return await self._run(_cost_calls.period(self._calls, asked, timezone))
