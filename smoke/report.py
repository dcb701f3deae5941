"""Write the report of a checker's run. It contains no secrets, addresses or user content: attach it to an issue."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from smoke.checker import Checker
from smoke.judge import Call

LOG_SECONDS = 120  # wait at most this long for log lines, most of which arrive within seconds
LOG_PAUSE_SECONDS = 5
MISSING = "is not in the access log"
RESOURCES = {
    "record": ("POST", "/api/outcomes"),
    "batch": ("POST", "/api/outcomes/batch"),
    "correct": ("POST", "/api/outcomes/{id}/corrections"),
    "list": ("GET", "/api/outcomes"),
    "history": ("GET", "/api/outcomes/{id}"),
    "summary": ("GET", "/api/outcomes/summary"),
}


type AccessLog = Callable[[float], Iterable[dict[str, str]]]


def compare_with_log(read: AccessLog, since: float, checker: Checker) -> None:
    """Wait until the access log contains the answered calls, and compare them. Raises AssertionError if they differ.

    read: returns the log lines since a given time.
    """
    until = time.monotonic() + LOG_SECONDS
    while True:
        faults = list(differences(checker.calls, read(since)))
        if not any(fault.endswith(MISSING) for fault in faults) or time.monotonic() > until:
            break
        time.sleep(LOG_PAUSE_SECONDS)
    checker.faults += faults
    assert not faults, f"{len(faults)} differences, the first: {faults[0]}"


def differences(calls: Iterable[Call], log: Iterable[dict[str, str]]) -> Iterator[str]:
    """Yield the differences between the access log and the answers. Lines for other requests are ignored."""
    lines = defaultdict(list)
    for line in log:
        lines[line["requestId"]].append(line)
    for call in calls:
        if call.status is None:
            continue
        found = lines[str(call.request_id)]
        # For many 429 and some 5xx errors, "API Gateway might not generate logs" (AWS's guide, Monitoring REST APIs).
        if not found and call.status != 429 and call.status < 500:
            yield f"{call} {MISSING}"
        if len(found) > 1:
            yield f"{call} is in the access log {len(found)} times"
        for line in found[:1]:
            said = (line["status"], line["method"], line["resource"])
            if said != (str(call.status), *RESOURCES[call.name]):
                yield f"{call} is {' '.join(said)} in the access log"
            # A call that was refused before the authorizer has no caller.
            if line["caller"] != call.by and (call.status == 200 or line["caller"] != "-"):
                yield f"{call} is by {line['caller']} in the access log, not by {call.by}"


def write(folder: Path, checker: Checker, results: Sequence[str]) -> Path:
    """Write the report and return its path. results: one sentence for each result."""
    now = datetime.now(UTC)
    groups: dict[tuple[str, str, str], list[Call]] = defaultdict(list)
    for call in checker.calls:
        groups[call.name, call.by, str(call.status or "lost")].append(call)
    rows = []
    for names, calls in sorted(groups.items()):
        took = [1000 * (call.answered - call.sent) for call in calls if call.status]
        times = f"{median(took):.0f} | {max(took):.0f}" if took else "- | -"
        rows.append(f"| {' | '.join(names)} | {len(calls)} | {times} |")
    lines = [
        "# Smoke test of an Outcomes API",
        f"{now:%Y-%m-%dT%H:%M:%SZ}, seed {checker.seed}, {len(checker.calls)} calls",
        "## Results",
        "\n".join(f"- {each}" for each in [*results, *checker.notes]),
        "## Faults",
        "\n".join(f"- {fault}" for fault in checker.faults) or "None.",
        "## Calls",
        "| call | by | status | calls | median ms | slowest ms |\n|---|---|---|---|---|---|\n" + "\n".join(rows),
    ]
    file = folder / f"smoke-report-{now:%Y%m%dT%H%M%SZ}.md"
    file.write_text("\n\n".join(lines) + "\n")
    return file
