"""Compute the cost of a million calls, from prices.toml and the sizes of `bench.outcome`."""

import tomllib
from functools import cache
from pathlib import Path
from textwrap import fill
from typing import Any, NamedTuple

from outcomes.contract.json_text import response_bytes
from outcomes.ledger.export import csv_line
from outcomes.limits import MAX_RESPONSE_BYTES

from bench.outcome import AGENT_KEY_ROW, answered, remembered, stored
from bench.storage import KEPT_OVERHEAD_BYTES, TRANSACTION, item_bytes, read_units, write_units
from bench.totals import YEAR, Case, looks

LISTED = 20
BATCHED = 100
BUSY = 20
"""Calls per second, for comparing the price of traces."""
GB = 1_000_000_000
SUMMED = Case(10_000, YEAR, 3)

_looks = cache(looks)


class Call(NamedTuple):
    """The resources that one call uses."""

    name: str
    milliseconds: float
    memory_gb: float
    write_units: float
    read_units: float
    metric_lines: int
    answer_bytes: int


def inputs() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return prices and assumptions by name."""
    text = tomllib.loads(Path(__file__).with_name("prices.toml").read_text())
    return text["prices"], text["assumed"]


def calls(assumed: dict[str, Any]) -> list[Call]:
    """Return the kinds of calls in the table of costs.

    Our client sends idempotency keys, so only one kind of write has none.
    """
    once = TRANSACTION * write_units(stored(0), remembered())
    unkeyed = write_units(stored(0))
    batch_answer = len('{"status":"created","id":"01M881HMN5BK0R53WV7N3P1R3Q"},') * BATCHED
    # A list reads one outcome more than its limit, to know whether there is a next page.
    listed = _read_units(LISTED + 1)
    looked_up = read_units(AGENT_KEY_ROW)  # `last_used_at` is written at most once an hour, so its cost is left out
    line = csv_line(stored(0))
    exported = MAX_RESPONSE_BYTES // response_bytes(line)
    read = _read_units(exported)
    first, next_, _ = _looks(SUMMED)
    usual = assumed["memory_gb"]
    summed = len('{"date":"2026-04-01","count":27,"value_usd":12500.5},') * SUMMED.days
    return [
        Call("record", assumed["record_ms"], usual, once, 0, 1, len('{"ok":true}')),
        Call("record, no Idempotency-Key", assumed["record_ms"], usual, unkeyed, 0, 1, len('{"ok":true}')),
        Call("record, agent key", assumed["record_ms"], usual, once, looked_up, 1, len('{"ok":true}')),
        Call("record, by MCP", assumed["mcp_ms"], assumed["mcp_memory_gb"], once, 0, 1, assumed["tool_bytes"]),
        Call(f"batch of {BATCHED}", assumed["batch_ms"], usual, once * BATCHED, 0, 1, batch_answer),
        Call(f"list ({LISTED} outcomes)", assumed["list_ms"], usual, 0, listed, 0, len(answered()) * LISTED),
        Call(
            f"export ({exported:,} outcomes)",
            assumed["export_ms"],
            usual,
            0,
            read,
            0,
            len(line) * exported,
        ),
        *[
            Call(
                f"{look.name} summary",
                assumed[f"{look.name}_summary_ms"],
                assumed["summary_memory_gb"],
                look.write_units,
                look.read_units,
                0,
                summed,
            )
            for look in (first, next_)
        ],
    ]


@cache
def _read_units(outcomes: int) -> int:
    """Return the read units of a list of this many outcomes."""
    return read_units(*map(stored, range(outcomes)))


def parts(call: Call, prices: dict[str, Any], assumed: dict[str, Any]) -> dict[str, float]:
    """Return the US dollars for a million calls, by AWS service."""
    invocations = 2  # a call invokes the authorizer, then the function
    authorizer_gb_ms = assumed["authorizer_ms"] * assumed["authorizer_memory_gb"]
    lambda_time = _lambda_time(authorizer_gb_ms + call.milliseconds * call.memory_gb, prices)
    log_bytes = (
        assumed["log_bytes_of_access"]
        + invocations * assumed["log_bytes_per_invocation"]
        + call.metric_lines * assumed["log_bytes_of_metrics"]
    )
    a_million = 1_000_000
    return {
        "API Gateway": prices["gateway_per_million"],
        "Lambda calls": invocations * prices["lambda_per_million"],
        "Lambda time": lambda_time,
        "DynamoDB": call.write_units * prices["write_units_per_million"]
        + call.read_units * prices["read_units_per_million"],
        "CloudWatch Logs": a_million * log_bytes / GB * prices["logs_per_gb"],
        "Transfer out": a_million * (call.answer_bytes + assumed["header_bytes"]) / GB * prices["transfer_per_gb"],
    }


def event(prices: dict[str, Any], assumed: dict[str, Any]) -> dict[str, float]:
    """Return the US dollars for a million events on a bus, by AWS service. Each event comes from its own invocation."""
    log_bytes = assumed["log_bytes_per_invocation"] + assumed["log_bytes_of_metrics"]
    # Lambda's reads of the stream are free: https://aws.amazon.com/dynamodb/pricing/on-demand/
    return {
        "EventBridge": prices["event_per_million"],
        "Lambda calls": prices["lambda_per_million"],
        "Lambda time": _lambda_time(assumed["event_ms"] * assumed["memory_gb"], prices),
        "CloudWatch Logs": 1_000_000 * log_bytes / GB * prices["logs_per_gb"],
    }


def webhook(prices: dict[str, Any], assumed: dict[str, Any]) -> dict[str, float]:
    """Return the US dollars for a million webhooks, by AWS service. Each is accepted at the first attempt."""
    a_million = 1_000_000
    log_bytes = assumed["log_bytes_per_invocation"] + assumed["log_bytes_of_metrics"]
    sent_bytes = len(answered()) + assumed["event_bytes"] + assumed["header_bytes"] + assumed["handshake_bytes"]
    return {
        "SQS": 3 * prices["queue_per_million"],  # one request each to send, receive and delete
        "Lambda calls": prices["lambda_per_million"],
        "Lambda time": _lambda_time(assumed["webhook_ms"] * assumed["memory_gb"], prices),
        "CloudWatch Logs": a_million * log_bytes / GB * prices["logs_per_gb"],
        "Transfer out": a_million * sent_bytes / GB * prices["transfer_per_gb"],
    }


def started(prices: dict[str, Any], assumed: dict[str, Any]) -> float:
    """Return the US dollars for a million cold starts of both the authorizer and the function that records."""
    authorizer_gb_ms = assumed["authorizer_start_ms"] * assumed["authorizer_memory_gb"]
    return _lambda_time(authorizer_gb_ms + assumed["record_start_ms"] * assumed["memory_gb"], prices)


def authorized(prices: dict[str, Any], assumed: dict[str, Any]) -> float:
    """Return the US dollars for a million calls of the authorizer."""
    log_dollars = 1_000_000 * assumed["log_bytes_per_invocation"] / GB * prices["logs_per_gb"]
    gb_ms = assumed["authorizer_ms"] * assumed["authorizer_memory_gb"]
    return float(prices["lambda_per_million"] + _lambda_time(gb_ms, prices) + log_dollars)


def _lambda_time(gb_ms: float, prices: dict[str, Any]) -> float:
    """Return the price in US dollars of a million invocations that use this many GB-milliseconds each."""
    return float(1_000_000 * gb_ms / 1000 * prices["lambda_per_gb_second"])


def traced(a_second: float, assumed: dict[str, Any]) -> float:
    """Return the share of calls that X-Ray traces: the first call of each second, and a part of the others."""
    first = min(1, 1 / a_second)
    return float(first + (1 - first) * assumed["traced_of_the_others"])


def table() -> str:
    """Return the table of docs/costs.md with its assumptions."""
    prices, assumed = inputs()
    columns = calls(assumed)
    costs = [parts(call, prices, assumed) for call in columns]
    lines = [
        f"| US dollars a million | {' | '.join(call.name for call in columns)} |",
        f"|---|{'---|' * len(columns)}",
        *(f"| {part} | {' | '.join(f'{cost[part]:.2f}' for cost in costs)} |" for part in costs[0]),
        f"| **sum** | {' | '.join(f'**{sum(cost.values()):.2f}**' for cost in costs)} |",
    ]
    item = item_bytes(stored(0))
    kept = GB / (item + KEPT_OVERHEAD_BYTES) / 1_000_000
    record, unkeyed, _, _, batch, listed, exported, first, next_ = columns
    quiet, busy = (traced(a_second, assumed) * prices["xray_per_million_traces"] for a_second in (1, BUSY))
    text = [
        "The prices are AWS's public prices for us-east-1 and arm64, without free tiers; `bench/prices.toml` lists",
        f"prices and assumptions. An outcome has {item} bytes. Recording an outcome takes {record.write_units:.0f}",
        f"write units with an Idempotency-Key (two items in a transaction), and {unkeyed.write_units:.0f} without",
        f"this header. A list of {LISTED} outcomes takes {listed.read_units:.0f} read units and sends",
        f"{listed.answer_bytes / 1000:.1f} KB; the largest export takes {exported.read_units:,.0f} read units. The",
        f"first summary of a year with {SUMMED.number:,} outcomes by {SUMMED.agents} agents takes",
        f"{first.read_units:,.0f} read units and {first.write_units:.0f} write units; each later summary takes",
        f"{next_.read_units:g} read units, plus read units for newer outcomes. If all calls that record were cold",
        f"starts, the starts would cost ${started(prices, assumed):.2f} per million calls. A million outcomes in",
        f"batches cost ${sum(parts(batch, prices, assumed).values()) / BATCHED:.2f}. The authorizer costs",
        f"${authorized(prices, assumed):.2f} per million calls, including calls that it refuses. With",
        f"`Tracing=Active`, X-Ray traces the first call of each second and {assumed['traced_of_the_others']:.0%} of",
        f"the others. Tracing costs ${quiet:.2f} per million calls at one call a second, and ${busy:.2f} at {BUSY}",
        "calls a second.",
    ]
    puts = record.write_units / TRANSACTION * (TRANSACTION - 1) * prices["write_units_per_million"]
    http_api = prices["gateway_per_million"] - prices["http_api_per_million"]
    savings = [
        f"Storing an outcome with two conditional puts instead of a transaction would save ${puts:.2f} per million,",
        "but if one put failed, a retry would record the outcome twice, or never. An HTTP API would save",
        f"${http_api:.2f} per million, but it has no firewall, and its errors lack our format and CORS headers.",
    ]
    month = [
        f"Each GB of stored outcomes ({kept:.1f} million of them) costs ${prices['kept_gb_month']:.2f} a month, and",
        f"point-in-time recovery ${prices['restorable_gb_month']:.2f} more.",
    ]
    told = event(prices, assumed)
    together = told["EventBridge"] + (sum(told.values()) - told["EventBridge"]) / BATCHED
    events = [
        "With an `EventBusName`, each outcome and each correction is an event. A million events cost",
        f"${sum(told.values()):.2f} if each has its own Lambda call",
        f"({', '.join(f'{part} {cost:.2f}' for part, cost in told.items())}). If {BATCHED} events share a call, a",
        f"million events cost ${together:.2f}. EventBridge counts an event of more than 64 KB as two or more.",
    ]
    posted = webhook(prices, assumed)
    polled = assumed["empty_receives_a_month"] / 1_000_000 * prices["queue_per_million"]
    webhooks = [
        f"With a `WebhookUrl`, a million events cost ${sum(posted.values()):.2f} more if no attempt fails",
        f"({', '.join(f'{part} {cost:.2f}' for part, cost in posted.items())}). The webhook secret",
        f"costs ${prices['secret_month']:.2f} a month, and polling the empty queue ${polled:.2f}.",
    ]
    paragraphs = [fill(" ".join(each), 120) for each in (text, savings, month, events, webhooks)]
    return "\n\n".join([paragraphs[0], "\n".join(lines), *paragraphs[1:]])
