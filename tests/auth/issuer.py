"""Fake an OpenID Connect issuer: serve its metadata and keys on the loopback address, and sign tokens."""

import base64
import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, override

from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

METADATA, KEYS = "/.well-known/openid-configuration", "/keys"
AUDIENCE = "outcomes"

RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
ED25519 = OKPKey.generate_key("Ed25519", {"kid": "ed25519"})
OTHER = RSAKey.generate_key(2048, {"kid": "other"})

type Answer = bytes | Callable[[Any], object]
"""A whole HTTP answer, or a function that writes one."""


def public(key: Key, **members: Any) -> dict[str, Any]:
    """Return a public key as a JWK. members: the members to add or replace; None removes a member."""
    jwk = dict(key.as_dict(private=False)) | members
    return {name: value for name, value in jwk.items() if value is not None}


def part(value: Any) -> str:
    """Encode a part of a token: bytes as they are, anything else as JSON."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def signed(header: Any, claims: Any, key: Key, algorithm: str) -> str:
    """Sign a token with this algorithm, even if its header names another algorithm."""
    text = f"{part(header)}.{part(claims)}"
    return f"{text}.{part(JWSRegistry.algorithms[algorithm].sign(text.encode(), key))}"


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class Issuer(ThreadingHTTPServer):
    """An HTTP server with the issuer's `keys`.

    fetched: the paths of all requests. answers: answers that replace the usual ones, by path.
    """

    daemon_threads = True
    keys: list[Any]

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.keys = [public(RSA), public(EC), public(ED25519)]
        self.fetched: list[str] = []
        self.answers: dict[str, Answer] = {}

    @property
    def documents(self) -> dict[str, Any]:
        return {METADATA: {"issuer": self.url, "jwks_uri": self.url + KEYS}, KEYS: {"keys": self.keys}}

    def answer(self, path: str) -> Answer:
        self.fetched.append(path)
        found = self.answers.get(path)
        if found is None and path in self.documents:
            found = http(json.dumps(self.documents[path]).encode())
        return http(b"", "404 Not Found") if found is None else found

    def go_down(self) -> None:
        """Answer with errors from now on."""
        self.answers = dict.fromkeys((METADATA, KEYS), http(b"", "503 Service Unavailable"))

    def token(
        self,
        claims: dict[str, Any],
        now: float,
        *,
        key: Key = RSA,
        algorithm: str = "RS256",
        header: dict[str, Any] | None = None,
    ) -> str:
        """Sign a token of user 42 that is valid for an hour. A claim or header parameter that is None is left out."""
        usual = {"iss": self.url, "aud": AUDIENCE, "sub": "42", "iat": int(now), "exp": int(now) + 3600}
        parameters = {"alg": algorithm, "typ": "JWT", "kid": key.get("kid")} | (header or {})
        return signed(_given(parameters), _given(usual | claims), key, algorithm)


def _given(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


class _Handler(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        answer = self.server.answer(self.path)
        self.close_connection = True
        if isinstance(answer, bytes):
            self.wfile.write(answer)
        else:
            answer(self.wfile)

    @override
    def log_message(self, *_: Any) -> None:
        pass
