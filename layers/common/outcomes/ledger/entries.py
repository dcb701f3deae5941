"""Entries of a user's append-only ledger, as what each adds to sums: outcomes as they were recorded, and corrections.

Both stand in the table of outcomes, and never change: what an outcome has become stands beside what was recorded.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal
from heapq import merge
from operator import itemgetter
from typing import Any, NamedTuple

from outcomes.aws.services import DynamoDB, Item
from outcomes.contract.status import RECORDED, TALLIES_BY_STATUS
from outcomes.contract.sums import Delta

_AFTER_OUTCOMES = ":"  # their keys begin with a digit
_CORRECTION = "~"
_AFTER_CORRECTIONS = "~~"


class Entry(NamedTuple):
    """An entry. recorded_at: as `instants.text` has it. read_units: what reading it took, about."""

    recorded_at: str
    read_units: float
    deltas: list[Delta]


class Entries:
    """The entries of one user. Each page of 1 MB is asked for when it is needed.

    check_time: called before each page; what it raises passes through.
    """

    def __init__(self, dynamodb: DynamoDB, table: str, user_id: int, check_time: Callable[[], None]) -> None:
        self.dynamodb = dynamodb
        self.table = table
        self.user_id = str(user_id)
        self.check_time = check_time

    def recorded(self, begin: str, end: str) -> Iterator[Entry]:
        """Read what was recorded from `begin` on, before `end`, in this order: instants of which all is over."""
        return merge(self._outcomes(begin, end), self._corrections(begin, end), key=itemgetter(0))

    def recorded_since(self, begin: str, settled: str) -> Iterator[Entry]:
        """Read what was recorded from `begin` on, in this order, while more may be written from `settled` on.

        Of what is written meanwhile no correction is seen without what it corrects: newer ones are read before older
        ones, and all of them before outcomes.
        """
        pages = self._pages(self._query(_CORRECTION + begin, _AFTER_CORRECTIONS, newest_first=True))
        newest = next(pages)
        if begin < settled and next(pages, None) is not None:  # more than need be held
            yield from self.recorded(begin, settled)
            begin = settled
            pages = self._pages(self._query(_CORRECTION + begin, _AFTER_CORRECTIONS, newest_first=True))
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

    def _query(self, first: str, after: str, *, newest_first: bool = False) -> dict[str, Any]:
        return {
            "TableName": self.table,
            "ConsistentRead": True,
            "KeyConditionExpression": "user_id = :user AND created_at BETWEEN :first AND :last",
            "ExpressionAttributeValues": {
                ":user": {"S": self.user_id},
                ":first": {"S": first},
                # All keys have an id after the instant: none is equal to `after`.
                ":last": {"S": after},
            },
            "ProjectionExpression": "created_at, occurred_at, outcome_type, agent_id, value_usd, as_recorded, effects",
            "ScanIndexForward": not newest_first,
            "ReturnConsumedCapacity": "TOTAL",
        }

    def _pages(self, query: dict[str, Any]) -> Iterator[list[tuple[Item, float]]]:
        while True:
            self.check_time()
            page = self.dynamodb.call("Query", query)
            items = page["Items"]
            units = page.get("ConsumedCapacity", {}).get("CapacityUnits", 0) / max(1, len(items))
            yield [(item, units) for item in items]
            if "LastEvaluatedKey" not in page:
                return
            query |= {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def _outcome(item: Item, units: float) -> Entry:
    recorded_at = item["created_at"]["S"].partition("#")[0]
    fields = item["as_recorded"]["M"] if "as_recorded" in item else item
    deltas = [_delta(tally, 1, recorded_at, fields) for tally in TALLIES_BY_STATUS[RECORDED]]
    return Entry(recorded_at, units, deltas)


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
