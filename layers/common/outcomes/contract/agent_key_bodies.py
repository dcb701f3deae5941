"""Parse the request bodies that create, rotate, pause or resume an agent key."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from outcomes.contract.bodies import Body
from outcomes.contract.outcome_type import Types
from outcomes.contract.rules import (
    future_instant,
    magnitude,
    or_default,
    or_null,
    some_of,
    some_types,
    text,
    whole_number,
)
from outcomes.limits import DEFAULT_OVERLAP_HOURS, MAX_KEY_NAME, MAX_OVERLAP_HOURS, MAX_PER_DAY


class Scope(StrEnum):
    RECORD = "record"
    READ = "read"
    CORRECT = "correct"
    BACKFILL = "backfill"
    COST = "cost"


class NewAgentKey(NamedTuple):
    """A valid request to create an agent key. None means no limit.

    max_value_usd: the maximum absolute value of one outcome. expires_at: milliseconds since 1970. max_per_day: the
    maximum number of outcomes and corrections in a UTC day; a body without it means the deployment's default.
    """

    name: Annotated[str, text(MAX_KEY_NAME)]
    user_id: Annotated[int, whole_number()]
    agent_id: Annotated[int | None, or_null(whole_number())] = None
    outcome_types: Annotated[tuple[str, ...] | None, or_null(some_types())] = None
    max_value_usd: Annotated[Decimal | None, or_null(magnitude())] = None
    scopes: Annotated[tuple[Scope, ...], or_default(some_of(Scope), (Scope.RECORD,))] = (Scope.RECORD,)
    expires_at: Annotated[int | None, or_null(future_instant())] = None
    max_per_day: Annotated[int | None, or_null(whole_number(1, MAX_PER_DAY))] = None


class Rotation(NamedTuple):
    """A valid request to rotate an agent key. overlap_hours: how long the current secret stays valid."""

    user_id: Annotated[int, whole_number()]
    overlap_hours: Annotated[int, or_default(whole_number(0, MAX_OVERLAP_HOURS), DEFAULT_OVERLAP_HOURS)] = (
        DEFAULT_OVERLAP_HOURS
    )


class Pause(NamedTuple):
    """A valid request to pause or resume an agent key."""

    user_id: Annotated[int, whole_number()]


NEW_AGENT_KEY = Body(NewAgentKey)
ROTATION = Body(Rotation)
PAUSE = Body(Pause)


def read_body[T](kind: Body[T], body: dict[str, Any], *, session_user: int | None, types: Types | None = None) -> T:
    """Parse a body, a JSON object whose numbers are `Decimal`. Raises BadRequest.

    session_user: replaces the body's `userId`; None if the platform is calling. types: see `Body.given`.
    """
    return kind.read(body if session_user is None else body | {"userId": Decimal(session_user)}, types)
