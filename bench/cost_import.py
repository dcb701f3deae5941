"""Measures `outcomes costs import` of a large FOCUS file, twice."""

import csv
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from outcomes_client.testing import OutcomesFake

from bench.measure import run_once
from bench.report import Report

DAYS, SOURCES, AGENTS, SERVICES = 28, 3, 13, 97
BAR = 60
"""Maximum processor time of an import, in seconds."""

OTHER_COLUMNS = 20


def cost_import(report: Report, lines: int) -> None:
    """Import a file into an empty fake of the API, and import it again."""
    command = str(Path(sys.executable).with_name("outcomes"))
    with TemporaryDirectory() as folder, OutcomesFake() as fake:
        file, rules = Path(folder, "focus.csv"), Path(folder, "map.toml")
        _write(file, lines)
        rules.write_text("".join(f'[[rule]]\nwhen.Tags.agent = "{n}"\nagent = {n}\n' for n in range(1, AGENTS)))
        run = [command, "costs", "import", str(file), "--format", "focus", "--user", "42", "--map", str(rules)]
        environment = {"HOME": folder, "PATH": os.defpath, "OUTCOMES_URL": fake.url, "INTERNAL_API_KEY": fake.key}
        rows = []
        for name in ("the first time", "again"):
            cpu, wall = run_once(run, environment)
            rows.append([name, f"{cpu:.1f}", f"{wall:.1f}", *report.bar(f"import of {lines:,} lines", BAR, cpu)])
        day = datetime.now(UTC).date() - timedelta(1)
        version = fake.client.get_costs(day, "provider-0", user_id=42).version
    report.text(
        f"## Import of costs: a FOCUS file of {lines:,} lines\n\n{DAYS} days of {SOURCES} sources, with"
        f" {AGENTS} agents and {SERVICES} services, into a fake of the API. A day's version after both: {version}."
    )
    report.table(["", "s", "s by wall time", "bar", "verdict"], rows)


def _write(file: Path, lines: int) -> None:
    first = datetime.now(UTC).date() - timedelta(DAYS)

    def charge(n: int) -> dict[str, object]:
        return {
            "BilledCost": f"{n % 1009 / 1000:.10f}",
            "BillingCurrency": "USD",
            "ChargePeriodStart": f"{first + timedelta(n % DAYS)}T{n % 24:02}:00:00Z",
            "ConsumedQuantity": n,
            "ConsumedUnit": "Tokens",
            "ProviderName": f"Provider {n % SOURCES}",
            "ServiceName": f"Service {n % SERVICES}",
            "Tags": f'{{"agent": "{n % AGENTS}"}}',
        }

    with file.open("w", newline="") as opened:
        rows = csv.DictWriter(opened, [*charge(0), *(f"x_{n}" for n in range(OTHER_COLUMNS))], restval="-")
        rows.writeheader()
        rows.writerows(map(charge, range(lines)))
