"""python -m bench.summary: measure a summary of 1,000, 10,000 and 100,000 outcomes.

The built function runs in a new process for each count. Its DynamoDB is another process that serves prepared pages,
because moto would take most of the time.
"""

import json
import sys
from contextlib import closing
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from outcomes.contract import json_text
from outcomes.contract.models import NewOutcome
from outcomes.ledger.items import new_item

from bench.measure import Worker, function, handled
from bench.storage import READ_UNIT_BYTES, item_bytes
from local.seed import outcomes

COUNTS = [1_000, 10_000, 100_000]
ROUNDS = 3
PER_ROUND = 2
DAYS = 30
UNTIL = 1_777_593_600_000  # 2026-05-01T00:00:00Z
QUERY = {"from": "2026-04-01", "to": "2026-05-01"}

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html
PAGE_BYTES = 1024 * 1024

type Item = dict[str, Any]


def items(count: int) -> list[Item]:
    """Return `count` outcomes like the seeded ones, of user `count`, evenly over the thirty days, oldest first."""
    bodies = [json_text.read(json.dumps(body)) for _, body in outcomes(UNTIL)]
    drafts = [NewOutcome.parse(body, session_user=count) for body in bodies]
    start, step = UNTIL - DAYS * 86_400_000, DAYS * 86_400_000 // count
    return [new_item(drafts[index % len(drafts)], "key", start + index * step)[1] for index in range(count)]


def pages(stored: list[Item]) -> list[list[Item]]:
    """Split items into the pages of Query: 1 MB of whole items, whatever the projection."""
    read: list[list[Item]] = [[]]
    room = PAGE_BYTES
    for item in stored:
        room -= item_bytes(item)
        if room < 0:
            read.append([])
            room = PAGE_BYTES - item_bytes(item)
        read[-1].append(item)
    return read


class Cost(NamedTuple):
    """The reads of a first summary, and its expected value."""

    calls: int
    units: int
    value: Decimal


def cost(read: list[list[Item]]) -> Cost:
    """Return the cost of pages: for each, its bytes in units of 4 KB, rounded up."""
    units = sum(-(-sum(map(item_bytes, page)) // READ_UNIT_BYTES) for page in read)
    values = [Decimal(item["value_usd"]["N"]) for page in read for item in page if "value_usd" in item]
    return Cost(len(read), units, sum(values, Decimal(0)))


def answers(read: list[list[Item]], projected: set[str]) -> dict[str | None, bytes]:
    """Return Query's answer for each page, by the sort key before its first item."""
    answers: dict[str | None, bytes] = {}
    start = None
    for number, page in enumerate(read, start=1):
        kept = [{name: value for name, value in item.items() if name in projected} for item in page]
        answer: Item = {"Items": kept, "Count": len(page), "ScannedCount": len(page)}
        answer["ConsumedCapacity"] = {"CapacityUnits": -(-sum(map(item_bytes, page)) // READ_UNIT_BYTES)}
        last = {name: page[-1][name] for name in ("user_id", "created_at")}
        if number < len(read):
            answer["LastEvaluatedKey"] = last
        answers[start] = json.dumps(answer).encode()
        start = last["created_at"]["S"]
    return answers


def serve(connection: Connection, counts: list[int]) -> None:
    """Answer queries; when ready, send the port and each user's cost of a summary."""
    read = {str(count): pages(items(count)) for count in counts}
    prepared: dict[str, dict[str | None, bytes]] = {}

    class Query(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # a response goes out whole

        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            values = query.get("ExpressionAttributeValues", {})
            if query["TableName"] == "totals" or values[":first"]["S"].startswith("~"):
                body = b'{"Items":[]}'  # no materialized totals and no corrections
            else:
                user = values[":user"]["S"]
                if user not in prepared:
                    prepared[user] = answers(read[user], set(query["ProjectionExpression"].split(", ")))
                start = query.get("ExclusiveStartKey", {}).get("created_at", {}).get("S")
                body = prepared[user][start]
            self.send_response(200)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Query)
    connection.send((server.server_port, {user: cost(read[user]) for user in read}))
    server.serve_forever()


def event(user: int) -> Item:
    return {
        "httpMethod": "GET",
        "headers": {},
        "queryStringParameters": QUERY,
        "requestContext": {"authorizer": {"caller": "session", "userId": str(user)}},
    }


def measure(worker: Worker, count: int, value: Decimal) -> tuple[float, float]:
    """Return the best seconds of processor and wall time of some rounds. Raises SystemExit for a wrong summary."""
    summary = json_text.read(worker.call()["body"])
    if (summary["count"], summary["value_usd"]) != (count, value):
        raise SystemExit(f"The summary of {count} outcomes is wrong: {summary}")
    rounds = [worker.call(PER_ROUND) for _ in range(ROUNDS)]
    return min(taken["cpu"] for taken in rounds) / PER_ROUND, min(taken["wall"] for taken in rounds) / PER_ROUND


def main() -> None:
    """Print the table, with --short only for the smaller counts."""
    counts = COUNTS[:2] if "--short" in sys.argv else COUNTS
    ours, theirs = Pipe()
    process = Process(target=serve, args=(theirs, counts), daemon=True)
    process.start()
    port, costs = ours.recv()
    program = function("SummarizeOutcomesFunction").with_variables(
        {"AWS_ENDPOINT_URL_DYNAMODB": f"http://127.0.0.1:{port}"}
    )
    print("| outcomes | Query calls | read units | processor s | clock s | peak memory MB |")
    print("|---:|---:|---:|---:|---:|---:|")
    before: tuple[float, ...] | None = None
    for count in counts:
        calls, units, value = costs[str(count)]
        with closing(Worker(program, handled(event(count)))) as worker:
            processor, clock = measure(worker, count, value)
            peak = worker.peak_bytes() / 1e6
        print(f"| {count:,} | {calls} | {units:,} | {processor:.3f} | {clock:.3f} | {peak:.0f} |")
        if before:
            ratios = " | ".join(
                f"x {now / then:.1f}" for now, then in zip((units, processor, clock), before, strict=True)
            )
            print(f"| x 10 | | {ratios} | |")
        before = (units, processor, clock)
    process.terminate()


if __name__ == "__main__":
    main()
