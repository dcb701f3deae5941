"""python -m bench.stub CERTIFICATE: answer like DynamoDB and Secrets Manager, at once, over persistent connections.

Everything in a call is real except the service: endpoint, serialization, signature, HTTP, parsing. The stub stores
nothing. `GET /counts` returns how often each operation was called since the previous `GET /counts`.

The stub prints its port and its TLS port. It ends when its standard input ends.
"""

import json
import ssl
import sys
import zlib
from collections import Counter
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar, override

from bench.outcome import AGENT_KEY_ROW, SESSION_ROW, SESSION_SECRET, stored

ITEMS = [stored(index) for index in range(51)]


@lru_cache(1000)
def answer(operation: str, request: bytes) -> bytes:
    """Return the service's answer to an operation, such as `DynamoDB_20120810.Query`."""
    match operation.partition(".")[2]:
        case "Query":
            query = json.loads(request)
            first = query["ExpressionAttributeValues"].get(":first", {"S": ""})["S"]
            # The stub has no materialized totals and no corrections.
            is_empty = "totals" in query["TableName"].lower() or first.startswith("~")
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


class Service(BaseHTTPRequestHandler):
    """Answers each request over a persistent connection. counts: how often each operation was called."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1024 * 1024  # an answer is one write, as of a service
    disable_nagle_algorithm = True
    counts: ClassVar[Counter[str]] = Counter()

    def do_GET(self) -> None:
        self._send(compact(self.counts))
        self.counts.clear()

    def do_POST(self) -> None:
        operation = self.headers["X-Amz-Target"]
        self.counts[operation] += 1
        self._send(answer(operation, self.rfile.read(int(self.headers["Content-Length"]))))

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amzn-RequestId", "5VQH1ERN9C8EF2QBRC1RUF5P6VVV4KQNSO5AEMVJF66Q9ASUAAJG")
        self.send_header("x-amz-crc32", str(zlib.crc32(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass


def serve(tls: ssl.SSLContext | None) -> None:
    """Serve in a thread, and print the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    print(server.server_port, flush=True)
    Thread(target=server.serve_forever, daemon=True).start()


if __name__ == "__main__":
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(sys.argv[1])
    serve(None)
    serve(context)
    sys.stdin.read()
