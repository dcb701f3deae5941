"""Convert stream records of the tables of outcomes, keys, statements, costs and watches to domain events.

These changes yield an event:

- A new outcome yields `outcome.recorded`, unless an import of earlier outcomes wrote it.
- A correction of an outcome yields the correction's event, unless it undoes the outcome's import. The record contains
  only the outcome, so the correction's entry is read from the table. The void of an outcome that was assigned to a user
  yields `outcome.assigned`.
- The item of an agent key yields `key.created` when it is inserted, and `key.rotated` when its secret changes.
- The row that notes a revocation yields `key.revoked`. The deletion of the key's own item yields nothing, because
  expiry and erasure also delete such items. The user's row yields nothing: it may have forgotten an expired key.
- The first refusal of a UTC day because of a key's `maxPerDay` yields `key.limited`, see `ledger.daily_budget`.
- A new statement in the list of statements yields `outcome.statement`.
- A new version of a definition yields `outcome.definition`.
- A new version of a day's costs yields `costs.updated`.
- What the clock writes into the row of a watch or digest may yield several events, see `events.watch_events`.

The format of records: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
"""

from typing import Any

from outcomes.aws.services import Item
from outcomes.calendar import instants
from outcomes.contract import json_text
from outcomes.contract.events import (
    ASSIGNED,
    CORRECTED,
    COSTS_UPDATED,
    DEFINITION,
    KEY_CREATED,
    KEY_LIMITED,
    KEY_REVOKED,
    KEY_ROTATED,
    RECORDED,
    STATEMENT,
    Event,
)
from outcomes.contract.sums import Sum
from outcomes.costs.cost_rows import CostVersion, is_day
from outcomes.definitions.stored_definitions import is_version, version_json
from outcomes.keys import key_text
from outcomes.keys.agent_keys import AgentKey, agent_key
from outcomes.ledger import ulid
from outcomes.ledger.correction_entries import corrections_of, entry_json, entry_key
from outcomes.ledger.daily_budget import LIMITED
from outcomes.ledger.ended_keys import REVOKED
from outcomes.ledger.items import outcome_json
from outcomes.statements.statement_rows import listed_statement

type Record = dict[str, Any]


def entry_key_of(record: Record) -> Item | None:
    """Return the item key of the correction entry that the event of a record contains, or None if there is none."""
    outcome = _corrected(record)
    return entry_key(outcome, corrections_of(outcome)[-1]) if outcome else None


def events_of(record: Record, entries: dict[str, Item]) -> list[Event]:
    """Return the events of a record. Only the row of a watch may have several. entries: see `event_of`."""
    if "states" in record["dynamodb"].get("NewImage", {}):
        # imported here, because only deployments with watches need this module
        from outcomes.events.watch_events import watch_events

        return watch_events(record["dynamodb"])
    event = event_of(record, entries)
    return [event] if event else []


def event_of(record: Record, entries: dict[str, Item]) -> Event | None:
    """Return the event of a record, or None. entries: entries of corrections, by id.

    Also return None if the correction's entry is missing, which means that the user was erased.
    """
    change = record["dynamodb"]
    if "created_at" in change["Keys"]:
        return _of_outcome(record, entries)
    if "day_source" in change["Keys"]:
        return _of_costs(record)
    id_ = change["Keys"]["id"]["S"]
    if "user_id" in change["Keys"]:
        return _of_definition(record) if is_version(change["Keys"]) else _of_statement(record)
    if key_text.is_id(id_):
        return _of_key(id_, record)
    if id_.startswith(REVOKED):
        return _of_revocation(id_, record)
    return _of_refusal(id_, record) if id_.startswith(LIMITED) else None


def _of_outcome(record: Record, entries: dict[str, Item]) -> Event | None:
    outcome = record["dynamodb"].get("NewImage", {})
    id_ = record["dynamodb"]["Keys"]["created_at"]["S"].rpartition("#")[2]
    if record["eventName"] == "INSERT" and _is_outcome(record) and "imported" not in outcome:
        type_, entry, event_id = RECORDED, None, id_
    elif _corrected(record) and (entry := entries.get(corrections_of(outcome)[-1])):
        type_ = ASSIGNED if "assigned_to" in outcome else CORRECTED[entry["type"]["S"]]
        event_id = corrections_of(outcome)[-1]
    else:
        return None
    user_id = outcome["user_id"]["S"]
    owner = f"users/{user_id}/" if user_id.isdigit() else ""
    has_metadata = "metadata" in outcome or (entry and "metadata" in entry.get("changes", {"M": {}})["M"])
    return Event(
        id=event_id,
        type=type_,
        time=instants.text(ulid.milliseconds(event_id)),
        subject=f"{owner}outcomes/{id_}",
        data=_outcome_data(outcome, entry),
        brief=_outcome_data(outcome, entry, with_metadata=False) if has_metadata else None,
    )


def _is_outcome(record: Record) -> bool:
    """Check whether a record is about an outcome. Sort keys of other items do not begin with a digit."""
    created_at: str = record["dynamodb"]["Keys"]["created_at"]["S"]
    return created_at[:1].isdigit()


def _corrected(record: Record) -> Item | None:
    """Return the outcome after a correction. Return None if there was no correction, or it undid an import."""
    if record["eventName"] != "MODIFY" or "created_at" not in record["dynamodb"]["Keys"] or not _is_outcome(record):
        return None
    before, after = (corrections_of(record["dynamodb"][image]) for image in ("OldImage", "NewImage"))
    outcome: Item = record["dynamodb"]["NewImage"]
    return outcome if after[-1:] != before[-1:] and "undone" not in outcome else None


def _outcome_data(outcome: Item, entry: Item | None, *, with_metadata: bool = True) -> str:
    """Return an outcome's JSON, with the same fields as in a list with `include=ledger`.

    entry: a correction's item. The JSON then has the correction as `correction`, in the format of an outcome's history.
    """
    shown = outcome if with_metadata else {name: value for name, value in outcome.items() if name != "metadata"}
    also = f',"correction":{entry_json(entry, outcome, with_metadata=with_metadata)}' if entry else ""
    omitted = "" if with_metadata else ',"metadata_omitted":true'
    return f"{outcome_json(shown, include_ledger=True)[:-1]}{also}{omitted}}}"


def _of_statement(record: Record) -> Event | None:
    if record["eventName"] != "INSERT" or not (statement := listed_statement(row := record["dynamodb"]["NewImage"])):
        return None
    user_id = row["user_id"]["S"]
    data = {
        "id": statement.id,
        "user_id": int(user_id),
        "period": statement.period,
        "timezone": statement.timezone,
        "cut": statement.cut,
        "size": statement.size,
        "root": statement.root,
        "sha256": statement.sha256,
    }
    subject = f"users/{user_id}/statements/{statement.id}"
    return Event(statement.sha256, STATEMENT, row["created_at"]["S"], subject, json_text.compact(data))


def _of_definition(record: Record) -> Event | None:
    if record["eventName"] != "INSERT":
        return None
    row = record["dynamodb"]["NewImage"]
    user_id, (_, month, version), put_at = row["user_id"]["S"], row["id"]["S"].split("#"), row["put_at"]["S"]
    # The event's id contains the time, because versions begin at 1 again after an erasure.
    event_id = f"{user_id}-definition-{month}-{int(version)}-{instants.read(put_at)}"
    data = f'{{"user_id":{user_id},{version_json(row)[1:]}'
    return Event(event_id, DEFINITION, put_at, f"users/{user_id}/definitions/{month}", data)


def _of_costs(record: Record) -> Event | None:
    new, old = (record["dynamodb"].get(image) for image in ("NewImage", "OldImage"))
    if not new or not is_day(new):
        return None
    before, after = CostVersion.of(old) if old else None, CostVersion.of(new)
    if before and before.is_put_as(after):
        return None
    user_id, (date, source) = new["user_id"]["S"], new["day_source"]["S"].split("#")
    data, brief = (
        f'{{"user_id":{user_id},"date":"{date}","source":"{source}","version":{after.version}'
        f',"before":{_costs(before, has_lines=has_lines)},"after":{_costs(after, has_lines=has_lines)}'
        f',"put_by":{json_text.string(after.put_by)},"put_at":"{after.put_at}"'
        f"{'' if has_lines else ',"lines_omitted":true'}}}"
        for has_lines in (True, False)
    )
    # The event's id contains the time, because versions begin at 1 again after an erasure.
    event_id = f"{user_id}-{date}-{source}-{after.version}-{instants.read(after.put_at)}"
    return Event(event_id, COSTS_UPDATED, after.put_at, f"users/{user_id}/costs/{date}/{source}", data, brief)


def _costs(version: CostVersion | None, *, has_lines: bool) -> str:
    """Return a day's costs as JSON, or `null` if they are unknown."""
    if version is None or version.lines is None:
        return "null"
    cost = Sum()
    for line in version.lines:
        cost.add(1, line.cost_usd)
    lines = {"lines": [line.public() for line in version.lines]} if has_lines else {}
    return json_text.exact({"cost_usd": cost.plain} | lines, levels=3)


def _of_key(id_: str, record: Record) -> Event | None:
    new, old = (record["dynamodb"].get(image) for image in ("NewImage", "OldImage"))
    if not new:
        return None
    key = agent_key(new)
    if not old:
        return Event(f"{id_}-created", KEY_CREATED, key.created_at, _subject(key.user_id, id_), _key_data(key))
    if new["secret_sha256"] == old["secret_sha256"]:  # it was used, paused or resumed
        return None
    event_id = f"{id_}-rotated-{record['eventID']}"
    return Event(event_id, KEY_ROTATED, _time(record), _subject(key.user_id, id_), _key_data(key))


def _key_data(key: AgentKey) -> str:
    return json_text.exact(key.public(), levels=2)


def _of_refusal(row_id: str, record: Record) -> Event | None:
    """Return the event of the row that notes on which day a key was last refused."""
    new, old = (record["dynamodb"].get(image, {}) for image in ("NewImage", "OldImage"))
    if not new.get("limited_on") or new["limited_on"] == old.get("limited_on"):
        return None
    id_, day, user_id = row_id.removeprefix(LIMITED), new["limited_on"]["S"], new["user_id"]["N"]
    data = f'{{"id":{json_text.string(id_)},"user_id":{user_id},"max_per_day":{new["max_per_day"]["N"]},"day":"{day}"}}'
    return Event(f"{id_}-limited-{day}", KEY_LIMITED, _time(record), _subject(user_id, id_), data)


def _of_revocation(row_id: str, record: Record) -> Event | None:
    """Return the event of the row that notes that a key was revoked, or None if the row was deleted."""
    new = record["dynamodb"].get("NewImage")
    if not new:
        return None
    id_, user_id = row_id.removeprefix(REVOKED), new["user_id"]["N"]
    data = f'{{"id":{json_text.string(id_)},"user_id":{user_id}}}'
    return Event(f"{id_}-revoked", KEY_REVOKED, _time(record), _subject(user_id, id_), data)


def _subject(user_id: int | str, id_: str) -> str:
    return f"users/{user_id}/keys/{id_}"


def _time(record: Record) -> str:
    return instants.text(round(float(record["dynamodb"]["ApproximateCreationDateTime"]) * 1000))
