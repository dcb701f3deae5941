"""Make the running stack an OpenID Connect issuer, with metadata, a signing key, and sample tokens. Not deployed."""

import hmac
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import ECKey

from ops.errors import StackError

KINDS = ("oidc", "oidc-cookie")
AUDIENCE = "outcomes-local"
COOKIE = "oidc-token"
METADATA, KEYS = "/.well-known/openid-configuration", "/.well-known/jwks.json"
KEY_ID = "local"
LIFETIME_SECONDS = 24 * 60 * 60
CURVE_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # the order of the curve P-256


def routes(url: str, session_secret: str) -> list[web.RouteDef]:
    """Return the routes of the issuer `url`."""
    metadata = {"issuer": url, "jwks_uri": url + KEYS, "id_token_signing_alg_values_supported": ["ES256"]}
    public = _key(session_secret).as_dict(private=False) | {"kid": KEY_ID, "alg": "ES256", "use": "sig"}

    async def answer_metadata(_: web.Request) -> web.Response:
        return web.json_response(metadata)

    async def answer_keys(_: web.Request) -> web.Response:
        return web.json_response({"keys": [public]})

    return [web.get(METADATA, answer_metadata), web.get(KEYS, answer_keys)]


def header(
    kind: str, parameters: dict[str, str], url: str, session_secret: str, user_id: int, now: int, claims: dict[str, Any]
) -> str:
    """Return the request header of one of KINDS with a token that the issuer `url` signed, valid for a day.

    parameters: the stack's template parameters by name. claims: these replace the usual claims; a claim that is None is
    left out. Raises StackError if the stack accepts no such token.
    """
    if parameters["OidcIssuer"] != url:
        raise StackError("the running stack is no issuer: it has another OidcIssuer, or none")
    if kind == "oidc-cookie" and not parameters["OidcCookie"]:
        raise StackError("the running stack has no OidcCookie")
    usual = {
        "iss": url,
        "aud": parameters["OidcAudience"],
        "sub": str(user_id),
        parameters["OidcUserClaim"]: str(user_id),
        "iat": now,
        "exp": now + LIFETIME_SECONDS,
    }
    given = {name: value for name, value in (usual | claims).items() if value is not None}
    signed = jwt.encode({"alg": "ES256", "kid": KEY_ID}, given, _key(session_secret), algorithms=["ES256"])
    return f"Authorization: Bearer {signed}" if kind == "oidc" else f"Cookie: {parameters['OidcCookie']}={signed}"


def _key(session_secret: str) -> ECKey:
    """Derive the key from the session secret, so that it changes only when that secret changes."""
    seed = hmac.digest(session_secret.encode(), b"openid-connect", "sha256")
    return ECKey.import_key(ec.derive_private_key(int.from_bytes(seed) % (CURVE_ORDER - 1) + 1, ec.SECP256R1()))
