"""Simulate a network with planned faults, a DynamoDB behind it, and a clock.

`Network` replaces the module `socket`. So our client and botocore's can get the same faults, and timeouts take no real
time.
"""

import errno
import io
import json
import socket as real
from binascii import crc32
from collections import deque
from typing import Any, NamedTuple

type Chunk = bytes | float | type[OSError]
"""The next thing that the client reads: bytes, a pause in seconds, or an error. `b""` is the end of the stream."""

NEVER = float("inf")


class Trouble(NamedTuple):
    """A fault of one request. It happens while connecting, while sending, or in the answer."""

    name: str
    connecting: OSError | float | None = None
    answer: tuple[Chunk, ...] = ()
    sending: type[OSError] | None = None

    def __repr__(self) -> str:
        return self.name


def http(
    status: int,
    body: bytes | dict[str, Any],
    headers: dict[str, str] | None = None,
    *,
    sent: bytes | None = None,
    crc: bool = True,
) -> bytes:
    """Return an answer from DynamoDB. sent: bytes to send instead of `body`. The checksum is that of `body`."""
    whole = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = whole if sent is None else sent
    also = {
        "x-amzn-RequestId": "R1",
        "Content-Type": "application/x-amz-json-1.0",
        **({"x-amz-crc32": str(crc32(whole))} if crc else {}),
        "Content-Length": str(len(sent)),
        **(headers or {}),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in also.items())
    return f"HTTP/1.1 {status} Told\r\n{lines}\r\n".encode("latin-1") + sent


def fine(body: dict[str, Any] | None = None) -> Trouble:
    """Return an answer without a fault."""
    return Trouble("fine", answer=(http(200, body or {}),))


def error(code: str, status: int = 400, headers: dict[str, str] | None = None) -> Trouble:
    """Return an AWS service error."""
    said = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "told"}
    return Trouble(f"{status} {code}", answer=(http(status, said, headers),))


def drops(answer: bytes, count: int, seconds: float) -> tuple[Chunk, ...]:
    """Split an answer.

    The first `count` bytes arrive one by one, with `seconds` between them. Then the rest arrives at once.
    """
    return (*(chunk for byte in answer[:count] for chunk in (seconds, bytes([byte]))), answer[count:])


class Received(NamedTuple):
    """A received request. headers: each header's value, by the name in lower case."""

    headers: dict[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        return self.headers["x-amz-target"].partition(".")[2]


class Network:
    """Replaces the module `socket`.

    Each request gets the next fault in `troubles`. After the last fault, requests succeed.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.troubles: deque[Trouble] = deque()
        self.received: list[Received] = []
        self.met = 0
        self.bytes_a_second = NEVER
        self.sockets: list[Socket] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(real, name)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def getaddrinfo(self, host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        trouble = self._next()
        if isinstance(trouble.connecting, real.gaierror):
            self._take()
            raise trouble.connecting
        return [(real.AF_INET, real.SOCK_STREAM, 6, "", (host, port))]

    def socket(self, *_: Any) -> "Socket":
        self.sockets.append(Socket(self))
        return self.sockets[-1]

    def meet(self, *troubles: Trouble) -> None:
        """Plan the faults of the next requests.

        If the first one is a fault while connecting, drop the idle connection.
        """
        self.troubles = deque(troubles)
        self._drop_if_needed()

    def drop_idle(self) -> None:
        """Close idle connections, as DynamoDB does."""
        for socket in self.sockets:
            socket.drop()

    def close(self) -> None:
        """Close all sockets."""
        for socket in self.sockets:
            socket.close()

    def connect(self, timeout: float) -> None:
        connecting = self._next().connecting
        if isinstance(connecting, OSError):
            self._take()
            raise connecting
        if connecting is not None:
            if connecting > timeout:
                self._take()
                self.now += timeout
                raise TimeoutError("timed out")
            self.now += connecting

    def answer(self, request: Received) -> tuple[Chunk, ...]:
        self.received.append(request)
        return self._take().answer

    def fail_sending(self) -> None:
        """If the next fault is an error while sending, raise it, as on a half-open connection."""
        sending = self._next().sending
        if sending:
            self._take()
            raise sending(errno.ECONNRESET, "Connection reset by peer")

    def _next(self) -> Trouble:
        return self.troubles[0] if self.troubles else fine()

    def _take(self) -> Trouble:
        self.met += 1
        trouble = self.troubles.popleft() if self.troubles else fine()
        self._drop_if_needed()
        return trouble

    def _drop_if_needed(self) -> None:
        if self._next().connecting is not None:
            self.drop_idle()


class Socket:
    """The client's end of a connection. It has a real file descriptor, so it can be polled."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.timeout: float = NEVER
        self.ours, self.theirs = real.socketpair()
        self.sent = b""
        self.coming: deque[Chunk] = deque()

    def settimeout(self, seconds: float | None) -> None:
        self.timeout = NEVER if seconds is None else seconds

    def setsockopt(self, *_: Any) -> None:
        pass

    def connect(self, _address: Any) -> None:
        self.network.connect(self.timeout)

    def drop(self) -> None:
        self.theirs.close()

    def fileno(self) -> int:
        return self.ours.fileno()

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()

    def shutdown(self, _how: int) -> None:
        pass

    def send(self, data: bytes) -> int:
        taken = data[: int(min(len(data), max(1, self.network.bytes_a_second)))]
        self.network.now += len(taken) / self.network.bytes_a_second
        self.sendall(taken)
        return len(taken)

    def sendall(self, data: bytes) -> None:
        if self.theirs.fileno() < 0:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")
        self.network.fail_sending()
        self.sent += bytes(data)
        head, end, body = self.sent.partition(b"\r\n\r\n")
        _first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if end and len(body) == int(headers.get("content-length", 0)):
            self.sent = b""
            self.coming = deque(self.network.answer(Received(headers, body)))

    def recv_into(self, buffer: Any) -> int:
        chunk = self.coming.popleft() if self.coming else b""
        if isinstance(chunk, float):
            self.network.now += min(chunk, self.timeout)
            if chunk > self.timeout:
                raise TimeoutError("timed out")
            return self.recv_into(buffer)
        if isinstance(chunk, type):
            raise chunk(errno.ECONNRESET, "Connection reset by peer")
        size = min(len(chunk), len(buffer))
        buffer[:size] = chunk[:size]
        if chunk[size:]:
            self.coming.appendleft(chunk[size:])
        return size

    def makefile(self, _mode: str, *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(_Reading(self))


class _Reading(io.RawIOBase):
    def __init__(self, socket: Socket) -> None:
        self.socket = socket

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self.socket.recv_into(buffer)
