"""Texts, fields and advice for language models, shared by the tools for all agent frameworks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema, create_model

from . import _json
from ._choices import OutcomeType
from ._errors import (
    BusyError,
    ForbiddenError,
    InvalidOutcomeError,
    KeyReusedError,
    OutcomesError,
)
from ._models import ListedType
from ._requests import listed

WHEN = (
    "Record an outcome when you have finished something that the user would pay for: a deal closed, a negotiation "
    "finished, content published, a task completed. Not for steps on the way, attempts, or plans. It appears in the "
    "user's Value Delivered feed and is never deleted, only corrected for the user to see."
)
SAME_KEY = (
    "To repeat a call that failed or whose answer was lost, send the same idempotency_key with the same fields: "
    "it then counts once."
)

# A test checks that these schemas equal those of the API's own tool. So WithJsonSchema replaces some schemas that
# pydantic would generate.
Type = Annotated[
    str,
    Field(description=f"The kind of work: {', '.join(OutcomeType)}, unless the platform has others."),
    WithJsonSchema({"type": "string", "examples": list(OutcomeType)}),
]
Value = Annotated[
    Decimal | None,
    Field(description="What it is worth in US dollars, if you know; never a guess. A string keeps every digit."),
    WithJsonSchema({"anyOf": [{"type": ["number", "string"]}, {"type": "null"}]}),
]
# make contract: fields for models
Title = Annotated[
    str,
    Field(
        description="What was achieved, in one line a person understands.",
        min_length=1,
        max_length=200,
    ),
]
Description = Annotated[
    str | None,
    Field(
        description="More about it, for the person who reads the feed.",
        max_length=1000,
    ),
]
Metadata = Annotated[
    dict[str, Any] | None,
    Field(
        description="Anything else worth keeping, such as ids and links.",
    ),
]
OccurredAt = Annotated[
    str | None,
    Field(
        description="When it happened, if not now: an RFC 3339 instant with offset. Leave out unless you know.",
    ),
]
# end of make contract
Key = Annotated[
    str,
    Field(
        description="The name of this piece of work, never used for another: 'deal-4711-closed', or a random UUID.",
        min_length=1,
        max_length=255,
        pattern="^[!-~]+$",
    ),
]


class Work(BaseModel):
    """A finished piece of work, as a language model describes it. It has no user: the model must not choose one."""

    model_config = ConfigDict(extra="forbid")

    outcome_type: Type
    title: Title
    idempotency_key: Annotated[Key, Field(max_length=150)]
    # make contract: optional fields of work
    description: Description = None
    value_usd: Value = None
    metadata: Metadata = None
    occurred_at: OccurredAt = None
    # end of make contract


def work_with(types: str | Iterable[ListedType | str] | None) -> type[Work]:
    """Return a variant of `Work` that allows only these outcome types. None allows any type."""
    if types is None:
        return Work
    names = [each.type if isinstance(each, ListedType) else each for each in listed(types)]
    offered: Any = Literal[tuple(names)]
    return create_model("Work", __base__=Work, outcome_type=(offered, ...))


class InvalidWork(Exception):
    """Tells a model which arguments are wrong."""


def read_work(model: type[Work], arguments: Mapping[str, Any] | str) -> Work:
    """Read work as a model described it, a mapping or JSON. Raises InvalidWork."""
    try:
        # pydantic would read numbers as floats
        return model.model_validate(_json.decode(arguments.encode()) if isinstance(arguments, str) else arguments)
    except ValidationError as invalid:
        raise InvalidWork(mistakes(invalid)) from invalid
    except ValueError as invalid:
        raise InvalidWork(f"Not recorded: arguments: Invalid JSON: {invalid}. Change that and call again.") from invalid


def mistakes(invalid: ValidationError) -> str:
    """Return a text that tells a model which arguments are wrong, without repeating their values."""
    said = "; ".join(
        f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg'].removeprefix('Value error, ')}"
        for one in invalid.errors()
    )
    return f"Not recorded: {said}. Change that and call again."


def advise(failure: Exception) -> str:
    """Return a text that tells a model what to do about a failure."""
    match failure:
        case InvalidOutcomeError():
            return "Change what is named and call again; the idempotency_key may stay."
        case KeyReusedError():
            return (
                "Another outcome has this idempotency_key. If it is the same work, it is already recorded: do nothing. "
                "If it is other work, call again with a new idempotency_key."
            )
        case ForbiddenError():
            return (
                "That is beyond what this agent's key may record. Do not bend the facts to fit, but tell the person "
                "who runs this agent."
            )
        case BusyError():
            return "Call again later with the same idempotency_key and fields."
        case OutcomesError() if failure.retryable:
            return "It may or may not have been done. Call again later with the same idempotency_key and fields."
        case _:
            return "You cannot fix this: tell the person who runs this agent."
