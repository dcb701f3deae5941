"""Find out which outcomes with the status `recorded` an entry brings and removes, and since when they were as removed.

A correction's entry contains the outcome's counted fields before and after it: in its effects, or in `since` if no sum
changes. Entries without `since`, which code before 1.0 wrote, need the outcome's other entries, too.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from outcomes.aws.services import Item
from outcomes.calendar import instants
from outcomes.contract.status import RECORDED, CountedFields
from outcomes.ledger.correction_entries import COUNTED, id_of
from outcomes.ledger.entries import instant_of
from outcomes.ledger.histories import Histories
from outcomes.ledger.items import counted_fields, sort_key, status_of

_STANDING, _CONFIRMED = {"standing"}, {"confirmed"}


class Change(NamedTuple):
    """Says what an entry does to an outcome.

    at: when the entry was recorded. after: the outcome's counted fields, if its status is now `recorded`, otherwise
    None. before: the same, of just before the entry. since: when the outcome's entry before this one was recorded;
    empty without `before`.
    """

    at: str
    after: CountedFields | None
    before: CountedFields | None = None
    since: str = ""


def changes(entries: Sequence[Item], histories: Histories) -> list[Change]:
    """Return what each entry changes. Older entries of an outcome that was erased meanwhile are left out."""
    older = {entry["outcome"]["S"]: entry for entry in entries if _is_older(entry)}
    keys = [{"user_id": entry["user_id"], "created_at": {"S": sort_key(id_)}} for id_, entry in older.items()]
    outcomes = {id_of(item): item for item in (histories.items(keys) if keys else ())}
    found = histories.of([*outcomes.values()]) if outcomes else {}
    walked = {id_: _walked_back(item, found[id_]) for id_, item in outcomes.items()}
    return [
        change
        for entry in entries
        if (change := walked.get(entry["outcome"]["S"], {}).get(id_of(entry)) if _is_older(entry) else _change(entry))
    ]


def _is_older(entry: Item) -> bool:
    return "effects" in entry and "since" not in entry


def _change(entry: Item) -> Change:
    at = instant_of(entry)
    if "effects" not in entry:
        recorded = entry["as_recorded"]["M"] if "as_recorded" in entry else entry
        return Change(at, _fields(recorded, at))
    before, after = _states(entry)
    return Change(at, after, before, instants.text(int(entry["since"]["L"][0]["N"])) if before else "")


def _walked_back(outcome: Item, history: Iterable[Item]) -> dict[str, Change]:
    """Return what each correction of an outcome changes, by the corrections' ids. history: oldest first."""
    found: dict[str, Change] = {}
    is_recorded = status_of(outcome) == RECORDED
    state = counted_fields(outcome) if is_recorded else None
    for entry, earlier in pairwise([*reversed([*history]), outcome]):
        before, after = _states(entry) if entry["effects"]["L"] else (state, state)
        found[id_of(entry)] = Change(instant_of(entry), after, before, instant_of(earlier) if before else "")
        state = before
    return found


def _states(entry: Item) -> tuple[CountedFields | None, CountedFields | None]:
    """Return the counted fields before and after a correction, each None unless the status is `recorded`."""
    recorded_at = sort_key(entry["outcome"]["S"]).partition("#")[0]
    if stood := entry.get("since", {"L": []})["L"][1:]:
        found = {name: value for name, value in zip(COUNTED, stood, strict=True) if "NULL" not in value}
        if "occurred_at" in found:
            found["occurred_at"] = {"S": instants.text(int(found["occurred_at"]["N"]))}
        fields = _fields(found, recorded_at)
        return fields, fields
    gone, come = (
        {effect["M"]["tally"]["S"]: effect["M"] for effect in entry["effects"]["L"] if effect["M"]["sign"]["N"] == sign}
        for sign in ("-1", "1")
    )
    # A tally that a correction leaves unchanged is in no effect: a confirmation only adds to `confirmed`.
    before = gone.get("standing") if gone.keys() == _STANDING else come["confirmed"] if _is_only(come, gone) else None
    after = come.get("standing") if come.keys() == _STANDING else gone["confirmed"] if _is_only(gone, come) else None
    return _of(before, recorded_at), _of(after, recorded_at)


def _is_only(effects: dict[str, Item], others: dict[str, Item]) -> bool:
    return effects.keys() == _CONFIRMED and not others


def _of(effect: Item | None, recorded_at: str) -> CountedFields | None:
    if effect is None:
        return None
    fields = _fields(effect, recorded_at)
    value = fields.value_usd
    return fields._replace(value_usd=value.copy_negate()) if value and effect["sign"]["N"] == "-1" else fields


def _fields(item: Item, recorded_at: str) -> CountedFields:
    return CountedFields(
        item["occurred_at"]["S"] if "occurred_at" in item else recorded_at,
        item["outcome_type"]["S"],
        int(item["agent_id"]["N"]) if "agent_id" in item else None,
        Decimal(item["value_usd"]["N"]) if "value_usd" in item else None,
    )
