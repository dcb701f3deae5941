"""Work that takes rights in the AWS account: making users that nobody has, and deleting their outcomes."""

import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import boto3
from outcomes.auth.sessions import STORED_COOKIE
from outcomes.auth.stored_sessions import token_sha256
from outcomes.contract.caller import Caller
from outcomes.contract.key_text import is_id
from outcomes.contract.limits import MAX_ID
from outcomes.contract.models import NewOutcome
from outcomes.contract.outcome_type import OutcomeType
from outcomes.keys.agent_keys import user_row_id
from outcomes.ledger.corrections import correction_hash
from outcomes.ledger.idempotent_writes import idempotency_hash

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SESSION_SECONDS = 900
# Users get ids from 1 up; nobody has one of these.
FIRST_NOBODY, LAST_NOBODY = 2**52, MAX_ID


class LeftBehind(Exception):
    """Something that was stored could not be deleted."""


@dataclass(frozen=True)
class Stack:
    """A deployed stack: `url` of the API, names of its tables, `origin` of the dashboard."""

    url: str
    outcomes: str
    idempotency: str
    sessions: str
    keys: str
    origin: str | None = None

    @classmethod
    def deployed(cls, name: str) -> "Stack":
        """Look up a stack by name, in the account and region of the AWS settings. Raises what boto3 raises."""
        [stack] = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        answers = {answer["ParameterKey"]: answer["ParameterValue"] for answer in stack["Parameters"]}
        return cls(
            url=outputs["ApiUrl"],
            outcomes=outputs["OutcomesTableName"],
            idempotency=outputs["IdempotencyTableName"],
            sessions=outputs["SessionsTableName"],
            keys=outputs["KeysTableName"],
            origin=answers["DashboardOrigins"].split(",")[0],
        )


@dataclass(frozen=True)
class User:
    """A user who exists for some minutes. cookie: the value of a Cookie header."""

    id: int
    cookie: str


class Visit:
    """Two users nobody has, and a note of every idempotency key that is used."""

    def __init__(self, stack: Stack, client: "DynamoDBClient") -> None:
        self._stack = stack
        self._client = client
        self._hashes: set[str] = set()
        self._tokens: list[str] = []
        self.users: list[User] = []

    def new_key(self, user: User) -> str:
        """Make an idempotency key, for what the bearer key records for the user, that is forgotten in the end."""
        key = f"smoke-{secrets.token_hex(12)}"
        self.note_key(key, user)
        return key

    def note_key(self, key: str, user: User) -> None:
        """Note an idempotency key, to be deleted in the end."""
        fields = {"outcomeType": OutcomeType.TASK_COMPLETE, "title": "Smoke test", "userId": Decimal(user.id)}
        self._hashes.add(idempotency_hash(Caller(), NewOutcome.parse(fields, session_user=None), key))

    def new_correction_key(self, id_: str) -> str:
        """Make an idempotency key for corrections of an outcome that is forgotten in the end."""
        key = f"smoke-{secrets.token_hex(12)}"
        self._hashes.add(correction_hash(Caller(), id_, key))
        return key

    def arrive(self) -> None:
        """Make the users. Raises LeftBehind when one has outcomes already, which are then somebody's."""
        for _ in range(2):
            user = FIRST_NOBODY + secrets.randbelow(LAST_NOBODY - FIRST_NOBODY)
            if any(self._outcomes(user)):
                raise LeftBehind(f"user {user}, whom nobody should be, has outcomes; nothing was touched")
            token = secrets.token_urlsafe(32)
            self._tokens.append(token)
            self._client.put_item(
                TableName=self._stack.sessions,
                Item={
                    "token_sha256": {"S": token_sha256(token)},
                    "user_id": {"N": str(user)},
                    "expires_at": {"N": str(int(time.time()) + SESSION_SECONDS)},
                },
            )
            self.users.append(User(user, f"__Secure-{STORED_COOKIE}={token}"))

    def leave(self) -> None:
        """Delete everything that was stored. Raises LeftBehind when something is still there afterwards."""
        for user in self.users:
            self._delete(self._stack.outcomes, self._outcomes(user.id))
            self._delete(self._stack.keys, self._agent_keys(user.id))
        self._delete(self._stack.idempotency, ({"key_sha256": {"S": hash_}} for hash_ in self._hashes))
        self._delete(self._stack.sessions, ({"token_sha256": {"S": token_sha256(token)}} for token in self._tokens))
        for user in self.users:
            if left := list(self._outcomes(user.id)):
                raise LeftBehind(f"{len(left)} outcomes of user {user.id} in {self._stack.outcomes}")

    def recorded(self, user: User) -> int:
        """Count the outcomes of the user in the table itself."""
        return sum(not item["created_at"]["S"].startswith("~") for item in self._outcomes(user.id))

    def _outcomes(self, user_id: int) -> Iterator[dict[str, Any]]:
        """Find the outcomes of a user, and then their corrections."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._stack.outcomes,
            KeyConditionExpression="user_id = :user",
            ExpressionAttributeValues={":user": {"S": str(user_id)}},
            ProjectionExpression="user_id, created_at",
            ConsistentRead=True,
        )
        for page in pages:
            yield from page["Items"]

    def _agent_keys(self, user_id: int) -> Iterator[dict[str, Any]]:
        """Find the agent keys of a user, and then the row that names them."""
        key = {"id": {"S": user_row_id(user_id)}}
        row = self._client.get_item(TableName=self._stack.keys, Key=key, ConsistentRead=True).get("Item", {})
        yield from ({"id": {"S": name}} for name in row if is_id(name))
        yield key

    def _delete(self, table: str, keys: Iterable[dict[str, Any]]) -> None:
        for key in list(keys):
            self._client.delete_item(TableName=table, Key=key)


@contextmanager
def visiting(stack: Stack) -> Iterator[Visit]:
    """Make users for the time of the block, and delete all that is theirs after it, whatever happens in between.

    Raises LeftBehind, and what boto3 raises: it needs GetItem, Query, PutItem and DeleteItem on the tables.
    """
    visit = Visit(stack, boto3.client("dynamodb"))
    try:
        visit.arrive()
        yield visit
    finally:
        visit.leave()
