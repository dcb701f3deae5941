"""Fake DynamoDB with the table of costs. It counts read units like the service."""

from collections.abc import Callable
from typing import Any

from outcomes.aws.services import Answer
from outcomes.costs.cost_rows import FOLDED
from outcomes_client.testing import _tables as memory
from outcomes_client.testing._surroundings import TABLES

from bench.storage import page, units_of, write_units


class CostsInMemory(memory.Tables):
    """A fake DynamoDB with the table of costs. `call` replaces `DynamoDB.call`.

    page_items: the maximum number of items of a page, in addition to its size. before_query: is called before each
    page is read. before_storing: is called with a month before its sums by source are stored. stored: the number of
    rows of sums that were stored. read_units, write_units: of queries, and of stored sums.
    """

    def __init__(self, page_items: int = 1_000_000) -> None:
        super().__init__()
        TABLES["costs"] = ("user_id", "day_source")
        self._partitions["costs"] = {}
        self.page_items = page_items
        self.before_query: Callable[[], object] = lambda: None
        self.before_storing: Callable[[str], object] = lambda _month: None
        self.stored = 0
        self.read_units, self.write_units = 0.0, 0

    def call(self, operation: str, request: Any, **_: Any) -> Answer:
        match operation:
            case "BatchGetItem":
                return Answer(self.batch_get_item(request))
            case "Query":
                self.before_query()
                return Answer(self.query(request))
            case "TransactWriteItems":
                return Answer(self.transact_write_items(request))
            case "UpdateItem":
                kind, month, _ = request["Key"]["day_source"]["S"].split("#", 2)
                if f"{kind}#" == FOLDED:
                    self.before_storing(month)
                self.stored += 1
                answer = Answer(self.update_item(request))
                self.write_units += write_units(answer["Attributes"])
                return answer
        raise ValueError(f"{operation} is not answered")

    def query(self, request: Any) -> dict[str, Any]:
        """Return a page of rows whose keys are from `:first` to `:last`."""
        values = request["ExpressionAttributeValues"]
        rows = self._partitions["costs"].get(values[":user"]["S"], {})
        after = request.get("ExclusiveStartKey", {"day_source": {"S": ""}})["day_source"]["S"]
        first, last = values[":first"]["S"], values[":last"]["S"]
        keys = sorted([key for key in rows if first <= key <= last and key > after])
        items, size = page(rows[key] for key in keys[: self.page_items])
        units = units_of(size)
        self.read_units += units
        answer: dict[str, Any] = {"Items": items, "ConsumedCapacity": {"CapacityUnits": units}}
        return answer | ({"LastEvaluatedKey": items[-1]} if len(items) < len(keys) else {})
