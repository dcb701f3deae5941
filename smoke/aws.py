"""Create temporary users, delete their data, and read the access log. This needs IAM permissions."""

import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from outcomes.auth.sessions import STORED_COOKIE
from outcomes.auth.stored_sessions import token_sha256
from outcomes.calendar import instants
from outcomes.contract.caller import Caller
from outcomes.contract.models import NewOutcome
from outcomes.keys.agent_keys import user_row_id
from outcomes.keys.key_text import is_id
from outcomes.ledger.corrections import correction_hash
from outcomes.ledger.ended_keys import REVOKED
from outcomes.ledger.idempotency_keys import idempotency_hash
from outcomes.limits import MAX_ID

from local.data import STACK, State
from ops.errors import StackError
from ops.template import capability_names, parse_yaml

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ROOT = Path(__file__).parents[1]
LOCAL = ROOT / ".local"
CAPABILITIES = capability_names(parse_yaml((ROOT / "template.yaml").read_text())["Parameters"])
TABLES = ("OutcomesTable", "IdempotencyTable", "SessionsTable", "KeysTable")
SESSION_SECONDS = 900
# Real users' ids count up from 1 and do not reach these numbers.
FIRST_ID, LAST_ID = 2**52, MAX_ID


class LeftBehind(Exception):
    """Stored data could not be deleted."""


@dataclass(frozen=True)
class Stack:
    """A stack: the API's URL, capabilities that are off, and the dashboard's origin.

    tables: the tables' names, by their names in template.yaml. limits: the stage's rate and burst limits and
    FirewallRequests, each by the name of its parameter. name: the stack's name; None for the local stack. key: the
    local stack's bearer key; None for a deployed stack. client: returns a client for an AWS service.
    """

    url: str
    tables: Mapping[str, str]
    off: frozenset[str] = frozenset()
    origin: str | None = None
    limits: Mapping[str, list[int]] = field(default_factory=dict)
    name: str | None = None
    key: str | None = None
    client: Callable[..., Any] = boto3.client

    @classmethod
    def deployed(cls, name: str) -> "Stack":
        """Look up a stack by name, in the account and region of the AWS settings. Raises boto3's errors."""
        [stack] = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        answers = {answer["ParameterKey"]: answer["ParameterValue"] for answer in stack["Parameters"]}
        return cls(
            url=outputs["ApiUrl"],
            tables={name: outputs[f"{name}Name"] for name in TABLES},
            off=frozenset(name for name in CAPABILITIES if answers.get(name) == "Off"),
            origin=answers["DashboardOrigins"].split(",")[0],
            limits={
                parameter: [int(number) for number in answer.split(",")]
                for parameter, answer in answers.items()
                if parameter.endswith("Throttle") or parameter == "FirewallRequests"
            },
            name=name,
        )

    @classmethod
    def local(cls, url: str) -> "Stack | None":
        """Return the stack that `make run` started if it has this URL, else None."""
        try:
            state = State.read(LOCAL / STACK)
        except StackError:
            return None
        if not url.startswith(state.url):
            return None
        return cls(
            url=url,
            tables={name: state.table(name) for name in TABLES},
            off=frozenset(state.off),
            key=state.key,
            client=state.aws.client,
        )

    def access_log(self, since: float) -> Iterator[dict[str, str]]:
        """Yield the lines of a deployed stack's access log since a time. Raises boto3's errors."""
        resource = self.client("cloudformation").describe_stack_resource(
            StackName=self.name, LogicalResourceId="AccessLogs"
        )
        group = resource["StackResourceDetail"]["PhysicalResourceId"]
        pages = self.client("logs").get_paginator("filter_log_events")
        for page in pages.paginate(logGroupName=group, startTime=int(since * 1000)):
            yield from (json.loads(event["message"]) for event in page["events"])


@dataclass(frozen=True)
class User:
    """A temporary user. cookie: the value of the Cookie header with the user's session."""

    id: int
    cookie: str


class Visit:
    """Two temporary users, and all idempotency keys used by the checks, which are deleted at the end."""

    def __init__(self, stack: Stack, client: "DynamoDBClient") -> None:
        self._stack = stack
        self._client = client
        self._hashes: set[str] = set()
        self._agent_key_ids: set[str] = set()
        self._tokens: list[str] = []
        self.users: list[User] = []

    def new_key(self, user: User, of: str | None = None) -> str:
        """Return a new idempotency key for calls with the platform's key. It is deleted at the end."""
        key = f"smoke-{secrets.token_hex(12)}"
        self.note_key(key, user, of=of)
        return key

    def note_key(self, key: str, user: User, *, by: str = "key", of: str | None = None) -> None:
        """Store an idempotency key, so that it is deleted at the end.

        by: the kind of caller, `key` or `session`. of: for a correction, the id of the corrected outcome.
        """
        caller = Caller(user.id) if by == "session" else Caller()
        outcome = NewOutcome("task_complete", "Smoke test", user_id=user.id)
        self._hashes.add(correction_hash(caller, of, key) if of else idempotency_hash(caller, outcome, key))

    def note_agent_key(self, id_: str) -> None:
        """Delete at the end the note that an agent key was revoked, and how much it recorded on the present days."""
        self._agent_key_ids.add(id_)
        days = {instants.text(instants.now() + later)[:10] for later in (0, instants.DAY)}
        self._hashes |= {f"budget#{id_}#{day}" for day in days}

    def arrive(self) -> None:
        """Create the users. Raises LeftBehind if one of them already has outcomes."""
        for _ in range(2):
            user = FIRST_ID + secrets.randbelow(LAST_ID - FIRST_ID)
            if any(self._outcomes(user)):
                raise LeftBehind(f"user {user} should be unused but has outcomes; nothing was changed")
            token = secrets.token_urlsafe(32)
            self._tokens.append(token)
            self._client.put_item(
                TableName=self._stack.tables["SessionsTable"],
                Item={
                    "token_sha256": {"S": token_sha256(token)},
                    "user_id": {"N": str(user)},
                    "expires_at": {"N": str(int(time.time()) + SESSION_SECONDS)},
                },
            )
            self.users.append(User(user, f"__Secure-{STORED_COOKIE}={token}"))

    def leave(self) -> None:
        """Delete all stored data. Raises LeftBehind if outcomes are left."""
        for user in self.users:
            self._delete("OutcomesTable", self._outcomes(user.id))
            self._delete("KeysTable", self._agent_keys(user.id))
        self._delete("KeysTable", ({"id": {"S": f"{REVOKED}{id_}"}} for id_ in self._agent_key_ids))
        self._delete("IdempotencyTable", ({"key_sha256": {"S": hash_}} for hash_ in self._hashes))
        self._delete("SessionsTable", ({"token_sha256": {"S": token_sha256(token)}} for token in self._tokens))
        for user in self.users:
            if left := list(self._outcomes(user.id)):
                raise LeftBehind(f"{len(left)} outcomes of user {user.id} in {self._stack.tables['OutcomesTable']}")

    def recorded(self, user: User) -> int:
        """Return the number of the user's outcomes in the table."""
        return sum(not item["created_at"]["S"].startswith("~") for item in self._outcomes(user.id))

    def _outcomes(self, user_id: int) -> Iterator[dict[str, Any]]:
        """Yield the item keys of a user's outcomes, then of their corrections."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._stack.tables["OutcomesTable"],
            KeyConditionExpression="user_id = :user",
            ExpressionAttributeValues={":user": {"S": str(user_id)}},
            ProjectionExpression="user_id, created_at",
            ConsistentRead=True,
        )
        for page in pages:
            yield from page["Items"]

    def _agent_keys(self, user_id: int) -> Iterator[dict[str, Any]]:
        """Yield the item keys of a user's agent keys, then of the row that lists them."""
        key = {"id": {"S": user_row_id(user_id)}}
        row = self._client.get_item(TableName=self._stack.tables["KeysTable"], Key=key, ConsistentRead=True).get(
            "Item", {}
        )
        yield from ({"id": {"S": name}} for name in row if is_id(name))
        yield key

    def _delete(self, table: str, keys: Iterable[dict[str, Any]]) -> None:
        for key in list(keys):
            self._client.delete_item(TableName=self._stack.tables[table], Key=key)


@contextmanager
def visiting(stack: Stack) -> Iterator[Visit]:
    """Create users for the block, and delete all their data after it.

    This needs GetItem, Query, PutItem and DeleteItem on the tables. Raises LeftBehind and boto3's errors.
    """
    visit = Visit(stack, stack.client("dynamodb"))
    try:
        visit.arrive()
        yield visit
    finally:
        visit.leave()
