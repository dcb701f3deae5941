"""Convert a cost report to NDJSON for `outcomes costs import`: to_ndjson.py anthropic|openai|litellm < REPORT."""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any


def anthropic(report: Any) -> Iterator[dict[str, Any]]:
    """Convert Anthropic's cost report, whose amounts are in cents."""
    for bucket in report["data"]:
        for result in bucket["results"]:
            yield {
                "date": bucket["starting_at"],
                "cost": Decimal(result["amount"]) / 100,
                "currency": result["currency"],
                "label": result["model"] or result["description"],
                "workspace": result["workspace_id"],
            }


def openai(report: Any) -> Iterator[dict[str, Any]]:
    """Convert OpenAI's costs."""
    for bucket in report["data"]:
        for result in bucket["results"]:
            yield {
                "date": datetime.fromtimestamp(int(bucket["start_time"]), UTC).isoformat(),
                "cost": result["amount"]["value"],
                "currency": result["amount"]["currency"],
                "label": result["line_item"],
                "project": result["project_id"],
            }


def litellm(logs: Any) -> Iterator[dict[str, Any]]:
    """Convert LiteLLM's spend logs. A tag `name:value` becomes a member of `tags`."""
    for log in logs:
        yield {
            "date": log["startTime"],
            "cost": log["spend"],
            "quantity": log["total_tokens"],
            "unit": "tokens",
            "label": log["model_group"],
            "key": log["api_key"],
            "tags": dict(tag.split(":", 1) for tag in log["request_tags"] or () if ":" in tag),
        }


SOURCES = {"anthropic": anthropic, "openai": openai, "litellm": litellm}

if __name__ == "__main__":
    [source] = sys.argv[1:]
    # Read amounts as Decimal, because a float would change them. Write text, because json cannot write a Decimal.
    for charge in SOURCES[source](json.load(sys.stdin, parse_float=Decimal)):
        print(json.dumps({"source": source, **charge}, default=str))
