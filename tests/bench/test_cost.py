"""docs/costs.md contains the costs that the script computes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from outcomes.contract.caller import Caller
from outcomes.ledger.idempotency_keys import idempotency_hash
from outcomes.ledger.idempotent_writes import IdempotentWriter, WriteRequest
from outcomes.ledger.store import OutcomeStore

from bench.outcome import new_outcome, remembered
from bench.storage import item_bytes
from docs import costs as cost
from tests.aws import scan

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["costs.md", "deploy.md"])
def test_the_page_is_current(page: str) -> None:
    """If this fails, run `make cost`."""
    text = (ROOT / "docs" / page).read_text()
    assert cost.rewritten(text) == text


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
    figures = cost.inputs()
    keyed, unkeyed, _, _, batch, *_ = cost.calls(figures)
    assert (keyed.write_units, unkeyed.write_units, batch.write_units) == (4, 1, 4 * cost.BATCHED)


@pytest.mark.parametrize(("a_second", "share"), [(0.1, 1), (1, 1), (2, 0.525), (20, 0.0975)])
def test_x_ray_traces_the_first_call_of_each_second_and_one_in_twenty_of_the_others(
    a_second: float, share: float
) -> None:
    figures = cost.inputs()
    assert cost.traced(a_second, figures) == pytest.approx(share)


def test_tracing_is_not_part_of_the_sums(template: Any) -> None:
    assert template["Parameters"]["Tracing"]["Default"] == "PassThrough"
    figures = cost.inputs()
    sums = [cost.parts(call, figures) for call in cost.calls(figures)]
    for parts in (*sums, cost.event(figures), cost.webhook(figures)):
        assert "X-Ray" not in parts
    assert "With `Tracing=Active`, X-Ray" in " ".join((ROOT / "docs/costs.md").read_text().split())


def record(figures: Any) -> dict[str, float]:
    return cost.parts(cost.calls(figures)[0], figures)


@pytest.mark.parametrize(
    ("call", "name", "part"),
    [
        (record, "write_units_per_million", "DynamoDB"),
        (record, "log_bytes_of_access", "CloudWatch Logs"),
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
def test_a_price_or_assumption_changes_its_service_only(
    call: Callable[..., dict[str, float]], name: str, part: str
) -> None:
    figures = cost.inputs()
    with_all, without = call(figures), call(figures | {name: 0})
    assert {each for each in with_all if without[each] < with_all[each]} == {part}


def test_starts_cost_time_and_memory() -> None:
    figures = cost.inputs()
    longer = figures | {"authorizer_start_ms": 100, "record_start_ms": 200}
    assert cost.started(longer | {"authorizer_memory_gb": 1, "memory_gb": 0.5}) == pytest.approx(2.67, abs=0.01)


def test_the_assumed_memory_is_the_templates(template: Any) -> None:
    figures = cost.inputs()
    usual = template["Globals"]["Function"]["MemorySize"]
    gigabytes = {
        name: int(resource["Properties"].get("MemorySize", usual)) / 1024
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    assert gigabytes.pop("AuthorizerFunction") == figures["authorizer_memory_gb"]
    assert gigabytes.pop("SummarizeOutcomesFunction") == figures["summary_memory_gb"]
    assert gigabytes.pop("McpFunction") == figures["mcp_memory_gb"]
    assert gigabytes.pop("StatementsFunction") == figures["summary_memory_gb"]
    assert gigabytes.pop("CostsFunction") == figures["summary_memory_gb"]
    assert gigabytes.pop("TryDefinitionFunction") == figures["summary_memory_gb"]
    assert gigabytes.pop("WatchesFunction") == figures["summary_memory_gb"]
    assert gigabytes.pop("EvaluateWatchesFunction") == figures["summary_memory_gb"]
    assert set(gigabytes.values()) == {figures["memory_gb"]}


def test_a_run_of_the_clock_costs_what_its_users_cost_until_there_are_too_many() -> None:
    figures = cost.inputs()
    assert cost.watched(2_000, figures) == cost.watched(10_000, figures) > 100 * cost.watched(10, figures)
    for name in ("watched_user_ms", "watched_user_read_units", "lambda_per_million"):
        assert cost.watched(10, figures | {name: 0}) < cost.watched(10, figures), name


# ── Costs by month ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_core_costs_at_most_half_a_dollar_when_idle() -> None:
    figures = cost.inputs()
    assert cost.idle_dollars(cost.deployed("core"), figures) <= 0.50


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
    figures = cost.inputs()
    counted = cost.idle(cost.deployed("core", **parameters), figures)
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
    figures = cost.inputs()
    before, after = (cost.used("prod", 10_000, each) for each in (figures, figures | {name: 2 * figures[name]}))
    assert after[part] > before[part]


def test_without_monitoring_no_custom_metric_is_paid_for() -> None:
    assert cost.used("core", 10_000, cost.inputs())["custom metrics"] == 0
