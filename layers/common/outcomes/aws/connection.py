"""One kept-alive HTTP/1.1 connection, every wait on which has an end.

A socket's own timeout begins anew with each byte, so that an answer which comes drop by drop never ends. Here each wait
is also bounded by a deadline of the whole call.
"""

import io
import select
import socket
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from http.client import HTTPResponse
from typing import Any, NamedTuple, cast, override
from urllib.parse import urlsplit

type Found = tuple[int, int, int, str, tuple[Any, ...]]
"""An address that a host's name stands for, as `socket.getaddrinfo` gives it."""

type Resolve = Callable[[bytes, int, float], list[Found]]
"""Finds the addresses of a host and port, within so many seconds. Raises OSError."""


NO_LIMIT = float("inf")
"""Seconds."""


class NotSent(Exception):
    """No connection could be made, for the reason that is the `__cause__`: nothing was sent."""


class Reply(NamedTuple):
    """A whole answer. headers: by name, in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def addresses(host: bytes, port: int, _seconds: float) -> list[Found]:
    """Ask the operating system, which alone bounds how long that takes."""
    return cast("list[Found]", socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


class Connection:
    """A connection to one endpoint, made when first needed and again when it was dropped. Not for several threads.

    connect, read: seconds that making the connection, each sending and each receiving may take.
    authorities: a file of the certificate authorities to trust; None for those of the system.
    clock: seconds, of `post`'s deadline.
    resolve: finds the addresses, once for a connection, which is made to one of those and no other.
    """

    def __init__(
        self,
        endpoint: str,
        connect: float,
        read: float,
        authorities: str | None,
        clock: Callable[[], float],
        resolve: Resolve = addresses,
    ) -> None:
        url = urlsplit(endpoint)
        if url.scheme not in {"http", "https"} or not url.hostname or url.path not in {"", "/"} or url.query:
            raise ValueError(f"not an endpoint: {endpoint}")
        self.host = url.netloc.rpartition("@")[2]
        # As bytes: for a str, Python loads its codec of international names, which takes longer than the call itself.
        self._address = url.hostname.encode("ascii"), url.port or (443 if url.scheme == "https" else 80)
        self._connect_seconds, self._read_seconds, self._clock, self._resolve = connect, read, clock, resolve
        self._tls = None
        if url.scheme == "https":  # made here, as reading the certificates takes some milliseconds
            self._tls = ssl.create_default_context(cafile=authorities)
        self._socket: socket.socket | None = None

    def post(
        self, headers: Mapping[str, str], body: bytes, until: float, *, target: str = "/", whole: bool = True
    ) -> Reply:
        """Send a POST to `target` and receive the answer, before the clock reads `until`.

        whole: whether its body is read, too; one that is not ends the connection.

        Raises NotSent; and OSError (TimeoutError among them) or http.client.HTTPException when something was sent,
        perhaps all of it, and no whole answer came back.
        """
        try:
            sock = self._connected(until)
        except OSError as failure:
            raise NotSent(f"no connection to {self.host}: {failure}") from failure
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        head = f"POST {target} HTTP/1.1\r\n{''.join(lines)}Content-Length: {len(body)}\r\n\r\n"
        wait = partial(self._wait, self._read_seconds, until)
        try:
            unsent = memoryview(head.encode("ascii") + body)
            while unsent:
                sock.settimeout(wait())
                unsent = unsent[sock.send(unsent) :]
            with HTTPResponse(cast("socket.socket", _Incoming(sock, wait)), method="POST") as answer:
                answer.begin()
                named = {name.lower(): value for name, value in answer.getheaders()}
                reply = Reply(answer.status, named, answer.read() if whole else b"")
        except BaseException:
            self.close()  # what is left of this answer must not become the answer to the next request
            raise
        if answer.will_close or not whole:
            self.close()
        return reply

    def close(self) -> None:
        """Drop the connection; the next request makes a new one."""
        if self._socket:
            self._socket.close()
            self._socket = None

    def _wait(self, seconds: float, until: float) -> float:
        """Compute how long to wait at most. Raises TimeoutError when the deadline has come."""
        left = min(seconds, until - self._clock())
        if left <= 0:
            raise TimeoutError("no time left")
        return left

    def _connected(self, until: float) -> socket.socket:
        if self._socket and _is_readable(self._socket):
            self.close()  # by the other side, while it was idle; or it sent what nobody asked for
        if not self._socket:
            self._socket = self._new_socket(until)
        return self._socket

    def _new_socket(self, until: float) -> socket.socket:
        failure = OSError("no address")
        for family, kind, protocol, _, address in self._resolve(*self._address, self._wait(NO_LIMIT, until)):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(self._wait(self._connect_seconds, until))
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if not self._tls:
                    return sock
                sock.settimeout(self._wait(self._connect_seconds, until))  # of the whole handshake
                return self._tls.wrap_socket(sock, server_hostname=self._address[0])
            except OSError as exc:
                sock.close()
                failure = exc
        raise failure


class _Incoming(io.RawIOBase):
    """Stands for a socket where `HTTPResponse` reads, and waits no longer than it may."""

    def __init__(self, sock: socket.socket, wait: Callable[[], float]) -> None:
        self._sock, self._wait = sock, wait

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._wait())
        return self._sock.recv_into(buffer)


def _is_readable(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
