"""Record what runs of agents come to: what the hooks and tools for all frameworks share.

The idempotency key is the run's id for what a hook records when the run has finished, and `<run id>/<name>` for what
the tool records, where the model names each piece of its work. So neither a hook that is called twice, nor a model that
calls again, nor a run that its caller starts again under the same id counts anything twice.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from ._async_client import AsyncOutcomesClient
from ._client import OutcomesClient
from ._errors import BusyError, ConfigurationError, OutcomesError
from ._models import NewOutcome, Recorded
from ._sending import LOG
from ._tools import SAME_KEY, WHEN, Work, advise

TOOL = "record_outcome"
TOOL_DESCRIPTION = f"{WHEN} {SAME_KEY}"
TOOL_SCHEMA = Work.model_json_schema()

type OnError = Callable[[Exception], object]
"""Is told of each outcome that could not be recorded, after the log `outcomes_client`. What it raises is raised."""
type Judged = NewOutcome | None
"""The outcome that a run came to; None for nothing, however well it ended."""


class Refused(Exception):
    """Says to a model why its work was not recorded, and what to do next."""


def check_run_id(run_id: str) -> str:
    """Hand back a run's id that leaves room for a name beside it in an idempotency key.

    Raises:
        ConfigurationError: it does not, or no key can hold it.
    """
    if re.fullmatch(r"[\x21-\x7e]{1,100}", run_id):
        return run_id
    raise ConfigurationError("A run's id must be 1 to 100 visible ASCII characters without spaces")


def of_run[Context](run_id: str | Callable[[Context], str]) -> Callable[[Context], str]:
    """Make a function that tells the run's id from what the framework hands to a tool or a hook.

    Raises:
        ConfigurationError: the id is a text that cannot be in a key.
    """
    if not isinstance(run_id, str):
        return run_id
    checked = check_run_id(run_id)
    return lambda _: checked


def check_owner(client: OutcomesClient | AsyncOutcomesClient) -> None:
    """Let a tool record for the user of the client's key or session, or for the one that the client names.

    Raises:
        ConfigurationError: nothing says whose outcomes they are; a model never does.
    """
    told = client._calls.defaults
    if told.owner == "body" and told.user_id is None:
        raise ConfigurationError(
            "Whose outcomes does the tool record? Make the client with an agent key, or with a user_id "
            "(OUTCOMES_USER_ID)"
        )


def record_finished(
    client: OutcomesClient, judge: Callable[[], Judged], run_id: Callable[[], str], on_error: OnError | None
) -> None:
    """Record what a run came to, if anything; on a failure only tell of it, as the run itself went well."""
    try:
        outcome = judge()
        if outcome is not None:
            client.record(**_of_run(outcome, run_id))
    except Exception as failure:  # noqa: BLE001 - whatever it is, also in the caller's own functions
        _tell(failure, on_error)


async def arecord_finished(
    client: AsyncOutcomesClient,
    judge: Callable[[], Judged | Awaitable[Judged]],
    run_id: Callable[[], str],
    on_error: OnError | None,
) -> None:
    """Do what `record_finished` does, awaited."""
    try:
        judged = judge()
        outcome = await judged if inspect.isawaitable(judged) else judged
        if outcome is not None:
            await client.record(**_of_run(outcome, run_id))
    except Exception as failure:  # noqa: BLE001 - as above
        _tell(failure, on_error)


def record_work(
    client: OutcomesClient, arguments: Mapping[str, Any] | str, run_id: Callable[[], str], on_error: OnError | None
) -> str:
    """Record what a model says it has done, in arguments or their JSON, and answer it.

    Raises:
        Refused: it is not recorded.
    """
    work = _work(arguments)
    try:
        return _answer(client.record(**_of_work(work, run_id)))
    except Exception as failure:
        raise _refusal(failure, on_error) from failure


async def arecord_work(
    client: AsyncOutcomesClient,
    arguments: Mapping[str, Any] | str,
    run_id: Callable[[], str],
    on_error: OnError | None,
) -> str:
    """Do what `record_work` does, awaited."""
    work = _work(arguments)
    try:
        return _answer(await client.record(**_of_work(work, run_id)))
    except Exception as failure:
        raise _refusal(failure, on_error) from failure


def mistakes(invalid: ValidationError) -> str:
    """Say to a model which of its arguments are wrong, without their values."""
    said = "; ".join(
        f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg'].removeprefix('Value error, ')}"
        for one in invalid.errors()
    )
    return f"Not recorded: {said}. Change that and call again."


def _of_run(outcome: NewOutcome, run_id: Callable[[], str]) -> dict[str, Any]:
    """Make arguments of `record`; a key that the caller gave is the name of work that outlives the run."""
    return vars(replace(outcome, idempotency_key=outcome.idempotency_key or check_run_id(run_id())))


def _of_work(work: Work, run_id: Callable[[], str]) -> dict[str, Any]:
    return {**dict(work), "idempotency_key": f"{check_run_id(run_id())}/{work.idempotency_key}"}


def _work(arguments: Mapping[str, Any] | str) -> Work:
    try:
        return Work.model_validate_json(arguments) if isinstance(arguments, str) else Work.model_validate(arguments)
    except ValidationError as invalid:
        raise Refused(mistakes(invalid)) from invalid


def _answer(recorded: Recorded) -> str:
    answer: dict[str, Any] = {"id": recorded.id, "replayed": recorded.replayed}
    if recorded.ignored_fields:
        answer["ignored_fields"] = recorded.ignored_fields
    return json.dumps(answer)


def _refusal(failure: Exception, on_error: OnError | None) -> Refused:
    _tell(failure, on_error)
    if isinstance(failure, OutcomesError):
        return Refused(f"{failure}. {advise(failure)}")
    return Refused("Not recorded. You cannot mend this: tell the person who runs this agent.")


def _tell(failure: Exception, on_error: OnError | None) -> None:
    """Log a failure, with the key to record again by, and hand it on."""
    if isinstance(failure, OutcomesError):
        key = f", idempotency key {failure.idempotency_key}" if failure.idempotency_key else ""
        # BusyError is retryable, too, but says that nothing was done.
        uncertain = failure.retryable and not isinstance(failure, BusyError)
        ended = "It is not known whether an outcome was recorded" if uncertain else "An outcome is not recorded"
        LOG.warning("%s%s: %s", ended, key, failure)
    else:
        LOG.warning("An outcome is not recorded", exc_info=failure)
    if on_error is not None:
        on_error(failure)
