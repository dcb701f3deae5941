"""Generate the async client's modules from the blocking one's: `make awaiting`."""

import re
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent / "src/outcomes_client"
MODULES = {PACKAGE / "_client.py": PACKAGE / "_async_client.py"}
"""The blocking module, and the async module that is generated from it."""

RULES = {
    r"The blocking (.*) `make awaiting` generates .* from this module\.": (
        r"The async \1 `make awaiting` generates this module from SOURCE."
    ),
    r"with blocking calls\. Threads may share a client\.": "with async calls, on asyncio and trio.",
    r"Close the client, or use `with`": "Close the client with `aclose`, or use `async with`",
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


def texts() -> dict[Path, str]:
    """Return the async modules, formatted."""
    blocking = {target: source.read_text() for source, target in MODULES.items()}
    for pattern in RULES:
        if not any(re.search(pattern, text) for text in blocking.values()):
            raise ValueError(f"No blocking module matches {pattern}")
    return {
        target: _awaiting(text, target).replace("SOURCE", target.name.removeprefix("_async"), 1)
        for target, text in blocking.items()
    }


def _awaiting(made: str, target: Path) -> str:
    for blocking, awaiting in RULES.items():
        made = re.sub(blocking, awaiting, made)
    for command in (["check", "--fix", "--exit-zero", "--select=I"], ["format"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--quiet", f"--stdin-filename={target}", "-"]
        made = subprocess.run(ruff, input=made, capture_output=True, text=True, check=True).stdout  # noqa: S603 - ours
    return made


if __name__ == "__main__":
    for target, text in texts().items():
        target.write_text(text)
