"""Run a proxy in front of the local stack. The proxy logs requests and can fail."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from clients.python.tests.faults import FaultyServer
from tests.servers import serving

HOP_BY_HOP = {"connection", "content-length", "date", "server", "transfer-encoding"}


class Relay(FaultyServer):
    """A server that forwards requests to the server at `target`.

    heard: the headers of each request, oldest first, with names in lower case. paths: the paths of these requests.
    answer: the status, headers and body of one answer that replaces the target's, or None. down: whether to close
    connections without an answer.
    """

    def __init__(self, target: str) -> None:
        super().__init__(self._forward)
        self.target = target
        self.heard: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.answer: tuple[int, dict[str, str], bytes] | None = None
        self.down = False

    def _forward(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Any:
        if self.down:
            raise ConnectionError
        lower = {name.lower(): value for name, value in headers.items()}
        self.heard.append(lower)
        self.paths.append(path)
        sent = {name: value for name, value in lower.items() if name not in HOP_BY_HOP | {"host", "accept-encoding"}}
        reply = httpx.request(method, f"{self.target}{path}", headers=sent, content=body, timeout=30)
        answer, self.answer = self.answer, None
        kept = {name.title(): value for name, value in reply.headers.items() if name not in HOP_BY_HOP}
        return answer or (reply.status_code, kept, reply.content)


@contextmanager
def relay(target: str) -> Iterator[Relay]:
    """Run a relay to `target` until the block ends."""
    with serving(Relay(target)) as server:
        yield server
