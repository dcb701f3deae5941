"""Read the entries of a user's append-only ledger, in the order in which they were recorded.

Entries are recorded outcomes and corrections. Both are items of the table of outcomes. Recorded values never change: an
amended outcome keeps them in `as_recorded`.
"""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from heapq import merge
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

from outcomes.aws.services import Answer, Item, pages
from outcomes.contract.status import RECORDED, TALLIES_BY_STATUS
from outcomes.contract.sums import Delta

_AFTER_OUTCOMES = ":"  # sort keys of outcomes begin with a digit, which sorts before a colon
_CORRECTION = "~"
_AFTER_CORRECTIONS = "~~"


class LedgerReader:
    """Reads the entries of one partition on demand, in pages of 1 MB.

    send: sends the DynamoDB Query of a page; it may raise an error. attributes: those to read; empty for all.
    """

    def __init__(
        self, send: Callable[[dict[str, Any]], Answer], table: str, partition: str, attributes: str = ""
    ) -> None:
        self.send = send
        self.table = table
        self.partition = partition
        self.attributes = attributes

    def first(self) -> str | None:
        """Return the instant when the first outcome was recorded, or None."""
        page = self.send(self._query("0", _AFTER_OUTCOMES) | {"Limit": 1})
        return next((instant_of(item) for item in page["Items"]), None)

    def outcomes(self, begin: str, end: str = _AFTER_OUTCOMES, limit: int | None = None) -> Iterator[Answer]:
        """Yield pages of the outcomes recorded in [begin, end), oldest first. limit: maximum outcomes of a page."""
        return pages(self.send, self._query(begin, end) | ({"Limit": limit} if limit else {}))

    def corrections(self, begin: str, end: str, of_outcome: str | None = None) -> Iterator[Answer]:
        """Yield pages of the corrections recorded in [begin, end), oldest first. of_outcome: only this outcome's."""
        query = self._query(_CORRECTION + begin, _CORRECTION + end)
        if of_outcome:
            query["FilterExpression"] = "outcome = :outcome"
            query["ExpressionAttributeValues"][":outcome"] = {"S": of_outcome}
        return pages(self.send, query)

    def latest_corrections(self, begin: str) -> Iterator[Answer]:
        """Yield pages of the corrections recorded since `begin`, newest first."""
        return pages(self.send, self._query(_CORRECTION + begin, _AFTER_CORRECTIONS) | {"ScanIndexForward": False})

    def _query(self, first: str, after: str) -> dict[str, Any]:
        query = {
            "TableName": self.table,
            "ConsistentRead": True,
            "KeyConditionExpression": "user_id = :user AND created_at BETWEEN :first AND :last",
            "ExpressionAttributeValues": {
                ":user": {"S": self.partition},
                ":first": {"S": first},
                # BETWEEN includes `after`. If `after` is an instant, no key equals it, because a key also has an id.
                ":last": {"S": after},
            },
            "ReturnConsumedCapacity": "TOTAL",
        }
        return query | ({"ProjectionExpression": self.attributes} if self.attributes else {})


def sort_key_of(item: Item) -> str:
    """Return an outcome's sort key, or that of a correction without its prefix. Both begin with the instant."""
    key: str = item["created_at"]["S"]
    return key.removeprefix(_CORRECTION)


def instant_of(item: Item) -> str:
    """Return the instant when an entry was recorded, in the format of `instants.text`."""
    return sort_key_of(item).partition("#")[0]


def in_order[Entry: tuple[Any, ...]](outcomes: Iterable[Entry], corrections: Iterable[Entry]) -> Iterator[Entry]:
    """Merge outcomes and corrections that are oldest first, by the instant or sort key with which each begins."""
    return merge(outcomes, corrections, key=itemgetter(0))


class Entry(NamedTuple):
    """An entry with its deltas: the changes that it makes to sums.

    recorded_at: when it was recorded, in the format of `instants.text`. read_units: the estimated read units for
    reading it. outcome_id: the id of a recorded outcome; empty for a correction. item: only if it was asked for.
    """

    recorded_at: str
    read_units: float
    deltas: list[Delta]
    outcome_id: str = ""
    item: Item | None = None


class Entries:
    """Reads the entries of one partition with their deltas.

    send: see `LedgerReader`. with_items: whether to yield the items, too, for `recorded_changes`.
    """

    def __init__(
        self, send: Callable[[dict[str, Any]], Answer], table: str, partition: str, *, with_items: bool = False
    ) -> None:
        attributes = "created_at, occurred_at, outcome_type, agent_id, value_usd, as_recorded, effects"
        if with_items:
            attributes += ", user_id, outcome, since"
        self.reader = LedgerReader(send, table, partition, attributes)
        self.with_items = with_items

    def recorded(self, begin: str, end: str) -> Iterator[Entry]:
        """Yield the entries recorded in [begin, end), oldest first.

        The interval must be settled: no more entries can be added to it.
        """
        return in_order(
            self._entries(self.reader.outcomes(begin, end)), self._entries(self.reader.corrections(begin, end))
        )

    def recorded_since(self, begin: str, settled: str) -> Iterator[Entry]:
        """Yield the entries recorded since `begin`, oldest first.

        No more entries can be added before `settled`, but other requests may add later entries during the read.
        Corrections are read before outcomes, and newer corrections before older ones. So a correction is never yielded
        without its outcome and the outcome's earlier corrections, even if these were written during the read.
        """
        pages = self.reader.latest_corrections(begin)
        newest = [next(pages)]
        # If the corrections fill several pages, read the settled interval separately. Then only corrections recorded
        # since `settled` are kept in memory.
        if begin < settled and next(pages, None) is not None:
            yield from self.recorded(begin, settled)
            begin = settled
            newest, pages = [], self.reader.latest_corrections(begin)
        corrections = [*self._entries(chain(newest, pages))]
        yield from in_order(self._entries(self.reader.outcomes(begin)), reversed(corrections))

    def _entries(self, pages: Iterable[Answer]) -> Iterator[Entry]:
        for page in pages:
            units = page.get("ConsumedCapacity", {}).get("CapacityUnits", 0) / max(1, len(page["Items"]))
            for item in page["Items"]:
                instant, _, id_ = sort_key_of(item).partition("#")
                kept = item if self.with_items else None
                if "effects" in item:  # a correction
                    effects = [effect["M"] for effect in item["effects"]["L"]]
                    deltas = [_delta(each["tally"]["S"], int(each["sign"]["N"]), instant, each) for each in effects]
                    yield Entry(instant, units, deltas, "", kept)
                else:
                    fields = item["as_recorded"]["M"] if "as_recorded" in item else item
                    deltas = [_delta(tally, 1, instant, fields) for tally in TALLIES_BY_STATUS[RECORDED]]
                    yield Entry(instant, units, deltas, id_, kept)


def _delta(tally: str, sign: int, instant: str, fields: Item) -> Delta:
    return Delta(
        tally,
        fields["occurred_at"]["S"] if "occurred_at" in fields else instant,
        fields["outcome_type"]["S"],
        int(fields["agent_id"]["N"]) if "agent_id" in fields else None,
        sign,
        Decimal(fields["value_usd"]["N"]) if "value_usd" in fields else None,
    )
