"""The API as tools for a model, by the Model Context Protocol (https://modelcontextprotocol.io)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from decimal import Decimal
from importlib.metadata import version
from typing import Annotated, Any

import anyio
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import BaseModel, ConfigDict, Field

from ._client import AsyncOutcomesClient
from ._errors import (
    ConfigurationError,
    InvalidOutcomeError,
    KeyReusedError,
    OutcomesError,
)
from ._models import NewOutcome, OutcomeType, Page, Recorded, Result, Summary

WHEN = (
    "Record an outcome when you have finished something that the user would pay for: a deal closed, a negotiation "
    "finished, content published, a task completed. Not for steps on the way, attempts, or plans. It appears in the "
    "user's Value Delivered feed and cannot be deleted."
)
SAME_KEY = (
    "To repeat a call that failed or whose answer was lost, send the same idempotency_key with the same fields: "
    "it then counts once."
)

Title = Annotated[
    str, Field(description="What was achieved, in one line a person understands.", min_length=1, max_length=200)
]
Description = Annotated[
    str | None, Field(description="More about it, for the person who reads the feed.", max_length=1000)
]
Value = Annotated[
    Decimal | None,
    Field(description="What it is worth in US dollars, if you know; never a guess. A string keeps every digit."),
]
Metadata = Annotated[dict[str, Any] | None, Field(description="Anything else worth keeping, such as ids and links.")]
AgentId = Annotated[int | None, Field(description="Which agent did it. Leave out if the server sets it.", ge=1)]
UserId = Annotated[int | None, Field(description="For which user. Leave out if the server sets it.", ge=1)]
Key = Annotated[
    str,
    Field(
        description="The name of this piece of work, never used for another: 'deal-4711-closed', or a random UUID.",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
    ),
]
Types = Annotated[list[OutcomeType] | None, Field(description="Only these types.")]
From = Annotated[str | None, Field(description="From this ISO 8601 instant or date on.")]
To = Annotated[str | None, Field(description="Before this ISO 8601 instant or date.")]


class Item(BaseModel):
    """One outcome of several."""

    model_config = ConfigDict(extra="forbid")

    outcome_type: OutcomeType
    title: Title
    idempotency_key: Key
    description: Description = None
    value_usd: Value = None
    metadata: Metadata = None
    agent_id: AgentId = None
    user_id: UserId = None


@dataclass(frozen=True)
class Fixed:
    """Whose outcomes this server records; a model cannot say otherwise."""

    agent_id: int | None
    user_id: int | None

    @classmethod
    def from_environment(cls) -> Fixed:
        """`OUTCOMES_AGENT_ID` and `OUTCOMES_USER_ID`; raises ConfigurationError if one is no whole number."""
        return cls(_whole("OUTCOMES_AGENT_ID"), _whole("OUTCOMES_USER_ID"))

    def __str__(self) -> str:
        given = [f"{name} {value}" for name, value in vars(self).items() if value is not None]
        return f" This server records for {' and '.join(given)} only." if given else ""

    def apply(self, item: Item) -> NewOutcome:
        given = {"agent_id": item.agent_id, "user_id": item.user_id}
        for name, value in given.items():
            own = getattr(self, name)
            if own is not None and value not in (None, own):
                raise ToolError(f"This server records for {name} {own} only. Leave {name} out and call again.")
        return NewOutcome(
            outcome_type=item.outcome_type,
            title=item.title,
            description=item.description,
            value_usd=item.value_usd,
            metadata=item.metadata,
            agent_id=self.agent_id or item.agent_id,
            user_id=self.user_id or item.user_id,
            idempotency_key=item.idempotency_key,
        )


def _whole(name: str) -> int | None:
    text = os.environ.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and int(text) >= 1):
        raise ConfigurationError(f"{name} must be a whole number of at least 1")
    return int(text)


@contextmanager
def _mendable() -> Iterator[None]:
    """Errors in words that say what to do next."""
    try:
        yield
    except OutcomesError as failure:
        match failure:
            case InvalidOutcomeError():
                advice = "Change what is named and call again; the idempotency_key may stay."
            case KeyReusedError():
                advice = (
                    "Another outcome has this idempotency_key. If it is the same work, it is already recorded: do "
                    "nothing. If it is other work, call again with a new idempotency_key."
                )
            case _ if failure.retryable:
                advice = "It may or may not have been done. Call again later with the same idempotency_key and fields."
            case _:
                advice = "You cannot mend this: tell the person who runs this server."
        raise ToolError(f"{failure}. {advice}") from failure


@dataclass(frozen=True)
class Recording:
    """What became of each outcome, in order."""

    recorded: int
    not_recorded: int
    results: list[Result]


def build(client: AsyncOutcomesClient, fixed: Fixed) -> MCPServer[Any]:
    """The server, not yet running."""
    server: MCPServer[Any] = MCPServer(
        "outcomes",
        title="Outcomes",
        instructions=f"{WHEN} {SAME_KEY}{fixed}",
        version=version("outcomes-client"),
        log_level="WARNING",
    )
    # Idempotent because the key is required: the same call again has no further effect.
    recording = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True)
    reading = ToolAnnotations(read_only_hint=True)

    @server.tool(title="Record an outcome", description=f"{WHEN} {SAME_KEY}", annotations=recording)
    async def record_outcome(
        outcome_type: OutcomeType,
        title: Title,
        idempotency_key: Key,
        description: Description = None,
        value_usd: Value = None,
        metadata: Metadata = None,
        agent_id: AgentId = None,
        user_id: UserId = None,
    ) -> Recorded:
        item = Item(
            outcome_type=outcome_type,
            title=title,
            idempotency_key=idempotency_key,
            description=description,
            value_usd=value_usd,
            metadata=metadata,
            agent_id=agent_id,
            user_id=user_id,
        )
        with _mendable():
            new = fixed.apply(item)
            return await client.record(**{field.name: getattr(new, field.name) for field in fields(new)})

    @server.tool(
        title="Record several outcomes",
        description=(
            f"Record up to 100 outcomes at once. {WHEN} A faulty item does not stop the others: mend what is "
            f"`invalid`, give what is in `conflict` a new key if it is other work, repeat what `failed`. {SAME_KEY}"
        ),
        annotations=recording,
    )
    async def record_outcomes(outcomes: Annotated[list[Item], Field(min_length=1, max_length=100)]) -> Recording:
        with _mendable():
            results = await client.record_many([fixed.apply(item) for item in outcomes])
        recorded = sum(one.ok for one in results)
        return Recording(recorded, len(results) - recorded, results)

    @server.tool(
        title="List outcomes",
        description=(
            "The user's recorded outcomes, newest first. Use it to see whether something is recorded already. "
            "To go on, call again with `cursor` set to the `next_cursor` of the page before, until that is null."
        ),
        annotations=reading,
    )
    async def list_outcomes(
        limit: Annotated[int, Field(ge=1, le=50)] = 20,
        cursor: str | None = None,
        outcome_types: Types = None,
        agent_id: Annotated[int | None, Field(description="Only this agent's.", ge=1)] = None,
        start: From = None,
        end: To = None,
    ) -> Page:
        with _mendable():
            return await client.list(
                limit=limit, cursor=cursor, outcome_type=outcome_types, agent_id=agent_id, start=start, end=end
            )

    @server.tool(
        title="Sum up the value",
        description=(
            "Count and exact value in US dollars of the user's outcomes: in total, by type, by agent and by day. "
            "The last 30 days unless `start` and `end` say otherwise; at most 366 days."
        ),
        annotations=reading,
    )
    async def value_summary(
        start: From = None,
        end: To = None,
        timezone: Annotated[str | None, Field(description="IANA name, for where days begin; default UTC.")] = None,
    ) -> Summary:
        with _mendable():
            return await client.summary(start=start, end=end, timezone=timezone)

    return server


def serve(client: AsyncOutcomesClient, port: int | None) -> None:
    """Run until the peer goes (stdio, where `port` is None) or until interrupted (streamable HTTP on 127.0.0.1)."""
    server = build(client, Fixed.from_environment())

    async def run() -> None:
        async with client:
            if port is None:
                await server.run_stdio_async()
            else:
                await server.run_streamable_http_async(host="127.0.0.1", port=port)

    anyio.run(run)
