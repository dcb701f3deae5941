"""Run a proxy in front of the local stack. The proxy logs requests and can fail."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import httpx

HOP_BY_HOP = {"connection", "content-length", "date", "server", "transfer-encoding"}


class Relay:
    """A server at `url` that forwards requests to the server at `target`.

    seen: the headers of each request, oldest first, with names in lower case. paths: the paths of these requests.
    answer: the status, headers and body of one answer that replaces the target's, or None. down: whether to close
    connections without an answer.
    """

    def __init__(self, target: str, port: int) -> None:
        self.target = target
        self.url = f"http://127.0.0.1:{port}"
        self.seen: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.answer: tuple[int, dict[str, str], bytes] | None = None
        self.down = False

    def answer_to(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        self.seen.append(headers)
        self.paths.append(path)
        sent = {name: value for name, value in headers.items() if name not in HOP_BY_HOP | {"host", "accept-encoding"}}
        reply = httpx.request(method, f"{self.target}{path}", headers=sent, content=body, timeout=30)
        if self.answer:
            answer, self.answer = self.answer, None
            return answer
        return reply.status_code, dict(reply.headers), reply.content


@contextmanager
def relay(target: str) -> Iterator[Relay]:
    """Run a relay to `target` until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", "0")))
            self.close_connection = True
            if here.down:
                return
            status, answered, content = here.answer_to(self.command, self.path, headers, body)
            self.send_response_only(status)
            for name, value in answered.items():
                if name not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = handle_any  # noqa: N815 - as http.server calls them

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        here = Relay(target, server.server_port)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield here
        server.shutdown()
        thread.join()
