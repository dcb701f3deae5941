"""Read and write the rows of idempotency keys, which are stored for 35 days.

A row refers to the outcome or correction recorded with its key.

key_sha256 (HASH, S)    SHA-256 of the key and its scope, see `idempotency_hash`
user_id, created_at     S, the key of the outcome's item
fingerprint             M, a digest (B) of each non-null field of the outcome or the correction
correction              S, the id of the correction recorded with the key; absent for an outcome
version                 N, the outcome's version after that correction
expires_at              N, seconds since 1970, when the row expires
format                  N, the version of this format, including digests and hash; absent for version 1
"""

from binascii import b2a_base64
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from outcomes.aws.services import Item
from outcomes.calendar import instants
from outcomes.errors import Fault, IdempotencyKeyReused

if TYPE_CHECKING:
    from outcomes.contract.caller import Caller
    from outcomes.contract.models import NewOutcome

REMEMBERED_SECONDS = 35 * 24 * 60 * 60


def idempotency_hash(caller: "Caller", outcome: "NewOutcome", key: str) -> str:
    """Hash the idempotency key of an outcome together with its scope.

    The scope is the session's user, or the calling key and the outcome's agent. So agents that share a key do not share
    idempotency keys, and an agent key cannot use up the idempotency keys of other callers.
    """
    if caller.agent_key:
        scope = f"agent:{caller.agent_key.key_id}:{outcome.agent_id or ''}"
    elif caller.session_user is not None:
        scope = f"user:{caller.session_user}"
    else:
        scope = f"key:{outcome.user_id or ''}:{outcome.agent_id or ''}"
    return sha256(f"{scope}\n{key}".encode()).hexdigest()


class KeyRow(NamedTuple):
    """The row of an idempotency key, as the module's docstring describes it. Digests are in Base64."""

    user_id: str
    created_at: str
    fingerprint: dict[str, str]
    correction: str | None = None
    version: int = 0

    @classmethod
    def of(cls, item: Item) -> "KeyRow":
        """Parse an item. Raises KeyError, TypeError or ValueError if its format is different."""
        # A later release wrote this row, and may compute digests differently. If digests were compared, a retry could
        # be taken for a different request.
        if "format" in item:
            raise ValueError(f"format {item['format']}")
        return cls(
            item["user_id"]["S"],
            item["created_at"]["S"],
            {name: digest["B"] for name, digest in item["fingerprint"]["M"].items()},
            item["correction"]["S"] if "correction" in item else None,
            int(item["version"]["N"]) if "version" in item else 0,
        )

    @property
    def id(self) -> str:
        return self.created_at.partition("#")[2]

    def put(self, table: str, key: str) -> dict[str, Any]:
        """Return the transaction action that stores the row, unless the key already has a row that has not expired.

        If it has, DynamoDB cancels the transaction and returns the existing row.
        """
        now = instants.now() // 1000
        item: Item = {
            "key_sha256": {"S": key},
            "user_id": {"S": self.user_id},
            "created_at": {"S": self.created_at},
            "fingerprint": {"M": {name: {"B": digest} for name, digest in self.fingerprint.items()}},
            "expires_at": {"N": str(now + REMEMBERED_SECONDS)},
        }
        if self.correction is not None:
            item |= {"correction": {"S": self.correction}, "version": {"N": str(self.version)}}
        return {
            "Put": {
                "TableName": table,
                "Item": item,
                # DynamoDB may delete an expired row days later.
                "ConditionExpression": "attribute_not_exists(key_sha256) OR expires_at <= :now",
                "ExpressionAttributeValues": {":now": {"N": str(now)}},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }

    def reused(self, sent: dict[str, str]) -> IdempotencyKeyReused:
        """Return the error for a request with this key and a different fingerprint.

        The error names the fields that differ.
        """
        stored = self.fingerprint
        differing = sorted(name for name in sent.keys() | stored.keys() if sent.get(name) != stored.get(name))
        message = "differs from what was recorded under this key"
        return IdempotencyKeyReused(details=[Fault(field=name, message=message) for name in differing])


def live_rows(items: list[Item]) -> dict[str, KeyRow | Exception]:
    """Return the rows that have not expired, by key. For a row that cannot be read, return the error."""
    now = instants.now()
    rows: dict[str, KeyRow | Exception] = {}
    for item in items:
        key = item["key_sha256"]["S"]
        try:
            if int(item["expires_at"]["N"]) * 1000 > now:
                rows[key] = KeyRow.of(item)
        except (KeyError, TypeError, ValueError) as error:
            rows[key] = error
    return rows


def base64(digests: dict[str, bytes]) -> dict[str, str]:
    """Encode digests in Base64, as DynamoDB's JSON does."""
    return {name: b2a_base64(digest, newline=False).decode() for name, digest in digests.items()}
