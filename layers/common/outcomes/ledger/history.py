"""Read an outcome with its corrections."""

from outcomes.aws.backoff import Backoff, read_items
from outcomes.aws.services import Item
from outcomes.contract.json_text import response_bytes
from outcomes.errors import NotFound
from outcomes.ledger import ulid
from outcomes.ledger.correction_entries import corrections_of, entry_json, entry_key
from outcomes.ledger.items import item_key, outcome_json
from outcomes.ledger.store import Also, OutcomeStore
from outcomes.limits import MAX_RESPONSE_BYTES


def read_history(store: OutcomeStore, user_id: int | None, id_: str, also: Also | None = None) -> str:
    """Return the contract's JSON of a user's outcome and its newest corrections, oldest first. Raises NotFound.

    user_id: None for an outcome without a user. also: returns JSON members to add to the outcome.
    If the response would be too large, the metadata of the oldest corrections is replaced by `{"omitted":true}`.
    """
    backoff = Backoff()
    item = read_outcome(store, user_id, id_, backoff)
    entries = read_entries(store, item, backoff)
    outcome = outcome_json(item, include_ledger=True)
    if also:
        outcome = f"{outcome[:-1]}{also(item)}}}"
    newest_first = sorted(entries, key=lambda entry: -int(entry["version"]["N"]))
    brief = [entry_json(entry, item, with_metadata=False) for entry in newest_first]
    room = MAX_RESPONSE_BYTES - response_bytes(outcome) - sum(response_bytes(each) + 1 for each in brief)
    corrections = []
    for entry, short in zip(newest_first, brief, strict=True):
        text = entry_json(entry, item, with_metadata=True)
        room -= response_bytes(text) - response_bytes(short)
        corrections.append(text if room >= 0 else short)
    return f'{{"outcome":{outcome},"corrections":[{",".join(reversed(corrections))}]}}'


def read_outcome(store: OutcomeStore, user_id: int | None, id_: str, backoff: Backoff) -> Item:
    """Read a user's outcome. user_id: None for an outcome without a user. Raises NotFound."""
    found = read_items(store.dynamodb, store.table, [item_key(user_id, id_)], backoff) if ulid.is_valid(id_) else []
    if not found:
        raise NotFound
    return found[0]


def read_entries(store: OutcomeStore, outcome: Item, backoff: Backoff) -> list[Item]:
    """Read the correction entries of an outcome, in any order."""
    keys = [entry_key(outcome, each) for each in corrections_of(outcome)]
    return read_items(store.dynamodb, store.table, keys, backoff)
