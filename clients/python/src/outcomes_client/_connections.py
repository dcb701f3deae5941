"""The connections of the blocking client.

Most clients need only httpcore, the layer of httpx that sends requests: a call then takes half of the processor time,
and the import a third. httpx itself adds what the environment or the caller may ask for: proxies, another transport,
and hosts that are not plain ASCII names.
"""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import httpcore

from ._http import Address, Headers, is_plain
from ._sending import no_cookies

if TYPE_CHECKING:
    import httpx

# As in httpx:
_MOST = 100
_MOST_IDLE = 20
_IDLE_SECONDS = 5.0
_PROXIES = {"http_proxy", "https_proxy", "all_proxy"}


def connections(address: Address, transport: httpx.BaseTransport | None) -> httpx.Client | Connections:
    """Return what sends the requests of a blocking client."""
    if transport is None and is_plain(address.url) and not _has_proxy():
        return Connections(address)
    import httpx

    return httpx.Client(transport=transport, cookies=no_cookies())


def failures() -> tuple[type[Exception], ...]:
    """Return the errors that mean that there is no answer. httpx has errors of the same names as httpcore."""
    errors = httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError
    # Another thread may just be importing httpx.
    error = getattr(sys.modules.get("httpx"), "RequestError", None)
    return (*errors, error) if error else errors


def _has_proxy() -> bool:
    """Return whether the environment, or the settings of macOS or Windows, name a proxy."""
    if sys.platform in ("darwin", "win32"):
        from urllib.request import getproxies

        return bool(getproxies())
    return any(value and name.lower() in _PROXIES for name, value in os.environ.items())


def _tls() -> ssl.SSLContext:
    """Return the context for TLS. Certificates are trusted as by httpx."""
    file, folder = (os.environ.get(name) or None for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    if not file and not folder:
        import certifi

        file = certifi.where()
    return ssl.create_default_context(cafile=file, capath=None if file else folder)


class Response:
    """An answer whose body is read by `iter_bytes`."""

    def __init__(self, response: httpcore.Response) -> None:
        self.status_code = response.status
        self.headers = Headers((_text(name), _text(value)) for name, value in response.headers)
        self.iter_bytes = response.iter_stream


class Connections:
    """A pool of connections to one API, with the methods of httpx.Client that the client calls."""

    def __init__(self, address: Address) -> None:
        parsed = urlsplit(address.url)
        self._scheme, self._host, self._port = parsed.scheme, str(parsed.hostname), parsed.port
        self._root = f"{parsed.scheme}://{parsed.netloc}"
        tls = _tls() if parsed.scheme == "https" else None
        self._pool: httpcore.ConnectionPool | None = httpcore.ConnectionPool(
            tls, max_connections=_MOST, max_keepalive_connections=_MOST_IDLE, keepalive_expiry=_IDLE_SECONDS
        )

    def close(self) -> None:
        if self._pool:
            self._pool.close()
        self._pool = None

    @contextmanager
    def stream(
        self,
        method: str,
        url: str,
        params: Sequence[tuple[str, str]],
        headers: Mapping[str, str],
        content: bytes | None,
        timeout: tuple[float, float, float, float],
    ) -> Iterator[Response]:
        """Send a request. timeout: seconds to connect, to read, to write, and to wait for a connection of the pool."""
        if self._pool is None:
            raise RuntimeError("Cannot send a request, as the client has been closed.")
        target = url.removeprefix(self._root) + (f"?{urlencode(params)}" if params else "")
        limits = dict(zip(("connect", "read", "write", "pool"), timeout, strict=True))
        also = {"Accept-Encoding": "identity", "User-Agent": f"python-httpcore/{httpcore.__version__}"}
        with self._pool.stream(
            method,
            httpcore.URL(scheme=self._scheme, host=self._host, port=self._port, target=target),
            headers=[*{**also, **headers}.items()],
            content=content,
            extensions={"timeout": limits},
        ) as response:
            yield Response(response)


def _text(header: bytes) -> str:
    try:
        return header.decode()
    except UnicodeDecodeError:
        return header.decode("latin-1")
