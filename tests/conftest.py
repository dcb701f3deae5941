"""Fixtures for all tests: a Lambda function's environment variables, logs, and the template's tables in moto."""

import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Any

import pytest

from ops.template import parse_yaml
from tests.local.stacks import STACK_SECRET
from tests.outcome_types import TYPES
from tests.stopwatch import Stopwatch

if TYPE_CHECKING:
    from local.moto_backend import MotoTable

os.environ |= {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": STACK_SECRET,
    "AWS_DEFAULT_REGION": "us-east-1",
    "POWERTOOLS_SERVICE_NAME": "outcomes",
    "POWERTOOLS_METRICS_NAMESPACE": "Outcomes",
    # In tests, a table's name is its logical id.
    "OUTCOMES_TABLE": "OutcomesTable",
    "IDEMPOTENCY_TABLE": "IdempotencyTable",
    "KEYS_TABLE": "KeysTable",
    "TOTALS_TABLE": "TotalsTable",
    "TOTALS_EDITION": "1",
    "STATEMENTS_TABLE": "StatementsTable",
    "COSTS_TABLE": "CostsTable",
    "WATCHES_TABLE": "WatchesTable",
    "DEFINITIONS_TABLE": "StatementsTable",
    "STATEMENT_SECRET_ARN": "StatementSecret",
    "ISSUER": "https://{api}.execute-api.us-east-1.amazonaws.com/v1",
    "WEBHOOK_URL": "https://hooks.example.com/outcomes",
    "WEBHOOK_SECRET_ARN": "webhook-secret",
    "WEBHOOKS_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/WebhooksQueue",
    "DEAD_WEBHOOKS_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/DeadWebhooksQueue",
    "EVENT_BUS": "default",
    "EVENT_SOURCE": "outcomes-prod",
    "KEPT_EVENTS_BUCKET": "kept-events",
    "SESSIONS_TABLE": "SessionsTable",
    "ERASURES_TABLE": "ErasuresTable",
    "ERASURE_SECRET_ARN": "ErasureSecret",
    "SETTLE_SECONDS": "900",
    "MAX_READ_UNITS": "4000",
    "MAX_WRITE_UNITS": "4000",
    "DASHBOARD_ORIGINS": "https://app.example.com,https://beta.example.com",
    "PLATFORM_MAY_READ": "false",
    "OUTCOME_TYPES": ",".join(TYPES),
    "SCOPES": "record,read,correct,backfill,cost",
    "OUTCOMES_PER_DAY": "10000",
    "CAPABILITIES": "batch, totals, agentkeys, corrections, export, datarequests, modeltools, statements, costs"
    ", definitions, watches",
}

ROOT = Path(__file__).parents[1]
EMPTY_TABLES: "dict[str, MotoTable]" = {}


@pytest.fixture(scope="session", autouse=True)
def witness() -> Iterator[None]:
    """Compare moto with DynamoDB Local, if WITNESS is its port."""
    if port := os.environ.get("WITNESS"):
        from tests.figures import count
        from tests.witness import install

        installed = install(int(port))
        yield
        count(compared=installed.compared, stored=installed.stored)
    else:
        yield


@pytest.fixture(scope="session")
def template() -> Any:
    """Read template.yaml as written, before SAM's transform."""
    return parse_yaml((ROOT / "template.yaml").read_text())


@pytest.fixture(autouse=True)
def clock_that_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make each read of the clock return a time at least a millisecond later than the previous read.

    The time only goes back if a test sets the clock back by a minute or more.
    """
    clock, last = time.time_ns, 0

    def later() -> int:
        nonlocal last
        now = clock()
        last = last + 1_000_000 if now - 1_000_000 < last < now + 60_000_000_000 else now
        return last

    monkeypatch.setattr(time, "time_ns", later)


type RunMain = Callable[..., CompletedProcess[str]]


@pytest.fixture
def run_main(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunMain:
    """Return a function that runs a command's `main` in this process, and restores the environment after the test."""

    def run(main: Callable[[], int], *arguments: str) -> CompletedProcess[str]:
        monkeypatch.setattr(os, "environ", os.environ.copy())
        monkeypatch.setattr(sys, "argv", ["command", *arguments])
        code = main()
        return CompletedProcess(arguments, code, *capsys.readouterr())

    return run


@pytest.fixture
def waiting_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the time be over when the pause after a lost race ends, and the next attempt begins."""

    def wait(backoff: Any) -> bool:
        backoff.at = -1.0
        return True

    monkeypatch.setattr("outcomes.aws.backoff.Backoff.wait", wait)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip all waits between retries; a backoff's clock advances as if it had waited."""
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    clock = Stopwatch()
    for module in (
        "aws.backoff",
        "aws.paced_reads",
        "costs.stored_costs",
        "statements.chain",
        "statements.stored_statements",
        "totals.materialized",
    ):
        monkeypatch.setattr(f"outcomes.{module}.time", clock)
    for pause in ("PAUSE", "THROTTLED_PAUSE"):
        monkeypatch.setattr(f"outcomes.aws.services.{pause}", 0)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Yield a function that returns the log lines of this test."""
    from outcomes.edge.observability import logger

    stream = io.StringIO()
    monkeypatch.setattr(logger().handlers[0], "stream", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    print(stream.getvalue())  # tests.canaries checks the output for credentials


@contextmanager
def template_tables(template: Any) -> Iterator[dict[str, str]]:
    """Create the template's tables in an empty AWS account. Yields the tables' names by logical id.

    moto creates them only once, because that takes longer than most tests; later calls copy the empty tables.
    """
    # Imported late, because the process that distributes the tests does not need moto, which takes 0.3 s to load.
    from local.moto_backend import backend
    from tests.aws import aws_client, mock_aws

    declared = {name: item for name, item in template["Resources"].items() if item["Type"] == "AWS::DynamoDB::Table"}
    with mock_aws():
        tables = backend("dynamodb").tables
        if EMPTY_TABLES.keys() != declared.keys():
            for name, table in declared.items():
                properties = {
                    key: table["Properties"][key] for key in ("KeySchema", "AttributeDefinitions", "BillingMode")
                }
                # Leave out OnDemandThroughput, because its values are parameters.
                indexes = [
                    {key: index[key] for key in ("IndexName", "KeySchema", "Projection")}
                    for index in table["Properties"].get("GlobalSecondaryIndexes", [])
                ]
                properties |= {"GlobalSecondaryIndexes": indexes} if indexes else {}
                aws_client("dynamodb").create_table(TableName=name, **properties)
            EMPTY_TABLES.update(deepcopy(dict(tables)))
        tables.update(deepcopy(EMPTY_TABLES))
        yield {name: name for name in declared}


@pytest.fixture
def tables(template: Any) -> Iterator[dict[str, str]]:
    """Create the template's tables, and return their names by logical id."""
    with template_tables(template) as created:
        yield created
