"""Keep an HTTP/1.1 connection alive, limit each request by a deadline, and read answers.

A socket's own timeout restarts with each received byte, so an answer that arrives byte by byte never times out. Here,
the deadline of the whole call also limits each wait.

This module replaces `http.client`, because loading `http.client` takes a sixth of a cold start. It refuses incomplete
answers, and answers whose end is ambiguous, where `http.client` only guesses where the answer ends.
https://www.rfc-editor.org/rfc/rfc9112
"""

import io
import re
import select
import socket
import ssl
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, cast, override

type Found = tuple[int, int, int, str, tuple[Any, ...]]
"""An address of a host, as `socket.getaddrinfo` returns it."""

type Resolve = Callable[[bytes, int, float], list[Found]]
"""Resolves a host and port within a number of seconds. Raises OSError."""

NO_LIMIT = float("inf")  # seconds

# URLs are parsed with a regular expression, because urllib.parse loads slowly. Its groups are the scheme, the host with
# port, the host (IPv6 in brackets) and the port.
_ENDPOINT = re.compile(r"(https?)://(?:[^/?#@]*@)?((\[[0-9a-f:.]+\]|[^\s/?#@:\[\]]+)(?::([0-9]{0,5}))?)/?")

MAX_LINE = 65_536  # bytes
MAX_LINES = 100  # maximum number of header lines, including the empty line at their end
MAX_BODY = 100_000_000  # bytes; limits the memory that is allocated for a body or a chunk before it is read

# The characters of tokens (https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2) and digits. These are sets, because
# regular expressions take longer to compile.
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_DIGITS = {10: frozenset("0123456789"), 16: frozenset("0123456789ABCDEFabcdef")}


class NotSent(Exception):
    """The connection could not be opened, so nothing was sent. `__cause__` is the reason."""


class BrokenReply(OSError):
    """An answer is not valid HTTP/1.1, or is cut off. It is an OSError like the other failures of a connection."""


class Reply(NamedTuple):
    """An HTTP answer. headers: the headers' values by lower-case name."""

    status: int
    headers: Mapping[str, str]
    body: bytes


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


def read_reply(stream: io.BufferedIOBase, at_most: int | None) -> tuple[Reply, bool]:
    """Read an answer to a GET or POST. Return the answer, and whether the connection may be used for another request.

    at_most: how many bytes of the body to read; None reads the whole body. If it is 0, only the status is needed, so
    invalid headers are skipped. Raises BrokenReply, without quoting the answer, and the errors of reading
    from the stream.
    """
    version, status, headers = "", 0, {}
    while status < 200:  # interim answers such as 100 Continue come before the final one (RFC 9110, 15.2)
        version, status = _status_line(stream)
        headers = _headers(stream, is_strict=at_most != 0)
    if at_most == 0:
        return Reply(status, headers, b""), False
    persists = version == "HTTP/1.1" and "close" not in headers.get("connection", "").lower()
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None:
        if coding.lower() != "chunked":
            raise BrokenReply("a transfer coding other than chunked")
        body = _chunks(stream, at_most)
    elif status in (204, 304):  # answers with the statuses No Content and Not Modified have no body
        body = b""
    elif length is not None:
        size = _size(length, 10)
        body = _exactly(stream, size if at_most is None else min(size, at_most))
    else:  # the body ends when the connection is closed
        body, persists = stream.read(at_most), False
    return Reply(status, headers, body), persists and at_most is None


def _line(stream: io.BufferedIOBase) -> str:
    line = stream.readline(MAX_LINE + 1)
    if len(line) > MAX_LINE:
        raise BrokenReply("a line is too long")
    if not line.endswith(b"\n"):
        raise BrokenReply("the answer is cut off")
    text = line[:-1].removesuffix(b"\r").decode("latin-1")
    if "\r" in text or "\0" in text:  # RFC 9110, 5.5
        raise BrokenReply("a control character in a line")
    return text


def _status_line(stream: io.BufferedIOBase) -> tuple[str, int]:
    line = _line(stream)
    version, status, reason = line[:8], line[9:12], line[12:]
    if version not in ("HTTP/1.0", "HTTP/1.1") or line[8:9] != " " or reason[:1] not in ("", " "):
        raise BrokenReply("no HTTP status line")
    if len(status) < 3 or not _DIGITS[10].issuperset(status) or status < "100":
        raise BrokenReply("an invalid status")
    return version, int(status)


def _headers(stream: io.BufferedIOBase, *, is_strict: bool = True) -> dict[str, str]:
    """Read headers, or the trailers after the last chunk. Several headers of one name are joined (RFC 9110, 5.3)."""
    headers: dict[str, str] = {}
    name = ""
    for _ in range(MAX_LINES):
        line = _line(stream)
        if not line:
            return headers
        if line[0] in " \t" and name:  # an obsolete continuation of the previous line (RFC 9112, 5.2)
            headers[name] = f"{headers[name]} {line.strip(' \t')}"
            continue
        name, colon, value = line.partition(":")
        if colon and name and _TOKEN.issuperset(name):
            name, value = name.lower(), value.strip(" \t")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        elif is_strict:
            raise BrokenReply("an invalid header")
        else:
            name = ""
    raise BrokenReply("too many headers")


def _chunks(stream: io.BufferedIOBase, at_most: int | None) -> bytes:
    body = bytearray()
    while True:
        size = _size(_line(stream).partition(";")[0].rstrip(" \t"), 16)
        if not size:
            _headers(stream)
            return bytes(body)
        body += _exactly(stream, size if at_most is None else min(size, at_most - len(body)))
        if len(body) == at_most:
            return bytes(body)
        if _exactly(stream, 2) != b"\r\n":
            raise BrokenReply("a chunk of another size")


def _size(text: str, base: int) -> int:
    digits = text.lstrip("0")
    if not text or not _DIGITS[base].issuperset(text) or len(digits) > 9 or int(digits or "0", base) > MAX_BODY:
        raise BrokenReply("an invalid size")
    return int(digits or "0", base)


def _exactly(stream: io.BufferedIOBase, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise BrokenReply("the answer is cut off")
    return data
