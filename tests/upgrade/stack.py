"""Run several versions of the code, each in its own process, on the template's tables in moto."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import PIPE, Popen
from threading import Thread
from typing import Any, NamedTuple, Self, override

from local import moto_backend
from tests.conftest import ROOT, template_tables
from tests.events import proxy_event
from tests.people import restore, snapshot

WORKER = Path(__file__).parent / "worker.py"
PLATFORM_KEY = "made-up-key-of-the-platform"
SECRETS = {
    "session-secret": json.loads((ROOT / "tests/auth/cookies.json").read_text())["secret"],
    "webhook-secret": "made0up0webhook0secret0of0sixty0four0letters0and0digits0as0aws00",
    "ErasureSecret": "a secret of the stack",
    "StatementSecret": "the secret of the tests",
}
ENVIRONMENT = {
    "KEY_FINGERPRINTS": sha256(PLATFORM_KEY.encode()).hexdigest(),
    "SESSION_SECRET_ARN": "session-secret",
    "SESSION_SECRET_OVERLAP_DAYS": "30",
    "ACCEPT_PLAIN_COOKIES": "false",
    "OIDC_ISSUER": "",
    "SETTLE_SECONDS": "0",  # with SETTLE_SECONDS=0, erasures do not wait for calls in progress
}
COMPARED_HEADERS = {"Content-Type", "Idempotent-Replayed", "Next-Cursor", "Outcome-Id"}
EXPENSIVE = 100
"""Factor for the read units of queries, so that storing totals is worthwhile for a few outcomes."""

METHOD_ARN = "arn:aws:execute-api:us-east-1:123456789012:api/v1/POST/api/outcomes"

type Rows = dict[str, list[Any]]
"""Items in DynamoDB's JSON, by table."""


class Call(NamedTuple):
    """A call of a function.

    promise: the name of the compatibility promise that is checked by making this call again, or an empty text.
    request: the arguments for `proxy_event`.
    """

    promise: str
    name: str
    function: str
    now: int
    request: dict[str, Any]
    answer: Any = None


class Code:
    """A version of the deployed code. It runs in its own process, one call at a time."""

    def __init__(self, outcomes: Path, functions: Path, endpoint: str, salt: str) -> None:
        """Start the process.

        outcomes: the folder of the package. salt: a text that makes this version's ids differ from those of other
        versions.
        """
        environment = os.environ | ENVIRONMENT | {"AWS_ENDPOINT_URL": endpoint, "PYTHONPATH": str(outcomes)}
        command = [sys.executable, "-P", str(WORKER), str(functions), salt]
        self.process = Popen(command, stdin=PIPE, stdout=PIPE, env=environment, text=True, encoding="utf-8")

    def run(self, function: str, event: dict[str, Any], now: int) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"function": function, "event": event, "now": now}) + "\n")
        self.process.stdin.flush()
        result: dict[str, Any] = json.loads(self.process.stdout.readline())
        return result

    def close(self) -> None:
        self.process.communicate()


class Stack:
    """A deployment whose functions can run in several versions of the code.

    now: its clock, in milliseconds since 1970. published: the entries sent to EventBridge. interrupted: the name of a
    table that returns pages of five items, and is throttled after the first page.
    """

    def __init__(self) -> None:
        self.now = 0
        self.interrupted = ""
        self.published: list[Any] = []
        self._empty = snapshot()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self._codes: list[Code] = []

    @classmethod
    @contextmanager
    def running(cls, template: Any) -> Iterator[Self]:
        with template_tables(template):
            stack = cls()
            yield stack
            for code in [*stack._codes]:
                stack.stop(code)
            stack._server.shutdown()
            stack._server.server_close()

    def start(self, outcomes: Path, functions: Path, salt: str) -> Code:
        code = Code(outcomes, functions, self.endpoint, salt)
        self._codes.append(code)
        return code

    def stop(self, code: Code) -> None:
        self._codes.remove(code)
        code.close()

    def clear(self) -> None:
        """Delete all rows."""
        restore(self._empty)

    def fill(self, rows: Rows) -> None:
        for table, items in rows.items():
            for item in items:
                self.call("PutItem", TableName=table, Item=item)

    def rows(self, table: str) -> list[Any]:
        """Return the rows of a table, sorted."""
        return sorted(self.call("Scan", TableName=table)["Items"], key=lambda row: json.dumps(row, sort_keys=True))

    def all_rows(self) -> Rows:
        return {table: self.rows(table) for table in self._empty}

    def call(self, operation: str, **request: Any) -> Any:
        """Call DynamoDB with JSON in and out. Binary values are Base64."""
        headers = {"content-type": moto_backend.JSON, "x-amz-target": moto_backend.TARGET + operation}
        status, _, text = moto_backend.answer(headers, json.dumps(request).encode())
        assert status == 200, text
        return json.loads(text)

    def run(self, code: Code, call: Call) -> Call:
        """Run a call in a version of the code. Return the call with those parts of its answer that tests compare."""
        self.now = call.now
        self.published.clear()
        event = call.request.get("event") or proxy_event(**call.request) | {"methodArn": METHOD_ARN}
        result = code.run(call.function, event, call.now)
        answer = result.get("returned", result.get("raised"))
        if isinstance(answer, dict) and "statusCode" in answer:
            headers = {name: value for name, value in answer["headers"].items() if name in COMPARED_HEADERS}
            answer = {"status": answer["statusCode"], "headers": headers, "body": answer["body"]}
        if self.published or result["posted"]:
            answer = {"returned": answer, "published": [*self.published], "posted": result["posted"]}
        return call._replace(answer=answer)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stack = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                operation = self.headers["x-amz-target"].rpartition(".")[2]
                status, answer = stack._answer(operation, self.headers, body)
                self.send_response_only(status)
                self.send_header("content-length", str(len(answer)))
                self.send_header("date", formatdate(stack.now // 1000, usegmt=True))
                self.end_headers()
                self.wfile.write(answer)

            @override
            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def _answer(self, operation: str, headers: Any, body: bytes) -> tuple[int, bytes]:
        request = json.loads(body)
        match operation:
            case "GetSecretValue" if request.get("VersionStage") == "AWSPREVIOUS":
                return _json({"__type": "ResourceNotFoundException"}, 400)
            case "GetSecretValue":
                return _json({"SecretString": SECRETS[request["SecretId"]], "CreatedDate": 1_700_000_000})
            case "PutEvents":
                self.published += request["Entries"]
                results = [{"EventId": str(number)} for number, _ in enumerate(request["Entries"])]
                return _json({"FailedEntryCount": 0, "Entries": results})
            case "Query" if request["TableName"] == self.interrupted:
                if "ExclusiveStartKey" in request:
                    return _json({"__type": "ProvisionedThroughputExceededException"}, 400)
                body = json.dumps(request | {"Limit": 5}).encode()
        status, _, text = moto_backend.answer(headers, body)
        if operation != "Query":
            return status, text.encode() if isinstance(text, str) else text
        answer = json.loads(text)
        if "ConsumedCapacity" in answer:
            answer["ConsumedCapacity"]["CapacityUnits"] *= EXPENSIVE
        return _json(answer, status)


def _json(answer: Any, status: int = 200) -> tuple[int, bytes]:
    return status, json.dumps(answer).encode()
