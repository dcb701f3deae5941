"""Fetch the public keys of an OpenID Connect issuer by discovery, and cache them.

https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig and RFC 7517
"""

import json
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from outcomes.auth.tokens import SessionsUnavailable, base64url_decoded, is_within, now
from outcomes.aws.addresses import public_addresses
from outcomes.aws.connection import Connection, NotSent, Resolve, addresses
from outcomes.aws.services import NEVER

if TYPE_CHECKING:
    from joserfc.jwk import Key

FETCH_SECONDS = 3  # limit for the requests for metadata and keys together
CONNECT_SECONDS = 1.5  # limit for connecting to one address, so that time is left to try another
MAX_BYTES = 65_536  # maximum size of each of the issuer's answers
MAX_KEYS = 50

FRESH_SECONDS = 60 * 60
STALE_SECONDS = 24 * 60 * 60
"""Seconds for which keys stay in use while the issuer cannot be reached."""
RETRY_SECONDS = 60
"""Minimum seconds between fetches for an unknown key id, and after a failure while keys are cached."""
RETRY_WITHOUT_KEYS_SECONDS = 5
"""Minimum seconds after a failure while no keys are cached. Otherwise each token waits for an issuer that is down."""

MIN_RSA_BYTES = 256  # RFC 7518, 3.3

# Each kind of key may be used with these algorithms. A key's own `alg` may allow fewer; a token's header never allows
# others.
ALGORITHMS: dict[tuple[object, object], frozenset[str]] = {
    ("RSA", None): frozenset({"RS256", "PS256"}),
    ("EC", "P-256"): frozenset({"ES256"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA"}),
}
PUBLIC_MEMBERS = ("kty", "crv", "n", "e", "x", "y")

# The URLs of the issuer, its metadata and its keys use https. Only the loopback interface may use http, for the local
# stack. OidcIssuer in template.yaml has the same pattern, but without queries.
_URL = re.compile(
    r"(?P<origin>(https://[a-z0-9]([a-z0-9.-]*[a-z0-9])?|(?P<loopback>http://(localhost|127\.0\.0\.1)))(:[0-9]{1,5})?)"
    r"(?P<target>/[!$-~]*)?",
    re.ASCII,
)


class PublicKey(NamedTuple):
    """A key for verifying signatures. algorithms: the algorithms with which it may be used."""

    id: str | None
    algorithms: frozenset[str]
    key: "Key"


class IssuerKeys:
    """The keys of one issuer, fetched on first use and cached for an hour.

    Keys are also fetched again if a key id is unknown. If the issuer cannot be reached, cached keys are used for a day.

    clock: returns seconds since the epoch. warn: logs that the issuer cannot be reached. resolve: see `Connection`.
    """

    def __init__(
        self,
        issuer: str,
        *,
        clock: Callable[[], float] = now,
        warn: Callable[[str], object] = lambda _: None,
        resolve: Resolve = public_addresses,
        authorities: str | None = None,
    ) -> None:
        self._issuer, self._clock, self._warn = issuer, clock, warn
        self._resolve, self._authorities = resolve, authorities
        self._keys: list[PublicKey] | None = None
        self._fetched_at = self._looked_at = self._failed_at = NEVER

    def with_id(self, key_id: str | None, until: float = NEVER) -> list[PublicKey]:
        """Return the keys with this id. If the id is None, return the issuer's key if it has only one.

        until: the deadline, on `time.monotonic`. Raises SessionsUnavailable if the issuer cannot be reached and no
        cached key matches.
        """
        keys, is_new = self._keys, False
        if keys is None or not is_within(STALE_SECONDS, self._fetched_at, self._clock()):
            self._check_failure(RETRY_WITHOUT_KEYS_SECONDS)
            keys, is_new = self._fetch(until), True
        elif not is_within(FRESH_SECONDS, self._fetched_at, self._clock()) and not self._has_failed(RETRY_SECONDS):
            try:
                keys, is_new = self._fetch(until), True
            except SessionsUnavailable as error:
                self._warn(f"{error}; its cached keys stay in use")
        found = _matching(keys, key_id)
        if found or is_new:
            return found
        self._check_failure(RETRY_SECONDS)
        if is_within(RETRY_SECONDS, self._looked_at, self._clock()):
            return []
        self._looked_at = self._clock()
        return _matching(self._fetch(until), key_id)

    def _check_failure(self, seconds: float) -> None:
        """Raise SessionsUnavailable if fetching the keys failed less than `seconds` ago."""
        if self._has_failed(seconds):
            raise SessionsUnavailable("Issuer: its keys could not be fetched a moment ago")

    def _has_failed(self, seconds: float) -> bool:
        return is_within(seconds, self._failed_at, self._clock())

    def _fetch(self, until: float) -> list[PublicKey]:
        """Fetch the issuer's metadata and keys. Raises SessionsUnavailable if fetching fails or no key is usable."""
        until = min(until, time.monotonic() + FETCH_SECONDS)
        self._failed_at = self._clock()
        metadata = self._get(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration", until)
        if metadata.get("issuer") != self._issuer:
            raise SessionsUnavailable("Issuer: its metadata names another issuer than OidcIssuer, exactly compared")
        url = metadata.get("jwks_uri")
        if not isinstance(url, str) or (url.startswith("http:") and not self._issuer.startswith("http:")):
            raise SessionsUnavailable("Issuer: its jwks_uri is not an https URL")
        members = self._get(url, until).get("keys")
        if not isinstance(members, list):
            raise SessionsUnavailable("Issuer: its key set has no list of keys")
        keys = [key for member in members[:MAX_KEYS] if (key := _public_key(member))]
        if not keys:
            raise SessionsUnavailable("Issuer: none of its keys is one for RS256, PS256, ES256 or EdDSA")
        self._keys, self._fetched_at, self._failed_at = keys, self._clock(), NEVER
        return keys

    def _get(self, url: str, until: float) -> dict[str, Any]:
        match = _URL.fullmatch(url)
        if not match:
            raise SessionsUnavailable("Issuer: not a URL that keys are fetched from")
        resolve = addresses if match["loopback"] else self._resolve
        try:
            connection = Connection(
                match["origin"], CONNECT_SECONDS, FETCH_SECONDS, self._authorities, time.monotonic, resolve
            )
            headers = {
                "host": connection.host,
                "accept": "application/json",
                "accept-encoding": "identity",
                "user-agent": "outcomes-api",
                "connection": "close",
            }
            reply = connection.get(headers, until, target=match["target"] or "/", at_most=MAX_BYTES + 1)
        except NotSent as failure:
            raise SessionsUnavailable(f"Issuer: {failure}") from failure
        except (OSError, ValueError) as failure:  # ValueError means that the port is above 65,535
            # Log only the error's type: its text may quote the issuer's answer.
            raise SessionsUnavailable(
                f"Issuer: no answer from {match['origin']}: {type(failure).__name__}"
            ) from failure
        if reply.status != 200:
            raise SessionsUnavailable(f"Issuer: {match['origin']} answered with status {reply.status}")
        if len(reply.body) > MAX_BYTES:
            raise SessionsUnavailable(f"Issuer: {match['origin']} answered more than {MAX_BYTES} bytes")
        try:
            value = json.loads(reply.body)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise SessionsUnavailable(f"Issuer: {match['origin']} answered no JSON object")
        return value


def _matching(keys: list[PublicKey], key_id: str | None) -> list[PublicKey]:
    if key_id is None:
        # If an issuer has several keys, its tokens must contain a key id (OpenID Connect Core, 10.1).
        return keys if len(keys) == 1 else []
    return [key for key in keys if key.id == key_id]


def _public_key(member: object) -> PublicKey | None:
    """Import a key of a JWK set. Return None if the key must not be used to verify signatures here."""
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    if not isinstance(member, dict):
        return None
    kind = member.get("kty"), member.get("crv")
    key_id, algorithm, operations = member.get("kid"), member.get("alg"), member.get("key_ops", ["verify"])
    if not all(isinstance(text, str | None) for text in (*kind, key_id, algorithm)):
        return None
    algorithms = ALGORITHMS.get(kind, frozenset())
    if algorithm is not None:
        algorithms &= {algorithm}
    if not algorithms or member.get("use", "sig") != "sig":
        return None
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    public = {name: member[name] for name in PUBLIC_MEMBERS if name in member}
    if not all(isinstance(text, str) for text in public.values()):
        return None
    if kind[0] == "RSA" and len(base64url_decoded(public.get("n", "")).lstrip(b"\0")) < MIN_RSA_BYTES:
        return None
    try:
        return PublicKey(key_id, algorithms, import_key(public))
    except (JoseError, ValueError):
        return None
