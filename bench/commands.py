"""Measure whole runs of installed commands: the client's command `outcomes`, and the local stack."""

import json
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import batched
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import httpx
from outcomes.statements.signing_keys import jwk
from outcomes_client.testing import OutcomesFake

from bench.measure import in_turns, run_once
from bench.outcome import OUTCOME
from bench.report import Report
from local.environment import forget_real_aws
from tests.local.stacks import running
from tests.statements import chance, example

COMMAND = str(Path(sys.executable).with_name("outcomes"))
COMMAND_BARS: dict[str, float] = {"outcomes --version": 10, "outcomes --help": 8, "outcomes record --help": 12}
"""Maximum processor times of runs, as multiples of the time of a Python that does nothing."""

ENTRIES = 10_000
VERIFY_BAR = 1.0
"""Maximum processor seconds to verify ENTRIES, in addition to those of a statement without entries."""

IMPORT_BAR = 60
"""Maximum processor seconds of an import of costs."""
DAYS, SOURCES, AGENTS, SERVICES = 28, 3, 13, 97

BATCH = 100
STACK_BARS = 450, 2
"""Maximum megabytes of all processes of a local stack after an import, and maximum seconds until they have ended."""


def command_start(report: Report, runs: int) -> None:
    """Measure runs of the command, in turns with a Python that does nothing."""
    bare = "bare Python"
    programs = {bare: [sys.executable, "-c", "pass"]} | {name: [COMMAND, *name.split()[1:]] for name in COMMAND_BARS}
    taken = in_turns({name: (program, {"PATH": os.defpath}) for name, program in programs.items()}, runs)
    report.times("run", taken, bare, COMMAND_BARS, "bare Pythons")


def verify(report: Report, runs: int) -> None:
    """Measure `outcomes verify` of a statement with entries, in turns with a statement without entries."""
    programs = {}
    with TemporaryDirectory() as folder:
        keys = Path(folder, "keys.json")
        keys.write_text(json.dumps({"keys": [jwk(example.KEY.public, "2026-01-01T00:00:00.000Z", None)]}))
        for size in (0, ENTRIES):
            statement, entries = Path(folder, f"{size}.json"), Path(folder, f"{size}.ndjson")
            made = chance.statement(Random(7), size, agents=ENTRIES)  # noqa: S311 - repeatable
            statement.write_bytes(made.text.encode())
            entries.write_bytes(made.entries().encode())
            run = [COMMAND, "verify", str(statement), "--entries", str(entries), "--keys", str(keys)]
            programs[f"{size}"] = (run, {"PATH": os.defpath})
        none, many = in_turns(programs, runs).values()
    name = f"outcomes verify of {ENTRIES:,} entries over none"
    report.add(name, many.cpu - none.cpu, "s of processor time", bar=VERIFY_BAR)


def cost_import(report: Report, lines: int) -> None:
    """Measure `outcomes costs import` of a FOCUS file into a fake of the API, twice."""
    with TemporaryDirectory() as folder, OutcomesFake() as fake:
        file, rules = Path(folder, "focus.csv"), Path(folder, "map.toml")
        _write(file, lines)
        rules.write_text("".join(f'[[rule]]\nwhen.Tags.agent = "{n}"\nagent = {n}\n' for n in range(1, AGENTS)))
        run = [COMMAND, "costs", "import", str(file), "--format", "focus", "--user", "42", "--map", str(rules)]
        environment = {"HOME": folder, "PATH": os.defpath, "OUTCOMES_URL": fake.url, "INTERNAL_API_KEY": fake.key}
        for when in ("", ", again"):
            cpu, _ = run_once(run, environment)
            report.add(f"outcomes costs import of {lines:,} lines{when}", cpu, "s of processor time", bar=IMPORT_BAR)
        day = datetime.now(UTC).date() - timedelta(1)
        if fake.client.get_costs(day, "provider-0", user_id=42).version != 1:
            raise RuntimeError("the second import changed the costs")


def _write(file: Path, lines: int) -> None:
    """Write a FOCUS file of DAYS days, with 20 columns that are not imported."""
    first = datetime.now(UTC).date() - timedelta(DAYS)
    names = "BilledCost,BillingCurrency,ChargePeriodStart,ConsumedQuantity,ConsumedUnit,ProviderName,ServiceName,Tags"
    with file.open("w") as opened:
        print(names, *(f"x_{n}" for n in range(20)), sep=",", file=opened)
        for n in range(lines):
            tags = f'"{{""agent"": ""{n % AGENTS}""}}"'
            begin = f"{first + timedelta(n % DAYS)}T{n % 24:02}:00:00Z"
            line = f"{n % 1009 / 1000:.10f},USD,{begin},{n},Tokens,Provider {n % SOURCES},Service {n % SERVICES},{tags}"
            print(line, ",-" * 20, sep="", file=opened)


def local_stack(report: Report, outcomes: int) -> None:
    """Measure the memory of a local stack after an import by batches, and the time until it has ended."""
    forget_real_aws()
    with TemporaryDirectory() as folder, running(Path(folder), is_forked=False) as stack:
        with httpx.Client(timeout=60, headers={"Authorization": f"Bearer {stack.key}"}) as client:
            for numbers in batched(range(outcomes), BATCH, strict=False):
                items = [OUTCOME | {"idempotencyKey": f"deal-{number}"} for number in numbers]
                answer = client.post(f"{stack.url}/api/outcomes/batch", json={"outcomes": items}).raise_for_status()
                if answer.json()["created"] != len(items):
                    raise RuntimeError(f"of {len(items)} outcomes, {answer.json()['created']} were recorded")
        megabytes = sum(map(_megabytes, _descendants(stack.process.pid)))
        began = time.perf_counter()
        stack.stop()
        seconds = time.perf_counter() - began
    most_megabytes, most_seconds = STACK_BARS
    report.add(f"local stack after an import of {outcomes:,}", megabytes, "MB", bar=most_megabytes)
    report.add("local stack, from SIGTERM to its end", seconds, "s by wall time", bar=most_seconds)


def _descendants(pid: int) -> Iterator[int]:
    """Yield the ids of a process and its descendants."""
    yield pid
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            yield from _descendants(int(child))


def _megabytes(pid: int) -> float:
    """Return the resident memory of a process, including shared memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
