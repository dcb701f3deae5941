"""Convert changes of rows of the table of watches to domain events.

An event is made from the row's new image alone, for each threshold whose number of tellings differs from that of the
old image, and for each new week of the digest. A row that was made anew, or deleted, yields nothing.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from outcomes.contract import json_text
from outcomes.contract.events import (
    DIGEST_WEEK,
    WATCH_EXCEEDED,
    WATCH_MISSED,
    WATCH_REACHED,
    WATCH_SILENT,
    WATCH_UNDONE,
    Event,
)
from outcomes.contract.sums import EXACT
from outcomes.limits import RECENT_DAYS
from outcomes.watches.stored_watches import Digest, Head, Watch, is_digest

_LEVELS = 4
_RECENT = f"of the last {RECENT_DAYS} days"
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})

_SAYS = {
    WATCH_REACHED: "reached {share}",
    WATCH_UNDONE: "is below {share} again",
    WATCH_MISSED: "did not reach {share}",
    WATCH_EXCEEDED: "is above {share}",
}


def watch_events(change: dict[str, Any]) -> list[Event]:
    """Return the events of a stream record's `dynamodb`, of the oldest period first. Its new image has `states`."""
    before, after = change.get("OldImage", {}), change["NewImage"]
    if before.get("made") != after["made"]:
        return []
    if is_digest(after):
        old, new = Digest.of(before), Digest.of(after)
        return [_of_digest(new)] if new.state["week"] != old.state.get("week") else []
    watch = Watch.of(after)
    told = {(period, percent): each["n"] for period, percent, each in _thresholds(Watch.of(before))}
    return [
        _of_watch(watch, period, percent, each)
        for period, percent, each in _thresholds(watch)
        if each["n"] != told.get((period, percent), 0)
    ]


def _thresholds(watch: Watch) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for period in watch.states:
        for percent, each in period["thresholds"].items():
            yield period["period"], percent, each


def _of_watch(watch: Watch, period: str, percent: str, threshold: dict[str, Any]) -> Event:
    told = dict(threshold["told"])
    type_, at = told.pop("type"), told.pop("at")
    data = {
        "id": watch.head.id,
        "user_id": Decimal(watch.head.user_id),
        "name": watch.name,
        "measure": watch.measure,
        "outcome_type": watch.outcome_type,
        "agent_id": watch.agent_id and Decimal(watch.agent_id),
        "period": period,
        "timezone": watch.timezone,
        "target": watch.target,
        "percent": Decimal(percent),
        **told,
        "text": _watch_text(watch, type_, period, percent, told),
    }
    event_id = f"{watch.head.made}#{period}#{percent}#{threshold['n']}"
    return Event(event_id, type_, at, _subject(watch.head), json_text.exact(data, _LEVELS))


def _of_digest(digest: Digest) -> Event:
    week, told = digest.state["week"], dict(digest.state["told"])
    at = told.pop("at")
    data = {"user_id": Decimal(digest.head.user_id), "week": week, **told, "text": _digest_text(week, told)}
    event_id = f"{digest.head.made}#{week}"
    return Event(event_id, DIGEST_WEEK, at, _subject(digest.head), json_text.exact(data, _LEVELS))


def _subject(head: Head) -> str:
    return f"users/{head.user_id}/watches/{head.id}"


def _watch_text(watch: Watch, type_: str, period: str, percent: str, told: dict[str, Any]) -> str:
    """Return one line for people, which Slack takes as it is."""
    name = " ".join(watch.name.split()).translate(_ESCAPED)
    if type_ == WATCH_SILENT:
        what = "nothing" if watch.outcome_type is None else f"no {watch.outcome_type}"
        whose = "" if watch.agent_id is None else f" of agent {watch.agent_id}"
        return f"{name}: {what}{whose} happened for {_many(told['figure'], 'day')}"
    if not watch.every:
        are = "is" if told["figure"] == 1 else "are"
        more = "more than" if type_ == WATCH_EXCEEDED else "not more than"
        return f"{name}: {_waiting(told['figure'])}, which {are} {more} {_number(watch.target)}"
    figure, target = _usd(told["figure"]), _usd(watch.target)
    line = EXACT.multiply(watch.target, Decimal(percent).scaleb(-2))
    if figure == _usd(line):  # what rounds to the line may be above or below it
        figure = _usd(told["figure"], "")
    also = ""
    if "waiting" in told:
        also = f", {_usd(told['waiting'])} of it waits" if told["waiting"] else ""
        also += f", {_usd(told['estimated_usd'])} is estimated" if told["estimated_usd"] else ""
    says = _SAYS[type_].format(share=f"{percent} % of {target}") + (" already" if told["already"] else "")
    return f"{name} {says}: {figure} in {period}{also}"


def _digest_text(week: str, told: dict[str, Any]) -> str:
    """Return one line for people, which Slack takes as it is."""
    before = told["previous"]
    parts = [f"Week {week}: {_usd(told['value_usd'])} claimed ({_usd(before['value_usd'])} the week before)"]
    known, of = told.get("known_days"), told.get("of_days")  # absent if code before 1.0 wrote the row
    cost = "cost" if known == of else f"cost, known for {known} of {of} days"
    for name, says in (("counted_usd", "counted"), ("cost_usd", cost), ("net_usd", "net")):
        if told[name] is not None:
            parts.append(f"{_usd(told[name])} {says}")
    parts.append(_waiting(told["unreviewed"]["count"]))
    if soon := told["counts_soon"]:
        parts.append(f"{_usd(soon['value_usd'])} counts by itself in the next 7 days")
    if told["disputed"]["count"]:
        disputes, days = _many(told["disputed"]["count"], "outcome"), _many(told["disputed"]["oldest_days"], "day")
        parts.append(f"{disputes} {_RECENT} disputed, the oldest of {days} ago")
    if told["cost_gaps"]:
        parts.append(f"no costs on some days of {', '.join([each['source'] for each in told['cost_gaps']])}")
    return "; ".join(parts)


def _usd(value: Decimal, places: str = ".2") -> str:
    """Format an amount, rounded to cents; with `places=""`, all its digits."""
    text = f"{abs(value):,{places}f}".removesuffix(".00")
    return f"-${text}" if value < 0 else f"${text}"


def _waiting(count: Decimal) -> str:
    return f"{_many(count, 'outcome')} {_RECENT} {'waits' if count == 1 else 'wait'} for review"


def _many(count: Decimal, what: str) -> str:
    return f"{_number(count)} {what}{'' if count == 1 else 's'}"


def _number(value: Decimal) -> str:
    return f"{value:,f}"
