"""Read the corrections of outcomes within a limited time, however many there are."""

from collections.abc import Iterator
from typing import Any

from outcomes.aws.backoff import KEYS_PER_CALL
from outcomes.aws.paced_reads import PacedReads
from outcomes.aws.services import Item
from outcomes.ledger.correction_entries import corrections_of, entry_key, id_of, version_of
from outcomes.ledger.entries import LedgerReader, sort_key_of
from outcomes.ledger.items import sort_key


class Histories:
    """Reads outcomes of one partition, and their corrections."""

    def __init__(self, reads: PacedReads, table: str, partition: str) -> None:
        self.reads = reads
        self.reader = LedgerReader(reads.call, table, partition)

    def of(self, outcomes: list[Item]) -> dict[str, list[Item]]:
        """Return the corrections of outcomes, oldest first, by the outcomes' ids."""
        found = self.items([entry_key(outcome, id_) for outcome in outcomes for id_ in corrections_of(outcome)])
        for outcome in outcomes:
            if version_of(outcome) > len(listed := corrections_of(outcome)):
                found += self._unlisted(outcome, listed[0])
        histories: dict[str, list[Item]] = {id_of(outcome): [] for outcome in outcomes}
        for entry in sorted(found, key=version_of):
            histories[entry["outcome"]["S"]].append(entry)
        return histories

    def _unlisted(self, outcome: Item, first_listed: str) -> Iterator[Item]:
        """Yield the corrections that are not listed in the outcome's item, which lists only the newest ones."""
        end = sort_key(first_listed)[:-1]
        for page in self.reader.corrections(sort_key_of(outcome), end, of_outcome=id_of(outcome)):
            yield from page["Items"]

    def items(self, keys: list[Item]) -> list[Item]:
        """Read items by their keys, in any order. Missing items are left out."""
        table = self.reader.table
        found: list[Item] = []
        while keys:
            now, keys = keys[:KEYS_PER_CALL], keys[KEYS_PER_CALL:]
            request: dict[str, Any] = {"RequestItems": {table: {"Keys": now, "ConsistentRead": True}}}
            answer = self.reads.call(request | {"ReturnConsumedCapacity": "TOTAL"}, "BatchGetItem")
            found += answer["Responses"].get(table, [])
            keys = answer["UnprocessedKeys"].get(table, {}).get("Keys", []) + keys
        return found
