"""Measures `outcomes verify` of a large statement, without network."""

import json
import os
import sys
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from outcomes.statements.jws import jwk

from bench.measure import in_turns
from bench.report import Report
from tests.statements import chance, example

ENTRIES = 10_000
BAR = 1.0
"""Maximum processor time, in seconds, beyond that of a statement without entries."""


def verify(report: Report, runs: int) -> None:
    """Measure the verification of a statement with entries, in turns with a statement without entries."""
    command = str(Path(sys.executable).with_name("outcomes"))
    programs = {}
    with TemporaryDirectory() as folder:
        keys = Path(folder, "keys.json")
        keys.write_text(json.dumps({"keys": [jwk(example.KEY.public, "2026-01-01T00:00:00.000Z", None)]}))
        for size in (0, ENTRIES):
            statement, entries = Path(folder, f"{size}.json"), Path(folder, f"{size}.ndjson")
            made = chance.statement(Random(7), size, agents=ENTRIES)  # noqa: S311 - repeatable
            statement.write_bytes(made.text.encode())
            entries.write_bytes(made.entries().encode())
            run = [command, "verify", str(statement), "--entries", str(entries), "--keys", str(keys)]
            programs[f"{size:,} entries"] = (run, {"PATH": os.defpath})
        taken = in_turns(programs, runs)
    rows, least = [], min(times.cpu for times in taken.values())
    for name, times in taken.items():
        beyond = times.cpu - least
        rows.append([name, f"{times.cpu:.2f}", f"{beyond:.2f}", f"{times.wall:.2f}"])
        rows[-1] += report.bar(f"outcomes verify of {name}", BAR if beyond else None, beyond)
    report.text(
        f"## Verify a statement: {runs} new processes each\n\n`outcomes verify`, with up to {ENTRIES:,} agents."
    )
    report.table(["", "s", "s beyond the first", "s by wall time", "bar", "verdict"], rows)
