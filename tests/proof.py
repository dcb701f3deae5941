"""Run the parts of the proof, and write their figures into docs/proof.md: python -m tests.proof [PART] [--write].

The figures of the last run are in .proof/. A figure of the page stands between `<!-- part.figure -->` and `<!-- -->`.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from shutil import which
from socket import create_connection, create_server
from tempfile import TemporaryDirectory
from typing import NamedTuple

from tests.permissions import wrong

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".proof"
PAGE = ROOT / "docs/proof.md"
ENGINE = ROOT / ".tools/dynamodb"
FIGURE = re.compile(r"(<!-- (\w+)\.(\w+) -->)[^<]*(<!-- -->)")


class Part(NamedTuple):
    """Tests to run, and how. environment: more or larger bounds. engine: whether DynamoDB Local answers as well."""

    tests: str
    environment: dict[str, str]
    engine: bool = False


# Long tests first, so that both processes end together.
PARTS = {
    "model": Part("tests/model", {"MODEL_TICKS": "2"}),
    "orders": Part(
        "tests/unit/test_daily_budget.py tests/sequences tests/interleaving",
        {"SEEDS": "500", "SEQUENCES": "1000", "BUDGETS": "10000", "WATCHES": "2000", "HISTORIES": "2000"},
    ),
    "judge": Part(
        "tests/judge/test_pairs.py tests/judge/test_machine.py tests/judge/test_safeguards.py",
        {"PAIRS": "all", "EVERYTHING": "300"},
    ),
    "engines": Part(
        "tests/local/test_engine.py tests/local/test_restarts.py tests/local/test_bus_events.py"
        " tests/sequences tests/unit/test_corrections.py tests/unit/test_record_outcome.py"
        " tests/unit/test_record_batch.py tests/unit/test_agent_keys.py tests/unit/test_erasure.py"
        " tests/unit/test_assignments.py tests/statements tests/costs tests/definitions history"
        " tests/judge/test_machine.py tests/unit/test_daily_budget.py",
        {"LOOKS": "3"},
        engine=True,
    ),
    "statements": Part(
        "tests/statements/test_tampering.py tests/statements/test_one_word.py clients/python/tests/test_statements.py",
        {"TAMPERINGS": "5000"},
    ),
    "upgrades": Part("tests/upgrade", {}),
    "permissions": Part(
        "tests/unit tests/auth tests/statements tests/costs tests/definitions tests/watches tests/webhooks tests/ops"
        " tests/smoke history",
        {"PERMISSIONS": "1"},
    ),
    "rights": Part("tests/auth/test_who_may_call.py tests/template", {}),
    "faults": Part("tests/judge/test_safeguards.py tests/model", {"FAULTS": "1"}),
}
ON_DEMAND = {"faults", "permissions"}  # `make proof-faults`; `make test` evaluates rights, too


def main() -> int:
    wanted = [argument for argument in sys.argv[1:] if argument != "--write"]
    if unknown := {*wanted} - PARTS.keys():
        print(f"error: no part {', '.join(unknown)}: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    names = wanted or [name for name in PARTS if name not in ON_DEMAND]
    if any(PARTS[name].engine for name in names) and not which("java"):
        print(
            "DynamoDB Local needs java: install it, for example with apt-get install default-jre-headless",
            file=sys.stderr,
        )
        return 2
    FOLDER.mkdir(exist_ok=True)
    failed = [name for name in names if not prove(name, PARTS[name])]
    if "--write" in sys.argv and not failed:
        PAGE.write_text(filled(PAGE.read_text(), figures()))
    print(f"failed: {', '.join(failed)}" if failed else "all proved")
    return 1 if failed else 0


def prove(name: str, part: Part) -> bool:
    """Run a part, and keep its figures if it succeeds. Return whether it does."""
    lines, junit, kept = (FOLDER / f"{name}.{kind}" for kind in ("lines", "xml", "json"))
    for of_last_run in (lines, kept):
        of_last_run.unlink(missing_ok=True)
    environment = {**os.environ, **part.environment, "FIGURES": str(lines)}
    command = [sys.executable, "-m", "pytest", "--numprocesses", "2", "--dist", "worksteal", *part.tests.split()]
    print(f"\n{name}: {part.tests}", flush=True)
    began = time.monotonic()
    with running_engine() if part.engine else nullcontext(dict[str, str]()) as address:
        command.append(f"--junit-xml={junit}")
        ended = subprocess.run(command, cwd=ROOT, env=environment | address, check=False)
    if ended.returncode:
        return False
    counted = Counter[str]()
    for line in lines.read_text().splitlines() if lines.exists() else ():
        counted.update(json.loads(line))
    [tests] = re.findall(r' tests="(\d+)"', junit.read_text())[:1]
    if "PERMISSIONS" in part.environment:
        counted, permissions = Counter(permissions=len(counted)), counted
        if unused := wrong(permissions):
            print(*unused, sep="\n")
            return False
    counted.update(tests=int(tests), seconds=round(time.monotonic() - began))
    kept.write_text(json.dumps(counted))
    return True


@contextmanager
def running_engine() -> Iterator[dict[str, str]]:
    """Run DynamoDB Local without a file. Yield the variable that says its port."""
    with create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    jar = ["-Djava.library.path=.", "-jar", "DynamoDBLocal.jar", "-inMemory", "-disableTelemetry", "-port", str(port)]
    with TemporaryDirectory() as unpacked:  # it unpacks a library, and leaves it there
        engine = subprocess.Popen(
            ["java", f"-Djava.io.tmpdir={unpacked}", *jar],
            cwd=ENGINE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            while not answers(port) and engine.poll() is None:
                time.sleep(0.1)
            yield {"WITNESS": str(port)}
        finally:
            engine.terminate()
            engine.wait()


def answers(port: int) -> bool:
    """Return whether a program listens on a port of this machine."""
    try:
        with create_connection(("127.0.0.1", port)):
            return True
    except ConnectionRefusedError:
        return False


def figures() -> dict[str, dict[str, int]]:
    """Return the figures of the last run of each part."""
    return {file.stem: json.loads(file.read_text()) for file in FOLDER.glob("*.json")}


def filled(page: str, found: dict[str, dict[str, int]]) -> str:
    """Write figures into the page. Parts, and tests of a part, that were not run keep theirs."""

    def write(figure: re.Match[str]) -> str:
        before, part, name, after = figure.groups()
        return f"{before}{found[part][name]:,}{after}" if name in found.get(part, {}) else figure[0]

    return FIGURE.sub(write, page)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that DynamoDB Local and pytest end, too
    sys.exit(main())
