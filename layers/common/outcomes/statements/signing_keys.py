"""Sign heads of statements, and publish the public keys: Ed25519, compact JWS and JWK (RFC 7515, RFC 8037, RFC 7517).

The public keys are rows of the table of statements:

user_id (HASH, S)       `keys`
id (RANGE, S)           the key's id, see `key_id`
created_at              S, when the key began to sign, by DynamoDB's clock
public                  S, the public key, base64url
secret_created_at       N, when its secret was created, in seconds since 1970
valid_until             S, when its signatures stop being valid; absent while the key is in use

A row is never deleted, because the statements that the key signed stay valid.
"""

from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from outcomes.aws.paced_reads import PacedReads
from outcomes.aws.services import Item, SecretsManager, pages
from outcomes.calendar import instants
from outcomes.contract.json_text import compact
from outcomes.errors import StillAddingUp
from outcomes.statements.statement_rows import store

_PARTITION = {"user_id": {"S": "keys"}}

OVERLAP_SECONDS = 120
"""Seconds for which a key stays valid after the next key began: calls in flight, of at most 28 s, still sign with it.
The rest is a margin."""
ATTEMPTS = 4


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


def signing_key(
    reads: PacedReads, table: str, secrets_manager: SecretsManager, secret_arn: str
) -> tuple[SigningKey, str]:
    """Return the key of the current secret, after its public key was published, and the instant when it became valid.

    Raises StillAddingUp if other calls keep publishing keys at the same time. Raises RuntimeError if the key is not
    valid any more, or if the secret is empty.
    """
    version = secrets_manager.call("GetSecretValue", {"SecretId": secret_arn})
    if not version.get("SecretString"):
        raise RuntimeError("the secret of statements is empty")  # anybody could compute the key of an empty secret
    key = SigningKey(version["SecretString"])
    get = {"TableName": table, "Key": _PARTITION | {"id": {"S": key.id}}, "ConsistentRead": True}
    row: Item = reads.call(get, "GetItem").get("Item", {}) or _publish(reads, table, key, version["CreatedDate"])
    if "valid_until" in row and row["valid_until"]["S"] <= reads.now:
        raise RuntimeError(f"the key {key.id} has ended: put a new text into the secret of statements")
    return key, row["created_at"]["S"]


def published(reads: PacedReads, table: str) -> str:
    """Return the list of public keys, as JSON text (RFC 7517, section 5)."""
    rows = sorted(_rows(reads, table), key=lambda row: str(row["created_at"]["S"]))
    keys = [jwk(row["public"]["S"], row["created_at"]["S"], row.get("valid_until", {}).get("S")) for row in rows]
    return compact({"keys": keys})


def _publish(reads: PacedReads, table: str, key: SigningKey, secret_created_at: float) -> Item:
    """Store a public key, and return its row. Of all keys in use, only that of the latest secret stays in use.

    The others get a `valid_until`. Another call may publish the key of another secret at the same time, and no
    condition can require that it does not. So look again after each write, until there is nothing to write.
    """
    for _ in range(ATTEMPTS):
        rows = {row["id"]["S"]: row for row in _rows(reads, table)}
        until = {"S": instants.text(instants.read(reads.now) + OVERLAP_SECONDS * 1000)}
        new: Item = {
            **_PARTITION,
            "id": {"S": key.id},
            "created_at": {"S": reads.now},
            "public": {"S": key.public},
            "secret_created_at": {"N": f"{secret_created_at:f}"},
        }
        in_use = [row for row in ({key.id: new} | rows).values() if "valid_until" not in row]
        latest = max(in_use, key=_order)
        actions: list[dict[str, Any]] = []
        if key.id not in rows:
            row = new if latest is new else new | {"valid_until": until}
            actions.append(
                {"Put": {"TableName": table, "Item": row, "ConditionExpression": "attribute_not_exists(id)"}}
            )
        actions += [
            {
                "Update": {
                    "TableName": table,
                    "Key": {name: each[name] for name in ("user_id", "id")},
                    "UpdateExpression": "SET valid_until = :until",
                    "ConditionExpression": "attribute_not_exists(valid_until)",
                    "ExpressionAttributeValues": {":until": until},
                }
            }
            for each in in_use
            if each is not latest and each is not new
        ]
        if not actions:
            return rows[key.id]
        store(reads.dynamodb, actions)
    raise StillAddingUp


def _order(row: Item) -> tuple[float, str, str]:
    """Return the place of a key in the order of secrets, on which all calls agree, even if secrets are equally old."""
    return float(row["secret_created_at"]["N"]), row["created_at"]["S"], row["id"]["S"]


def _rows(reads: PacedReads, table: str) -> list[Item]:
    query: dict[str, Any] = {
        "TableName": table,
        "ConsistentRead": True,
        "KeyConditionExpression": "user_id = :keys",
        "ExpressionAttributeValues": {":keys": _PARTITION["user_id"]},
    }
    return [row for page in pages(reads.call, query) for row in page["Items"]]


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
