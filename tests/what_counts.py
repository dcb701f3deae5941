"""Compute what counts by a user's definitions with a loop over the stored outcomes.

It shares no code with the layer but the definitions and the time zones.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Context, Decimal
from random import Random
from typing import Any

from outcomes.calendar.period import time_zone
from outcomes.definitions.definition_rules import Definition, Definitions, Rule
from outcomes.definitions.stored_definitions import definitions_text

from smoke.model import Choice

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_EXACT = Context(prec=400)
PARTS = ("counted", "waiting", "unconfirmed", "not_counted", "before_rules")


def draw_rule(random: Random) -> Rule:
    when = random.choice(["claimed", "unless_disputed", "unless_disputed", "unless_disputed", "confirmed", "never"])
    if when == "never" or random.random() < 0.7:
        return Rule(when, None, "stated")
    return Rule(when, Decimal(random.randint(0, 9_000)) / 100, random.choice(["stated", "estimated"]))


def draw_definitions(random: Random, zone: str, months: list[str], types: Iterable[str]) -> Definitions:
    """Return definitions that begin with some of these months, at least one of them."""
    chosen = sorted(random.sample(months, random.randint(1, min(4, len(months)))))
    return Definitions(
        zone,
        tuple(
            Definition(
                month,
                1,
                random.choice([0, 1, 14, 28, 30, 31, random.randint(0, 31)]),
                {name: draw_rule(random) for name in ("*", *types) if name == "*" or random.random() < 0.7},
                "2026-01-01T00:00:00.000Z",
                "2026-01-01T00:00:00.000Z",
            )
            for month in chosen
        ),
        1,
    )


def head_row(definitions: Definitions, user_id: int = 42) -> Any:
    """Return the row of the table of statements that has a user's definitions."""
    return {
        "user_id": {"S": str(user_id)},
        "id": {"S": "definitions"},
        "put_at": {"S": "2026-01-01T00:00:00.000Z"},
        "changes": {"N": str(definitions.changes)},
        "timezone": {"S": definitions.timezone},
        "definitions": {"S": definitions_text(definitions.all)},
    }


def newest_entry(row: Any) -> datetime:
    """Return when the newest entry of an outcome was recorded: the time in its id."""
    ids = [each["S"] for each in row.get("corrections", {"L": []})["L"]]
    id_ = ids[-1] if ids else row["created_at"]["S"].rpartition("#")[2]
    milliseconds = 0
    for char in id_[:10]:
        milliseconds = milliseconds * 32 + _CROCKFORD.index(char)
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=milliseconds)


def counts(row: Any, definitions: Definitions, today: date) -> Any:
    """Return the state of an outcome, the day on which it counts by itself, and what it counts for."""
    status = row["standing"]["S"] if "standing" in row else "recorded"
    if status not in {"recorded", "confirmed"}:
        return None
    zone = time_zone(definitions.timezone)
    month = datetime.fromisoformat(_occurred_at(row)).astimezone(zone).strftime("%Y-%m")
    inforce = [each for each in definitions.all if each.month <= month]
    value = Decimal(row["value_usd"]["N"]) if "value_usd" in row else None
    if not inforce:
        return {"state": "no_rule", "on": None, "usd": None}
    rules = inforce[-1].rules
    rule = rules[row["outcome_type"]["S"]] if row["outcome_type"]["S"] in rules else rules["*"]
    usd = value if rule.each_usd is None else rule.each_usd
    newest = newest_entry(row).astimezone(zone).date()
    after = date(newest.year + newest.month // 12, newest.month % 12 + 1, 1)
    on = after + timedelta(days=inforce[-1].dispute_days)
    if rule.when == "never":
        return {"state": "not_counted", "on": None, "usd": None}
    if rule.when == "claimed" or status == "confirmed" or (rule.when == "unless_disputed" and on <= today):
        return {"state": "counted", "on": None, "usd": usd}
    if rule.when == "confirmed":
        return {"state": "unconfirmed", "on": None, "usd": usd}
    return {"state": "waiting", "on": on.isoformat(), "usd": usd}


def divided(rows: Iterable[Any], definitions: Definitions, today: date, choice: Choice) -> dict[str, Any]:
    """Return `by_rule` of the chosen outcomes without parts that are 0, and by local day what counts and what waits."""
    found: dict[Any, Decimal | int] = {}

    def add(number: Decimal | int, *place: str) -> None:
        found[place] = _EXACT.add(Decimal(found.get(place, 0)), Decimal(number))

    zone = time_zone(definitions.timezone)
    for row in rows:
        state = counts(row, definitions, today)
        if state is None or not choice.takes(_shown(row), "occurred_at"):
            continue
        type_ = row["outcome_type"]["S"]
        part = {"no_rule": "before_rules"}.get(state["state"], state["state"])
        usd = state["usd"] if part in {"counted", "waiting", "unconfirmed"} else _value(row)
        estimated = usd if part in {"counted", "waiting", "unconfirmed"} and _is_estimated(row, definitions) else 0
        day = datetime.fromisoformat(_occurred_at(row)).astimezone(zone).date().isoformat()
        for whole in ("", type_):
            for name, number in (("count", 1), ("value_usd", usd or 0), ("estimated_usd", estimated or 0)):
                add(number, whole, part, name)
                if part == "waiting" and name != "estimated_usd":
                    add(number, whole, part, state["on"], name)
        if part in {"counted", "waiting"}:
            add(usd or 0, "days", day, part)
    return {place: number for place, number in found.items() if number}


def said(by_rule: Any) -> dict[str, Any]:
    """Convert `by_rule` to the format of `divided`, without its days."""
    found: dict[Any, Any] = {}
    for whole in (by_rule, *by_rule["by_type"]):
        name = whole.get("outcome_type", "")
        for part in PARTS:
            for member, number in whole[part].items():
                if member == "closes":
                    assert [each["on"] for each in number] == sorted(each["on"] for each in number)
                    found |= {
                        (name, part, each["on"], key): each[key] for each in number for key in ("count", "value_usd")
                    }
                else:
                    found[name, part, member] = number
    return {place: number for place, number in found.items() if number}


def without_days(found: dict[Any, Any]) -> dict[Any, Any]:
    return {place: number for place, number in found.items() if place[0] != "days"}


def by_bucket(found: dict[Any, Any], dates: list[str]) -> dict[Any, Decimal]:
    """Add up what counts and what waits of days, by the first day of each day, week or month. Leave out what is 0."""
    sums: dict[Any, Decimal] = {}
    for place, usd in found.items():
        if place[0] == "days":
            bucket = max(each for each in dates if each <= place[1]), place[2]
            sums[bucket] = _EXACT.add(sums.get(bucket, Decimal(0)), usd)
    return {bucket: usd for bucket, usd in sums.items() if usd}


def _is_estimated(row: Any, definitions: Definitions) -> bool:
    month = datetime.fromisoformat(_occurred_at(row)).astimezone(time_zone(definitions.timezone)).strftime("%Y-%m")
    rules = [each for each in definitions.all if each.month <= month][-1].rules
    return rules.get(row["outcome_type"]["S"], rules["*"]).basis == "estimated"


def _value(row: Any) -> Decimal:
    return Decimal(row["value_usd"]["N"]) if "value_usd" in row else Decimal(0)


def _occurred_at(row: Any) -> str:
    return str(row["occurred_at"]["S"] if "occurred_at" in row else row["created_at"]["S"].partition("#")[0])


def _shown(row: Any) -> dict[str, Any]:
    """Return what `Choice` needs, in the format of a list."""
    return {
        "outcome_type": row["outcome_type"]["S"],
        "agent_id": int(row["agent_id"]["N"]) if "agent_id" in row else None,
        "status": row["standing"]["S"] if "standing" in row else "recorded",
        "occurred_at": _occurred_at(row),
    }
