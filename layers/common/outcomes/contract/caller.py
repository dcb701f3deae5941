"""Describe the caller of a request, and check the bounds of an agent key."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from outcomes.errors import Fault, Forbidden

if TYPE_CHECKING:
    from collections.abc import Mapping, Set


class Bounds(NamedTuple):
    """The bounds of an agent key; None means no bound.

    user_id, agent_id: the only user and agent of the outcomes that the key may record; the defaults for a request.
    max_value_usd: the maximum absolute value of an outcome. max_per_day: the maximum number of outcomes and corrections
    that it records in a UTC day.
    """

    key_id: str
    user_id: int
    agent_id: int | None
    outcome_types: "Set[str] | None"
    max_value_usd: Decimal | None
    scopes: "Set[str]"
    max_per_day: int | None = None

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return a copy of `body` in which the key's user and agent replace missing ones."""
        own = {"userId": self.user_id, "agentId": self.agent_id}
        return body | {name: Decimal(id_) for name, id_ in own.items() if id_ is not None and body.get(name) is None}

    def check(self, fields: "Mapping[str, Any]", within: str = "") -> None:
        """Raise Forbidden, with all fields that are out of bounds, if there are any.

        fields: an outcome's fields, by the names in NewOutcome. within: the prefix of the fields' names in the request.
        """
        broken = {}
        if "user_id" in fields and fields["user_id"] != self.user_id:
            broken["userId"] = f"this key records for user {self.user_id} only"
        if self.agent_id is not None and "agent_id" in fields and fields["agent_id"] != self.agent_id:
            broken["agentId"] = f"this key records for agent {self.agent_id} only"
        types = self.outcome_types
        if types is not None and "outcome_type" in fields and fields["outcome_type"] not in types:
            broken["outcomeType"] = f"this key records only {', '.join(sorted(types))}"
        cap, value = self.max_value_usd, fields.get("value_usd")
        if cap is not None and value is not None and not -cap <= value <= cap:
            broken["valueUsd"] = f"this key records values of magnitude {cap} at most"
        if broken:
            raise Forbidden(details=[Fault(field=within + name, message=why) for name, why in broken.items()])


def kind_of(recorded_by: str) -> str:
    """Return the kind of the caller that a stored `recorded_by` names."""
    return {"key": "platform", "session": "owner"}.get(recorded_by, "agent")


class Caller(NamedTuple):
    """The caller: the owner with a session, an agent with an agent key, or the platform with its own key.

    platform_may_read: whether the deployment allows the platform to read outcomes.
    reads: whose outcomes the platform may read with this call: a user's id as text, or the text `none` for outcomes
    without a user. None if it may not read any.
    """

    session_user: int | None = None
    agent_key: Bounds | None = None
    platform_may_read: bool = False
    reads: str | None = None

    @property
    def kind(self) -> str:
        """Return `platform`, `agent` or `owner`."""
        return "agent" if self.agent_key else "platform" if self.session_user is None else "owner"

    @property
    def recorded_by(self) -> str:
        """Return `session`, `key:<id>` for an agent key, or `key` for the platform's key."""
        if self.agent_key:
            return f"key:{self.agent_key.key_id}"
        return "key" if self.session_user is None else "session"

    @property
    def limited_key(self) -> Bounds | None:
        """Return the agent key if it has a limit of what it records in a day."""
        return self.agent_key if self.agent_key and self.agent_key.max_per_day is not None else None

    @property
    def may_read(self) -> bool:
        """Check whether this caller may see outcomes in answers."""
        if self.agent_key:
            return "read" in self.agent_key.scopes
        return self.session_user is not None or self.platform_may_read

    @property
    def may_backfill(self) -> bool:
        """Check whether the caller may record outcomes older than MAX_DAYS_LATE."""
        return "backfill" in self.agent_key.scopes if self.agent_key else self.session_user is None

    def require(self, scope: str) -> None:
        """Raise Forbidden if the caller is an agent key without `scope`."""
        if self.agent_key and scope not in self.agent_key.scopes:
            raise Forbidden(details=[Fault(field="scopes", message=f"this needs the scope {scope}")])
