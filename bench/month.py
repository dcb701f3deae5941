"""python -m bench.month PAGE...: compute and write the cost of a month, idle and in use, and the cost of calls.

A section of a page begins with a mark such as `<!-- make cost: idle -->`, and ends with
`<!-- end of make cost -->`.
"""

import re
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from bench import cost
from bench.outcome import remembered, stored
from bench.storage import KEPT_OVERHEAD_BYTES, item_bytes
from local.template import Template
from ops.answers import pairs
from ops.template import default_outcome_types, parse_yaml

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ("core", "dev", "prod")
VOLUMES = (10_000, 100_000, 1_000_000)
OPEN_HOURS = 2
"""Hours per day for which a feed is open."""
DAYS = 30


@cache
def deployed(environment: str, **parameters: str) -> Template:
    """Read template.yaml with an environment's parameters.

    SAM's transform is not needed, because it adds nothing that costs money each month.
    """
    settings = tomllib.loads((ROOT / "samconfig.toml").read_text())[environment]["deploy"]["parameters"]
    given = {"DashboardOrigins": "https://app.example.com"} | pairs(settings["parameter_overrides"]) | parameters
    return Template(parse_yaml((ROOT / "template.yaml").read_text()), ROOT, given)


def alarm_metrics(template: Template) -> int:
    """Return the number of metrics of all alarms. CloudWatch bills each metric of each alarm."""
    alarms = template.resources("AWS::CloudWatch::Alarm").values()
    return sum(len([each for each in alarm.get("Metrics", []) if "MetricStat" in each]) or 1 for alarm in alarms)


def idle(template: Template, prices: dict[str, Any]) -> dict[str, tuple[int, float]]:
    """Return each kind of resource that costs money without traffic, with its number and its US dollars per month."""
    rules = [len(acl["Rules"]) for acl in template.resources("AWS::WAFv2::WebACL").values()]
    counted = {
        "secret": (len(template.resources("AWS::SecretsManager::Secret")), prices["secret_month"]),
        "alarm metric": (alarm_metrics(template), prices["alarm_metric_month"]),
        "dashboard": (len(template.resources("AWS::CloudWatch::Dashboard")), prices["dashboard_month"]),
        "firewall": (len(rules), prices["firewall_month"]),
        "firewall rule": (sum(rules), prices["firewall_rule_month"]),
    }
    return {kind: (number, number * price) for kind, (number, price) in counted.items() if number}


def idle_dollars(template: Template, prices: dict[str, Any]) -> float:
    """Return the US dollars per month without traffic."""
    return sum(dollars for _, dollars in idle(template, prices).values())


def idle_line(environment: str, prices: dict[str, Any]) -> str:
    """Return one line with the cost of a month without traffic, and its parts."""
    template = deployed(environment)
    parts = [f"{number} {kind}{'s' if number > 1 else ''}" for kind, (number, _) in idle(template, prices).items()]
    return f"- `{environment}` costs **${idle_dollars(template, prices):.2f}** a month when idle ({', '.join(parts)})."


def custom_metrics(assumed: dict[str, Any]) -> int:
    """Return the number of custom metrics, which CloudWatch bills per month.

    This assumes that all outcome types are recorded with values, and that calls are refused for the usual reasons.
    """
    template = parse_yaml((ROOT / "template.yaml").read_text())
    return 2 * len(default_outcome_types(template)) + int(assumed["refusal_reasons"])


def used(environment: str, outcomes: int, prices: dict[str, Any], assumed: dict[str, Any]) -> dict[str, float]:
    """Return the US dollars of a month with this many outcomes and one open feed, by AWS service.

    Outcomes are recorded evenly over the day. If an outcome is recorded while the feed is open, the feed reads the
    summary again, at most once per poll.
    """
    template = deployed(environment)
    record, _, _, _, _, listed, _, _, summary = cost.calls(assumed)
    polls = OPEN_HOURS * 3600 // assumed["poll_seconds"] * DAYS
    has_totals = "SummarizeOutcomesFunction" in template.resources("AWS::Serverless::Function")
    summaries = min(polls, outcomes * OPEN_HOURS // 24) if has_totals else 0
    kept_gb = outcomes * (item_bytes(stored(0)) + item_bytes(remembered()) + 2 * KEPT_OVERHEAD_BYTES) / cost.GB

    def dollars(call: cost.Call, times: int) -> float:
        return sum(cost.parts(call, prices, assumed).values()) * times / 1_000_000

    return {
        "to record": dollars(record, outcomes),
        "the feed": dollars(listed, polls) + dollars(summary, summaries),
        "kept rows": kept_gb * (prices["kept_gb_month"] + prices["restorable_gb_month"]),
        "custom metrics": custom_metrics(assumed) * prices["metric_month"] if alarm_metrics(template) else 0,
        "idle": idle_dollars(template, prices),
    }


def idle_lines() -> str:
    """Return the cost without traffic: a line for each environment, then the firewall and custom metrics."""
    prices, assumed = cost.inputs()
    firewall = idle_dollars(deployed("core", FirewallRequests="1000"), prices) - idle_dollars(deployed("core"), prices)
    metrics = custom_metrics(assumed)
    return "\n".join(
        [
            *(idle_line(environment, prices) for environment in ENVIRONMENTS),
            f"- A firewall (`FirewallRequests`) costs ${firewall:.2f} a month more, and"
            f" ${prices['firewall_per_million']:.2f} per million requests.",
            f"- In use, {metrics} custom metrics cost up to ${metrics * prices['metric_month']:.2f} a month more;"
            " with `Monitoring=Off`, there are no custom metrics.",
        ]
    )


def month_table() -> str:
    """Return the table of months with traffic: a row for each environment and volume."""
    prices, assumed = cost.inputs()
    rows = {
        (environment, outcomes): used(environment, outcomes, prices, assumed)
        for environment in ("core", "prod")
        for outcomes in VOLUMES
    }
    [kinds, *_] = rows.values()
    return "\n".join(
        [
            f"| US dollars a month | {' | '.join(kinds)} | sum |",
            f"|---|{'---|' * len(kinds)}---|",
            *(
                f"| `{environment}`, {outcomes:,} outcomes | {' | '.join(f'{each:.2f}' for each in parts.values())}"
                f" | **{sum(parts.values()):.2f}** |"
                for (environment, outcomes), parts in rows.items()
            ),
        ]
    )


def rewritten(text: str) -> str:
    """Replace each section between marks. Raises ValueError if the text has none."""
    sections = {"calls": cost.table, "idle": idle_lines, "month": month_table}
    marked = re.compile(r"(<!-- make cost: (\w+) -->\n).*?(\n<!-- end of make cost -->)", re.DOTALL)
    text, found = marked.subn(lambda mark: f"{mark[1]}\n{sections[mark[2]]()}\n{mark[3]}", text)
    if not found:
        raise ValueError("no marks")
    return text


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(rewritten(path.read_text()))
