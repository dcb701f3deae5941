"""A recording attempt never undoes a later correction, even if its answer is lost or it arrives late."""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any, override
from unittest.mock import patch
from urllib.parse import urlsplit

import httpx
import pytest
from outcomes.aws.services import Limits

from tests.events import KEY, proxy_event
from tests.local.stacks import ROOT, Stack
from tests.servers import serving

PATIENT = Limits(attempts=3, connect=60, read=60, total=120)


class Proxy(ThreadingHTTPServer):
    """A proxy in front of the stack's DynamoDB. `handle` decides what happens to each request."""

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), Passing)
        self.target = urlsplit(target).netloc
        self.handle: Callable[[Passing, Callable[[], None]], None] = lambda _passing, forward: forward()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Passing(BaseHTTPRequestHandler):
    """A request that the proxy handles.

    answer: what DynamoDB answered, if the request was forwarded. If `answer` is empty, the proxy closes the connection.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Proxy

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer = b""

        def forward() -> None:
            connection = HTTPConnection(self.server.target)
            connection.request("POST", self.path, body, dict(self.headers.items()))
            self.answer = connection.getresponse().read()
            connection.close()

        self.server.handle(self, forward)
        if not self.answer:
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    @override
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def proxy(stack: Stack) -> Iterator[Proxy]:
    with serving(Proxy(stack.aws_url)) as server:
        yield server


@pytest.fixture
def client(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, timeout=60) as client:
        yield client


@contextmanager
def recording(stack: Stack, proxy: Proxy, function: str) -> Iterator[Any]:
    """Load a function that calls DynamoDB through the proxy."""
    tables = {f"{name}_TABLE": stack.tables[f"{name.title()}Table"] for name in ("OUTCOMES", "IDEMPOTENCY")}
    with (
        patch.dict(os.environ, {"AWS_ENDPOINT_URL": proxy.url, **tables}),
        patch("outcomes.ledger.store.LIMITS", PATIENT),
    ):
        spec = spec_from_file_location("app", ROOT / "functions" / function / "app.py")
        assert spec
        assert spec.loader
        app = module_from_spec(spec)
        spec.loader.exec_module(app)
        yield app
        app.ledger.store.dynamodb.connection.close()


class User:
    """A user who reads with a session. The platform voids the user's outcomes with its key."""

    def __init__(self, stack: Stack, client: httpx.Client, id_: int) -> None:
        self.client, self.id = client, id_
        self.session = {"Cookie": stack.cookie(id_)}
        self.key = {"Authorization": f"Bearer {stack.key}"}

    def get(self, path: str) -> Any:
        answer = self.client.get(f"/api/outcomes{path}", headers=self.session)
        assert answer.status_code == 200
        return answer.json()

    def ids(self) -> list[str]:
        return [each["id"] for each in self.get("?limit=50&status=recorded&include=ledger")["outcomes"]]

    def void(self, id_: str) -> httpx.Response:
        body = {"type": "void", "reason": "No", "userId": self.id}
        headers = self.key | {"Idempotency-Key": f"void-{id_}"}
        return self.client.post(f"/api/outcomes/{id_}/corrections", json=body, headers=headers)


OUTCOME = {"outcomeType": "deal_closed", "title": "Closed", "valueUsd": 100}
SENT: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "one": ("record_outcome", OUTCOME, {}),
    "one with a key": ("record_outcome", OUTCOME, {"Idempotency-Key": "late"}),
    "a batch": ("record_batch", {"outcomes": [OUTCOME] * 3}, {}),
    "a batch with a key": ("record_batch", {"outcomes": [OUTCOME] * 3}, {"Idempotency-Key": "late"}),
}


def send(app: Any, body: dict[str, Any], headers: dict[str, str], user: int) -> list[str]:
    """Record outcomes with the platform's key, and return the ids in the answer."""
    items = body.get("outcomes", [body])
    for each in items:
        each["userId"] = user
    response = app.handler(proxy_event("POST", authorizer=KEY, body=body, headers=headers), None)
    assert response["statusCode"] == 200
    answer = json.loads(response["body"])
    return [each["id"] for each in answer["results"]] if "results" in answer else [response["headers"]["Outcome-Id"]]


def expect_void(of: User, ids: list[str]) -> None:
    """Check that list, histories and summary show these outcomes as void, also when they are read again."""
    for _ in range(2):
        assert of.ids() == []
        listed = of.get("?limit=50&status=void&include=ledger")["outcomes"]
        assert sorted((each["id"], each["status"], each["version"]) for each in listed) == sorted(
            (id_, "void", 1) for id_ in ids
        )
        for id_ in ids:
            history = of.get(f"/{id_}")
            assert history["outcome"]["status"] == "void"
            assert [each["type"] for each in history["corrections"]] == ["void"]
        summary = of.get("/summary")
        assert (summary["count"], summary["value_usd"]) == (0, 0)
        assert (summary["voided"]["count"], summary["voided"]["value_usd"]) == (len(ids), 100 * len(ids))
        again = [of.void(id_) for id_ in ids]
        assert {(each.status_code, each.headers.get("Idempotent-Replayed")) for each in again} == {(200, "true")}


@pytest.mark.parametrize(("user", "sent"), list(enumerate(SENT, 6401)))
def test_a_retry_after_a_lost_answer_undoes_no_correction(
    stack: Stack, client: httpx.Client, proxy: Proxy, sent: str, user: int
) -> None:
    """Attempt 1 succeeds but its answer is lost. The outcomes are voided. Then attempt 2 arrives."""
    of = User(stack, client, user)
    attempts = []

    def drop_the_first(passing: Passing, forward: Callable[[], None]) -> None:
        attempts.append(passing)
        forward()
        if len(attempts) == 1:
            for id_ in of.ids():
                assert of.void(id_).status_code == 200
            passing.answer = b""

    proxy.handle = drop_the_first
    function, body, headers = SENT[sent]
    with recording(stack, proxy, function) as app:
        ids = send(app, body, headers, user)
    assert len(attempts) == 2
    expect_void(of, ids)


@pytest.mark.parametrize(("user", "sent"), list(enumerate(SENT, 6411)))
def test_an_attempt_that_arrives_after_it_was_given_up_undoes_no_correction(
    stack: Stack, client: httpx.Client, proxy: Proxy, sent: str, user: int
) -> None:
    """Attempt 1 is delayed. Attempt 2 succeeds, and its outcomes are voided. Then attempt 1 arrives."""
    of = User(stack, client, user)
    attempts = []
    may_land, has_landed = threading.Event(), threading.Event()

    def hold_the_first(passing: Passing, forward: Callable[[], None]) -> None:
        attempts.append(passing)
        if len(attempts) == 1:
            passing.connection.shutdown(socket.SHUT_RDWR)  # the function gives up this attempt
            assert may_land.wait(60)
            forward()
            passing.answer = b""
            has_landed.set()
        else:
            forward()

    proxy.handle = hold_the_first
    function, body, headers = SENT[sent]
    with recording(stack, proxy, function) as app:
        ids = send(app, body, headers, user)
    assert len(attempts) == 2
    for id_ in ids:
        assert of.void(id_).status_code == 200
    may_land.set()
    assert has_landed.wait(60)
    expect_void(of, ids)
