"""python -m docs.costs PAGE...: write the costs of a month, idle and in use, and of calls into pages.

They are computed from bench/prices.toml and the sizes of `bench.outcome`. A section of a page begins with a mark such
as `<!-- make cost: idle -->`, and ends with `<!-- end of make cost -->`.
"""

import re
import sys
import tomllib
from functools import cache
from pathlib import Path
from textwrap import fill
from typing import Any, NamedTuple

from outcomes.contract.json_text import response_bytes
from outcomes.ledger.export import csv_line
from outcomes.limits import MAX_DESCRIPTION, MAX_METADATA_BYTES, MAX_RESPONSE_BYTES, MAX_TITLE
from outcomes.watches.clock import MAX_USERS

from bench.outcome import AGENT_KEY_ROW, answered, remembered, stored
from bench.storage import KEPT_OVERHEAD_BYTES, TRANSACTION, item_bytes, read_units, write_units
from bench.totals import YEAR, Case, looks
from local.template import Template
from ops.command import Parser, exit_code
from ops.template import declared_calls, default_outcome_types, pairs, parse_yaml

ROOT = Path(__file__).parents[1]
LISTED, BATCHED = 20, 100
BUSY = 20
"""Calls per second, for comparing the price of traces."""
GB, MILLION = 1_000_000_000, 1_000_000
SUMMED = Case(10_000, YEAR, 3)

ENVIRONMENTS = ("core", "dev", "prod")
VOLUMES = (10_000, 100_000, 1_000_000)
OPEN_HOURS = 2
"""Hours per day for which a feed is open."""
DAYS = 30
SECONDS = 24 * 60 * 60
THROTTLES = ("Record", "Batch", "Export", "Mcp", "Read")

_looks = cache(looks)

type Figures = dict[str, Any]
"""The prices and assumptions of bench/prices.toml by name."""
type Dollars = dict[str, float]
"""US dollars by AWS service, or by another part."""


class Call(NamedTuple):
    """The resources that one call uses."""

    name: str
    milliseconds: float
    memory_gb: float
    write_units: float
    read_units: float
    metric_lines: int
    answer_bytes: int


def inputs() -> Figures:
    text: dict[str, Figures] = tomllib.loads((ROOT / "bench/prices.toml").read_text())
    return text["prices"] | text["assumed"]


def calls(figures: Figures) -> list[Call]:
    """Return the kinds of calls in the table of costs.

    Our client sends idempotency keys, so only one kind of write has none.
    """
    once = TRANSACTION * write_units(stored(0), remembered())
    looked_up = read_units(AGENT_KEY_ROW)  # `last_used_at` is written at most once an hour, so its cost is left out
    line = csv_line(stored(0))
    exported = MAX_RESPONSE_BYTES // response_bytes(line)
    first, next_, _ = _looks(SUMMED)
    record, usual = figures["record_ms"], figures["memory_gb"]
    created, ok = '{"status":"created","id":"01M881HMN5BK0R53WV7N3P1R3Q"},', len('{"ok":true}')
    summed = len('{"date":"2026-04-01","count":27,"value_usd":12500.5},') * SUMMED.days
    # A list reads one outcome more than its limit, to know whether there is a next page.
    listed = _read_units(LISTED + 1), 0, len(answered()) * LISTED
    summary = figures["summary_memory_gb"]
    return [
        Call("record", record, usual, once, 0, 1, ok),
        Call("record, no Idempotency-Key", record, usual, write_units(stored(0)), 0, 1, ok),
        Call("record, agent key", record, usual, once, looked_up, 1, ok),
        Call("record, by MCP", figures["mcp_ms"], figures["mcp_memory_gb"], once, 0, 1, figures["tool_bytes"]),
        Call(f"batch of {BATCHED}", figures["batch_ms"], usual, once * BATCHED, 0, 1, len(created) * BATCHED),
        Call(f"list ({LISTED} outcomes)", figures["list_ms"], usual, 0, *listed),
        Call(
            f"export ({exported:,} outcomes)",
            figures["export_ms"],
            usual,
            0,
            _read_units(exported),
            0,
            len(line) * exported,
        ),
        *(
            Call(f"{look.name} summary", figures[ms], summary, look.write_units, look.read_units, 0, summed)
            for look, ms in ((first, "first_summary_ms"), (next_, "next_summary_ms"))
        ),
    ]


@cache
def _read_units(outcomes: int) -> int:
    """Return the read units of a list of this many outcomes."""
    return read_units(*map(stored, range(outcomes)))


def parts(call: Call, figures: Figures) -> Dollars:
    """Return the US dollars for a million calls, each of which invokes the authorizer, then the function."""
    authorizer_gb_ms = figures["authorizer_ms"] * figures["authorizer_memory_gb"]
    return {
        "API Gateway": figures["gateway_per_million"],
        "Lambda calls": 2 * figures["lambda_per_million"],
        "Lambda time": _lambda_time(authorizer_gb_ms + call.milliseconds * call.memory_gb, figures),
        "DynamoDB": call.write_units * figures["write_units_per_million"]
        + call.read_units * figures["read_units_per_million"],
        "CloudWatch Logs": _logs(2, call.metric_lines, figures, figures["log_bytes_of_access"]),
        "Transfer out": _transfer(call.answer_bytes + figures["header_bytes"], figures),
    }


def event(figures: Figures) -> Dollars:
    """Return the US dollars for a million events on a bus. Each event comes from its own invocation."""
    # Lambda's reads of the stream are free: https://aws.amazon.com/dynamodb/pricing/on-demand/
    return {
        "EventBridge": figures["event_per_million"],
        "Lambda calls": figures["lambda_per_million"],
        "Lambda time": _lambda_time(figures["event_ms"] * figures["memory_gb"], figures),
        "CloudWatch Logs": _logs(1, 1, figures),
    }


def webhook(figures: Figures) -> Dollars:
    """Return the US dollars for a million webhooks. Each is accepted at the first attempt."""
    more_bytes = figures["event_bytes"] + figures["header_bytes"] + figures["handshake_bytes"]
    return {
        "SQS": 3 * figures["queue_per_million"],  # one request each to send, receive and delete
        "Lambda calls": figures["lambda_per_million"],
        "Lambda time": _lambda_time(figures["webhook_ms"] * figures["memory_gb"], figures),
        "CloudWatch Logs": _logs(1, 1, figures),
        "Transfer out": _transfer(len(answered()) + more_bytes, figures),
    }


def started(figures: Figures) -> float:
    """Return the US dollars for a million cold starts of both the authorizer and the function that records."""
    authorizer_gb_ms = figures["authorizer_start_ms"] * figures["authorizer_memory_gb"]
    return _lambda_time(authorizer_gb_ms + figures["record_start_ms"] * figures["memory_gb"], figures)


def authorized(figures: Figures) -> float:
    """Return the US dollars for a million calls of the authorizer."""
    gb_ms = figures["authorizer_ms"] * figures["authorizer_memory_gb"]
    return float(figures["lambda_per_million"] + _lambda_time(gb_ms, figures) + _logs(1, 0, figures))


def traced(a_second: float, figures: Figures) -> float:
    """Return the share of calls that X-Ray traces: the first call of each second, and a part of the others."""
    first = min(1, 1 / a_second)
    return float(first + (1 - first) * figures["traced_of_the_others"])


def _lambda_time(gb_ms: float, figures: Figures) -> float:
    """Return the price of a million invocations that use this many GB-milliseconds each."""
    return float(MILLION * gb_ms / 1000 * figures["lambda_per_gb_second"])


def _logs(invocations: int, metric_lines: int, figures: Figures, more_bytes: float = 0) -> float:
    """Return the price of a million times these lines of logs."""
    size = invocations * figures["log_bytes_per_invocation"] + metric_lines * figures["log_bytes_of_metrics"]
    return float(MILLION * (size + more_bytes) / GB * figures["logs_per_gb"])


def _transfer(sent_bytes: float, figures: Figures) -> float:
    return float(MILLION * sent_bytes / GB * figures["transfer_per_gb"])


def calls_table() -> str:
    """Return the table of calls, with its assumptions."""
    figures = inputs()
    columns = calls(figures)
    costs = [parts(call, figures) for call in columns]
    item = item_bytes(stored(0))
    kept = GB / (item + KEPT_OVERHEAD_BYTES) / MILLION
    record, unkeyed, _, _, batch, listed, exported, first, next_ = columns
    quiet, busy = (traced(a_second, figures) * figures["xray_per_million_traces"] for a_second in (1, BUSY))
    text = (
        "The prices are AWS's public prices for us-east-1 and arm64, without free tiers; `bench/prices.toml` lists "
        f"prices and assumptions. An outcome has {item} bytes. Recording an outcome takes {record.write_units:.0f} "
        f"write units with an Idempotency-Key (two items in a transaction), and {unkeyed.write_units:.0f} without "
        f"this header. A list of {LISTED} outcomes takes {listed.read_units:.0f} read units and sends "
        f"{listed.answer_bytes / 1000:.1f} KB; the largest export takes {exported.read_units:,.0f} read units. The "
        f"first summary of a year with {SUMMED.number:,} outcomes by {SUMMED.agents} agents takes "
        f"{first.read_units:,.0f} read units and {first.write_units:.0f} write units; each later summary takes "
        f"{next_.read_units:g} read units, plus read units for newer outcomes. If all calls that record were cold "
        f"starts, the starts would cost ${started(figures):.2f} per million calls. A million outcomes in batches cost "
        f"${sum(parts(batch, figures).values()) / BATCHED:.2f}. The authorizer costs ${authorized(figures):.2f} per "
        "million calls, including calls that it refuses. With `Tracing=Active`, X-Ray traces the first call of each "
        f"second and {figures['traced_of_the_others']:.0%} of the others. Tracing costs ${quiet:.2f} per million calls "
        f"at one call a second, and ${busy:.2f} at {BUSY} calls a second."
    )
    month = (
        f"Each GB of stored outcomes ({kept:.1f} million of them) costs ${figures['kept_gb_month']:.2f} a month, and "
        f"point-in-time recovery ${figures['restorable_gb_month']:.2f} more."
    )
    told, posted = event(figures), webhook(figures)
    together = told["EventBridge"] + (sum(told.values()) - told["EventBridge"]) / BATCHED
    events = (
        "With an `EventBusName`, each outcome and each correction is an event. A million events cost "
        f"${sum(told.values()):.2f} if each has its own Lambda call ({_listed(told)}). If {BATCHED} events share a "
        f"call, a million events cost ${together:.2f}. EventBridge counts an event of more than 64 KB as two or more."
    )
    polled = figures["empty_receives_a_month"] / MILLION * figures["queue_per_million"]
    webhooks = (
        f"With a `WebhookUrl`, a million events cost ${sum(posted.values()):.2f} more if no attempt fails "
        f"({_listed(posted)}). The webhook secret costs ${figures['secret_month']:.2f} a month, and polling the empty "
        f"queue ${polled:.2f}."
    )
    rows = {part: [f"{cost[part]:.2f}" for cost in costs] for part in costs[0]}
    rows["**sum**"] = [f"**{sum(cost.values()):.2f}**" for cost in costs]
    table = _table("US dollars a million", [call.name for call in columns], rows)
    return "\n\n".join([fill(text, 120), table, *(fill(each, 120) for each in (month, events, webhooks))])


def _listed(dollars: Dollars) -> str:
    return ", ".join(f"{part} {cost:.2f}" for part, cost in dollars.items())


def _table(what: str, columns: list[str], rows: dict[str, list[str]]) -> str:
    lines = [[what, *columns], *([name, *cells] for name, cells in rows.items())]
    head, *body = (f"| {' | '.join(cells)} |" for cells in lines)
    return "\n".join([head, f"|---|{'---|' * len(columns)}", *body])


# ── A month ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@cache
def deployed(environment: str, **parameters: str) -> Template:
    """Read template.yaml with an environment's parameters.

    SAM's transform is not needed, because it adds nothing that costs money each month.
    """
    settings = tomllib.loads((ROOT / "samconfig.toml").read_text())[environment]["deploy"]["parameters"]
    given = {"DashboardOrigins": "https://app.example.com"} | pairs(settings["parameter_overrides"]) | parameters
    return Template(parse_yaml((ROOT / "template.yaml").read_text()), ROOT, given)


def idle(template: Template, figures: Figures) -> dict[str, tuple[int, float]]:
    """Return each kind of resource that costs money without traffic, with its number and its US dollars per month."""
    rules = [len(acl["Rules"]) for acl in template.resources("AWS::WAFv2::WebACL").values()]
    # CloudWatch bills each metric of each alarm.
    alarms = template.resources("AWS::CloudWatch::Alarm").values()
    metrics = sum(len([each for each in alarm.get("Metrics", []) if "MetricStat" in each]) or 1 for alarm in alarms)
    counted = {
        "secret": len(template.resources("AWS::SecretsManager::Secret")),
        "alarm metric": metrics,
        "dashboard": len(template.resources("AWS::CloudWatch::Dashboard")),
        "firewall": len(rules),
        "firewall rule": sum(rules),
    }
    return {kind: (n, n * figures[f"{kind.replace(' ', '_')}_month"]) for kind, n in counted.items() if n}


def idle_dollars(template: Template, figures: Figures) -> float:
    """Return the US dollars per month without traffic."""
    return sum(dollars for _, dollars in idle(template, figures).values())


def custom_metrics(figures: Figures) -> int:
    """Return the number of custom metrics, which CloudWatch bills per month.

    This assumes that all outcome types are recorded with values, and that calls are refused for the usual reasons.
    """
    template = parse_yaml((ROOT / "template.yaml").read_text())
    return 2 * len(default_outcome_types(template)) + int(figures["refusal_reasons"])


def used(environment: str, outcomes: int, figures: Figures) -> Dollars:
    """Return the US dollars of a month with this many outcomes and one open feed.

    Outcomes are recorded evenly over the day. If an outcome is recorded while the feed is open, the feed reads the
    summary again, at most once per poll.
    """
    template = deployed(environment)
    record, _, _, _, _, listed, _, _, summary = calls(figures)
    polls = OPEN_HOURS * 3600 // figures["poll_seconds"] * DAYS
    has_totals = "SummarizeOutcomesFunction" in template.resources("AWS::Serverless::Function")
    summaries = min(polls, outcomes * OPEN_HOURS // 24) if has_totals else 0
    kept_gb = outcomes * (item_bytes(stored(0)) + item_bytes(remembered()) + 2 * KEPT_OVERHEAD_BYTES) / GB
    has_metrics = "alarm metric" in idle(template, figures)

    def dollars(call: Call, times: int) -> float:
        return sum(parts(call, figures).values()) * times / MILLION

    return {
        "to record": dollars(record, outcomes),
        "the feed": dollars(listed, polls) + dollars(summary, summaries),
        "kept rows": kept_gb * (figures["kept_gb_month"] + figures["restorable_gb_month"]),
        "custom metrics": custom_metrics(figures) * figures["metric_month"] if has_metrics else 0,
        "idle": idle_dollars(template, figures),
    }


def idle_lines() -> str:
    """Return the cost without traffic: a line for each environment, then the firewall and custom metrics."""
    figures = inputs()
    lines = []
    for name in ENVIRONMENTS:
        template = deployed(name)
        kinds = [f"{number} {kind}{'s' * (number > 1)}" for kind, (number, _) in idle(template, figures).items()]
        lines.append(
            f"- `{name}` costs **${idle_dollars(template, figures):.2f}** a month when idle ({', '.join(kinds)})."
        )
    firewall, without = (idle_dollars(deployed("core", FirewallRequests=each), figures) for each in ("1000", "0"))
    metrics = custom_metrics(figures)
    return "\n".join(
        [
            *lines,
            f"- A firewall (`FirewallRequests`) costs ${firewall - without:.2f} a month more, and"
            f" ${figures['firewall_per_million']:.2f} per million requests.",
            f"- In use, {metrics} custom metrics cost up to ${metrics * figures['metric_month']:.2f} a month more;"
            " with `Monitoring=Off`, there are no custom metrics.",
        ]
    )


def month_table() -> str:
    """Return the table of months with traffic: a row for each environment and volume."""
    figures = inputs()
    rows = {}
    for environment in ("core", "prod"):
        for outcomes in VOLUMES:
            dollars = used(environment, outcomes, figures)
            sums = [*(f"{each:.2f}" for each in dollars.values()), f"**{sum(dollars.values()):.2f}**"]
            rows[f"`{environment}`, {outcomes:,} outcomes"] = sums
    return _table("US dollars a month", [*dollars, "sum"], rows)


def worst_lines() -> str:
    """Return the highest bill of a day: of one agent key, and of a stack of which all limits are used up."""
    figures, template = inputs(), deployed("prod")
    usual = calls(figures)[2]
    of_a_call = sum(dollars for part, dollars in parts(usual, figures).items() if part != "DynamoDB") / MILLION
    a_day = int(template.resolve({"Ref": "KeyOutcomesPerDay"}))
    largest = MAX_METADATA_BYTES + 4 * (MAX_TITLE + MAX_DESCRIPTION)  # a character has up to 4 bytes in UTF-8
    units = TRANSACTION * (-(-largest // 1024) + write_units(remembered()))
    of_a_key = a_day * (of_a_call + units * figures["write_units_per_million"] / MILLION)

    record, batch, export, mcp, read = (float(template.resolve({"Ref": f"{name}Throttle"})[0]) for name in THROTTLES)
    routes = len(declared_calls(parse_yaml((ROOT / "template.yaml").read_text())))
    called = (record + batch + export + mcp + (routes - 4) * read) * SECONDS * of_a_call
    tables = template.resources("AWS::DynamoDB::Table").values()
    partitioned = len(tables) + sum(len(each.get("GlobalSecondaryIndexes", [])) for each in tables)
    a_second = sum(
        float(template.resolve({"Ref": f"Max{kind}Units"})) * figures[f"{kind.lower()}_units_per_million"] / MILLION
        for kind in ("Read", "Write")
    )
    sent = _transfer(MAX_RESPONSE_BYTES, figures) / MILLION * export * SECONDS
    stored_and_read = partitioned * a_second * SECONDS
    text = (
        f"The highest bill of a day with the default limits: ${of_a_key:.2f} for an agent key that records its "
        f"{a_day:,} outcomes, each as large as allowed; each million of its refused calls costs "
        f"${of_a_call * MILLION:.2f}. A stack of which every rate and every table's throughput is used up for a whole "
        f"day costs ${called + stored_and_read + sent:,.0f} (calls ${called:,.0f}, DynamoDB ${stored_and_read:,.0f}, "
        f"exports ${sent:,.0f}). `KeyOutcomesPerDay`, the throttles, `MaxReadUnits` and `MaxWriteUnits` lower it."
    )
    return fill(text, 120)


def watched(users: int, figures: Figures) -> float:
    """Return the US dollars of a month of the clock of watches, if each of these users has some in one time zone."""
    minutes = int(deployed("prod", Watches="On", EventBusName="default").texts["WatchesMinutes"])
    runs = DAYS * 24 * 60 / minutes
    evaluated = runs * min(users, MAX_USERS)
    look = _looks(SUMMED)[1]
    time = figures["watched_user_ms"] * figures["summary_memory_gb"]
    units = look.read_units + figures["watched_user_read_units"]
    of_a_run = figures["lambda_per_million"] + _logs(1, 0, figures)
    of_a_user = _lambda_time(time, figures) + units * figures["read_units_per_million"]
    return float(runs * of_a_run + evaluated * of_a_user) / MILLION


def watches_lines() -> str:
    figures = inputs()
    few, many = 10, 10_000
    rounds = many // MAX_USERS
    minutes = int(deployed("prod").texts["WatchesMinutes"])
    text = (
        f"With `Watches=On`, the clock costs ${watched(few, figures):.2f} a month with {few} users, and "
        f"${watched(many, figures):.2f} with {many:,}: a run looks at {MAX_USERS:,} users, so each of these is looked "
        f"at every {rounds * minutes} minutes. Off, it costs nothing."
    )
    return fill(text, 120)


def rewritten(text: str) -> str:
    """Replace each section between marks. Raises ValueError if the text has none."""
    sections = {"calls": calls_table, "idle": idle_lines, "month": month_table, "worst": worst_lines}
    sections["watches"] = watches_lines
    marked = re.compile(r"(<!-- make cost: (\w+) -->\n).*?(\n<!-- end of make cost -->)", re.DOTALL)
    text, found = marked.subn(lambda mark: f"{mark[1]}\n{sections[mark[2]]()}\n{mark[3]}", text)
    if not found:
        raise ValueError("no marks")
    return text


def main() -> int:
    """Rewrite the pages, and return the exit code of the process."""
    parser = Parser(prog="python -m docs.costs")
    parser.add_argument("pages", nargs="+", type=Path)

    def command() -> None:
        for page in parser.parse_args().pages:
            page.write_text(rewritten(page.read_text()))

    return exit_code(command)


if __name__ == "__main__":
    sys.exit(main())
