"""The costs in docs/costs.md are what the script makes of its inputs."""

from collections import Counter
from pathlib import Path
from typing import Any

import boto3
import pytest
from outcomes.contract.caller import Caller
from outcomes.ledger.idempotent_writes import Entry, IdempotentWriter, idempotency_hash
from outcomes.ledger.store import OutcomeStore

from bench import cost
from bench.outcome import new_outcome, remembered
from bench.storage import item_bytes

COSTS = Path(__file__).parents[2] / "docs/costs.md"


def test_the_page_says_what_the_script_says() -> None:
    """If this fails, `make cost` was not run after a price, an item or the template of the text changed."""
    assert cost.rewritten(COSTS.read_text()) == COSTS.read_text()


def test_a_price_goes_into_the_sum() -> None:
    prices, assumed = cost.inputs()
    record, *_ = cost.calls(assumed)
    before = cost.parts(record, prices, assumed)
    after = cost.parts(record, prices | {"write_units_per_million": prices["write_units_per_million"] * 2}, assumed)
    assert after["DynamoDB"] == 2 * before["DynamoDB"]
    assert after | {"DynamoDB": 0} == before | {"DynamoDB": 0}


def test_what_is_remembered_of_a_key_is_counted_as_it_is_stored(tables: dict[str, str]) -> None:
    store = OutcomeStore(tables["OutcomesTable"])
    hash_ = idempotency_hash(Caller(), new_outcome(), "renewal-4711")
    IdempotentWriter(store, tables["IdempotencyTable"]).record(Entry(new_outcome(), hash_, "key"))
    [row] = boto3.client("dynamodb").scan(TableName=tables["IdempotencyTable"])["Items"]

    assert row.keys() == remembered().keys()
    # A number takes as many bytes as it has digits, without zeros at its end; this one is a time.
    now = {"expires_at": row["expires_at"]}
    assert item_bytes(row) == item_bytes(remembered() | now)


def test_an_idempotency_key_costs_four_write_units_instead_of_one() -> None:
    _, assumed = cost.inputs()
    keyed, unkeyed, _, batch, *_ = cost.calls(assumed)
    assert (keyed.write_units, unkeyed.write_units, batch.write_units) == (4, 1, 4 * cost.BATCHED)


def test_a_summary_pays_once_for_what_it_adds_up() -> None:
    prices, assumed = cost.inputs()
    *_, first, next_ = (cost.parts(call, prices, assumed)["DynamoDB"] for call in cost.calls(assumed))
    assert next_ < first / 50


@pytest.mark.parametrize(("a_second", "share"), [(0.1, 1), (1, 1), (2, 0.525), (20, 0.0975)])
def test_x_ray_traces_the_first_call_of_each_second_and_one_in_twenty_of_the_others(
    a_second: float, share: float
) -> None:
    _, assumed = cost.inputs()
    assert cost.traced(a_second, assumed) == pytest.approx(share)


def test_access_logs_are_paid_by_every_call() -> None:
    prices, assumed = cost.inputs()
    for call in cost.calls(assumed):
        without = cost.parts(call, prices, assumed | {"log_bytes_of_access": 0})
        assert without["CloudWatch Logs"] < cost.parts(call, prices, assumed)["CloudWatch Logs"], call.name


def test_tracing_is_paid_only_where_it_is_asked_for(template: Any) -> None:
    assert template["Parameters"]["Tracing"]["Default"] == "PassThrough"
    prices, assumed = cost.inputs()
    sums = [cost.parts(call, prices, assumed) for call in cost.calls(assumed)]
    for parts in (*sums, cost.event(prices, assumed), cost.webhook(prices, assumed)):
        assert "X-Ray" not in parts
    assert "With `Tracing=Active`, X-Ray" in " ".join(COSTS.read_text().split())


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("queue_per_million", "SQS"),
        ("lambda_per_million", "Lambda calls"),
        ("webhook_ms", "Lambda time"),
        ("log_bytes_of_metrics", "CloudWatch Logs"),
        ("handshake_bytes", "Transfer out"),
    ],
)
def test_a_webhook_is_paid_by_each_of_its_parts(name: str, part: str) -> None:
    prices, assumed = cost.inputs()
    with_all, without = cost.webhook(prices, assumed), cost.webhook(prices | {name: 0}, assumed | {name: 0})
    assert {each for each in with_all if without[each] < with_all[each]} == {part}


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("event_per_million", "EventBridge"),
        ("lambda_per_million", "Lambda calls"),
        ("event_ms", "Lambda time"),
        ("log_bytes_of_metrics", "CloudWatch Logs"),
    ],
)
def test_an_event_is_paid_by_each_of_its_parts(name: str, part: str) -> None:
    prices, assumed = cost.inputs()
    with_all, without = cost.event(prices, assumed), cost.event(prices | {name: 0}, assumed | {name: 0})
    assert {each for each in with_all if without[each] < with_all[each]} == {part}


def test_starts_are_paid_by_time_and_memory() -> None:
    prices, assumed = cost.inputs()
    longer = assumed | {"authorizer_start_ms": 100, "record_start_ms": 200}
    assert cost.started(prices, longer | {"authorizer_memory_gb": 1, "memory_gb": 0.5}) == pytest.approx(2.67, abs=0.01)


def test_the_memory_that_is_paid_for_is_the_functions_own(template: Any) -> None:
    _, assumed = cost.inputs()
    usual = template["Globals"]["Function"]["MemorySize"]
    gigabytes = {
        name: int(resource["Properties"].get("MemorySize", usual)) / 1024
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    assert gigabytes.pop("AuthorizerFunction") == assumed["authorizer_memory_gb"]
    assert gigabytes.pop("SummarizeOutcomesFunction") == assumed["summary_memory_gb"]
    assert gigabytes.pop("McpFunction") == assumed["mcp_memory_gb"]
    assert set(gigabytes.values()) == {assumed["memory_gb"]}


def test_a_text_without_marks_is_left_alone() -> None:
    with pytest.raises(ValueError, match="no marks"):
        cost.rewritten("# Outcomes API")


def test_the_page_says_what_alarms_cost(template: Any) -> None:
    """$0.10 a month for each metric that an alarm looks at: https://aws.amazon.com/cloudwatch/pricing/"""
    metrics: Counter[str] = Counter()
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::CloudWatch::Alarm":
            looked_at = [each for each in resource["Properties"].get("Metrics", []) if "MetricStat" in each]
            metrics[resource.get("Condition", "")] += len(looked_at) or 1
    plain = metrics[""] + metrics["HasModelTools"] + metrics["HasDataRequests"]
    assert plain + metrics["PublishesEvents"] + metrics["SendsWebhooks"] == metrics.total()
    told = plain + metrics["PublishesEvents"]
    posted = told + metrics["SendsWebhooks"]
    page = " ".join(COSTS.read_text().split())
    said = f"alarms ${plain / 10:.2f}, with an `EventBusName` ${told / 10:.2f}, with a `WebhookUrl` ${posted / 10:.2f}."
    assert said in page
