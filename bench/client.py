"""Measure what the Python client costs an agent, in turns with the standard library's http.client."""

import os
import sys
from functools import partial

from outcomes_client.testing import OutcomesFake

from bench.measure import in_turns, process
from bench.report import Report

CLIENTS = {
    "the Python client": """from outcomes_client import OutcomesClient
client = OutcomesClient(user_id=42)
def call(): client.record("deal_closed", "Acme renewed", value_usd=12.5, metadata={"plan": "pro"})""",
    "http.client": """import http.client, json, os, uuid
client = http.client.HTTPConnection(os.environ["OUTCOMES_URL"].partition("//")[2])
def call():
    sent = {"outcomeType": "deal_closed", "title": "Acme renewed", "userId": 42, "valueUsd": 12.5}
    key = {"Authorization": f"Bearer {os.environ['INTERNAL_API_KEY']}", "Idempotency-Key": str(uuid.uuid4())}
    client.request("POST", "/api/outcomes", json.dumps(sent | {"metadata": {"plan": "pro"}}), key)
    assert json.loads(client.getresponse().read())["ok"]""",
}
"""Programs that record outcomes, whose function `call` records one."""
CALLS = 1_000
CLIENT_BARS = 0.12, 500
"""Maximum processor time of the client: seconds until the first answer, and then microseconds of a call."""


def client_calls(report: Report, runs: int) -> None:
    """Measure the Python client: its import with the first call, and each later call, in turns with http.client."""
    with OutcomesFake() as fake:
        environment = {"PATH": os.defpath, "OUTCOMES_URL": fake.url, "INTERNAL_API_KEY": fake.key}
        programs = {("", 0): partial(process, [sys.executable, "-c", "pass"], environment)}
        for name, code in CLIENTS.items():
            for calls in (1, 1 + CALLS):
                run = f"{code}\nfor _ in range({calls}): call()\nimport os; os._exit(0)"
                programs[name, calls] = partial(process, [sys.executable, "-c", run], environment)
        taken = in_turns(programs, runs)
    first, later = ({name: taken[name, calls].cpu for name in CLIENTS} for calls in (1, 1 + CALLS))
    ours, other = ((first[name] - taken["", 0].cpu, (later[name] - first[name]) / CALLS * 1e6) for name in CLIENTS)
    what = "the Python client: import and first call", "the Python client: each later call"
    units = "s of processor time", "µs of processor time"
    for name, measured, unit, bar, of_other in zip(what, ours, units, CLIENT_BARS, other, strict=True):
        report.add(name, measured, unit, bar=bar, note=f"http.client: {of_other:.3g}")
