"""Record the outcomes of agent runs: code shared by the hooks and tools of all frameworks.

A hook records a finished run with the run's id as idempotency key. The tool uses `<run id>/<name>` as key, and the
model chooses a name for each piece of work. So an outcome counts only once if a hook is called twice, a model repeats
its call, or the caller repeats a run with the same id. If a run's id contains a slash, the id's length precedes it:
otherwise run `a/b` with the name `c` would have the key of run `a` with the name `b/c`.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from ._async_client import AsyncOutcomesClient
from ._client import OutcomesClient
from ._errors import ConfigurationError, OutcomesError
from ._models import ListedType, NewOutcome, Recorded
from ._sending import LOG
from ._tools import SAME_KEY, WHEN, Work, advise

TOOL = "record_outcome"
TOOL_DESCRIPTION = f"{WHEN} {SAME_KEY}"

type OnError = Callable[[Exception], object]
"""Called with the error of each outcome that could not be recorded, after it is logged. What it raises is raised."""
type OutcomeTypes = Iterable[ListedType | str] | None
"""The outcome types that a model may choose from, such as `client.types()`. None: any type."""
type MaybeOutcome = NewOutcome | None
"""The outcome of a run; None if there is nothing to record, even if the run ended well."""


class Refused(Exception):
    """Tells a model why its work was not recorded, and what to do next."""


def check_run_id(run_id: str) -> str:
    """Return `run_id` if an idempotency key can contain it together with a name.

    Raises:
        ConfigurationError: `run_id` is empty, longer than 100 characters, or not visible ASCII.
    """
    if re.fullmatch(r"[\x21-\x7e]{1,100}", run_id):
        return run_id
    raise ConfigurationError("A run's id must be 1 to 100 visible ASCII characters without spaces")


def run_id_getter[Context](run_id: str | Callable[[Context], str]) -> Callable[[Context], str]:
    """Return a function that returns the run id, given the context that the framework passes to a tool or a hook.

    Raises:
        ConfigurationError: the id is no function and does not fit into an idempotency key.
    """
    if callable(run_id):
        return run_id
    checked = check_run_id(str(run_id))  # frameworks also have ids that are numbers or UUIDs
    return lambda _: checked


def check_owner(client: OutcomesClient | AsyncOutcomesClient) -> None:
    """Check that the client has a user to record for. The user comes from its key, its session or its `user_id`.

    Raises:
        ConfigurationError: the client has no user, and a model must never choose one.
    """
    defaults = client._calls.defaults
    if defaults.owner == "body" and defaults.user_id is None:
        raise ConfigurationError(
            "The tool needs a user to record for: give the client an agent key, or a user_id (OUTCOMES_USER_ID)"
        )


def record_finished(
    client: OutcomesClient, outcome_of: Callable[[], MaybeOutcome], run_id: Callable[[], str], on_error: OnError | None
) -> None:
    """Record the outcome of a finished run, if there is one.

    Report errors without raising, because the run itself succeeded.
    """
    try:
        outcome = outcome_of()
        if outcome is not None:
            client.record(**_run_arguments(outcome, run_id))
    except Exception as failure:  # noqa: BLE001 - any failure, also of the caller's functions
        _report(failure, on_error)


async def arecord_finished(
    client: AsyncOutcomesClient,
    outcome_of: Callable[[], MaybeOutcome | Awaitable[MaybeOutcome]],
    run_id: Callable[[], str],
    on_error: OnError | None,
) -> None:
    """Async version of `record_finished`."""
    try:
        result = outcome_of()
        outcome = await result if inspect.isawaitable(result) else result
        if outcome is not None:
            await client.record(**_run_arguments(outcome, run_id))
    except Exception as failure:  # noqa: BLE001 - as above
        _report(failure, on_error)


def record_work(
    client: OutcomesClient,
    arguments: Mapping[str, Any] | str,
    run_id: Callable[[], str],
    on_error: OnError | None,
    kind: type[Work],
) -> str:
    """Record the work that a model described in `arguments` (a mapping or JSON). Return the text to send to the model.

    Raises:
        Refused: the work was not recorded.
    """
    work = _work(arguments, kind)
    try:
        return _answer(client.record(**_work_arguments(work, run_id)))
    except Exception as failure:
        raise _refusal(failure, on_error) from failure


async def arecord_work(
    client: AsyncOutcomesClient,
    arguments: Mapping[str, Any] | str,
    run_id: Callable[[], str],
    on_error: OnError | None,
    kind: type[Work],
) -> str:
    """Async version of `record_work`."""
    work = _work(arguments, kind)
    try:
        return _answer(await client.record(**_work_arguments(work, run_id)))
    except Exception as failure:
        raise _refusal(failure, on_error) from failure


def mistakes(invalid: ValidationError) -> str:
    """Return a text that tells a model which arguments are wrong, without repeating their values."""
    said = "; ".join(
        f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg'].removeprefix('Value error, ')}"
        for one in invalid.errors()
    )
    return f"Not recorded: {said}. Change that and call again."


def _run_arguments(outcome: NewOutcome, run_id: Callable[[], str]) -> dict[str, Any]:
    """Return the arguments for `record`. An idempotency key given by the caller takes precedence over the run id."""
    return vars(replace(outcome, idempotency_key=outcome.idempotency_key or _key_of_run(run_id())))


def _work_arguments(work: Work, run_id: Callable[[], str]) -> dict[str, Any]:
    return {**dict(work), "idempotency_key": f"{_key_of_run(run_id())}/{work.idempotency_key}"}


def _key_of_run(run_id: str) -> str:
    """Return the idempotency key of a run. Keys of different runs differ, also when a name follows them."""
    # In hexadecimal, so that a key has at most 255 characters: "/64/", an id of 100, a slash, and a name of 150.
    return f"/{len(run_id):x}/{run_id}" if "/" in check_run_id(run_id) else run_id


def _work(arguments: Mapping[str, Any] | str, kind: type[Work]) -> Work:
    try:
        return kind.model_validate_json(arguments) if isinstance(arguments, str) else kind.model_validate(arguments)
    except ValidationError as invalid:
        raise Refused(mistakes(invalid)) from invalid


def _answer(recorded: Recorded) -> str:
    answer: dict[str, Any] = {"id": recorded.id, "replayed": recorded.replayed}
    if recorded.ignored_fields:
        answer["ignored_fields"] = recorded.ignored_fields
    return json.dumps(answer)


def _refusal(failure: Exception, on_error: OnError | None) -> Refused:
    _report(failure, on_error)
    if isinstance(failure, OutcomesError):
        return Refused(f"{failure}. {advise(failure)}")
    return Refused("Not recorded. You cannot fix this: tell the person who runs this agent.")


def _report(failure: Exception, on_error: OnError | None) -> None:
    """Log a failure with the idempotency key for repeating the call, then call `on_error`."""
    if isinstance(failure, OutcomesError):
        key = f", idempotency key {failure.idempotency_key}" if failure.idempotency_key else ""
        not_recorded = "An outcome was not recorded"
        ended = "It is not known whether an outcome was recorded" if failure._maybe_done else not_recorded
        LOG.warning("%s%s: %s", ended, key, failure)
    else:
        LOG.warning("An outcome was not recorded", exc_info=failure)
    if on_error is not None:
        on_error(failure)
