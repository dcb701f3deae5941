"""Models of the bodies that make an agent key, or rotate one: each field with its rule."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from outcomes.contract.bodies import Body
from outcomes.contract.limits import DEFAULT_OVERLAP_HOURS, MAX_KEY_NAME, MAX_OVERLAP_HOURS
from outcomes.contract.outcome_type import OutcomeType
from outcomes.contract.rules import future_instant, magnitude, or_default, or_null, some_of, text, whole_number


class Scope(StrEnum):
    """A right that an agent key can have."""

    RECORD = "record"
    READ = "read"
    CORRECT = "correct"
    BACKFILL = "backfill"


class NewAgentKey(NamedTuple):
    """A key as its user wants it, valid. What is None is no bound.

    max_value_usd: the greatest magnitude of one outcome's value. expires_at: milliseconds since 1970.
    """

    name: Annotated[str, text(MAX_KEY_NAME)]
    user_id: Annotated[int, whole_number()]
    agent_id: Annotated[int | None, or_null(whole_number())] = None
    outcome_types: Annotated[tuple[OutcomeType, ...] | None, or_null(some_of(OutcomeType))] = None
    max_value_usd: Annotated[Decimal | None, or_null(magnitude())] = None
    scopes: Annotated[tuple[Scope, ...], or_default(some_of(Scope), (Scope.RECORD,))] = (Scope.RECORD,)
    expires_at: Annotated[int | None, or_null(future_instant())] = None


class Rotation(NamedTuple):
    """A rotation as asked for. overlap_hours: for which the present secret works beside the new one."""

    user_id: Annotated[int, whole_number()]
    overlap_hours: Annotated[int, or_default(whole_number(0, MAX_OVERLAP_HOURS), DEFAULT_OVERLAP_HOURS)] = (
        DEFAULT_OVERLAP_HOURS
    )


NEW_AGENT_KEY = Body(NewAgentKey)
ROTATION = Body(Rotation)


def read_new_key(body: dict[str, Any], *, session_user: int | None) -> NewAgentKey:
    """Read the key that `body` asks for, a JSON object whose numbers are `Decimal`.

    session_user: the user who is calling by session, and whose key it then is, whatever the body says; None for the
    platform, whose body says it.

    Raises BadRequest, naming every fault.
    """
    return NEW_AGENT_KEY.read(_of(session_user, body))


def read_rotation(body: dict[str, Any], *, session_user: int | None) -> Rotation:
    """Read how a key is to be rotated, as `read_new_key` does."""
    return ROTATION.read(_of(session_user, body))


def _of(session_user: int | None, body: dict[str, Any]) -> dict[str, Any]:
    return body if session_user is None else body | {"userId": Decimal(session_user)}
