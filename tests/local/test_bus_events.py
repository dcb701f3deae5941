"""Each event of the local stack reaches EVENTS_URL, signed and in order, even if the stack is killed meanwhile.

test_delivery.py has the failures of functions, URL and journal; tests/unit those of the bus.
"""

import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event
from typing import Any, override

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from local.sockets import listening_socket
from tests.local.stacks import ENGINES, Stack, running
from tests.servers import serving

USER = 42


class Consumer(HTTPServer):
    """Stores each posted event, its text and its headers. enough: set once as many different events are there."""

    def __init__(self, port: int, wanted: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.events: list[Any] = []
        self.texts: list[tuple[bytes, dict[str, str]]] = []
        self.wanted, self.enough = wanted, Event()


class Handler(BaseHTTPRequestHandler):
    server: Consumer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.texts.append((body, dict(self.headers)))
        self.server.events.append(json.loads(body))
        self.send_response(204)
        self.end_headers()
        if len({event["id"] for event in self.server.events}) == self.server.wanted:
            self.server.enough.set()

    @override
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def owner_of(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, headers={"Cookie": stack.cookie(USER)}, timeout=30) as owner:
        yield owner


def record(stack: Stack, value: float = 0.1) -> str:
    body = {"outcomeType": "deal_closed", "title": "Renewed Acme", "valueUsd": value, "userId": USER}
    headers = {"Authorization": f"Bearer {stack.key}"}
    return str(httpx.post(f"{stack.url}/api/outcomes", json=body, headers=headers).headers["Outcome-Id"])


@pytest.mark.parametrize("engine", ENGINES)
def test_each_event_arrives_in_order_although_the_stack_was_killed(tmp_path: Path, engine: str) -> None:
    with listening_socket("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    environment = {"EVENTS_URL": f"http://127.0.0.1:{port}/events"}
    with running(tmp_path, environment=environment | {"ENGINE": engine}) as stack, owner_of(stack) as owner:
        outcomes = [record(stack) for _ in range(3)]
        for body in ({"type": "confirm"}, {"type": "dispute", "reason": "Not mine"}):
            owner.post(f"/api/outcomes/{outcomes[0]}/corrections", json=body).raise_for_status()
        key = owner.post("/api/keys", json={"name": "Nightly"}).raise_for_status().json()["id"]
        owner.delete(f"/api/keys/{key}").raise_for_status()
        stack.stop(signal.SIGKILL)  # nobody listens at the URL, so all events still wait
    with running(tmp_path, environment=environment) as stack, owner_of(stack) as owner:
        outcomes.append(record(stack))
        with serving(Consumer(port, wanted=8)) as consumer:
            assert consumer.enough.wait(60)
        ledger = owner.get("/api/outcomes?include=ledger").raise_for_status().json()["outcomes"]
        [secret] = re.findall(r"whsec_[^\s.]+", stack.output_file.read_text())
    for text, headers in consumer.texts:
        assert Webhook(secret).verify(text, headers)
        assert headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    told = [event["data"] for event in consumer.events if event["type"].startswith("outcome.")]
    # An event may be posted twice, with the same id.
    versions = {id_: [*dict.fromkeys(data["version"] for data in told if data["id"] == id_)] for id_ in outcomes}
    assert versions == {id_: [0, 1, 2] if id_ == outcomes[0] else [0] for id_ in outcomes}
    for data in told:
        data.pop("correction", None)
    assert {data["id"]: data for data in told} == {outcome["id"]: outcome for outcome in ledger}
    ids = {event["id"] for event in consumer.events}
    assert (len(ids), ids >= {f"{key}-created", f"{key}-revoked"}) == (8, True)
    assert {event["source"] for event in consumer.events} == {"outcomes-local"}


def test_each_line_of_a_watch_is_told_once_the_clock_has_passed_its_interval(tmp_path: Path) -> None:
    with listening_socket("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    environment, on = {"EVENTS_URL": f"http://127.0.0.1:{port}/events"}, ("--parameter", "Watches=On")
    with (
        running(tmp_path, *on, environment=environment, module="tests.local.ahead") as stack,
        owner_of(stack) as owner,
        serving(Consumer(port, wanted=2)) as consumer,
    ):
        watch = {
            "name": "Deals",
            "measure": "value",
            "every": "month",
            "timezone": "UTC",
            "target": 100,
            "at": [50, 90],
        }
        owner.put("/api/watches/deals", json=watch).raise_for_status()
        for wanted in 2, 4:  # each outcome and its line
            consumer.wanted = wanted
            consumer.enough.clear()
            record(stack, 50)
            stack.process.send_signal(signal.SIGUSR1)
            assert consumer.enough.wait(60)
    told = [event for event in consumer.events if event["type"] == "watch.reached"]
    assert [(event["data"]["percent"], event["data"]["figure"]) for event in told] == [(50, 50), (90, 100)]
