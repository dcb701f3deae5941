"""python -m bench.stub [CERTIFICATE]: answer like DynamoDB and Secrets Manager, at once, over persistent connections.

Everything in a call is real except the service: endpoint, serialization, signature, HTTP, parsing. The stub stores
nothing. `GET /counts` returns how often each operation was called since the previous `GET /counts`.

The stub prints its port and, if there is a certificate, its TLS port. The stub ends when its standard input ends.
"""

import asyncio
import json
import ssl
import sys
import zlib
from collections import Counter
from typing import Any

from bench.outcome import AGENT_KEY_ROW, SESSION_ROW, SESSION_SECRET, stored

ITEMS = [stored(index) for index in range(51)]


def answer(operation: str, request: bytes) -> bytes:
    """Return the service's answer to an operation, such as `DynamoDB_20120810.Query`."""
    match operation.partition(".")[2]:
        case "Query":
            query = json.loads(request)
            # The stub has no materialized totals and no corrections.
            is_empty = "totals" in query["TableName"].lower() or query["ExpressionAttributeValues"].get(
                ":first", {"S": ""}
            )["S"].startswith("~")
            items = [] if is_empty else ITEMS[: query.get("Limit")]
            found: dict[str, Any] = {"Items": items, "Count": len(items), "ScannedCount": len(items)}
            if 0 < len(items) < len(ITEMS):
                found["LastEvaluatedKey"] = {name: items[-1][name] for name in ("user_id", "created_at")}
            return compact(found)
        case "GetItem":
            return compact({"Item": AGENT_KEY_ROW if json.loads(request)["TableName"] == "keys" else SESSION_ROW})
        case "BatchGetItem":
            [(table, wanted)] = json.loads(request)["RequestItems"].items()
            # The stub stores no idempotency keys.
            read = [ITEMS[0] | key for key in wanted["Keys"] if "created_at" in key]
            return compact({"Responses": {table: read}, "UnprocessedKeys": {}})
        case "BatchExecuteStatement":
            return compact({"Responses": [{"TableName": "outcomes"}] * len(json.loads(request)["Statements"])})
        case "GetSecretValue":
            return compact({"Name": "session", "SecretString": SESSION_SECRET, "VersionStages": ["AWSCURRENT"]})
        case "PutItem" | "TransactWriteItems":
            return b"{}"
    raise ValueError(f"{operation} is not answered here")


def compact(value: object) -> bytes:
    """Write JSON as the services send it."""
    return json.dumps(value, separators=(",", ":")).encode()


class Service(asyncio.Protocol):
    """A connection of a client, which waits for each answer before it sends the next request."""

    def __init__(self, counts: Counter[str], answers: dict[tuple[str, bytes], bytes]) -> None:
        self.counts = counts
        self.answers = answers
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        while b"\r\n\r\n" in self.received:
            head, _, rest = self.received.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            length = int(headers.get("content-length", 0))
            if len(rest) < length:
                return
            self.received = rest[length:]
            assert isinstance(self.transport, asyncio.Transport)
            self.transport.write(self.response(first, headers.get("x-amz-target", ""), rest[:length]))

    def response(self, first_line: str, operation: str, request: bytes) -> bytes:
        if first_line.startswith("GET /counts "):
            body = compact(self.counts)
            self.counts.clear()
        else:
            self.counts[operation] += 1
            # The answer to a read depends on the whole request. The answer to a batch of statements depends only on
            # their number.
            match operation.partition(".")[2]:
                case "Query" | "GetItem" | "BatchGetItem":
                    key = operation, request
                case "BatchExecuteStatement":
                    key = operation, b"%d" % request.count(b'{"Statement":')
                case _:
                    key = operation, b""
            if key not in self.answers:
                self.answers[key] = answer(operation, request)
            body = self.answers[key]
        head = (
            "HTTP/1.1 200 OK\r\nServer: Server\r\nContent-Type: application/x-amz-json-1.0\r\n"
            f"Content-Length: {len(body)}\r\nConnection: keep-alive\r\n"
            "x-amzn-RequestId: 5VQH1ERN9C8EF2QBRC1RUF5P6VVV4KQNSO5AEMVJF66Q9ASUAAJG\r\n"
            f"x-amz-crc32: {zlib.crc32(body)}\r\nDate: Tue, 24 Nov 2026 12:00:00 GMT\r\n\r\n"
        )
        return head.encode() + body


async def serve() -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    counts: Counter[str] = Counter()
    answers: dict[tuple[str, bytes], bytes] = {}
    contexts: list[ssl.SSLContext | None] = [None]
    for file in sys.argv[1:]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(file)
        contexts.append(context)
    for tls in contexts:
        server = await loop.create_server(lambda: Service(counts, answers), "127.0.0.1", 0, ssl=tls)
        print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
