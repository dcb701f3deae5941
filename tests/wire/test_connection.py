"""Test HTTP connections to AWS on real sockets."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import botocore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from outcomes.aws.connection import BrokenReply, Connection, NotSent, Reply, addresses
from outcomes.aws.services import AMAZON_ROOTS

from tests.authority import Authority, make_authority
from tests.wire.network import http

BODY = b'{"a": 1}'
ANSWER = http(200, BODY)
LATER = 60.0


class Server:
    """A server that accepts one connection for each list of answers.

    It sends one answer per request, and then closes the connection. received: the requests. accepted: the number of
    connections. closed: an event that is set once the first connection was closed.
    """

    def __init__(self, *connections: list[bytes], tls: ssl.SSLContext | None = None) -> None:
        self.connections, self.tls = connections, tls
        self.received: list[bytes] = []
        self.accepted = 0
        self.closed = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        for answers in self.connections:
            try:
                plain, _ = self.listener.accept()
            except OSError:  # the listener was closed at the end of the test
                return
            self.accepted += 1
            with plain, suppress(OSError):  # the client may close the connection early
                self.talk(self.tls.wrap_socket(plain, server_side=True) if self.tls else plain, answers)
            self.closed.set()

    def talk(self, connection: socket.socket, answers: list[bytes]) -> None:
        with connection:
            for answer in answers:
                received = b""
                while not received.endswith(b"the end"):
                    more = connection.recv(65536)
                    if not more:
                        raise ConnectionError("no whole request")
                    received += more
                self.received.append(received)
                connection.sendall(answer)

    def close(self) -> None:
        with suppress(OSError):  # the listener may already be closed
            self.listener.shutdown(socket.SHUT_RDWR)  # this makes accept() return
        self.listener.close()
        self.thread.join()


type Start = Callable[..., tuple[Connection, Server]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Yield a function that starts a server.

    This function returns a connection that is not open yet, and the server to which it will connect.
    """
    with ExitStack() as stack:

        def started(
            *connections: list[bytes],
            url: str = "http://127.0.0.1",
            tls: ssl.SSLContext | None = None,
            authorities: Path | str | None = None,
            seconds: float = 5,
            or_system: bool = False,
        ) -> tuple[Connection, Server]:
            server = Server(*connections, tls=tls)
            stack.callback(server.close)
            trusted = None if authorities is None else str(authorities)
            connection = Connection(
                f"{url}:{server.port}", seconds, seconds, trusted, clock=lambda: 0, or_system=or_system
            )
            stack.callback(connection.close)
            return connection, server

        yield started


def post(connection: Connection, body: bytes = b"the end") -> Reply:
    return connection.post({"host": connection.host, "x-amz-target": "T"}, body, LATER)


def test_a_request_is_valid_http(start: Start) -> None:
    connection, server = start([ANSWER])
    reply = post(connection, b"{} the end")
    assert reply.status == 200
    assert reply.body == BODY
    assert reply.headers["x-amzn-requestid"] == "R1"
    assert server.received == [
        f"POST / HTTP/1.1\r\nhost: 127.0.0.1:{server.port}\r\nx-amz-target: T\r\nContent-Length: 10\r\n\r\n".encode()
        + b"{} the end"
    ]


def test_a_connection_that_was_dropped_while_idle_is_not_used(start: Start) -> None:
    connection, server = start([ANSWER], [ANSWER])
    post(connection)
    assert server.closed.wait(5)
    assert post(connection).body == BODY
    assert (server.accepted, len(server.received)) == (2, 2)


def test_a_connection_that_the_service_is_about_to_close_is_not_used(start: Start) -> None:
    closing = ANSWER.replace(b"Content-Type", b"Connection: close\r\nContent-Type")
    connection, server = start([closing, ANSWER], [ANSWER])
    post(connection)
    assert post(connection).body == BODY
    assert (server.accepted, len(server.received)) == (2, 2)


@pytest.mark.parametrize("broken", [b"", b"HTTP/1.1", b"HTTP/1.1 200 O", ANSWER[:60], b"nonsense\r\n\r\n", ANSWER[:-1]])
def test_after_a_broken_answer_comes_a_new_connection(start: Start, broken: bytes) -> None:
    connection, server = start([broken, ANSWER] if broken.endswith(b"\r\n") else [broken], [ANSWER])
    with pytest.raises(BrokenReply):
        post(connection)
    assert post(connection).body == BODY
    assert server.accepted == 2


def test_bytes_after_an_answer_are_not_read_as_the_next_answer(start: Start) -> None:
    connection, server = start([ANSWER + http(200, b"stale")], [ANSWER])
    assert [post(connection).body for _ in range(2)] == [BODY] * 2
    assert server.accepted == 2


def test_an_unwanted_body_is_not_read(start: Start) -> None:
    unending = ANSWER.replace(b"Content-Length: 8", b"Content-Length: 8000000")
    connection, server = start([unending], [ANSWER])
    reply = connection.post({}, b"the end", LATER, target="/hook?a=b", whole=False)
    assert (reply.status, reply.body) == (200, b"")
    assert server.received[0].startswith(b"POST /hook?a=b HTTP/1.1\r\n")
    assert post(connection).body == BODY
    assert server.accepted == 2


def test_megabytes_are_sent_and_received(start: Start) -> None:
    large = b"x" * 3_000_000
    connection, server = start([http(200, large)])
    assert post(connection, large + b"the end").body == large
    assert server.received[0].endswith(large + b"the end")


def test_silence_times_out(start: Start) -> None:
    connection, _ = start([ANSWER], seconds=0.01)
    with pytest.raises(TimeoutError):
        post(connection, b"what the server waits for the rest of")


def test_no_connection_is_made_after_the_deadline(start: Start) -> None:
    connection, server = start([ANSWER])
    with pytest.raises(NotSent) as raised:
        connection.post({}, b"the end", until=0)
    assert isinstance(raised.value.__cause__, TimeoutError)
    assert server.accepted == 0


@pytest.fixture
def refusing() -> tuple[Any, ...]:
    """Return an address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        return socket.AF_INET, socket.SOCK_STREAM, 6, "", nobody.getsockname()


def test_every_address_of_a_host_is_tried(
    start: Start, monkeypatch: pytest.MonkeyPatch, refusing: tuple[Any, ...]
) -> None:
    connection, server = start([ANSWER])
    addresses = [refusing, (*refusing[:4], ("127.0.0.1", server.port))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: addresses)
    assert post(connection).body == BODY


def test_without_a_connection_nothing_is_sent(monkeypatch: pytest.MonkeyPatch, refusing: tuple[Any, ...]) -> None:
    def unknown() -> None:
        raise socket.gaierror(-2, "Name or service not known")

    lookups: dict[str, Callable[[], Any]] = {
        "Connection refused": lambda: [refusing],
        "no address": lambda: [],
        "Name or service not known": unknown,
    }
    for cause, look_up in lookups.items():
        monkeypatch.setattr("socket.getaddrinfo", lambda *_, look_up=look_up, **__: look_up())
        with pytest.raises(NotSent, match=f"no connection to dynamodb.test: .*{cause}") as raised:
            post(Connection("http://dynamodb.test", connect=5, read=5, authorities=None, clock=lambda: 0))
        assert cause in str(raised.value.__cause__)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"), "localhost")


class TestTls:
    def test_trusts_the_named_authority(
        self, start: Start, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        connection, server = start(
            [ANSWER] * 2, [ANSWER], url="https://localhost", tls=authority.server, authorities=authority.file
        )
        monkeypatch.setattr("ssl.create_default_context", None)  # after this line, creating a TLS context fails
        assert [post(connection).body for _ in range(2)] == [BODY] * 2
        assert server.closed.wait(5)
        assert post(connection).body == BODY
        assert server.accepted == 2

    @pytest.mark.parametrize(("host", "is_trusted"), [("localhost", False), ("127.0.0.1", True)])
    def test_trusts_no_other_authority_or_name(
        self, start: Start, authority: Authority, host: str, is_trusted: bool
    ) -> None:
        authorities = authority.file if is_trusted else None
        connection, server = start([ANSWER], url=f"https://{host}", tls=authority.server, authorities=authorities)
        with pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED"):
            post(connection)
        assert server.received == []

    def test_asks_the_system_once_when_the_named_authorities_do_not_trust(
        self, start: Start, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """For example, a company's proxy may have a certificate of an authority that only the system trusts."""
        context = ssl.create_default_context
        monkeypatch.setattr("ssl.create_default_context", lambda cafile=authority.file: context(cafile=cafile))
        how: Any = {"url": "https://localhost", "tls": authority.server, "authorities": AMAZON_ROOTS, "or_system": True}
        connection, server = start([], [ANSWER], [ANSWER], **how)
        assert post(connection).body == BODY
        connection.close()
        assert post(connection).body == BODY
        assert (server.accepted, len(server.received)) == (3, 2)

        monkeypatch.undo()  # now not even the system trusts it
        connection, server = start([], [], [], **how)
        for handshakes in (2, 3):
            with pytest.raises(NotSent, match="CERTIFICATE_VERIFY_FAILED"):
                post(connection)
            assert server.accepted == handshakes
        assert server.received == []

    def test_refuses_a_body_that_may_have_been_cut_off(self, start: Start, authority: Authority) -> None:
        """A body without a length ends when the connection closes. TLS must announce that end (RFC 9112, 9.8)."""
        connection, _ = start(
            [b"HTTP/1.1 200 OK\r\n\r\n{}"], url="https://localhost", tls=authority.server, authorities=authority.file
        )
        with pytest.raises(ssl.SSLEOFError):
            post(connection)

    def test_is_not_begun_after_the_deadline(self, start: Start, authority: Authority) -> None:
        """By the time that a connection is open, the deadline may have passed."""
        connection, _ = start([], url="https://localhost", tls=authority.server, authorities=authority.file)
        # The clock is read when resolving the name, when connecting, and before the TLS handshake.
        clock = iter([0, 0, 10])
        connection._resolve = lambda _host, port, _seconds: addresses(b"127.0.0.1", port, 0)
        connection._clock = lambda: next(clock)
        with pytest.raises(NotSent, match="no time left"):
            connection.post({}, b"the end", until=5)

    def test_is_required_for_https(self, start: Start) -> None:
        connection, server = start([ANSWER], url="https://localhost", seconds=0.01)
        with pytest.raises(NotSent):
            post(connection)
        assert server.received == []


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # the serial number of Starfield's root is 0
def test_amazon_s_roots_are_those_that_it_publishes() -> None:
    """https://www.amazontrust.com/repository/ publishes these SHA-256 hashes of the public keys."""
    roots = x509.load_pem_x509_certificates(Path(AMAZON_ROOTS).read_bytes())
    keys = [root.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for root in roots]
    assert [sha256(key).hexdigest() for key in keys] == [
        "fbe3018031f9586bcbf41727e417b7d1c45c2f47f93be372a17b96b50757d5a2",  # Amazon Root CA 1
        "7f4296fc5b6a4e3b35d3c369623e364ab1af381d8fa7121533c9d6c633ea2461",  # Amazon Root CA 2
        "36abc32656acfc645c61b71613c4bf21c787f5cabbee48348d58597803d7abc9",  # Amazon Root CA 3
        "f7ecded5c66047d28ed6466b543c40e0743abe81d109254dcf845d4c2c7853c5",  # Amazon Root CA 4
        "2b071c59a0a0ae76b0eadb2bad23bad4580b69c3601b630c2eaf0613afa83f92",  # Starfield Services Root CA - G2
    ]
    loaded = ssl.create_default_context(cafile=AMAZON_ROOTS).get_ca_certs(binary_form=True)
    known = ssl.create_default_context(cafile=Path(botocore.__file__).with_name("cacert.pem"))
    assert len(loaded) == len(roots)
    assert set(loaded) <= set(known.get_ca_certs(binary_form=True))
    for root in roots:
        root.verify_directly_issued_by(root)
        assert root.not_valid_after_utc.year >= 2037
