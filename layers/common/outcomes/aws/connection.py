"""Keep an HTTP/1.1 connection alive, and limit each request by a deadline.

A socket's own timeout restarts with each received byte, so an answer that arrives byte by byte never times out. Here,
the deadline of the whole call also limits each wait.
"""

import io
import re
import select
import socket
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast, override

from outcomes.aws.replies import Reply, read_reply

type Found = tuple[int, int, int, str, tuple[Any, ...]]
"""An address of a host, as `socket.getaddrinfo` returns it."""

type Resolve = Callable[[bytes, int, float], list[Found]]
"""Resolves a host and port within a number of seconds. Raises OSError."""

NO_LIMIT = float("inf")  # seconds

# URLs are parsed with a regular expression, because urllib.parse loads slowly. Its groups are the scheme, the host with
# port, the host (IPv6 in brackets) and the port.
_ENDPOINT = re.compile(r"(https?)://(?:[^/?#@]*@)?((\[[0-9a-f:.]+\]|[^\s/?#@:\[\]]+)(?::([0-9]{0,5}))?)/?")


class NotSent(Exception):
    """The connection could not be opened, so nothing was sent. `__cause__` is the reason."""


def addresses(host: bytes, port: int, _seconds: float) -> list[Found]:
    """Resolve a host with the operating system's resolver, which has no timeout: `_seconds` is ignored."""
    return cast("list[Found]", socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))


class Connection:
    """A connection to one endpoint, opened on first use and reopened after it was dropped. Not thread-safe.

    connect: maximum seconds to connect. read: maximum seconds for each send or receive.
    authorities: a file of trusted certificate authorities; None for the system's authorities.
    or_system: whether to try the system's authorities if `authorities` cannot verify the server's certificate.
    clock: returns seconds; all deadlines (`until`) are on this clock.
    resolve: resolves the host; the connection uses only the addresses that this function returns.
    """

    def __init__(
        self,
        endpoint: str,
        connect: float,
        read: float,
        authorities: str | None,
        clock: Callable[[], float],
        resolve: Resolve = addresses,
        *,
        or_system: bool = False,
    ) -> None:
        url = _ENDPOINT.fullmatch(endpoint)
        if not url or int(url[4] or 0) > 65_535:
            raise ValueError(f"not an endpoint: {endpoint}")
        is_https = url[1] == "https"
        self.host = url[2]
        # Pass the host as bytes: for a str, Python would load its IDNA codec, which takes longer than the call itself.
        self._address = url[3].strip("[]").encode("ascii"), int(url[4] or (443 if is_https else 80))
        self._connect_seconds, self._read_seconds, self._clock, self._resolve = connect, read, clock, resolve
        self._tls, self._or_system = None, or_system
        if is_https:  # read the certificates at start-up, because this takes some milliseconds
            self._tls = ssl.create_default_context(cafile=authorities)
        self._socket: socket.socket | None = None

    def post(
        self, headers: Mapping[str, str], body: bytes, until: float, *, target: str = "/", whole: bool = True
    ) -> Reply:
        """Send a POST to `target` and receive the answer, before the deadline `until`.

        whole: whether to read the answer's body; if not, the connection is closed. Raises the errors of `_exchange`.
        """
        length = {"Content-Length": str(len(body))}
        return self._exchange("POST", target, {**headers, **length}, body, until, None if whole else 0)

    def get(self, headers: Mapping[str, str], until: float, *, target: str, at_most: int) -> Reply:
        """Send a GET to `target` and receive the answer, before the deadline `until`.

        at_most: the maximum bytes of the answer's body to read. Raises the errors of `_exchange`.
        """
        return self._exchange("GET", target, headers, b"", until, at_most)

    def _exchange(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, until: float, at_most: int | None
    ) -> Reply:
        """Send a request and receive the answer.

        at_most: how many bytes of the answer's body to read before closing the connection; None reads the whole body.

        Raises NotSent if nothing was sent. Raises OSError (such as TimeoutError or BrokenReply) if at least a part of
        the request was sent and no complete answer came back.
        """
        try:
            sock = self._connected(until)
        except OSError as failure:
            raise NotSent(f"no connection to {self.host}: {failure}") from failure
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        head = f"{method} {target} HTTP/1.1\r\n{''.join(lines)}\r\n"
        wait = partial(self._wait, self._read_seconds, until)
        try:
            unsent = memoryview(head.encode("ascii") + body)
            while unsent:
                sock.settimeout(wait())
                unsent = unsent[sock.send(unsent) :]
            incoming = _Incoming(sock, wait)
            stream = io.BufferedReader(incoming)
            reply, persists = read_reply(stream, at_most)
            incoming.is_done = True
            if not persists or stream.peek():  # bytes after this answer would be taken for the next answer
                self.close()
        except BaseException:
            self.close()  # otherwise the unread rest of this answer would be taken for the next answer
            raise
        return reply

    def close(self) -> None:
        """Close the connection. The next request opens a new one."""
        if self._socket:
            self._socket.close()
            self._socket = None

    def _wait(self, seconds: float, until: float) -> float:
        """Return `seconds`, or the time until the deadline if that is less. Raises TimeoutError after the deadline."""
        left = min(seconds, until - self._clock())
        if left <= 0:
            raise TimeoutError("no time left")
        return left

    def _connected(self, until: float) -> socket.socket:
        if self._socket and _is_readable(self._socket):
            self.close()  # the server closed the idle connection, or sent unexpected bytes
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
                sock.settimeout(self._wait(self._connect_seconds, until))  # one timeout for the whole handshake
                # It is an error if the connection ends without a TLS closure alert (RFC 9112, 9.8).
                return self._tls.wrap_socket(sock, server_hostname=self._address[0], suppress_ragged_eofs=False)
            except OSError as exc:
                sock.close()
                failure = exc
                if self._or_system and isinstance(exc, ssl.SSLCertVerificationError):
                    self._tls, self._or_system = ssl.create_default_context(), False
                    return self._new_socket(until)
        raise failure


class _Incoming(io.RawIOBase):
    """Reads from a socket for a BufferedReader, and sets the socket's timeout again before each read.

    is_done: if true, nothing more is read from the socket.
    """

    def __init__(self, sock: socket.socket, wait: Callable[[], float]) -> None:
        self._sock, self._wait, self.is_done = sock, wait, False

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int | None:
        if self.is_done:
            return None
        self._sock.settimeout(self._wait())
        return self._sock.recv_into(buffer)


def _is_readable(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
