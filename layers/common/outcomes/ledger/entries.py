"""Read the entries of a user's append-only ledger, each with its deltas: the changes that it makes to sums.

Entries are recorded outcomes and corrections. Both are items of the table of outcomes. Recorded values never change: an
amended outcome keeps them in `as_recorded`.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from heapq import merge
from operator import itemgetter
from typing import Any, NamedTuple

from outcomes.aws.calls import Answer
from outcomes.aws.services import Item
from outcomes.contract.status import RECORDED, TALLIES_BY_STATUS
from outcomes.contract.sums import Delta

_AFTER_OUTCOMES = ":"  # sort keys of outcomes begin with a digit, which sorts before a colon
_CORRECTION = "~"
_AFTER_CORRECTIONS = "~~"


class Entry(NamedTuple):
    """An entry.

    recorded_at: when it was recorded, in the format of `instants.text`. read_units: the estimated read units for
    reading it. outcome_id: the id of a recorded outcome; empty for a correction.
    """

    recorded_at: str
    read_units: float
    deltas: list[Delta]
    outcome_id: str = ""


class Entries:
    """The entries of one partition, read on demand in pages of 1 MB.

    query: sends the DynamoDB Query that reads a page; it may raise an error.
    """

    def __init__(self, query: Callable[[dict[str, Any]], Answer], table: str, partition: str) -> None:
        self.query = query
        self.table = table
        self.partition = partition

    def recorded(self, begin: str, end: str) -> Iterator[Entry]:
        """Yield the entries recorded in [begin, end), oldest first.

        The interval must be settled: no more entries can be added to it.
        """
        return merge(self._outcomes(begin, end), self._corrections(begin, end), key=itemgetter(0))

    def recorded_since(self, begin: str, settled: str) -> Iterator[Entry]:
        """Yield the entries recorded since `begin`, oldest first.

        No more entries can be added before `settled`, but other requests may add later entries during the read.
        Corrections are read before outcomes, and newer corrections before older ones. So a correction is never yielded
        without its outcome and the outcome's earlier corrections, even if these were written during the read.
        """
        pages = self._corrections_since(begin)
        newest = next(pages)
        # If the corrections fill several pages, read the settled interval separately. Then only corrections recorded
        # since `settled` are kept in memory.
        if begin < settled and next(pages, None) is not None:
            yield from self.recorded(begin, settled)
            begin = settled
            pages = self._corrections_since(begin)
            newest = next(pages)
        for page in pages:
            newest += page
        corrections = [_correction(item, units) for item, units in reversed(newest)]
        yield from merge(self._outcomes(begin, None), corrections, key=itemgetter(0))

    def _outcomes(self, begin: str, end: str | None) -> Iterator[Entry]:
        for page in self._pages(self._query(begin, end or _AFTER_OUTCOMES)):
            for item, units in page:
                yield _outcome(item, units)

    def _corrections(self, begin: str, end: str) -> Iterator[Entry]:
        for page in self._pages(self._query(_CORRECTION + begin, _CORRECTION + end)):
            for item, units in page:
                yield _correction(item, units)

    def _corrections_since(self, begin: str) -> Iterator[list[tuple[Item, float]]]:
        return self._pages(self._query(_CORRECTION + begin, _AFTER_CORRECTIONS, newest_first=True))

    def _query(self, first: str, after: str, *, newest_first: bool = False) -> dict[str, Any]:
        return {
            "TableName": self.table,
            "ConsistentRead": True,
            "KeyConditionExpression": "user_id = :user AND created_at BETWEEN :first AND :last",
            "ExpressionAttributeValues": {
                ":user": {"S": self.partition},
                ":first": {"S": first},
                # BETWEEN is inclusive, but no key equals `after`, because keys have an id after the instant.
                ":last": {"S": after},
            },
            "ProjectionExpression": "created_at, occurred_at, outcome_type, agent_id, value_usd, as_recorded, effects",
            "ScanIndexForward": not newest_first,
            "ReturnConsumedCapacity": "TOTAL",
        }

    def _pages(self, query: dict[str, Any]) -> Iterator[list[tuple[Item, float]]]:
        while True:
            page = self.query(query)
            items = page["Items"]
            units = page.get("ConsumedCapacity", {}).get("CapacityUnits", 0) / max(1, len(items))
            yield [(item, units) for item in items]
            if "LastEvaluatedKey" not in page:
                return
            query |= {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def _outcome(item: Item, units: float) -> Entry:
    recorded_at, _, outcome_id = item["created_at"]["S"].partition("#")
    fields = item["as_recorded"]["M"] if "as_recorded" in item else item
    deltas = [_delta(tally, 1, recorded_at, fields) for tally in TALLIES_BY_STATUS[RECORDED]]
    return Entry(recorded_at, units, deltas, outcome_id)


def _correction(item: Item, units: float) -> Entry:
    recorded_at = item["created_at"]["S"].removeprefix(_CORRECTION).partition("#")[0]
    deltas = [
        _delta(delta["M"]["tally"]["S"], int(delta["M"]["sign"]["N"]), recorded_at, delta["M"])
        for delta in item["effects"]["L"]
    ]
    return Entry(recorded_at, units, deltas)


def _delta(tally: str, sign: int, recorded_at: str, fields: Item) -> Delta:
    return Delta(
        tally,
        fields["occurred_at"]["S"] if "occurred_at" in fields else recorded_at,
        fields["outcome_type"]["S"],
        int(fields["agent_id"]["N"]) if "agent_id" in fields else None,
        sign,
        Decimal(fields["value_usd"]["N"]) if "value_usd" in fields else None,
    )
