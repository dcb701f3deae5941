"""Verify tokens of an OpenID Connect issuer: JSON Web Tokens (RFC 7519) that it signed.

Fast checks come first, so that keys are only fetched for a token with the right issuer, audience and time.
"""

import math
from collections.abc import Callable
from typing import Any, Protocol, TypeGuard

from outcomes.auth.issuer_keys import PublicKey
from outcomes.auth.tokens import (
    MAX_TOKEN_LENGTH,
    NoSession,
    base64url_decoded,
    is_plausible,
    json_object,
    now,
    user_id_of,
)
from outcomes.aws.services import NEVER
from outcomes.limits import MAX_ID

CLOCK_LEEWAY_SECONDS = 60

# Refuse tokens whose header contains a key or its location. Refuse critical headers, because this code supports none
# (RFC 7515, 4.1).
REFUSED_HEADERS = frozenset({"jku", "jwk", "x5u", "x5c", "crit", "b64"})


class Keys(Protocol):
    """Finds the issuer's keys by id; see `IssuerKeys.with_id`."""

    def with_id(self, key_id: str | None, until: float) -> list[PublicKey]: ...


class OpenIdConnect:
    """Verifies tokens of one issuer for one audience.

    user_claim: the name of the claim with the user's id. clock: returns seconds since the epoch.
    """

    def __init__(
        self, issuer: str, audience: str, user_claim: str, keys: Keys, clock: Callable[[], float] = now
    ) -> None:
        self._issuer, self._audience, self._user_claim = issuer, audience, user_claim
        self._keys, self._clock = keys, clock

    def user_id(self, token: str, until: float = NEVER) -> int:
        """Return the id of the user in a token.

        Raises NoSession, with the reason for the log, if the token is invalid, and SessionsUnavailable if no key can be
        fetched.
        """
        if not is_plausible(token):
            raise NoSession("malformed_session", f"it is not ASCII, or longer than {MAX_TOKEN_LENGTH} characters")
        parts = token.split(".")
        header, claims = ({}, {}) if len(parts) != 3 else (json_object(base64url_decoded(part)) for part in parts[:2])
        if not header or not claims:
            raise NoSession("malformed_session", "it is not a signed JSON Web Token")
        if refused := sorted(REFUSED_HEADERS & header.keys()):
            raise NoSession("malformed_session", f"its header has {', '.join(refused)}")
        if _is_of_another_kind(header, claims):
            raise NoSession("unknown_session", "its typ or a claim events says that it is no ID token or access token")
        user_id = self._claimed_user(claims)
        self._check_signature(token, header, until)
        return user_id

    def _claimed_user(self, claims: dict[str, Any]) -> int:
        if claims.get("iss") != self._issuer:
            raise NoSession("unknown_session", "iss is not OidcIssuer, exactly compared")
        audience = claims.get("aud")
        if audience != self._audience and not (isinstance(audience, list) and self._audience in audience):
            raise NoSession("unknown_session", "aud does not name OidcAudience")
        expires_at, not_before = claims.get("exp"), claims.get("nbf", 0)
        if not _is_time(expires_at) or not _is_time(not_before):
            raise NoSession("malformed_session", "exp is missing, or exp or nbf is not a number")
        if expires_at <= self._clock() - CLOCK_LEEWAY_SECONDS:
            raise NoSession("expired_session", "it has expired")
        if not_before > self._clock() + CLOCK_LEEWAY_SECONDS:
            raise NoSession("expired_session", "it is not valid yet")
        user_id = user_id_of(claims.get(self._user_claim))
        if user_id is None:
            raise NoSession("no_user", f"{self._user_claim} is not a whole number from 1 to {MAX_ID}, or its digits")
        return user_id

    def _check_signature(self, token: str, header: dict[str, Any], until: float) -> None:
        key_id, algorithm = header.get("kid"), header.get("alg")
        if not isinstance(key_id, str | None) or not isinstance(algorithm, str):
            raise NoSession("malformed_session", "kid or alg is not text")
        keys = self._keys.with_id(key_id, until)
        if not keys:
            raise NoSession("unknown_session", "the issuer has no key with its kid")
        keys = [key for key in keys if algorithm in key.algorithms]
        if not keys:
            raise NoSession("unknown_session", "the key is not one for its alg")
        from joserfc.jws import JWSRegistry

        signed, _, signature = token.rpartition(".")
        # Verify without joserfc's header registry, which would refuse private headers such as Clerk's.
        verifies = JWSRegistry.algorithms[algorithm].verify
        if not any(verifies(signed.encode(), base64url_decoded(signature), key.key) for key in keys):
            raise NoSession("unknown_session", "its signature is not valid")


def _is_of_another_kind(header: dict[str, Any], claims: dict[str, Any]) -> bool:
    """Check whether a token of the issuer has another purpose, such as a logout token (RFC 8725, 3.11; RFC 8417)."""
    kind = str(header.get("typ", "")).lower().removeprefix("application/")
    return (kind.endswith("+jwt") and kind != "at+jwt") or isinstance(claims.get("events"), dict)


def _is_time(claim: object) -> TypeGuard[float]:
    """Check that a claim is a finite number."""
    return type(claim) is int or (type(claim) is float and math.isfinite(claim))
