"""The requests and responses of both endpoints in this folder, which the bench compares with ours.

Both endpoints store outcomes in the same table with the same layout.
"""

import json
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

WholeNumber = Annotated[int, Field(ge=1, le=2**53 - 1)]


class Outcome(BaseModel):
    """The body of a POST request."""

    model_config = ConfigDict(alias_generator=to_camel)

    outcome_type: Literal[
        "negotiation_complete",
        "amplification_complete",
        "deal_closed",
        "broadcast_complete",
        "task_complete",
        "content_published",
    ]
    title: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=1000)] | None = None
    value_usd: Decimal | None = None
    agent_id: WholeNumber | None = None
    user_id: WholeNumber | None = None
    metadata: dict[str, Any] | None = None

    def item(self) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        item = self.model_dump(exclude_none=True) | {
            "user_id": str(self.user_id),
            "created_at": f"{now}#{uuid.uuid4()}",
        }
        return item | ({} if self.metadata is None else {"metadata": json.dumps(self.metadata)})


class StoredOutcome(BaseModel):
    """An outcome in a list."""

    id: str
    user_id: int | None
    agent_id: int | None = None
    outcome_type: str
    title: str
    description: str | None = None
    value_usd: float | None = None
    metadata: dict[str, Any] | None = None
    created_at: str


class Outcomes(BaseModel):
    """The answer to a GET request."""

    outcomes: list[StoredOutcome]

    @classmethod
    def of(cls, items: list[dict[str, Any]]) -> "Outcomes":
        outcomes = []
        for item in items:
            created_at, _, id_ = item["created_at"].partition("#")
            metadata = json.loads(item["metadata"]) if "metadata" in item else None
            outcomes.append(item | {"id": id_, "created_at": created_at, "metadata": metadata})
        return cls.model_validate({"outcomes": outcomes})
