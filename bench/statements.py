"""Measure the processor time and the read units of the first request for a large statement.

DynamoDB is a fake in the same process. It answers with JSON texts. All outcomes were recorded within the period.
"""

import json
import time
from email.utils import formatdate
from statistics import median
from typing import Any
from unittest.mock import patch

from outcomes.aws.services import Answer
from outcomes.calendar import instants
from outcomes.contract import json_text
from outcomes.contract.models import NewOutcome
from outcomes.contract.statements import StatementRequest
from outcomes.ledger.items import new_item
from outcomes.statements.chain import Statements

from bench.report import Report
from bench.storage import item_bytes, read_units
from bench.totals import PAGE_BYTES
from local.seed import outcomes

USER = 42
BEGIN, END = instants.read("2026-04-01T00:00:00Z"), instants.read("2026-05-01T00:00:00Z")
ENTRIES = 10_000
BAR = 1.5
"""Maximum processor time for ENTRIES, in seconds."""
MOST_OTHER_UNITS = 20
"""Maximum read units, in addition to those for the outcomes themselves, which an export reads, too."""


class Ledger:
    """A fake DynamoDB with the outcomes of a user, and a fake Secrets Manager. agents: the number of agents."""

    def __init__(self, size: int, agents: int) -> None:
        bodies = [json_text.read(json_text.compact(body)) for _, body in outcomes(END)]
        self.items = []
        for number in range(size):
            outcome = NewOutcome.parse(bodies[number % len(bodies)], session_user=USER)._replace(occurred_at=None)
            at = BEGIN + number * (END - BEGIN) // size
            self.items.append(new_item(outcome, "key", at)[1] | {"agent_id": {"N": str(1 + number % agents)}})
        self.pages = list(self._pages())
        self.clear()

    def clear(self) -> None:
        """Forget statements, keys and units."""
        self.written: dict[str, Any] = {}
        self.units = 0.0

    def _pages(self) -> Any:
        """Yield pages of outcomes as JSON texts, with their read units."""
        page: list[Any] = []
        size = 0
        for item in self.items:
            if size + item_bytes(item) > PAGE_BYTES:
                yield page
                page, size = [], 0
            page.append(item)
            size += item_bytes(item)
        yield page

    def call(self, operation: str, request: Any, **_: Any) -> Answer:
        answer = Answer(self._answer(operation, request))
        answer.date = formatdate(END / 1000 + 86_400, usegmt=True)
        self.units += answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0)
        return answer

    def _answer(self, operation: str, request: Any) -> Any:
        if operation == "GetSecretValue":
            return {"SecretString": "a secret", "CreatedDate": 0}
        if operation == "TransactWriteItems":
            puts = [action["Put"]["Item"] for action in request["TransactItems"] if "Put" in action]
            self.written |= {item["id"]["S"]: item for item in puts if "id" in item}
            return {}
        if operation == "GetItem" and request["Key"].get("id", {}).get("S") in self.written:
            return {"Item": self.written[request["Key"]["id"]["S"]], "ConsumedCapacity": {"CapacityUnits": 1}}
        if operation != "Query" or request["TableName"] != "outcomes":
            return {"Items": [], "ConsumedCapacity": {"CapacityUnits": 1}}
        if request["ExpressionAttributeValues"][":first"]["S"].startswith("~"):
            return {"Items": [], "ConsumedCapacity": {"CapacityUnits": 1}}
        if "Limit" in request:
            return {"Items": self.items[:1], "ConsumedCapacity": {"CapacityUnits": 1}}
        number = int(request.get("ExclusiveStartKey", {"page": {"N": "0"}})["page"]["N"])
        more = {"LastEvaluatedKey": {"page": {"N": str(number + 1)}}} if number + 1 < len(self.pages) else {}
        units = {"ConsumedCapacity": {"CapacityUnits": read_units(*self.pages[number])}}
        return json.loads(json.dumps({"Items": self.pages[number]} | more | units))


def statements(report: Report, runs: int, entries: int) -> None:
    """Measure statements with this number of entries. Each entry is an outcome."""
    for agents in (3, entries):
        ledger = Ledger(entries, agents)
        times = []
        for _ in range(runs):
            ledger.clear()
            service = Statements("outcomes", "statements", "totals", "secret")
            with (
                patch.object(service.dynamodb, "call", ledger.call),
                patch.object(service.secrets_manager, "call", ledger.call),
                patch("time.sleep", lambda _seconds: None),
            ):
                began = time.process_time()
                text = service.make(USER, StatementRequest("2026-04"), "https://api.example.com", may_begin=True)
                times.append(time.process_time() - began)
            assert json.loads(text)["size"] == entries
        exported = sum(read_units(*page) for page in ledger.pages)
        name = f"first statement of {entries:,} outcomes of {agents:,} agents"
        report.add(name, median(times), "s of processor time", bar=BAR, note=f"{len(text):,} bytes")
        other = ledger.units - exported
        report.add(f"{name}, besides {exported:,} of an export", other, "read units", bar=MOST_OTHER_UNITS)
