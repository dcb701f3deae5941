"""Parse the answers about costs strictly. Each function raises BrokenAnswerError if an answer violates the contract."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from . import _answers
from ._cost_models import (
    AgentCost,
    AgentValue,
    CostDay,
    CostLine,
    Costs,
    CostSummary,
    CostVersion,
    DayCost,
    OtherCosts,
    OtherValues,
    SourceCost,
)
from ._http import Reply
from ._parsing import (
    amount,
    amount_or_none,
    done,
    instant,
    instant_or_none,
    json_object,
    shaped,
    text,
    text_or_none,
    whole,
    whole_or_none,
)


def version(reply: Reply) -> int:
    """Parse the answer to a PUT or DELETE. Return the day's version."""
    return shaped(whole, done(reply).get("version"))


def day(reply: Reply) -> CostDay:
    """Parse the costs of a day from a source."""
    body = json_object(reply)
    return shaped(
        lambda: CostDay(
            date=date.fromisoformat(body["date"]),
            source=text(body["source"]),
            lines=_lines(body["lines"]),
            **_put(body),
            versions=[_version(item) for item in body.get("versions", [])],
        )
    )


def _version(item: dict[str, Any]) -> CostVersion:
    return CostVersion(lines=None if item["lines"] is None else _lines(item["lines"]), **_put(item))


def _put(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": whole(item["version"]),
        "put_by": text(item["put_by"]),
        "put_at": instant(item["put_at"]),
    }


def _lines(items: list[dict[str, Any]]) -> list[CostLine]:
    return [
        CostLine(
            cost_usd=amount(item["cost_usd"]),
            agent_id=whole_or_none(item["agent_id"]),
            quantity=amount_or_none(item["quantity"]),
            unit=text_or_none(item["unit"]),
            label=text_or_none(item["label"]),
        )
        for item in items
    ]


def costs(reply: Reply) -> Costs:
    """Parse the costs of a period."""
    body = json_object(reply)
    return shaped(
        lambda: Costs(
            start=text(body["from"]),
            end=text(body["to"]),
            days=text(body["days"]),
            cost_usd=amount_or_none(body["cost_usd"]),
            by_agent=[AgentCost(whole_or_none(one["agent_id"]), amount(one["cost_usd"])) for one in body["by_agent"]],
            by_day=[_day(one) for one in body["by_day"]],
            by_source=[_source(one) for one in body["by_source"]],
            known_days=whole(body["known_days"]),
            of_days=whole(body["of_days"]),
            other_agents=_others(body),
        )
    )


def summary(reply: Reply, query: Sequence[tuple[str, str]]) -> CostSummary:
    """Parse a summary with costs. See `_answers.summary`."""
    totals, body = _answers.summary(reply, query), json_object(reply)

    def read() -> CostSummary:
        costs = {name: amount_or_none(body[name]) for name in ("cost_usd", "net_usd", "ratio")}
        agents = [
            AgentValue(
                **vars(total),
                cost_usd=amount_or_none(one["cost_usd"]),
                cost_per_outcome=amount_or_none(one["cost_per_outcome"]),
            )
            for total, one in zip(totals.by_agent, body["by_agent"], strict=True)
        ]
        others = totals.other_agents
        if others is not None:
            others = OtherValues(**vars(others), cost_usd=amount_or_none(body["other_agents"]["cost_usd"]))
        days = {name: whole_or_none(body[name]) for name in ("known_days", "of_days")}
        return CostSummary(**{**vars(totals), **costs, **days, "by_agent": agents, "other_agents": others})

    return shaped(read)


def _others(body: dict[str, Any]) -> OtherCosts | None:
    others = body.get("other_agents")
    return None if others is None else OtherCosts(whole(others["agents"]), amount(others["cost_usd"]))


def _day(item: dict[str, Any]) -> DayCost:
    return DayCost(
        date=date.fromisoformat(item["date"]),
        cost_usd=amount_or_none(item["cost_usd"]),
        sources=[*map(text, item["sources"])],
        restated_at=instant_or_none(item.get("restated_at")),
    )


def _source(item: dict[str, Any]) -> SourceCost:
    gaps = [date.fromisoformat(day) for day in item["gaps"]]
    return SourceCost(text(item["source"]), amount(item["cost_usd"]), whole(item["known_days"]), gaps)
