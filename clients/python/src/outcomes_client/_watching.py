"""Find, look after look, the outcomes that have come: each once, none missed."""

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
"""An outcome gets its time before it is stored, so one may turn up behind another that is newer. Each look therefore
goes back by so much; a call that records ends sooner."""

News = tuple[list[Outcome], OutcomesError | None]


def follow(client: OutcomesClient, lines: int, filters: dict[str, Any]) -> Iterator[News]:
    """Yield the last `lines` outcomes (50 at most), then with each step what is new since; oldest first.

    Beside it stands why a look failed, if a later one may succeed, which then finds what this one would have.

    Raises:
        OutcomesError: no later look would succeed.
    """
    seen: dict[str, datetime] | None = None
    newest: datetime | None = None
    while True:
        try:
            if seen is None:
                page = client.list(limit=PAGE_SIZE, **filters).outcomes
                newest = page[0].created_at if page else None
                before = client.iterate(start=newest - OVERLAP, **filters) if newest else ()
                seen = {one.id: one.created_at for one in before if newest and one.created_at <= newest}
                seen |= {one.id: one.created_at for one in page}
                found = page[:lines]
            else:
                start = newest - OVERLAP if newest else None
                found = [one for one in client.iterate(start=start, **filters) if one.id not in seen]
        except OutcomesError as failure:
            if not failure.retryable:
                raise
            yield [], failure
            continue
        found.sort(key=lambda one: (one.created_at, one.id))
        for one in found:
            seen[one.id] = one.created_at
            newest = max(newest or one.created_at, one.created_at)
        if newest:  # those before it are not read again
            seen = {id_: at for id_, at in seen.items() if at >= newest - OVERLAP}
        yield found, None
