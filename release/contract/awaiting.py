"""Generate the async client from the blocking one."""

import re
from collections.abc import Mapping
from pathlib import Path

from release.contract.blocks import formatted
from release.contract.source import ROOT

BLOCKING = ROOT / "clients/python/src/outcomes_client/_client.py"
AWAITING = BLOCKING.with_name("_async_client.py")

RULES = {
    r"The blocking (.*) `make contract` generates .* from this module\.": (
        r"The async \1 `make contract` generates this module from _client.py."
    ),
    r"with blocking calls\. Threads may share a client\.": "with async calls, on asyncio and trio.",
    r"Close the client, or use `with`": "Close the client with `aclose`, or use `async with`",
    r"\b(OutcomesClient|Iterator)\b": r"Async\1",
    r"\bdef (?!__init__|__repr__)": "async def ",
    r"__(enter|exit)__": r"__a\1__",
    r"(?<=[ .])close\(": "aclose(",
    r"(?<!def )self\.(_run|aclose|_http\.aclose)\(": r"await self.\1(",
    r"self\._send\(step\)": "await in_time(step.timeout, self._send(step))",
    r"time\.sleep\(": "await anyio.sleep(",
    r"yield from page\.outcomes": "for outcome in page.outcomes:\n                yield outcome",
    r"with self\._http\.stream": "async with self._http.stream",
    r"for (\w+) in response\.iter_bytes": r"async for \1 in response.aiter_bytes",
    r"httpx\.(Client|BaseTransport)\b": r"httpx.Async\1",
    r"import httpx": "import anyio\nimport httpx",
    r"from \._sending import": "from ._sending import in_time,",
}
"""Patterns in the blocking client, and their replacements in the async client."""


def texts(made: Mapping[Path, str]) -> dict[Path, str]:
    """Return the async module, formatted. made: modules that are about to be written."""
    text = made.get(BLOCKING) or BLOCKING.read_text()
    for blocking, awaiting in RULES.items():
        text, count = re.subn(blocking, awaiting, text)
        if not count:
            raise ValueError(f"The blocking client has nothing that matches {blocking}")
    return {AWAITING: formatted(text, AWAITING)}
