"""Measure large statements: processor time, calls and units to make them, to prove an entry, and to read the entries.

DynamoDB is a fake in the same process, which makes outcomes when they are read, and answers with JSON texts. All
outcomes were recorded within the period. Time is simulated: processor time, 20 ms a call, and the reader's pauses.
"""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from email.utils import formatdate
from statistics import median
from typing import Any
from unittest.mock import patch

from outcomes.aws.services import Answer
from outcomes.calendar import instants
from outcomes.contract import json_text
from outcomes.contract.models import NewOutcome
from outcomes.contract.statements import StatementRequest
from outcomes.ledger import ulid
from outcomes.ledger.items import new_item
from outcomes.statements.chain import Statements
from outcomes.statements.stored_statements import StoredStatements

from bench.report import Report
from bench.storage import PAGE_BYTES, QUERY_SECONDS, TRANSACTION, item_bytes, units_of, until_added_up, write_units
from local.seed import outcomes

USER = 42
BEGIN, END = instants.read("2026-04-01T00:00:00Z"), instants.read("2026-05-01T00:00:00Z")
ID = "2026-04@UTC"
ENTRIES = 10_000
MANY, MANY_AGENTS = 1_000_000, 90_000
MOST_OTHER_UNITS = 20
"""Maximum read units of a proof, and of a statement or a part of its entries in addition to their outcomes."""


class Ledger:
    """A fake DynamoDB with the outcomes of a user, and a fake Secrets Manager. agents: the number of agents."""

    def __init__(self, size: int, agents: int) -> None:
        self.size, self.agents = size, agents
        bodies = [json_text.read(json_text.compact(body)) for _, body in outcomes(END)]
        parsed = [NewOutcome.parse(body, session_user=USER)._replace(occurred_at=None) for body in bodies]
        self.templates = [new_item(each, "key", BEGIN)[1] | {"agent_id": {"N": str(agents)}} for each in parsed]
        self.sizes = [item_bytes(item) for item in self.templates]
        self.elapsed = 0.0
        self.clear()

    def clear(self) -> None:
        """Forget statements, keys and counts."""
        self.written: dict[str, Any] = {}
        self.units, self.write_units = 0.0, 0

    def bytes(self, begin: int, end: int) -> int:
        """Return the size of the outcomes with these numbers."""
        return sum(self.sizes[number % len(self.sizes)] for number in range(begin, end))

    def id_of(self, number: int) -> str:
        return ulid.from_number(self._at(number) << 80 | number)

    def _at(self, number: int) -> int:
        return BEGIN + number * (END - BEGIN) // self.size

    def _item(self, number: int) -> Any:
        key = {"created_at": {"S": f"{instants.text(self._at(number))}#{self.id_of(number)}"}}
        return self.templates[number % len(self.templates)] | key | {"agent_id": {"N": str(1 + number % self.agents)}}

    def _number(self, key: str) -> int:
        """Return the number of the first outcome whose sort key is not before this one."""
        instant, _, id_ = key.partition("#")
        number = -(-(max(instants.read(instant), BEGIN) - BEGIN) * self.size // (END - BEGIN))
        return number + (id_ > self.id_of(number))

    def call(self, operation: str, request: Any, **_: Any) -> Answer:
        self.elapsed += QUERY_SECONDS
        answer = Answer(json.loads(json.dumps(self._answer(operation, request))))
        answer.date = formatdate(END / 1000 + 86_400, usegmt=True)
        self.units += answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0)
        return answer

    @contextmanager
    def behind(self, *services: Any) -> Iterator[None]:
        """Context manager: let these services of DynamoDB and Secrets Manager call the fake, in simulated time."""

        def sleep(seconds: float) -> None:
            self.elapsed += seconds

        with ExitStack() as patches:
            for service in services:
                patches.enter_context(patch.object(service, "call", self.call))
            patches.enter_context(patch("time.sleep", sleep))
            patches.enter_context(patch("time.monotonic", lambda: time.process_time() + self.elapsed))
            yield

    def _answer(self, operation: str, request: Any) -> Any:
        match operation:
            case "GetSecretValue":
                return {"SecretString": "a secret", "CreatedDate": 0}
            case "TransactWriteItems":
                for [(kind, action)] in map(dict.items, request["TransactItems"]):
                    item = action.get("Item", {})
                    self.write_units += TRANSACTION * write_units(item)
                    if kind == "Put":
                        self.written[str(item.get("id"))] = item
                    elif kind == "Delete":
                        del self.written[str(action["Key"]["id"])]
                return {}
            case "GetItem":
                found = self.written.get(str(request["Key"].get("id")))
                units = {"ConsumedCapacity": {"CapacityUnits": units_of(item_bytes(found or {}))}}
                return units | ({"Item": found} if found else {})
            case "BatchGetItem":
                [(table, keys)] = request["RequestItems"].items()
                items = [self._item(self._number(key["created_at"]["S"])) for key in keys["Keys"]]
                self.units += sum(units_of(item_bytes(item)) for item in items)
                return {"Responses": {table: items}, "UnprocessedKeys": {}}
        first = request["ExpressionAttributeValues"].get(":first", {"S": "~"})["S"]
        if request["TableName"] != "outcomes" or first.startswith("~"):
            of = request["ExpressionAttributeValues"].get(":keys")
            keys = [row for row in self.written.values() if row["user_id"] == of]
            return {"Items": keys, "ConsumedCapacity": {"CapacityUnits": 1}}
        return self._page(first, request["ExpressionAttributeValues"][":last"]["S"], request.get("Limit", self.size))

    def _page(self, first: str, last: str, limit: int) -> Any:
        number = begin = 0 if first < "1" else self._number(first)
        end = min(self._number(last) if last[0].isdigit() else self.size, begin + limit, self.size)
        size = 0
        while number < end and (size := size + self.sizes[number % len(self.sizes)]) <= PAGE_BYTES:
            number += 1
        items = [self._item(each) for each in range(begin, number)]
        answer = {"Items": items, "ConsumedCapacity": {"CapacityUnits": units_of(self.bytes(begin, number))}}
        has_more = number < end or limit == len(items)
        return answer | ({"LastEvaluatedKey": {"created_at": items[-1]["created_at"]}} if has_more else {})


def statements(report: Report, runs: int, entries: int, many: int) -> None:
    """Measure statements with this number of entries, and one of many. Each entry is an outcome."""
    for agents in (3, entries):
        ledger = Ledger(entries, agents)
        times = []
        for _ in range(runs):
            ledger.clear()
            began = time.process_time()
            _, text = make(ledger)
            times.append(time.process_time() - began)
            assert json.loads(text)["size"] == entries
        exported = units_of(ledger.bytes(0, entries))
        name = f"first statement of {entries:,} outcomes of {agents:,} agents"
        report.add(name, median(times), "s of processor time", bar=1.5, note=f"{len(text):,} bytes")
        other = ledger.units - exported
        report.add(f"{name}, besides {exported:,} of an export", other, "read units", bar=MOST_OTHER_UNITS)
    large(report, many, min(MANY_AGENTS, many))


def make(ledger: Ledger) -> tuple[int, str]:
    """Make the statement of a ledger, in as many calls as it needs. Return their number and the statement."""

    def call() -> str:
        service = Statements("outcomes", "statements", "totals", "secret")
        with ledger.behind(service.dynamodb, service.secrets_manager):
            return service.make(USER, StatementRequest("2026-04"), "https://api.example.com", may_begin=True)

    return until_added_up(call)


def large(report: Report, entries: int, agents: int) -> None:
    """Measure how a statement of many entries is made, proved and listed."""
    tenth, ledger = Ledger(entries // 10, agents), Ledger(entries, agents)
    make(tenth)
    calls, _ = make(ledger)
    name = f"statement of {entries:,} outcomes of {agents:,} agents"
    growth = ledger.units / entries / (tenth.units / tenth.size)
    note = f"{ledger.units:,.0f} read units, {ledger.write_units:,} write units"
    report.add(f"{name}, calls", calls, "calls", bar=12, note=note)
    report.add(f"{name}, an entry over one of a tenth", growth, "of its read units", bar=1.1)
    stored = StoredStatements("outcomes", "statements")
    proofs, others, cursor, listed = list[float](), list[float](), None, 0
    with ledger.behind(stored.dynamodb):
        for number in range(0, entries, -(-entries // 9)):
            ledger.units = 0
            stored.proof(USER, ID, ledger.id_of(number))
            proofs.append(ledger.units)
        while not others or (cursor and len(others) < 9):
            ledger.units = 0
            lines, cursor = stored.entries(USER, ID, cursor)
            listed, begin = listed + lines.count("\n"), listed
            others.append(ledger.units - units_of(ledger.bytes(begin, listed)))
    report.add(f"{name}, proof of one", max(proofs), "read units", bar=MOST_OTHER_UNITS)
    report.add(f"{name}, a part of its entries, besides these", max(others), "read units", bar=MOST_OTHER_UNITS)
