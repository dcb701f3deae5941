"""Share code between the tests of the agent frameworks."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from outcomes_client import AsyncOutcomesClient, NewOutcome, Retry
from outcomes_client.testing import OutcomesFake

from clients.python.tests.conftest import Api

README = (Path(__file__).parents[1] / "README.md").read_text()
WORK = {"outcome_type": "task_complete", "title": "Sent the offer", "idempotency_key": "offer-sent", "value_usd": 12.5}
DEAL = NewOutcome(outcome_type="deal_closed", title="Acme renewed", user_id=42)
FOR_ANOTHER: list[dict[str, Any]] = [{"user_id": 43}, {"userId": 43}, {"agent_id": 8}, {"title": ""}]
"""Arguments that a model must not give."""


def example(heading: str) -> dict[str, Any]:
    """Run the example below a heading of the client's README. Return its global variables."""
    [code] = re.findall(rf"^### {heading}\n+```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    module: dict[str, Any] = {}
    exec(code, module)  # noqa: S102 - code of our own page
    return module


def keys(api: Api) -> list[str]:
    """Return the idempotency keys of all requests."""
    return [headers["Idempotency-Key"] for headers, _ in api.door.requests]


@asynccontextmanager
async def client_of_this_loop() -> AsyncIterator[tuple[AsyncOutcomesClient, OutcomesFake]]:
    """Yield a client and a fake API that share this event loop.

    If a call blocks the loop, the fake cannot answer, and the call times out.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, target = head.split(" ")[:2]
        headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:-2])
        given = {name.title(): value for name, value in headers.items()}
        body = await reader.readexactly(int(given["Content-Length"]))
        status, more, answer = fake.answer(method, target, given.items(), body)
        lines = [f"{name}: {value}" for name, value in {**more, "Content-Length": len(answer)}.items()]
        writer.write("\r\n".join([f"HTTP/1.1 {status} OK", "Connection: close", *lines, "\r\n"]).encode() + answer)
        await writer.drain()
        writer.close()

    with OutcomesFake() as fake:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            brief = Retry(deadline=2, timeout=2)
            async with AsyncOutcomesClient(f"http://127.0.0.1:{port}", fake.key, user_id=42, retry=brief) as client:
                yield client, fake
