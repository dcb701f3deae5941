"""Generate the async client from the blocking one: `make awaiting`."""

import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent / "src/outcomes_client"
SOURCE, TARGET = PACKAGE / "_client.py", PACKAGE / "_async_client.py"

RULES = {
    "blocking. The async client is generated from this:": "async. Generated from _client.py:",
    "blocking; safe to share between threads. Close it, or use `with`.": (
        "async, on asyncio and trio.\n\n    Close it with `aclose`, or use `async with`."
    ),
    r"\bOutcomesClient\b": "AsyncOutcomesClient",
    r"\bIterator\b": "AsyncIterator",
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


def text() -> str:
    """Return the async client's module, formatted."""
    made = SOURCE.read_text()
    for blocking, awaiting in RULES.items():
        made, count = re.subn(blocking, awaiting, made)
        if not count:
            raise ValueError(f"Nothing in {SOURCE.name} matches {blocking}")
    for command in (["check", "--fix", "--exit-zero", "--select=I"], ["format"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--quiet", f"--stdin-filename={TARGET}", "-"]
        made = subprocess.run(ruff, input=made, capture_output=True, text=True, check=True).stdout  # noqa: S603 - ours
    return made


if __name__ == "__main__":
    TARGET.write_text(text())
