"""Copy the functions of the API, and what they import, into `outcomes_client.testing`, for its fake of the API.

So the fake validates, records and answers with the deployed code. Every build of the package makes the copy, and every
run of the tests updates it.
"""

import re
from pathlib import Path

CLIENT = Path(__file__).parent
SOURCE = CLIENT.parents[1]
TARGET = CLIENT / "src/outcomes_client/testing/_copied"

ROOMS = ("auth", "calendar", "contract", "costs", "definitions", "edge", "keys", "ledger", "totals", "watches")
OF_THE_LAYER = (
    *("errors.py", "limits.py", "aws/backoff.py", "aws/paced_reads.py", "events/watch_events.py"),
    *(f"{room}/*.py" for room in ROOMS),
)
FUNCTIONS = (
    "authorizer",
    "correct_outcome",
    "costs",
    "definitions",
    "get_outcome",
    "list_outcomes",
    "manage_keys",
    "record_batch",
    "record_outcome",
    "summarize_outcomes",
    "watches",
)
CLOCK = "evaluate_watches"
"""The function that no route calls."""

REPLACED = {
    r"outcomes\.aws\.services": "outcomes_client.testing._tables",
    r"outcomes\.auth\.session_secrets(?= import SessionSecrets)": "outcomes_client.testing._tables",
    r"outcomes\.edge\.observability": "outcomes_client.testing._surroundings",
    r"outcomes": "outcomes_client.testing._copied",
}
"""Modules that are imported, as regular expressions, and those that the copy imports. The first match counts."""


def copied() -> dict[str, str]:
    """Return the copied modules: their texts by path."""
    layer = SOURCE / "layers/common/outcomes"
    found = {path.relative_to(layer).as_posix(): path for pattern in OF_THE_LAYER for path in layer.glob(pattern)}
    found |= {f"functions/{name}.py": SOURCE / f"functions/{name}/app.py" for name in (*FUNCTIONS, CLOCK)}
    return {
        name: f"# Copied from {path.relative_to(SOURCE)}: change it there.\n{rewritten(path.read_text())}"
        for name, path in found.items()
    }


def rewritten(text: str) -> str:
    """Return a module's text with its imports replaced."""
    for module, instead in REPLACED.items():
        text = re.sub(rf"^( *from ){module}(?=[. ])", rf"\1{instead}", text, flags=re.MULTILINE)
    surroundings = "from outcomes_client.testing import _surroundings as"
    text = re.sub("^import time as clock$", f"{surroundings} clock", text, flags=re.MULTILINE)
    if "os.environ" in text:
        text = re.sub("^import os$", f"{surroundings} os", text, flags=re.MULTILINE)
    # The client also supports Python 3.12, where `itertools.batched` has no parameter `strict`.
    return re.sub(r"(batched\([^()]*), strict=(?:True|False)\)", r"\1)", text)


def write() -> None:
    """Write the modules that changed, and delete the modules that no longer exist.

    Do nothing in an sdist, which already contains the copy.
    """
    if not (SOURCE / "layers").is_dir():
        return
    wanted = {TARGET / name: text for name, text in copied().items()}
    for path in {*TARGET.rglob("*.py")} - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
