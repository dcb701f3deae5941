"""python -m bench [--short]: measure, print the tables and missed bars, and write RESULTS.md.

It exits with 1 if a bar is missed. --short makes few measurements, always exits with 0 and writes no file.

Bars are compared with the median processor time (user and system, of the measured process only) of interleaved runs. On
a busy machine, processor time varies much less than wall time, which is also shown. Neither includes a network.
"""

import argparse
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.command import command_start
from bench.cost_import import cost_import
from bench.costs import costs, looks
from bench.growth import list_growth
from bench.laptop import laptop_growth
from bench.measure import (
    LAYER,
    NOTHING,
    RUNTIME,
    USUAL,
    Cold,
    Program,
    Stub,
    function,
    handled,
    lives,
    starts,
    stub,
    uncompiled,
    versions,
    warm,
    workers,
)
from bench.open_feed import DOLLARS, open_feed
from bench.outcome import AGENT_KEY, API_KEY, OUTCOME, USER_ID, cookie, request, stored
from bench.recovery import recovery
from bench.report import Report
from bench.statements import ENTRIES, statements
from bench.storage import TRANSACTION, item_bytes, read_units, write_units
from bench.stub import ITEMS
from bench.totals import totals_growth
from bench.verify import verify

RESULTS = Path(__file__).with_name("RESULTS.md")
BATCH = 100
SHORT_RUNS = 5
"""With --short, each start is the median of so many, in turns, so that a busy machine does not decide the verdict."""

BY_KEY = {"principalId": "key", "caller": "key"}
BY_SESSION = {"principalId": f"user:{USER_ID}", "caller": "session", "userId": str(USER_ID)}
RECORD = request("POST", body=OUTCOME, authorizer=BY_KEY)
RECORD_ONCE = request("POST", body=OUTCOME, authorizer=BY_KEY, headers={"Idempotency-Key": "deal-4711"})
LIST = request("GET", authorizer=BY_SESSION)
BY_ID = {"pathParameters": {"id": "01M881HMN5BK0R53WV7N3P1R3Q"}}
ONE_OUTCOME = request("GET", "/api/outcomes/{id}", authorizer=BY_SESSION) | BY_ID
CORRECTION = (
    request(
        "POST",
        "/api/outcomes/{id}/corrections",
        body={"type": "void", "reason": "Recorded twice", "userId": USER_ID},
        authorizer=BY_KEY,
        headers={"Idempotency-Key": "void-4711"},
    )
    | BY_ID
)
EXPORT = request("GET", "/api/outcomes/export", authorizer=BY_SESSION)
SUMMARY = request("GET", "/api/outcomes/summary", authorizer=BY_SESSION)

MAKE_CLIENT = 'import boto3; boto3.client("dynamodb")'
LAYER_UNCOMPILED = "record, the layer's .pyc missing"

START_BARS = {
    "record": 4.7,
    "batch": 5,
    "list": 4.5,
    "export": 4.7,
    "summary": 5.1,
    "statements": 4.6,
    "authorizer, key path": 2.2,
}
"""Maximum start times, as multiples of the start time of Python alone."""

COLD_BARS = {"authorizer, encrypted cookie": 2.4}
"""Maximum times until the first answer, as multiples of the time of Lambda's bootstrap alone."""

WARM_BARS = {"record": 0.35, "record with an Idempotency-Key": 0.45, "list of 20": 0.45}
"""Maximum call times, as multiples of a put_item call with boto3."""

type Call = tuple[Program, dict[str, Any]]


def commit() -> str:
    """Return the commit that is measured, with a `+` if files have changed since."""
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty=+"]
    described = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return described.stdout.strip()


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--short", action="store_true", help="few measurements; missed bars are no failure")
    short = parser.parse_args().short
    report = Report()
    with stub() as service:
        start(report, service, runs=SHORT_RUNS if short else 21)
        cold_calls(report, service, runs=SHORT_RUNS if short else 15)
        warm_calls(report, service, rounds=3 if short else 31, times=20 if short else 100)
        dynamodb_calls(report, service)
        batch_growth(report, service, rounds=3 if short else 15)
    list_growth(report, sizes=[100, 1000] if short else [100, 1000, 10_000])
    totals_growth(report, short)
    recovery(report, clients=10 if short else 200)
    laptop_growth(report, short)
    feed_delay(report, short)
    open_feed(report, rates=[20] if short else DOLLARS)
    command_start(report, runs=SHORT_RUNS if short else 21)
    cost_import(report, lines=1000 if short else 100_000)
    statements(report, runs=1 if short else 7, entries=1_000 if short else ENTRIES)
    costs(report, looks())
    verify(report, runs=1 if short else 7)
    units(report)
    machine = "; ".join(f"{name} {value}" for name, value in versions().items())
    report.text(f"## Measured on\n\n{datetime.now(UTC):%Y-%m-%d}; {machine}\n\nCommit: `{commit()}`")

    text = "\n\n".join(report.parts) + "\n"
    print(text)
    if not short:
        RESULTS.write_text(f"# Results\n\nWritten by `make bench`.\n\n{text}")
    for bar in report.bars:
        if bar.measured > bar.limit:
            print(f"{bar.name}: {bar.measured:.2f} is over the bar of {bar.limit:g}: {bar.verdict}.")
    print(f"{sum(bar.measured <= bar.limit for bar in report.bars)} of {len(report.bars)} bars met.")
    return 1 if report.is_missed and not short else 0


def start(report: Report, service: Stub, runs: int) -> None:
    """Measure starts, from a new process to an imported handler."""
    usual, runtime_uncompiled = usual_program(service), uncompiled(RUNTIME)
    programs = {
        "bare python": (Program(), "pass"),
        'boto3.client("dynamodb")': (Program(), MAKE_CLIENT),
        "FastAPI + Mangum": (usual, "import fastapi_app"),
        "Powertools resolver, validation, Tracer": (usual, "import resolver_app"),
        "record": (ours("Record"), "import app"),
        "batch": (ours("Batch"), "import app"),
        "list": (ours("List"), "import app"),
        "export": (ours("Export"), "import app"),
        "summary": (ours("Summary"), "import app"),
        "statements": (ours("Statements"), "import app"),
        "correct": (ours("Correct"), "import app"),
        "one outcome": (ours("One"), "import app"),
        "agent keys": (ours("ManageKeys"), "import app"),
        "MCP": (ours("Mcp"), "import app"),
        "authorizer, key path": (ours("Authorizer"), _and_call("app", asked_with_a_key())),
        LAYER_UNCOMPILED: (function("RecordOutcomeFunction", layer=uncompiled(LAYER)), "import app"),
        "record, the runtime's .pyc missing": (
            function("RecordOutcomeFunction", runtime=runtime_uncompiled),
            "import app",
        ),
        'boto3.client("dynamodb"), the runtime\'s .pyc missing': (Program((runtime_uncompiled,)), MAKE_CLIENT),
    }
    times = starts(programs, runs)
    report.text(
        f"## Start: {runs} new processes each\n\nUntil the handler is imported, without Lambda's own bootstrap, which "
        "would hide differences."
    )
    report.times(times, "bare python", START_BARS, digits=1)
    over_record = times["MCP"].cpu / times["record"].cpu
    _, verdict = report.bar("start of MCP over start of record", 1.3, over_record)
    report.text(f"MCP takes {over_record:.2f} times as long to start as record does: {verdict}.")
    slower = times[LAYER_UNCOMPILED].cpu / times["record"].cpu
    _, verdict = report.bar("start as built over start with .pyc missing", 1, 1 / slower)
    report.text(f"With the layer's `.pyc` missing, record starts {slower:.2f} times slower. As built: {verdict}.")


def cold_calls(report: Report, service: Stub, runs: int) -> None:
    """Measure complete cold calls: Lambda's bootstrap, the function and its first answer, with DynamoDB over TLS."""
    nothing, usual = "Lambda's bootstrap alone", usual_program(service)
    runtime_uncompiled = uncompiled(RUNTIME)
    nothing_uncompiled, record_uncompiled = (
        f"{nothing}, the runtime's .pyc missing",
        "record, the runtime's .pyc missing",
    )
    programs: dict[str, Cold] = {
        nothing: (Program((NOTHING, RUNTIME)), "app.handler", RECORD),
        "FastAPI + Mangum": (usual, "fastapi_app.handler", RECORD),
        "Powertools resolver, validation, Tracer": (usual, "resolver_app.handler", RECORD),
        "record": (ours("Record"), "app.handler", RECORD),
        "batch": (ours("Batch"), "app.handler", batch(1)),
        "list": (ours("List"), "app.handler", LIST),
        "export": (ours("Export"), "app.handler", EXPORT),
        "summary": (ours("Summary"), "app.handler", SUMMARY),
        "correct": (ours("Correct"), "app.handler", CORRECTION),
        "authorizer, key path": (ours("Authorizer"), "app.handler", asked_with_a_key()),
        "authorizer, agent key": (ours("Authorizer"), "app.handler", asked_with_a_key(AGENT_KEY)),
        "authorizer, stored session": (ours("Authorizer"), "app.handler", asked_with_a_cookie("stored")),
        "authorizer, encrypted cookie": (ours("Authorizer"), "app.handler", asked_with_a_cookie("next-auth")),
        nothing_uncompiled: (Program((NOTHING, runtime_uncompiled)), "app.handler", RECORD),
        record_uncompiled: (function("RecordOutcomeFunction", runtime=runtime_uncompiled), "app.handler", RECORD),
    }
    over_tls = {
        name: (program.with_variables(service.tls_variables), handler, event)
        for name, (program, handler, event) in programs.items()
    }
    together = {
        "**cold GET: authorizer (encrypted cookie), then list**": ("authorizer, encrypted cookie", "list"),
        "**cold POST: authorizer, then record**": ("authorizer, key path", "record"),
        "**cold POST: authorizer (agent key), then record**": ("authorizer, agent key", "record"),
        "cold POST: the same authorizer, then FastAPI + Mangum": ("authorizer, key path", "FastAPI + Mangum"),
        "cold POST: the same authorizer, then Powertools resolver": (
            "authorizer, key path",
            "Powertools resolver, validation, Tracer",
        ),
    }
    report.text(
        f"## Cold call: {runs} new processes each\n\nStarted by Lambda's own bootstrap (awslambdaric), until it asks "
        "for the first event, and until it has sent the first answer. DynamoDB is called over TLS; its certificate is "
        "verified with Amazon's five root certificates and the bench's own."
    )
    report.lives(lives(over_tls, together, runs, check), nothing, COLD_BARS)


def warm_calls(report: Report, service: Stub, rounds: int, times: int) -> None:
    usual = usual_program(service)
    item = {"table": "outcomes", "item": stored(0)}
    calls: dict[str, Call] = {
        "a bare put_item": (Program(variables=service.variables), {"call": "put_item"} | item),
        "PutItem by our own caller": (ours("Record", service), {"call": "PutItem"} | item),
        "record": (ours("Record", service), handled(RECORD)),
        "record, FastAPI + Mangum": (usual, handled(RECORD, "fastapi_app")),
        "record, Powertools resolver, validation, Tracer": (usual, handled(RECORD, "resolver_app")),
        "record with an Idempotency-Key": (ours("Record", service), handled(RECORD_ONCE)),
        "list of 20": (ours("List", service), handled(LIST)),
        "list of 20, FastAPI + Mangum": (usual, handled(LIST, "fastapi_app")),
        "list of 20, Powertools resolver, validation, Tracer": (usual, handled(LIST, "resolver_app")),
        f"summary of {len(ITEMS)}": (ours("Summary", service), handled(SUMMARY)),
        "authorizer, key path": (ours("Authorizer", service), handled(asked_with_a_key())),
        "authorizer, agent key": (ours("Authorizer", service), handled(asked_with_a_key(AGENT_KEY))),
    }
    with workers(calls) as working:
        for name, worker in working.items():
            check(name, worker.call())
        taken = warm(working, rounds, times)
    report.text(f"## Warm call: {rounds} rounds of {times} calls each")
    report.times(taken, "a bare put_item", WARM_BARS, digits=3)


def dynamodb_calls(report: Report, service: Stub) -> None:
    """Report the DynamoDB calls that a warm function makes."""
    calls: dict[str, tuple[str, dict[str, Any], int | None]] = {
        "record": ("Record", RECORD, 1),
        "record with an Idempotency-Key": ("Record", RECORD_ONCE, 1),
        "list": ("List", LIST, 1),
        "export": ("Export", EXPORT, 1),
        "summary of a month": ("Summary", SUMMARY, None),
        "one outcome": ("One", ONE_OUTCOME, 1),
        "correct with an Idempotency-Key": ("Correct", CORRECTION, 3),
        f"batch of {BATCH}": ("Batch", batch(BATCH), None),
        f"batch of {BATCH} with an Idempotency-Key": ("Batch", batch(BATCH, {"Idempotency-Key": "import-1"}), None),
        "authorizer, key": ("Authorizer", asked_with_a_key(), 0),
        "authorizer, agent key": ("Authorizer", asked_with_a_key(AGENT_KEY), 1),
        "authorizer, encrypted cookie": ("Authorizer", asked_with_a_cookie("next-auth"), 0),
        "authorizer, stored session": ("Authorizer", asked_with_a_cookie("stored"), 1),
    }
    rows = []
    for name, (which, event, bar) in calls.items():
        with workers({name: (ours(which, service), handled(event))}) as working:
            service.counts()
            check(name, working[name].call())
            counts = {
                operation.partition(".")[2]: count
                for operation, count in service.counts().items()
                if operation.startswith("DynamoDB")
            }
        made = ", ".join(f"{count} {operation}" for operation, count in counts.items())
        rows.append([name, made or "none", *report.bar(f"DynamoDB calls of {name}", bar, sum(counts.values()))])
    report.text("## DynamoDB calls per request\n\nThe AWS Lambda Handler Cookbook makes 3 to record.")
    report.table(["", "calls", "bar", "verdict"], rows)


def batch_growth(report: Report, service: Stub, rounds: int) -> None:
    """Measure how long it takes to record an outcome alone and in batches."""
    sizes = [1, 10, BATCH]
    calls: dict[str, Call] = {"one by one": (ours("Record", service), handled(RECORD))}
    calls |= {f"batch of {size}": (ours("Batch", service), handled(batch(size))) for size in sizes}
    with workers(calls) as working:
        taken = warm(working, rounds, times=10)
    rows = []
    alone = taken["one by one"]
    for (name, times), size in zip(taken.items(), [1, *sizes], strict=True):
        rows.append(
            [name, f"{times.cpu / size * 1000:.3f}", f"{size / times.cpu:.0f}", f"{alone.cpu * size / times.cpu:.1f}"]
        )
    report.text(
        "## Growth of a batch\n\nThe stub answers at once. In AWS an outcome alone also pays for a round trip, an "
        "invocation and the authorizer, so a batch saves more."
    )
    report.table(["", "ms an outcome", "outcomes a second", "times one by one"], rows)


def feed_delay(report: Report, short: bool) -> None:
    report.text('## From record to the screen of a feed with `refresh="1"`: `python -m bench.feed`')
    report.text(printed("bench.feed", *(["--short"] if short else [])))


def printed(module: str, *arguments: str) -> str:
    """Run a module in a separate process, and return its output.

    Raises CalledProcessError if it fails, and TimeoutExpired after ten minutes, because a page may hang.
    """
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=600).stdout.strip()


def units(report: Report) -> None:
    """Report item sizes and units, as DynamoDB counts them."""
    item = stored(0)
    writes = write_units(item)
    rows = [
        ["the outcome, stored", f"{item_bytes(item)} bytes"],
        ["record", f"{writes} write unit"],
        ["list of 20", f"{read_units(*map(stored, range(21)))} read units"],
        ["list of 50", f"{read_units(*map(stored, range(51)))} read units"],
        [f"batch of {BATCH}", f"{writes * BATCH} write units"],
        ["record with an Idempotency-Key (two items in a transaction)", f"{2 * TRANSACTION} write units"],
    ]
    report.text("## Storage")
    report.table(["", "by DynamoDB's count"], rows)


def ours(which: str, service: Stub | None = None) -> Program:
    """Return one of our functions as a program. If a stub is passed, the function calls this stub instead of AWS."""
    names = {"Record": "RecordOutcome", "Batch": "RecordBatch", "List": "ListOutcomes", "Export": "ExportOutcomes"}
    names |= {"Summary": "SummarizeOutcomes", "One": "GetOutcome", "Correct": "CorrectOutcome"}
    return function(f"{names.get(which, which)}Function").with_variables(service.variables if service else {})


def batch(size: int, headers: dict[str, str] | None = None) -> dict[str, Any]:
    body = {"outcomes": [OUTCOME] * size}
    return request("POST", "/api/outcomes/batch", body=body, authorizer=BY_KEY, headers=headers)


def usual_program(service: Stub) -> Program:
    names = {"POWERTOOLS_SERVICE_NAME": "outcomes", "POWERTOOLS_METRICS_NAMESPACE": "Outcomes"}
    names["PYTHONWARNINGS"] = "ignore"  # Powertools warns about each request without a metric
    return Program(USUAL, {"OUTCOMES_TABLE": "outcomes", **names, **service.variables})


def asked_with_a_key(key: str = API_KEY) -> dict[str, Any]:
    return request("POST", headers={"Authorization": f"Bearer {key}"})


def asked_with_a_cookie(kind: str) -> dict[str, Any]:
    return request("GET", headers={"Cookie": cookie(kind)})


def check(name: str, result: dict[str, Any]) -> None:
    """Raise RuntimeError if a call failed, because its time would mean nothing."""
    status = result.get("statusCode") or result.get("ResponseMetadata", {}).get("HTTPStatusCode")
    if status != 200 and "policyDocument" not in result:
        raise RuntimeError(f"{name} failed: {result}")


def _and_call(module: str, event: dict[str, Any]) -> str:
    names = dict.fromkeys(("function_name", "memory_limit_in_mb", "invoked_function_arn", "aws_request_id"), "bench")
    return f"import types, {module}; {module}.handler({event!r}, types.SimpleNamespace(**{names!r}))"


if __name__ == "__main__":
    sys.exit(main())
