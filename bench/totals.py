"""python -m bench.totals: measure looks at totals of long histories: the first, the next, one after one more record.

DynamoDB is a stand-in in the same process, which makes each outcome when it is read, counts read and write units as the
service does, and keeps what it gets. Outcomes are like the seeded ones, evenly over the days, by agents in turn, and
corrected never. The last look is a day after the last outcome. With `--short`, of up to 10,000 outcomes.
"""

import json
import os
import sys
import time
from binascii import a2b_base64, crc32
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any

from outcomes.contract import instants, json_text
from outcomes.contract.models import NewOutcome
from outcomes.contract.period import Period
from outcomes.errors import StillAddingUp
from outcomes.storage.dynamodb import Answer
from outcomes.storage.store import OutcomeStore, new_item
from outcomes.storage.summary import Summary
from outcomes.storage.totals import READ_UNITS_PER_WRITE_UNIT, Totals

from bench.storage import READ_UNIT_BYTES, item_bytes
from local.seed import outcomes

DAY = 86_400_000
END = 1_777_593_600_000  # 2026-05-01T00:00:00Z
PAGE_BYTES = 1024 * 1024
CASES = [
    (count, days, agents)
    for days in (30, 366)
    for agents in (3, 10_000)
    for count in (50, 1_000, 10_000, 100_000, 1_000_000)
]
MOST_UNITS = 60
"""Read units of a next look at a year of 1,000,000 outcomes of 3 agents."""
MOST_DIFFERENCE = 2
"""Read units of a next look, between 10,000 and 1,000,000 outcomes of 3 agents."""

type Item = dict[str, Any]


class History:
    """A user's outcomes, evenly over some days before END, and what is kept of them; it stands in for DynamoDB."""

    def __init__(self, count: int, days: int, agents: int) -> None:
        bodies = [json_text.read(json.dumps(body)) for _, body in outcomes(END)]
        self.templates = [new_item(NewOutcome.parse(body, session_user=42), "key", END)[1] for body in bodies]
        self.bytes = [item_bytes(item) for item in self.templates]
        self.count, self.agents = count, agents
        self.start, self.step = END - days * DAY, days * DAY // count
        self.kept: dict[str, Item] = {}
        self.queries, self.read, self.written = 0, 0.0, 0.0

    def call(self, operation: str, request: Item, **_: Any) -> Answer:
        """Answer as the service does, a day after END."""
        answer = Answer(getattr(self, f"_{operation}")(request))
        answer.date = formatdate(END / 1000 + 86_400, usegmt=True)
        return answer

    def _Query(self, request: Item) -> Item:  # noqa: N802 - its name
        self.queries += 1
        first, last = (request["ExpressionAttributeValues"][name]["S"] for name in (":first", ":last"))
        if request["TableName"] == "totals":
            found = [self.kept[key] for key in sorted(self.kept) if first <= key <= last]
            if request.get("ScanIndexForward") is False:
                found = found[::-1][: request["Limit"]]
            size = sum(map(kept_bytes, found))
            assert size < PAGE_BYTES * 40, "more than the stand-in pages"
            self.read += max(1, -(-size // READ_UNIT_BYTES)) / 2
            return {"Items": found}
        if first.startswith("~"):
            self.read += 1
            return {"Items": [], "ConsumedCapacity": {"CapacityUnits": 1}}
        if start := request.get("ExclusiveStartKey"):
            first = start["created_at"]["S"]
        index = max(0, -(-(instants.read(first[:24]) - self.start) // self.step)) + bool(start)
        items, size = [], 0
        while index < self.count:
            chance = crc32(index.to_bytes(4))
            template = chance % len(self.templates)
            bytes_ = self.bytes[template]
            at = instants.text(self.start + index * self.step)
            if at > last or size + bytes_ > PAGE_BYTES:
                break
            size += bytes_
            item = self.templates[template] | {
                "created_at": {"S": f"{at}#01KN4EMBG0QK3YB9X6N1V8ZT5R"},
                "agent_id": {"N": str(1 + (chance >> 8) % self.agents)},
            }
            items.append({name: item[name] for name in PROJECTED if name in item})
            index += 1
        units = max(1, -(-size // READ_UNIT_BYTES))
        self.read += units
        answer: Item = {"Items": items, "ConsumedCapacity": {"CapacityUnits": units}}
        if items and index < self.count and instants.text(self.start + index * self.step) <= last:
            answer["LastEvaluatedKey"] = {"created_at": items[-1]["created_at"]}
        return answer

    def _PutItem(self, request: Item) -> Item:  # noqa: N802 - its name
        item = request["Item"]
        self.kept[item["stretch"]["S"]] = item
        self.written += -(-kept_bytes(item) // 1024)
        return {}

    def _UpdateItem(self, _request: Item) -> Item:  # noqa: N802 - its name
        self.written += 1
        return {}


PROJECTED = ("created_at", "outcome_type", "agent_id", "value_usd")


def kept_bytes(item: Item) -> int:
    """Count the bytes of an item of kept sums."""
    return item_bytes(item | {"sums": {"B": a2b_base64(item["sums"]["B"])}})


def look(totals: Totals, history: History, period: Period) -> tuple[int, int, float, float, float]:
    """Look once, in as many calls as it takes; tell how many outcomes there are, and what it took."""
    before = history.queries, history.read, history.written
    began = time.process_time()
    while True:
        try:
            summary = Summary(period)
            totals.add_up(42, [summary])
            break
        except StillAddingUp:
            pass
    took = time.process_time() - began
    return (
        summary.totals[0].count,
        history.queries - before[0],
        history.read - before[1],
        history.written - before[2],
        took,
    )


def main() -> None:
    """Print the table, and which bars are missed."""
    os.environ.setdefault("AWS_REGION", "us-east-1")
    cases = [case for case in CASES if "--short" not in sys.argv or case[0] <= 10_000]
    print("| outcomes | days | agents | look | queries | read units | write units | seconds | kept items | largest B |")
    print("|---:|---:|---:|---|---:|---:|---:|---:|---:|---:|")
    missed: list[str] = []
    nexts: dict[tuple[int, int, int], float] = {}
    for case in cases:
        count, days, agents = case
        history = History(count, days, agents)
        store = OutcomeStore("outcomes")
        store.dynamodb.call = history.call  # type: ignore[method-assign, assignment]
        totals = Totals(store, "totals", "1")
        since, until = (instants.text(at)[:10] for at in (END - days * DAY, END))
        period = Period.from_query(since, until, "UTC", now=datetime.fromtimestamp(END / 1000, UTC))
        rows = []
        for name in ("first", "next", "one more"):
            if name == "one more":
                history.count += 1
            rows.append((name, *look(totals, history, period)))
        for name, found, queries, read, written, took in rows:
            expected = count  # one more lies after the end
            if found != expected:
                raise SystemExit(f"{name} look at {case}: {found} instead of {expected}")
            sizes = [kept_bytes(item) for item in history.kept.values()] or [0]
            print(
                f"| {count:,} | {days} | {agents:,} | {name} | {queries} | {read:,.1f} | {written:,.0f} | {took:.3f} "
                f"| {len(history.kept)} | {max(sizes):,} |",
                flush=True,
            )
        (_, _, _, first, written, _), (_, _, _, read, _, _), (_, _, _, more, _, _) = rows
        nexts[case] = read
        saved = (first - read) / READ_UNITS_PER_WRITE_UNIT
        part = {10_000: 4, 100_000: 40}.get(count) if (days, agents) == (366, 3) else None
        if part:
            print(f"\nKeeping costs 1/{saved / max(1, written):.0f} of what it saves: at most 1/{part}.\n")
        if count == 50 and written:
            missed.append(f"{case}: kept where it does not pay")
        if part and saved < part * written:
            missed.append(f"{case}: keeping costs 1/{saved / written:.1f} of what it saves")
        if more > read + 2:
            missed.append(f"{case}: one more record costs {more - read} read units more")
        if case == (1_000_000, 366, 3) and read > MOST_UNITS:
            missed.append(f"{case}: {read} read units")
        if case[0] == 1_000_000 and agents == 3 and read - nexts[10_000, days, 3] > MOST_DIFFERENCE:
            missed.append(f"{case}: {read - nexts[10_000, days, 3]} read units more than with 10,000")
    print("\n".join(missed) or "All bars are met.")


if __name__ == "__main__":
    main()
