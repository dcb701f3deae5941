"""Run HTTP servers in threads."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import HTTPServer
from threading import Event, Thread


@contextmanager
def serving[S: HTTPServer](server: S) -> Iterator[S]:
    """Serve until the block ends. `serve_forever` would poll, so that each end would wait for the next poll."""
    ended = Event()

    def serve() -> None:
        while not ended.is_set():
            server.handle_request()

    with server:
        thread = Thread(target=serve)
        thread.start()
        try:
            yield server
        finally:
            ended.set()
            socket.create_connection(("127.0.0.1", server.server_port)).close()  # wakes the thread
            thread.join()
