"""Record the outcomes of agent runs: code shared by the hooks and tools of all frameworks.

The idempotency key of a hook's outcome is the run's id; that of a tool's is `<run id>/<name>`, where the model names
the piece of work. So an outcome counts once, although a hook is called, a call is made, or a run is started again.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from ._async_client import AsyncOutcomesClient
from ._client import OutcomesClient
from ._errors import ConfigurationError, OutcomesError
from ._models import ListedType, NewOutcome, Recorded
from ._sending import LOG
from ._tools import SAME_KEY, WHEN, InvalidWork, advise, read_work, work_with

type Client = OutcomesClient | AsyncOutcomesClient
type MaybeOutcome = NewOutcome | None
"""The outcome of a run; None if there is nothing to record, even if the run ended well."""
type OutcomeOf[**Given] = Callable[Given, MaybeOutcome | Awaitable[MaybeOutcome]]
type RunId[Run] = str | Callable[[Run], str]
"""A run's id, 1 to 100 visible ASCII characters, or a function that finds it in what the framework knows of the run."""
type OutcomeTypes = str | Iterable[ListedType | str] | None
"""The outcome types that a model may choose from, such as `client.types()`. None: any type."""
type OnError = Callable[[Exception], object] | None
"""Called with the error of each outcome that could not be recorded, after it is logged. What it raises is raised."""


def run_key(run_id: str) -> str:
    """Return the idempotency key of a run. Keys of different runs differ, also when a slash and a name follow them.

    Raises:
        ConfigurationError: the id is empty, longer than 100 characters, or not visible ASCII.
    """
    if not re.fullmatch(r"[\x21-\x7e]{1,100}", run_id):
        raise ConfigurationError("A run's id must be 1 to 100 visible ASCII characters without spaces")
    # Without the length, run `a/b` with the name `c` would have the key of run `a` with the name `b/c`. In hexadecimal,
    # so that a key has at most 255 characters: "/64/", an id of 100, a slash, and a name of 150.
    return f"/{len(run_id):x}/{run_id}" if "/" in run_id else run_id


def key_getter[Run](run_id: RunId[Run]) -> Callable[[Run], str]:
    """Return a function that returns a run's key, given what the framework knows of the run."""
    if callable(run_id):
        return lambda run: run_key(run_id(run))
    key = run_key(str(run_id))  # frameworks also have ids that are numbers or UUIDs
    return lambda _: key


def record_run(
    client: OutcomesClient, outcome_of: Callable[[], MaybeOutcome], key: Callable[[], str], on_error: OnError
) -> None:
    """Record the outcome of a finished run, if there is one. Report a failure without raising: the run succeeded."""
    try:
        if (outcome := outcome_of()) is not None:
            client.record(**vars(replace(outcome, idempotency_key=outcome.idempotency_key or key())))
    except Exception as failure:  # noqa: BLE001 - any failure, also of the caller's functions
        _report(failure, on_error)


async def arecord_run(
    client: AsyncOutcomesClient, outcome_of: OutcomeOf[[]], key: Callable[[], str], on_error: OnError
) -> None:
    """Async version of `record_run`."""
    try:
        found = outcome_of()
        if (outcome := await found if inspect.isawaitable(found) else found) is not None:
            await client.record(**vars(replace(outcome, idempotency_key=outcome.idempotency_key or key())))
    except Exception as failure:  # noqa: BLE001 - as above
        _report(failure, on_error)


class Told(NamedTuple):
    """Tells a model about its work. failed: it was not recorded, and the text says what to do next."""

    text: str
    failed: bool


class Tool[Run]:
    """The tool with which a model records finished work, only for the client's user and agent.

    Raises:
        ConfigurationError: the client has no user, and a model must never choose one; or the run's id is invalid.
    """

    name, description = "record_outcome", f"{WHEN} {SAME_KEY}"

    def __init__(self, client: Client, run_id: RunId[Run], types: OutcomeTypes, on_error: OnError) -> None:
        defaults = client._calls.defaults
        if defaults.owner == "body" and defaults.user_id is None:
            raise ConfigurationError(
                "The tool needs a user to record for: give the client an agent key, or a user_id (OUTCOMES_USER_ID)"
            )
        self.arguments, self._key, self._on_error = work_with(types), key_getter(run_id), on_error
        self._record: Any = client.record

    def record(self, arguments: Mapping[str, Any] | str, run: Run) -> Told:
        """Record work as a model described it, a mapping or JSON."""
        try:
            return _recorded(self._record(**self._fields(arguments, run)))
        except Exception as failure:  # noqa: BLE001 - as above
            return self._failed(failure)

    async def arecord(self, arguments: Mapping[str, Any] | str, run: Run) -> Told:
        """Async version of `record`."""
        try:
            return _recorded(await self._record(**self._fields(arguments, run)))
        except Exception as failure:  # noqa: BLE001 - as above
            return self._failed(failure)

    def _fields(self, arguments: Mapping[str, Any] | str, run: Run) -> dict[str, Any]:
        work = read_work(self.arguments, arguments)
        return {**dict(work), "idempotency_key": f"{self._key(run)}/{work.idempotency_key}"}

    def _failed(self, failure: Exception) -> Told:
        if isinstance(failure, InvalidWork):
            return Told(str(failure), failed=True)
        _report(failure, self._on_error)
        why = failure if isinstance(failure, OutcomesError) else "Not recorded"
        return Told(f"{why}. {advise(failure)}", failed=True)


def _recorded(recorded: Recorded) -> Told:
    ignored = {"ignored_fields": recorded.ignored_fields} if recorded.ignored_fields else {}
    return Told(json.dumps({"id": recorded.id, "replayed": recorded.replayed, **ignored}), failed=False)


def _report(failure: Exception, on_error: OnError) -> None:
    """Log a failure with the idempotency key for repeating the call, then call `on_error`."""
    if isinstance(failure, OutcomesError):
        key = f", idempotency key {failure.idempotency_key}" if failure.idempotency_key else ""
        unknown = "It is not known whether an outcome was recorded"
        LOG.warning("%s%s: %s", unknown if failure._maybe_done else "An outcome was not recorded", key, failure)
    else:
        LOG.warning("An outcome was not recorded", exc_info=failure)
    if on_error is not None:
        on_error(failure)
