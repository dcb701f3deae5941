"""Decrypt the session cookies (JWE) of next-auth and Auth.js, and read their claims.

cryptography loads slowly. It is imported on first use, because sessions that are stored in a table do not need it.
Loading joserfc would take three times as long.
"""

import hmac
from base64 import urlsafe_b64encode
from typing import NamedTuple

from outcomes.auth.session_secrets import derived_key
from outcomes.auth.tokens import NoSession, base64url_decoded, is_plausible, json_object, user_id_of

HEADER_MEMBERS = {"alg", "enc", "kid", "typ", "cty"}
MAX_HEADER_LENGTH = 1024  # length of the encoded header; joserfc has the same limit
CLOCK_LEEWAY_SECONDS = 15  # next-auth and Auth.js allow the same leeway


class EncryptedCookie(NamedTuple):
    """A family of encrypted session cookies.

    name: the cookie's name without prefix. encryption: the only content encryption used (RFC 7518, 5.1).
    key_length: the length of the key in bytes. label, salted_by_name: inputs for the key derivation.
    """

    name: str
    encryption: str
    key_length: int
    label: str
    salted_by_name: bool


# These values are the same as in next-auth 4 (jwt/index) and @auth/core (jwt): https://authjs.dev/reference/core/jwt
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
    """Check, before decrypting, that a token is a compact JWE (RFC 7516, 7.1) with this family's encryption."""
    if not is_plausible(token) or token.find(".") > MAX_HEADER_LENGTH:
        return False
    header_part, *other_parts = token.split(".")
    if len(other_parts) != 4 or other_parts[0]:  # with direct encryption, the encrypted key is empty
        return False
    header = json_object(base64url_decoded(header_part))
    if header.get("alg") != "dir" or header.get("enc") != family.encryption:
        return False
    # Refuse all other header members: a compressed token (zip) could be a decompression bomb, and this code supports no
    # extension (crit).
    return header.keys() <= HEADER_MEMBERS and all(isinstance(value, str) for value in header.values())


def decrypt(token: str, key: bytes, encryption: str) -> bytes | None:
    """Decrypt a token that `is_token_of` accepts. Return None for a wrong key or a malformed part of the token.

    encryption: A256GCM (RFC 7518, 5.3) or A256CBC-HS512 (5.2.5).
    """
    from cryptography.exceptions import InvalidTag

    parts = token.split(".")
    _, _, nonce, ciphertext, tag = decoded = [base64url_decoded(part) for part in parts]
    if any(_base64url(data) != part for data, part in zip(decoded, parts, strict=True)):
        return None  # not canonical base64url: several texts would decode to the same bytes
    header = parts[0].encode()  # the encoded header, as it was sent, is the additional authenticated data
    try:
        decrypt_parts = _decrypt_gcm if encryption == "A256GCM" else _decrypt_cbc_hs512
        return decrypt_parts(key, header, nonce, ciphertext, tag)
    except (InvalidTag, ValueError):
        return None


def _decrypt_gcm(key: bytes, header: bytes, nonce: bytes, ciphertext: bytes, tag: bytes) -> bytes:
    """Decrypt A256GCM. Raises InvalidTag or ValueError."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(nonce) != 12 or len(tag) != 16:
        raise ValueError("a nonce or tag of another length")
    return AESGCM(key).decrypt(nonce, ciphertext + tag, header)


def _decrypt_cbc_hs512(key: bytes, header: bytes, nonce: bytes, ciphertext: bytes, tag: bytes) -> bytes:
    """Verify the HMAC, and only then decrypt A256CBC-HS512. Raises InvalidTag or ValueError."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CBC
    from cryptography.hazmat.primitives.padding import PKCS7

    authenticated = header + nonce + ciphertext + (len(header) * 8).to_bytes(8)
    if not hmac.compare_digest(hmac.digest(key[:32], authenticated, "sha512")[:32], tag):
        raise InvalidTag
    decryptor, unpadder = Cipher(AES(key[32:]), CBC(nonce)).decryptor(), PKCS7(AES.block_size).unpadder()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    return unpadder.update(padded) + unpadder.finalize()


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def user_of_claims(plaintext: bytes, now: float) -> int:
    claims = json_object(plaintext)
    expires_at, not_before = claims.get("exp"), claims.get("nbf", 0)
    if type(expires_at) is not int or type(not_before) is not int:  # isinstance would also accept a bool
        raise NoSession("malformed_session")
    if expires_at <= now - CLOCK_LEEWAY_SECONDS or not_before > now + CLOCK_LEEWAY_SECONDS:
        raise NoSession("expired_session")
    claim = claims.get("userId")
    if claim is None:  # the subject may be a string (RFC 7519) or a number
        claim = claims.get("sub")
    elif isinstance(claim, str):
        raise NoSession("no_user")
    user_id = user_id_of(claim)
    if user_id is None:
        raise NoSession("no_user")
    return user_id
