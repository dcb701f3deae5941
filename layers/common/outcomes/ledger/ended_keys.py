"""Check that an agent key is paused or revoked: only then may its owner void what it recorded.

The rows are those of `outcomes.keys.agent_keys`. A key never changes its user.
"""

from typing import Any

from outcomes.aws.services import Item

REVOKED = "revoked#"


def row_ids(key_id: str) -> list[str]:
    """Return the ids of the rows that can say that a key is paused or revoked: while it lives, and then."""
    return [key_id, f"{REVOKED}{key_id}"]


def check(table: str, row: Item, user_id: int | None) -> dict[str, Any] | None:
    """Return the action that cancels a transaction if this row no longer says that the user's key is paused or revoked.

    Return None if the row does not say that now.
    """
    ended = "revoked_at" if row["id"]["S"].startswith(REVOKED) else "paused_at"
    user = {"N": str(user_id)}
    if ended not in row or row["user_id"] != user:
        return None
    check = {
        "TableName": table,
        "Key": {"id": row["id"]},
        "ConditionExpression": f"user_id = :user AND attribute_exists({ended})",
        "ExpressionAttributeValues": {":user": user},
    }
    return {"ConditionCheck": check}
