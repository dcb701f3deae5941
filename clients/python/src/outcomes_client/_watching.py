"""Poll for new outcomes. Each outcome is found exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ._calls import PAGE_SIZE
from ._errors import OutcomesError
from ._models import Outcome

if TYPE_CHECKING:
    from ._client import OutcomesClient

OVERLAP = timedelta(minutes=1)
"""Each poll starts this much before the newest outcome. An outcome's time is set before it is stored, so it can appear
after a newer outcome; but not later than this, as recording takes less time."""

News = tuple[list[Outcome], OutcomesError | None]


def follow(client: OutcomesClient, lines: int, filters: dict[str, Any]) -> Iterator[News]:
    """Yield the last `lines` outcomes (at most 50), then the new outcomes of each poll. Each list has the oldest first.

    If a poll fails with a retryable error, yield the error and no outcomes; the next poll finds the missed outcomes.

    Raises:
        OutcomesError: the error is not retryable.
    """
    seen: dict[str, datetime] | None = None
    newest: datetime | None = None
    while True:
        start = newest - OVERLAP if newest else None
        try:
            if seen is None or any(filters.values()):
                # Of all outcomes: polls would read more and more while none matches.
                top = next((one.created_at for one in client.iterate(start=start)), None)
            if seen is None:
                newest = top
                before = client.iterate(start=newest - OVERLAP, **filters) if newest else ()
                seen = {one.id: one.created_at for one in before if newest and one.created_at <= newest}
                page = client.list(limit=PAGE_SIZE, **filters).outcomes
                found = [one for one in page if newest and one.created_at <= newest][:lines]
            else:
                found = [one for one in client.iterate(start=start, **filters) if one.id not in seen]
                newest = max(filter(None, (newest, top)), default=None)
        except OutcomesError as failure:
            if not failure.retryable:
                raise
            yield [], failure
            continue
        found.sort(key=lambda one: (one.created_at, one.id))
        for one in found:
            seen[one.id] = one.created_at
            newest = max(newest or one.created_at, one.created_at)
        if newest:  # forget older outcomes, because no later poll reads them
            seen = {id_: at for id_, at in seen.items() if at >= newest - OVERLAP}
        yield found, None
