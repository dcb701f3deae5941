"""Define the API's calls about costs as sequences of steps. `_calls` explains these steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import partial
from typing import Any, Literal
from urllib.parse import quote

from . import _cost_answers
from ._calls import Calls, Query, _reader
from ._choices import Division
from ._cost_models import CostDay, CostLine, Costs, CostSummary, add_line, by_agent_and_label
from ._errors import NotFoundError, OutcomesError, PreconditionFailedError
from ._http import COSTS_PATH, PATH, SESSION, Request
from ._requests import encode, parameters
from ._steps import Call


class UnreadableError(OutcomesError):
    """The day has costs, but the read finds none: others put them, and this key may not read what others put."""


def put(
    calls: Calls,
    day: date | str,
    source: str,
    lines: Iterable[CostLine | Mapping[str, Any]],
    if_version: int | None,
    user_id: int | None,
    *,
    repeatable: bool = True,
) -> Call[int]:
    """Replace the costs of a day. `if_version` is the version that must be stored: 0 for none, None for any.

    With None, a put whose answer was lost is not sent again: it could replace costs that others have put since.

    repeatable: whether to retry after a lost answer if `if_version` is not None.
    """
    if calls.defaults.owner == "session" and user_id is not None:
        yield from calls._say_once(f"The costs are of the user of {SESSION}: the given user_id is ignored")
    body: dict[str, object] = {"userId": calls._whose(user_id)}
    body["lines"] = [line.body() if isinstance(line, CostLine) else dict(line) for line in lines]
    request = Request(
        "PUT",
        _path(day, source),
        headers=_condition(if_version),
        body=encode({name: value for name, value in body.items() if value is not None}),
        by="any",
        does="Putting costs",
    )
    repeatable = repeatable and if_version is not None
    return (yield from calls.exchange(request, _cost_answers.version, repeatable=repeatable))


def get(calls: Calls, day: date | str, source: str, user_id: int | None, *, versions: bool = False) -> Call[CostDay]:
    query = parameters(userId=calls._whose(user_id), include="versions" if versions else None)
    request = Request("GET", _path(day, source), query, by="any", does="Reading costs", names="costs")
    return (yield from calls.exchange(request, _cost_answers.day))


def delete(calls: Calls, day: date | str, source: str, if_version: int | None, user_id: int | None) -> Call[int]:
    """Delete the costs of a day. See `put`."""
    query, headers = parameters(userId=calls._whose(user_id)), _condition(if_version)
    request = Request("DELETE", _path(day, source), query, headers, by="any", does="Deleting costs", names="costs")
    return (yield from calls.exchange(request, _cost_answers.version, repeatable=if_version is not None))


def change(
    calls: Calls,
    day: date | str,
    source: str,
    user_id: int | None,
    changed: Callable[[list[CostLine] | None], list[CostLine] | None],
    *,
    repeatable: bool,
) -> Call[int]:
    """Read the costs of a day, and put changed lines. Start again if another version was put in the meantime.

    changed: gets the day's costs, or None if they are not known; returns the new lines, or None to put nothing.

    repeatable: whether to send a put again if its answer was lost. If the put was stored, `changed` then gets its own
    result, so it must be idempotent.

    Raises UnreadableError.
    """
    backoff, unseen = calls._backoff(), 0
    while True:
        lines, version = None, 0
        try:
            stored = yield from get(calls, day, source, user_id)
            lines, version = stored.lines, stored.version
        except NotFoundError:
            pass
        lines = changed(lines)
        if lines is None:
            return version
        try:
            return (yield from put(calls, day, source, lines, version, user_id, repeatable=repeatable))
        except PreconditionFailedError as exc:
            unseen = 0 if version else unseen + 1
            if unseen > 1:
                raise UnreadableError("others put the costs of this day, and this key may not read them") from exc
            if not (yield from backoff.wait(str(exc))):
                raise


def add(calls: Calls, day: date | str, source: str, line: CostLine, user_id: int | None) -> Call[int]:
    def changed(lines: list[CostLine] | None) -> list[CostLine]:
        sums = by_agent_and_label(lines or ())
        add_line(sums, line)
        return [*sums.values()]

    return (yield from change(calls, day, source, user_id, changed, repeatable=False))


def summary(
    calls: Calls, filters: Query, timezone: str | None, by: Division | None, compare: Literal["previous"] | None
) -> Call[CostSummary]:
    query = [*filters, *parameters(timezone=timezone, by=by, compare=compare, include="cost")]
    request = Request("GET", f"{PATH}/summary", query, by=_reader(query))
    return (yield from calls.exchange(request, partial(_cost_answers.summary, query=query)))


def period(calls: Calls, filters: Query, timezone: str | None) -> Call[Costs]:
    query = [*filters, *parameters(timezone=timezone)]
    return (yield from calls.exchange(Request("GET", COSTS_PATH, query, by=_reader(query)), _cost_answers.costs))


def _condition(if_version: int | None) -> dict[str, str]:
    if if_version is None:
        return {}
    return {"If-Match": f'"{if_version}"'} if if_version else {"If-None-Match": "*"}


def _path(day: date | str, source: str) -> str:
    return f"{COSTS_PATH}/{quote(str(day), safe='')}/{quote(source, safe='')}"
