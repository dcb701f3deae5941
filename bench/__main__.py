"""python -m bench [--short]: measure, print the table and missed bars, and write RESULTS.md.

It exits with 1 if a bar is missed. --short makes few measurements, always exits with 0 and writes no file.

Bars are compared with the median processor time (user and system, of the measured process only) of interleaved runs. On
a busy machine, processor time varies much less than wall time, which is also shown. Neither includes a network.
"""

import os
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bench import sizes
from bench.client import client_calls
from bench.costs import costs_growth
from bench.measure import (
    NOTHING,
    RUNTIME,
    USUAL,
    Program,
    Stub,
    cold,
    function,
    in_turns,
    process,
    start,
    stub,
    versions,
    workers,
)
from bench.outcome import AGENT_KEY, OUTCOME, USER_ID, asked_with_a_cookie, asked_with_a_key, request, stored
from bench.report import Report
from bench.statements import ENTRIES, MANY, statements
from bench.storage import TRANSACTION, item_bytes, read_units, write_units
from bench.totals import totals_growth
from ops.command import Parser, exit_code

RESULTS = Path(__file__).with_name("RESULTS.md")
ABOUT = """# Results

Written by `make bench`: medians of the processor time of new processes or of rounds of calls, in turns, without a
network. DynamoDB is a stub, which answers at once, or a fake, which counts units and throttles as DynamoDB does.

- **start**: until the handler is imported, without Lambda's own bootstrap, which would hide differences.
- **cold**: started by Lambda's own bootstrap (awslambdaric), until the first answer. DynamoDB is called over TLS.
  A request takes that of its authorizer and that of its function.
- **warm**: one call. A bare put_item is one of boto3.
- **look**: a summary of a user's history. Meanwhile, the outcomes are listed ten times a second.
"""
SHORT_RUNS = 5
"""With --short, each start is the median of so many, in turns, so that a busy machine does not decide the verdict."""


# Maximum times: until the first answer, as multiples of that of Lambda's bootstrap alone; of calls, of a put_item call
# with boto3; of runs, of a Python that does nothing.
COLD_BARS = {"authorizer, encrypted cookie": 2.4}
WARM_BARS: dict[str, float] = {"record": 0.35, "record with an Idempotency-Key": 0.45, "list of 20": 0.45}
COMMAND_BARS: dict[str, float] = {"outcomes --version": 10, "outcomes --help": 8, "outcomes record --help": 12}

STARTED: dict[str, tuple[str, float | None]] = {
    "record": ("RecordOutcome", 4.7),
    "batch": ("RecordBatch", 5),
    "list": ("ListOutcomes", 4.5),
    "export": ("ExportOutcomes", 4.7),
    "summary": ("SummarizeOutcomes", 5.1),
    "statements": ("Statements", 4.6),
    "correct": ("CorrectOutcome", None),
    "one outcome": ("GetOutcome", None),
    "agent keys": ("ManageKeys", None),
    "MCP": ("Mcp", None),
}
"""The functions whose start is measured, with its maximum, as a multiple of the start time of Python alone."""
START_BARS = {name: bar for name, (_, bar) in STARTED.items() if bar} | {"authorizer, key": 2.2}

POWERTOOLS = """
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
Logger(service="bench"), Metrics(namespace="bench"), Tracer(service="bench")
APIGatewayRestResolver(enable_validation=True)
import boto3
boto3.resource("dynamodb").Table("outcomes")"""

BY_KEY = {"principalId": "key", "caller": "key"}
BY_SESSION = {"principalId": f"user:{USER_ID}", "caller": "session", "userId": str(USER_ID)}
BY_ID = {"id": "01M881HMN5BK0R53WV7N3P1R3Q"}
VOID = {"type": "void", "reason": "Recorded twice", "userId": USER_ID}
BATCH = {"outcomes": [OUTCOME] * 100}
ONCE = {"Idempotency-Key": "deal-4711"}
RECORD = request("POST", body=OUTCOME, authorizer=BY_KEY)
RECORD_ONCE = request("POST", body=OUTCOME, authorizer=BY_KEY, headers=ONCE)


class Call(NamedTuple):
    """A call of one of our functions. bar: the maximum number of its DynamoDB calls, or None."""

    function: str
    event: dict[str, Any]
    bar: int | None = None


CORRECT = request(
    "POST", "/api/outcomes/{id}/corrections", body=VOID, authorizer=BY_KEY, parameters=BY_ID, headers=ONCE
)
BATCH_ONCE = request("POST", "/api/outcomes/batch", body=BATCH, authorizer=BY_KEY, headers=ONCE)
CALLS = {
    "record": Call("RecordOutcome", RECORD, 1),
    "record with an Idempotency-Key": Call("RecordOutcome", RECORD_ONCE, 1),
    "list of 20": Call("ListOutcomes", request("GET", authorizer=BY_SESSION), 1),
    "export": Call("ExportOutcomes", request("GET", "/api/outcomes/export", authorizer=BY_SESSION), 1),
    "summary of a month": Call("SummarizeOutcomes", request("GET", "/api/outcomes/summary", authorizer=BY_SESSION)),
    "one outcome": Call("GetOutcome", request("GET", "/api/outcomes/{id}", authorizer=BY_SESSION, parameters=BY_ID), 1),
    "correct with an Idempotency-Key": Call("CorrectOutcome", CORRECT, 3),
    "batch of 100": Call("RecordBatch", request("POST", "/api/outcomes/batch", body=BATCH, authorizer=BY_KEY)),
    "batch of 100 with an Idempotency-Key": Call("RecordBatch", BATCH_ONCE),
    "authorizer, key": Call("Authorizer", asked_with_a_key(), 0),
    "authorizer, agent key": Call("Authorizer", asked_with_a_key(AGENT_KEY), 1),
    "authorizer, encrypted cookie": Call("Authorizer", asked_with_a_cookie("next-auth"), 0),
    "authorizer, stored session": Call("Authorizer", asked_with_a_cookie("stored"), 1),
}


def main() -> int:
    """Measure, print, and return the exit code of the process."""
    return exit_code(measure)


def measure() -> bool:
    """Measure and print. Return whether a bar is missed."""
    parser = Parser(prog="python -m bench")
    parser.add_argument("--short", action="store_true", help="few measurements; missed bars are no failure")
    short = parser.parse_args().short
    report = Report()
    with stub() as service:
        starts(report, runs=SHORT_RUNS if short else 21)
        cold_calls(report, service, runs=SHORT_RUNS if short else 15)
        warm_calls(report, service, rounds=3 if short else 31, times=20 if short else 100)
        dynamodb_calls(report, service)
    command_start(report, runs=SHORT_RUNS if short else 21)
    client_calls(report, runs=1 if short else 7)
    totals_growth(report, short)
    statements(report, *((1, 1_000, 20_000) if short else (7, ENTRIES, MANY)))
    costs_growth(report, short)
    units(report)

    print(report.table())
    if not short:
        machine = "; ".join(f"{name} {value}" for name, value in versions().items())
        measured = f"Measured on {datetime.now(UTC):%Y-%m-%d}; {machine}\n\nCommit: `{commit()}`"
        table = f"<!-- make bench: results -->\n\n{report.table()}\n\n<!-- end of make bench -->"
        sizes.write()
        RESULTS.write_text(f"{ABOUT}\n{table}\n\n{measured}\n")
    for row in report.missed:
        print(f"{row.name}: {row.measured:.2f} is over the bar of {row.bar:g}.")
    bars = sum(row.bar is not None for row in report.rows)
    print(f"{bars - len(report.missed)} of {bars} bars met.")
    return bool(report.missed) and not short


def commit() -> str:
    """Return the commit that is measured, with a `+` if files have changed since."""
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty=+"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def starts(report: Report, runs: int) -> None:
    """Measure starts, from a new process to an imported handler."""
    context = dict.fromkeys(("function_name", "memory_limit_in_mb", "invoked_function_arn", "aws_request_id"), "bench")
    called = f"import types, app; app.handler({asked_with_a_key()!r}, types.SimpleNamespace(**{context!r}))"
    programs = {
        "bare Python": (Program(), "pass"),
        'boto3.client("dynamodb")': (Program(), 'import boto3; boto3.client("dynamodb")'),
        "Powertools with resolver, validation and Tracer": (Program(USUAL), POWERTOOLS),
        **{name: (function(each), "import app") for name, (each, _) in STARTED.items()},
        "authorizer, key": (function("Authorizer"), called),
    }
    times = in_turns({name: partial(start, *each) for name, each in programs.items()}, runs)
    report.times("start", times, "bare Python", START_BARS, "bare Pythons")
    report.add("start: MCP over record", times["MCP"].cpu / times["record"].cpu, bar=1.3)


def command_start(report: Report, runs: int) -> None:
    """Measure runs of the client's command, in turns with a Python that does nothing."""
    bare, command = "bare Python", str(Path(sys.executable).with_name("outcomes"))
    programs = {bare: [sys.executable, "-c", "pass"]} | {name: [command, *name.split()[1:]] for name in COMMAND_BARS}
    taken = in_turns({name: partial(process, each, {"PATH": os.defpath}) for name, each in programs.items()}, runs)
    report.times("run", taken, bare, COMMAND_BARS, "bare Pythons")


def cold_calls(report: Report, service: Stub, runs: int) -> None:
    """Measure complete cold calls: Lambda's bootstrap, the function and its first answer, with DynamoDB over TLS."""
    base = "Lambda's bootstrap alone"
    programs = {base: (Program((NOTHING, RUNTIME)), RECORD)}
    for name in ("record", "list of 20", "summary of a month", *(name for name in CALLS if "authorizer" in name)):
        programs[name] = function(CALLS[name].function), CALLS[name].event
    over_tls = {
        name: partial(cold, program.with_variables(service.tls_variables), event)
        for name, (program, event) in programs.items()
    }
    report.times("cold", in_turns(over_tls, runs), base, COLD_BARS, "bootstraps")


def warm_calls(report: Report, service: Stub, rounds: int, times: int) -> None:
    """Measure calls of warm functions, in turns with boto3's put_item."""
    base = "a bare put_item"
    calls: dict[str, tuple[Program, dict[str, Any]]] = {
        base: (Program(), {"caller": "boto3", "item": stored(0)}),
        "PutItem by our own caller": (function("RecordOutcome"), {"caller": "ours", "item": stored(0)}),
    }
    for name in [*WARM_BARS, "summary of a month", "authorizer, agent key"]:
        calls[name] = function(CALLS[name].function), {"event": CALLS[name].event}
    with workers(calls, service) as working:
        taken = in_turns({name: partial(worker.call, times) for name, worker in working.items()}, rounds)
    report.times("warm", taken, base, WARM_BARS, "bare put_items")


def dynamodb_calls(report: Report, service: Stub) -> None:
    """Report the DynamoDB calls that a warm function makes."""
    for name, call in CALLS.items():
        with workers({name: (function(call.function), {"event": call.event})}, service) as working:
            service.counts()
            working[name].call()
            counted = {each.partition(".")[2]: n for each, n in service.counts().items() if each.startswith("DynamoDB")}
        made = ", ".join(f"{count} {operation}" for operation, count in counted.items())
        report.add(f"calls of DynamoDB: {name}", sum(counted.values()), bar=call.bar, note=made)


def units(report: Report) -> None:
    """Report the size of an item and the units for it, as DynamoDB counts them."""
    listed = {limit: read_units(*map(stored, range(limit + 1))) for limit in (20, 50)}
    note = (
        f"{write_units(stored(0))} write units, {TRANSACTION * 2} with an Idempotency-Key; "
        f"a list of 20 reads {listed[20]} units, of 50 {listed[50]}"
    )
    report.add("the outcome, stored", item_bytes(stored(0)), "bytes", note=note)


if __name__ == "__main__":
    sys.exit(main())
