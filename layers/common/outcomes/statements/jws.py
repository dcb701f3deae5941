"""Sign heads of statements with Ed25519 as compact JWS (RFC 7515, RFC 8037), and publish the keys as JWK (RFC 7517)."""

from base64 import urlsafe_b64encode
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from outcomes.contract.json_text import compact


class SigningKey:
    """A signing key, derived from a generated secret. public: the public key, base64url."""

    def __init__(self, secret: str) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(sha256(secret.encode()).digest())
        self.public = _base64url(self._private.public_key().public_bytes_raw())
        self.id = key_id(self.public)

    def sign(self, head: str) -> str:
        """Return the compact JWS whose payload is the head."""
        signed = f"{_base64url(compact({'alg': 'EdDSA', 'kid': self.id}).encode())}.{_base64url(head.encode())}"
        return f"{signed}.{_base64url(self._private.sign(signed.encode()))}"


def key_id(public: str) -> str:
    """Return the thumbprint (RFC 7638) of a public key, which names the key in signatures."""
    return _base64url(sha256(compact({"crv": "Ed25519", "kty": "OKP", "x": public}).encode()).digest())


def jwk(public: str, valid_from: str, valid_until: str | None) -> dict[str, str | None]:
    """Return a public key for the list of keys. valid_until: None while the key is in use."""
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "alg": "EdDSA",
        "use": "sig",
        "kid": key_id(public),
        "x": public,
        "valid_from": valid_from,
        "valid_until": valid_until,
    }


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
