"""Create session cookies like those of a dashboard, for trying the API on a laptop. This module is not deployed."""

import json
import secrets
from typing import TYPE_CHECKING, NamedTuple

from joserfc import jwe
from joserfc.jwk import OctKey
from outcomes.auth.encrypted_cookies import AUTHJS, NEXT_AUTH, EncryptedCookie, encryption_key
from outcomes.auth.sessions import STORED_COOKIE
from outcomes.auth.stored_sessions import token_sha256

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

KINDS = ("next-auth", "authjs", "stored")
LIFETIME_SECONDS = 30 * 24 * 60 * 60  # the default of next-auth and Auth.js


class Session(NamedTuple):
    """A session: the Cookie header's value and, for a stored session, the row in the sessions table."""

    cookie: str
    row: dict[str, "AttributeValueTypeDef"] | None = None


def mint(kind: str, user_id: int, secret: str, now: int) -> Session:
    """Create a session for the user, valid for 30 days from `now` (seconds since the epoch). kind: one of KINDS.

    The cookie's name has no `__Secure-` prefix, because the local stack has no TLS. secret: the stack's session secret,
    which a stored session does not need. Raises ValueError for an unknown kind.
    """
    match kind:
        case "next-auth":
            return Session(encrypted_cookie(NEXT_AUTH, NEXT_AUTH.name, claims(user_id, now), secret))
        case "authjs":
            return Session(encrypted_cookie(AUTHJS, AUTHJS.name, claims(user_id, now), secret))
        case "stored":
            token = secrets.token_urlsafe(32)
            return Session(f"{STORED_COOKIE}={token}", stored_row(token, user_id, now + LIFETIME_SECONDS))
        case _:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}")


def claims(user_id: int, now: int) -> dict[str, object]:
    """Return the claims that next-auth writes into a session, with the user's id."""
    return {"sub": str(user_id), "userId": user_id, "iat": now, "exp": now + LIFETIME_SECONDS}


def encrypted_cookie(family: EncryptedCookie, name: str, claims: dict[str, object], secret: str) -> str:
    """Return `<name>=<token>` for an encrypted cookie. name: the cookie's full name."""
    key = OctKey.import_key(encryption_key(family, name, secret))
    header = {"alg": "dir", "enc": family.encryption}
    token = jwe.encrypt_compact(header, json.dumps(claims), key, algorithms=["dir", family.encryption])
    return f"{name}={token}"


def stored_row(token: str, user_id: int, expires_at: int) -> dict[str, "AttributeValueTypeDef"]:
    """Return the row of a stored session, in DynamoDB JSON."""
    return {
        "token_sha256": {"S": token_sha256(token)},
        "user_id": {"N": str(user_id)},
        "expires_at": {"N": str(expires_at)},
    }
