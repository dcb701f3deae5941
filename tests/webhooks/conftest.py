"""Fixtures: a webhook receiver on this machine with a public host name, and a certificate for this name."""

import socket
import ssl
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, NamedTuple, override

import pytest
from outcomes.aws.connection import Found

from tests.authority import Authority, make_authority
from tests.servers import serving

HOST = "hooks.example.com"


class Call(NamedTuple):
    """A received request. headers: each header's value, by the name in lower case."""

    target: str
    headers: dict[str, str]
    body: bytes


class ReceivingServer(HTTPServer):
    """Answers each request with the next of `answers`.

    An answer is a status, a status with headers, or a function that writes the response.
    """

    def __init__(self, tls: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.calls: list[Call] = []
        self.answers: list[int | tuple[int, dict[str, str]] | Callable[[Any], None]] = []

    def resolve(self, _host: bytes, _port: int, _seconds: float) -> list[Found]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", self.server_port))]

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore the errors of clients that close the connection early."""


class _Handler(BaseHTTPRequestHandler):
    server: ReceivingServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.calls.append(Call(self.path, headers, body))
        answer = self.server.answers.pop(0) if self.server.answers else 204
        if callable(answer):
            answer(self.wfile)
            return
        status, also = answer if isinstance(answer, tuple) else (answer, {})
        self.send_response(status)
        for name, value in also.items():
            self.send_header(name, value)
        self.end_headers()

    @override
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("receiver"), HOST)


@pytest.fixture(scope="session")
def started(authority: Authority) -> Iterator[ReceivingServer]:
    with serving(ReceivingServer(authority.server)) as running:
        yield running


@pytest.fixture
def server(started: ReceivingServer) -> ReceivingServer:
    started.calls.clear()
    started.answers.clear()
    return started
