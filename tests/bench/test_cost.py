"""docs/costs.md contains the costs that the script computes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from outcomes.contract.caller import Caller
from outcomes.ledger.idempotency_keys import idempotency_hash
from outcomes.ledger.idempotent_writes import IdempotentWriter, WriteRequest
from outcomes.ledger.store import OutcomeStore

from bench import cost, month
from bench.outcome import new_outcome, remembered
from bench.storage import item_bytes
from tests.aws import scan

ROOT = Path(__file__).parents[2]


def test_the_page_is_current() -> None:
    """If this fails, run `make cost`."""
    text = (ROOT / "docs/costs.md").read_text()
    assert month.rewritten(text) == text


def test_a_price_changes_its_service_only() -> None:
    prices, assumed = cost.inputs()
    record, *_ = cost.calls(assumed)
    before = cost.parts(record, prices, assumed)
    after = cost.parts(record, prices | {"write_units_per_million": prices["write_units_per_million"] * 2}, assumed)
    assert after["DynamoDB"] == 2 * before["DynamoDB"]
    assert after | {"DynamoDB": 0} == before | {"DynamoDB": 0}


def test_the_row_of_an_idempotency_key_has_the_size_of_a_stored_one(tables: dict[str, str]) -> None:
    store = OutcomeStore(tables["OutcomesTable"])
    hash_ = idempotency_hash(Caller(), new_outcome(), "renewal-4711")
    IdempotentWriter(store, tables["IdempotencyTable"]).record(WriteRequest(new_outcome(), hash_, "key"))
    [row] = scan(tables["IdempotencyTable"])

    assert row.keys() == remembered().keys()
    # Use the same time in both rows, because a number's stored size depends on its digits.
    now = {"expires_at": row["expires_at"]}
    assert item_bytes(row) == item_bytes(remembered() | now)


def test_an_idempotency_key_costs_four_write_units_instead_of_one() -> None:
    _, assumed = cost.inputs()
    keyed, unkeyed, _, _, batch, *_ = cost.calls(assumed)
    assert (keyed.write_units, unkeyed.write_units, batch.write_units) == (4, 1, 4 * cost.BATCHED)


def test_an_agent_key_costs_one_read_unit() -> None:
    prices, assumed = cost.inputs()
    platform, _, agent, *_ = (cost.parts(call, prices, assumed) for call in cost.calls(assumed))
    assert agent["DynamoDB"] - platform["DynamoDB"] == pytest.approx(prices["read_units_per_million"])
    assert agent | {"DynamoDB": 0} == platform | {"DynamoDB": 0}


def test_a_next_summary_costs_far_less_than_the_first() -> None:
    prices, assumed = cost.inputs()
    *_, first, next_ = (cost.parts(call, prices, assumed)["DynamoDB"] for call in cost.calls(assumed))
    assert next_ < first / 50


@pytest.mark.parametrize(("a_second", "share"), [(0.1, 1), (1, 1), (2, 0.525), (20, 0.0975)])
def test_x_ray_traces_the_first_call_of_each_second_and_one_in_twenty_of_the_others(
    a_second: float, share: float
) -> None:
    _, assumed = cost.inputs()
    assert cost.traced(a_second, assumed) == pytest.approx(share)


def test_every_call_pays_for_its_access_log() -> None:
    prices, assumed = cost.inputs()
    for call in cost.calls(assumed):
        without = cost.parts(call, prices, assumed | {"log_bytes_of_access": 0})
        assert without["CloudWatch Logs"] < cost.parts(call, prices, assumed)["CloudWatch Logs"], call.name


def test_tracing_is_not_part_of_the_sums(template: Any) -> None:
    assert template["Parameters"]["Tracing"]["Default"] == "PassThrough"
    prices, assumed = cost.inputs()
    sums = [cost.parts(call, prices, assumed) for call in cost.calls(assumed)]
    for parts in (*sums, cost.event(prices, assumed), cost.webhook(prices, assumed)):
        assert "X-Ray" not in parts
    assert "With `Tracing=Active`, X-Ray" in " ".join((ROOT / "docs/costs.md").read_text().split())


@pytest.mark.parametrize(
    ("call", "name", "part"),
    [
        (cost.webhook, "queue_per_million", "SQS"),
        (cost.webhook, "lambda_per_million", "Lambda calls"),
        (cost.webhook, "webhook_ms", "Lambda time"),
        (cost.webhook, "log_bytes_of_metrics", "CloudWatch Logs"),
        (cost.webhook, "handshake_bytes", "Transfer out"),
        (cost.event, "event_per_million", "EventBridge"),
        (cost.event, "lambda_per_million", "Lambda calls"),
        (cost.event, "event_ms", "Lambda time"),
        (cost.event, "log_bytes_of_metrics", "CloudWatch Logs"),
    ],
)
def test_a_price_or_assumption_of_events_and_webhooks_changes_its_service_only(
    call: Callable[..., dict[str, float]], name: str, part: str
) -> None:
    prices, assumed = cost.inputs()
    with_all, without = call(prices, assumed), call(prices | {name: 0}, assumed | {name: 0})
    assert {each for each in with_all if without[each] < with_all[each]} == {part}


def test_starts_cost_time_and_memory() -> None:
    prices, assumed = cost.inputs()
    longer = assumed | {"authorizer_start_ms": 100, "record_start_ms": 200}
    assert cost.started(prices, longer | {"authorizer_memory_gb": 1, "memory_gb": 0.5}) == pytest.approx(2.67, abs=0.01)


def test_the_assumed_memory_is_the_templates(template: Any) -> None:
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
    assert gigabytes.pop("StatementsFunction") == assumed["summary_memory_gb"]
    assert set(gigabytes.values()) == {assumed["memory_gb"]}


def test_a_text_without_marks_is_an_error() -> None:
    with pytest.raises(ValueError, match="no marks"):
        month.rewritten("# Outcomes API")


# ── Costs by month ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_core_costs_at_most_half_a_dollar_when_idle() -> None:
    prices, _ = cost.inputs()
    assert month.idle_dollars(month.deployed("core"), prices) <= 0.50


@pytest.mark.parametrize(
    ("parameters", "kinds"),
    [
        ({}, {"secret": 1}),
        ({"DataRequests": "On"}, {"secret": 2}),
        ({"Monitoring": "Essential"}, {"secret": 1, "alarm metric": 4}),
        ({"Monitoring": "Full"}, {"secret": 1, "alarm metric": 8, "dashboard": 1}),
        ({"FirewallRequests": "1000"}, {"secret": 1, "firewall": 1, "firewall rule": 3}),
        ({"EventBusName": "default", "WebhookUrl": "https://hooks.example.com/"}, {"secret": 2}),
    ],
)
def test_an_idle_month_pays_for_capabilities_that_are_on(parameters: dict[str, str], kinds: dict[str, int]) -> None:
    prices, _ = cost.inputs()
    counted = month.idle(month.deployed("core", **parameters), prices)
    assert {kind: number for kind, (number, _) in counted.items()} == kinds


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("gateway_per_million", "to record"),
        ("transfer_per_gb", "the feed"),
        ("kept_gb_month", "kept rows"),
        ("metric_month", "custom metrics"),
        ("alarm_metric_month", "idle"),
    ],
)
def test_a_month_is_paid_by_each_of_its_parts(name: str, part: str) -> None:
    prices, assumed = cost.inputs()
    before, after = (month.used("prod", 10_000, each, assumed) for each in (prices, prices | {name: 2 * prices[name]}))
    assert after[part] > before[part]


def test_without_monitoring_no_custom_metric_is_paid_for() -> None:
    assert month.used("core", 10_000, *cost.inputs())["custom metrics"] == 0
