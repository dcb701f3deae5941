"""Encrypted session cookies (JWE) of next-auth and Auth.js: key derivation, decryption and claims.

joserfc and cryptography load slowly. They are imported on first use, so stored sessions do not wait for them.
"""

from typing import NamedTuple

from outcomes.auth.session_secrets import derived_key
from outcomes.auth.tokens import NoSession, base64url_decoded, is_plausible, json_object, user_id_of

CLOCK_LEEWAY_SECONDS = 15  # same as in next-auth and Auth.js


class EncryptedCookie(NamedTuple):
    """A kind of encrypted session cookie.

    name: the cookie's name without prefix. encryption: the only content encryption it uses (RFC 7518, 5.1).
    key_length: in bytes. label, salted_by_name: inputs for the key derivation.
    """

    name: str
    encryption: str
    key_length: int
    label: str
    salted_by_name: bool


# Values from next-auth 4 (jwt/index) and @auth/core (jwt); https://authjs.dev/reference/core/jwt
NEXT_AUTH = EncryptedCookie("next-auth.session-token", "A256GCM", 32, "NextAuth.js Generated Encryption Key", False)
AUTHJS = EncryptedCookie("authjs.session-token", "A256CBC-HS512", 64, "Auth.js Generated Encryption Key", True)


def encryption_key(family: EncryptedCookie, cookie_name: str, secret: str) -> bytes:
    """Derive the key of an encrypted cookie.

    cookie_name: the full name, with its prefix but without a chunk number.
    """
    salt = cookie_name if family.salted_by_name else ""
    label = f"{family.label} ({salt})" if salt else family.label
    return derived_key(secret, family.key_length, label, salt)


def is_token_of(family: EncryptedCookie, token: str) -> bool:
    """Check a token's form before decrypting it: a compact JWE (RFC 7516, 7.1) encrypted as this family requires."""
    if not is_plausible(token):
        return False
    header_part, *other_parts = token.split(".")
    if len(other_parts) != 4 or other_parts[0]:  # with direct encryption, the encrypted key is empty
        return False
    header = json_object(base64url_decoded(header_part))
    # A compressed token (zip) could be a decompression bomb; neither family compresses.
    return header.get("alg") == "dir" and header.get("enc") == family.encryption and not {"zip", "crit"} & header.keys()


def decrypt(token: str, key: bytes, encryption: str) -> bytes | None:
    from joserfc import jwe
    from joserfc.errors import JoseError
    from joserfc.jwk import OctKey

    try:
        return jwe.decrypt_compact(token, OctKey.import_key(key), algorithms=["dir", encryption]).plaintext
    except (JoseError, ValueError):  # wrong key, or a malformed part of the token
        return None


def user_of_claims(plaintext: bytes, now: float) -> int:
    claims = json_object(plaintext)
    expires_at, not_before = claims.get("exp"), claims.get("nbf", 0)
    if type(expires_at) is not int or type(not_before) is not int:  # not isinstance, which would accept a bool
        raise NoSession("malformed_session")
    if expires_at <= now - CLOCK_LEEWAY_SECONDS or not_before > now + CLOCK_LEEWAY_SECONDS:
        raise NoSession("expired_session")
    claim = claims.get("userId")
    if claim is None:  # use the subject: a string (RFC 7519) or a number
        claim = claims.get("sub")
    elif isinstance(claim, str):
        raise NoSession("no_user")
    user_id = user_id_of(claim)
    if user_id is None:
        raise NoSession("no_user")
    return user_id
