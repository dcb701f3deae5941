"""Each event of the local stack reaches EVENTS_URL, signed and in order, despite failures."""

import json
import os
import re
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, override

import boto3
import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from local.sockets import listening_socket
from tests.local.stacks import Stack, running

USER = 42
SECONDS = 60


class Consumer:
    """Serves a URL that answers 500 to every third event, and stores the others in `accepted`."""

    def __init__(self) -> None:
        self.accepted: list[Any] = []
        self.last: tuple[bytes, dict[str, str]] = b"", {}
        self.sent = 0
        with listening_socket("127.0.0.1", 0) as listener:
            self.port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/events"

    @contextmanager
    def listening(self) -> Iterator[None]:
        consumer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
                consumer.sent += 1
                is_accepted = consumer.sent % 3 != 0
                if is_accepted:
                    consumer.accepted.append(json.loads(body))
                    consumer.last = body, dict(self.headers)
                self.send_response(204 if is_accepted else 500)
                self.end_headers()

            @override
            def log_message(self, *_: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", self.port), Handler) as server:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
            try:
                yield
            finally:
                server.shutdown()

    def versions(self) -> dict[str, list[int]]:
        """Return the versions of each outcome in the order of their first arrival."""
        versions: dict[str, list[int]] = defaultdict(list)
        for event in self.accepted:
            if event["type"].startswith("outcome.") and event["data"]["version"] not in versions[event["data"]["id"]]:
                versions[event["data"]["id"]].append(event["data"]["version"])
        return versions


class Caller:
    """A client of a stack's API, as user 42 and as the platform."""

    def __init__(self, stack: Stack) -> None:
        self.owner = httpx.Client(base_url=stack.url, headers={"Cookie": stack.cookie(USER)}, timeout=30)
        self.platform = httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {stack.key}"}, timeout=30)

    def close(self) -> None:
        self.owner.close()
        self.platform.close()

    def record(self) -> str:
        body = {"outcomeType": "deal_closed", "title": "Renewed Acme", "valueUsd": 0.1, "userId": USER}
        return str(self.platform.post("/api/outcomes", json=body).raise_for_status().headers["Outcome-Id"])

    def confirm_and_dispute(self, id_: str) -> None:
        for body in ({"type": "confirm"}, {"type": "dispute", "reason": "Not mine"}):
            self.owner.post(f"/api/outcomes/{id_}/corrections", json=body).raise_for_status()

    def make_and_revoke_a_key(self) -> str:
        id_: str = self.owner.post("/api/keys", json={"name": "Nightly"}).raise_for_status().json()["id"]
        self.owner.delete(f"/api/keys/{id_}").raise_for_status()
        return id_

    def listed(self) -> dict[str, Any]:
        answer = self.owner.get("/api/outcomes?limit=50&include=ledger").raise_for_status()
        return {outcome["id"]: outcome for outcome in answer.json()["outcomes"]}


def until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def kill_function(stack: Stack) -> bool:
    """Kill a worker process of PublishEventsFunction, if one is running. Return whether one was killed."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"PPid:\t{stack.process.pid}\n" not in (folder / "status").read_text():
                continue
            if b"AWS_LAMBDA_FUNCTION_NAME=PublishEventsFunction" in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)
                return True
    return False


@contextmanager
def aws(stack: Stack, service: str) -> Iterator[Any]:
    any_client: Any = boto3.client
    with closing(any_client(service, "us-east-1", endpoint_url=stack.aws_url)) as client:
        yield client


def damage(stack: Stack) -> None:
    """Store a row that cannot be converted to an event."""
    item = {"user_id": {"S": "7"}, "created_at": {"S": "2026-04-01T12:00:00.000Z#01KN4EMCF80000000000000001"}}
    with aws(stack, "dynamodb") as dynamodb:
        dynamodb.put_item(TableName="OutcomesTable", Item=item)


def kept(stack: Stack) -> list[str]:
    """Return the object keys of the dead letters."""
    with aws(stack, "s3") as s3:
        objects = s3.list_objects_v2(Bucket="outcomes-local-keptevents").get("Contents", [])
        return [each["Key"] for each in objects]


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc")
def test_each_event_arrives_in_order_despite_failures(tmp_path: Path) -> None:
    """The bus refuses calls, function and stack are killed, the URL is down at first, and a record is damaged."""
    consumer = Consumer()
    environment = {"EVENTS_URL": consumer.url}
    faulty = running(tmp_path, environment=environment, module="tests.local.faulty_bus")
    with faulty as stack, closing(Caller(stack)) as caller:
        outcomes = [caller.record() for _ in range(6)]
        until(lambda: kill_function(stack))
        for id_ in outcomes[:3]:
            caller.confirm_and_dispute(id_)
        until(lambda: kill_function(stack))
        key = caller.make_and_revoke_a_key()
        until(lambda: "EVENTS_URL does not accept events" in stack.log)
        outcomes.append(caller.record())
        stack.stop(signal.SIGKILL)  # at the time of the kill, some events are still waiting to be sent
    with running(tmp_path, environment=environment) as stack, closing(Caller(stack)) as caller, consumer.listening():
        damage(stack)
        outcomes.append(caller.record())
        expected = {id_: [0, 1, 2] if id_ in outcomes[:3] else [0] for id_ in outcomes}
        until(lambda: consumer.versions().keys() >= set(outcomes))
        until(lambda: {f"{key}-created", f"{key}-revoked"} <= {event["id"] for event in consumer.accepted})
        until(lambda: consumer.versions() == expected)
        last = {
            event["data"]["id"]: event["data"] for event in consumer.accepted if event["type"].startswith("outcome.")
        }
        for data in last.values():
            data.pop("correction", None)
        assert last == caller.listed()
        [secret] = re.findall(r"whsec_[^\s.]+", stack.output_file.read_text())
        assert Webhook(secret).verify(*consumer.last)
        until(lambda: kept(stack))
    # An event that was sent several times has the same id each time.
    assert len({event["id"] for event in consumer.accepted}) == len(outcomes) + 6 + 2
    assert {event["source"] for event in consumer.accepted} == {"outcomes-local"}
