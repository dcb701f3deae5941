"""A fake of DynamoDB in memory, for the API's own functions, which the build copies to `_copied`.

The copies import this module instead of `outcomes.aws`. It supports the operations and expressions that these
functions use. Anything else raises an error, which the API answers with 500.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from typing import Any, NamedTuple

from ._surroundings import TABLES, ahead

type Item = dict[str, dict[str, Any]]
type Request = dict[str, Any]

NEVER = float("inf")


def jitter(seconds: float) -> float:
    """Return `seconds` unchanged. No jitter is needed, because the fake answers one call at a time."""
    return seconds


class Limits(NamedTuple):
    """Limits of a call. They are ignored, because tables in memory need no limits."""

    attempts: int
    connect: float
    read: float
    total: float


class CallFailed(Exception):
    maybe_applied = False


class ServiceError(CallFailed):
    """DynamoDB answered with an error. code: its code, such as ValidationException. body: the answer's JSON object."""

    def __init__(self, code: str, body: dict[str, Any]) -> None:
        super().__init__(code)
        self.code = code
        self.body = body


class ConditionFailed(ServiceError): ...


class Unavailable(CallFailed): ...


class TransactionCanceled(ServiceError):
    @property
    def codes(self) -> list[str]:
        return [reason["Code"] for reason in self.body["CancellationReasons"]]


class Answer(dict[str, Any]):
    maybe_applied = False
    date = ""


def pages(send: Callable[[Request], Answer], request: Request) -> Iterator[Answer]:
    while page := send(request):
        yield page
        if "LastEvaluatedKey" not in page:
            return
        request = request | {"ExclusiveStartKey": page["LastEvaluatedKey"]}


class Tables:
    """The tables of one API: items by table, partition key and sort key ("" if the table has none).

    The methods named after operations of DynamoDB take its requests and return its answers.

    ahead: milliseconds by which their clock is ahead of this host's.
    """

    def __init__(self) -> None:
        self.ahead = 0
        self._partitions: dict[str, dict[str, dict[str, Item]]] = {name: {} for name in TABLES}

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Let the functions that this thread calls use these tables."""
        token, moved = _in_use.set(self), ahead.set(self.ahead)
        try:
            yield
        finally:
            _in_use.reset(token)
            ahead.reset(moved)

    @property
    def are_empty(self) -> bool:
        """Check that nothing but sessions is stored."""
        return not any(partitions for name, partitions in self._partitions.items() if name != "SESSIONS_TABLE")

    def items(self, table: str) -> Iterator[Item]:
        for partition in self._partitions[table].values():
            yield from partition.values()

    def put(self, table: str, item: Item) -> None:
        partition, sort = _place(table, item)
        self._partitions[table].setdefault(partition, {})[sort] = item

    def _find(self, table: str, key: Item) -> Item | None:
        partition, sort = _place(table, key)
        return self._partitions[table].get(partition, {}).get(sort)

    def get_item(self, request: Request) -> dict[str, Any]:
        item = self._find(request["TableName"], request["Key"])
        return {} if item is None else {"Item": item}

    def batch_get_item(self, request: Request) -> dict[str, Any]:
        found = {
            table: [item for key in asked["Keys"] if (item := self._find(table, key)) is not None]
            for table, asked in request["RequestItems"].items()
        }
        return {"Responses": found, "UnprocessedKeys": {}}

    def query(self, request: Request) -> dict[str, Any]:
        """Return the items of a user in a range of sort keys. Limit counts items before the filter."""
        condition = request["KeyConditionExpression"]
        values = {name: value["S"] for name, value in request["ExpressionAttributeValues"].items() if "S" in value}
        in_range = _RANGE.fullmatch(condition)
        if not in_range:
            raise ValueError(condition)
        sort_key, first, last = in_range[1], values[in_range[2]], values[in_range[3]]
        items = [
            item
            for item in self._partitions[request["TableName"]].get(values[":user"], {}).values()
            if sort_key in item and first <= item[sort_key]["S"] <= last
        ]
        items.sort(key=lambda item: item[sort_key]["S"], reverse=not request.get("ScanIndexForward", True))
        limit = request.get("Limit", len(items) + 1)
        examined = items[:limit]
        answer: dict[str, Any] = {
            "Items": [item for item in examined if holds(request.get("FilterExpression"), item, request)],
            "ScannedCount": len(examined),
        }
        if len(items) >= limit:
            answer["LastEvaluatedKey"] = {
                name: examined[-1][name] for name in (*TABLES[request["TableName"]], sort_key)
            }
        return answer

    def scan(self, request: Request) -> dict[str, Any]:
        table, after = request["TableName"], request.get("ExclusiveStartKey")
        items = {_place(table, item): item for item in self.items(table)}
        return {"Items": [items[at] for at in sorted(items) if after is None or at > _place(table, after)]}

    def put_item(self, request: Request) -> dict[str, Any]:
        return self._write("Put", request)

    def update_item(self, request: Request) -> dict[str, Any]:
        return self._write("Update", request)

    def batch_execute_statement(self, request: Request) -> dict[str, Any]:
        """Insert items, each of which is given as a PartiQL statement."""
        return {"Responses": [self._insert(each["Statement"], each["Parameters"]) for each in request["Statements"]]}

    def transact_write_items(self, request: Request) -> dict[str, Any]:
        actions = [next(iter(action.items())) for action in request["TransactItems"]]
        reasons = [self._cancellation(each) for _, each in actions]
        if any(reason["Code"] != "None" for reason in reasons):
            raise TransactionCanceled("TransactionCanceledException", {"CancellationReasons": reasons})
        for action, each in actions:
            self._write(action, each)
        return {}

    def _cancellation(self, request: Request) -> dict[str, Any]:
        """Return a write's cancellation reason. Its code is the text `None` if the write cancels nothing."""
        before = self._find(request["TableName"], request.get("Key") or request["Item"])
        if holds(request.get("ConditionExpression"), before or {}, request):
            return {"Code": "None"}
        return {"Code": "ConditionalCheckFailed"} | ({} if before is None else {"Item": before})

    def _write(self, action: str, request: Request) -> dict[str, Any]:
        table, key = request["TableName"], request.get("Key") or request["Item"]
        before = self._find(table, key)
        if not holds(request.get("ConditionExpression"), before or {}, request):
            raise ConditionFailed("ConditionalCheckFailedException", {} if before is None else {"Item": before})
        match action:
            case "Put":
                self.put(table, request["Item"])
            case "Update":
                after = updated(before or key, request)
                self.put(table, after)
                return {"Attributes": after}
            case "Delete":
                partition, sort = _place(table, key)
                self._partitions[table].get(partition, {}).pop(sort, None)
        return {}

    def _insert(self, statement: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
        found = re.fullmatch(r'INSERT INTO "(\w+)" VALUE \{(.*)\}', statement)
        if not found:
            raise ValueError(statement)
        item = dict(zip(re.findall(r"'(\w+)':\?", found[2]), parameters, strict=True))
        if self._find(found[1], item) is not None:
            return {"Error": {"Code": "DuplicateItem"}}
        self.put(found[1], item)
        return {}


_RANGE = re.compile(r"user_id = :user AND (\w+) BETWEEN (:\w+) AND (:\w+)")
_in_use: ContextVar[Tables] = ContextVar("tables")


def _place(table: str, key: Item) -> tuple[str, str]:
    partition, *sort = (next(iter(key[name].values())) for name in TABLES[table])
    return partition, "".join(sort)


class DynamoDB:
    """A fake of the layer's client of DynamoDB. It works on the tables of `Tables.in_use`."""

    def __init__(self, limits: Limits) -> None: ...

    def call(self, operation: str, request: Request, **_: Any) -> Answer:
        """Execute an operation on the tables. Raises ConditionFailed and TransactionCanceled."""
        name = "_".join(re.findall("[A-Z][a-z]+", operation)).lower()
        return Answer(getattr(_in_use.get(), name)(request))


class SecretsManager(DynamoDB):
    """Not called, because `SessionSecrets` below replaces its only caller."""


class SessionSecrets:
    """No secrets: the fake's sessions are not encrypted, and its logs name no users."""

    def __init__(self, arn: str, overlap_days: float) -> None: ...

    def try_each(self, decrypted: object, until: float = NEVER) -> None: ...

    def pseudonym(self, user_id: int, until: float = NEVER) -> str:  # noqa: ARG002 - the caller's signature
        return ""


def updated(before: Item, request: Request) -> Item:
    """Apply an UpdateExpression: SET to a value or another attribute, REMOVE, and ADD of numbers."""
    item = dict(before)
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    clauses = re.split(r"\s*\b(SET|REMOVE|ADD)\s", request["UpdateExpression"])[1:]
    for clause, text in zip(clauses[::2], clauses[1::2], strict=True):
        for change in text.split(", "):
            name, *operand = change.replace(" = ", " ").split()
            name = names.get(name, name)
            match clause, operand:
                case "SET", [value]:
                    item[name] = values[value] if value in values else before[value]
                case "ADD", [value]:
                    number = Decimal(before.get(name, {"N": "0"})["N"]) + Decimal(values[value]["N"])
                    item[name] = {"N": str(number)}
                case "REMOVE", []:
                    item.pop(name, None)
                case _:
                    raise ValueError(change)
    return item


def holds(text: str | None, item: Item, request: Request) -> bool:
    """Check a condition or filter expression for an item. A missing expression always holds."""
    return text is None or _Condition(text, item, request).holds()


_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class _Condition:
    """A condition or filter expression, parsed by recursive descent while it is evaluated for an item."""

    def __init__(self, text: str, item: Item, request: Request) -> None:
        self._rest = re.findall(r"[#:\w]+|<>|[<>]=?|[=(),]", text)
        self._names = request.get("ExpressionAttributeNames", {})
        self._values = request.get("ExpressionAttributeValues", {})
        self._item = item

    def holds(self) -> bool:
        holds = self._any()
        if self._rest:
            raise ValueError(f"unexpected {self._rest[0]}")
        return holds

    def _any(self) -> bool:
        holds = self._all()
        while self._next_is("OR"):
            holds = self._all() or holds  # call `_all` even if `holds` is true, because it also parses the right side
        return holds

    def _all(self) -> bool:
        holds = self._one()
        while self._next_is("AND"):
            holds = self._one() and holds
        return holds

    def _one(self) -> bool:
        if self._next_is("("):
            holds = self._any()
            self._expect(")")
            return holds
        for function, wanted in (("attribute_exists", True), ("attribute_not_exists", False)):
            if self._next_is(function):
                self._expect("(")
                holds = (self._operand() is not None) == wanted
                self._expect(")")
                return holds
        left = self._operand()
        comparison = self._rest.pop(0)
        if comparison == "IN":
            self._expect("(")
            among = [self._operand()]
            while self._next_is(","):
                among.append(self._operand())
            self._expect(")")
            return left in among
        right = self._operand()
        return (
            left is not None and right is not None and left[0] == right[0] and _COMPARED[comparison](left[1], right[1])
        )

    def _operand(self) -> tuple[str, Any] | None:
        """Return the DynamoDB type and the value of an operand. Return None if the item has no such attribute."""
        word = self._rest.pop(0)
        attribute = self._values[word] if word[0] == ":" else self._item.get(self._names.get(word, word))
        if attribute is None:
            return None
        [(kind, value)] = attribute.items()
        return kind, Decimal(value) if kind == "N" else value

    def _next_is(self, token: str) -> bool:
        found = self._rest[:1] == [token]
        del self._rest[:found]
        return found

    def _expect(self, token: str) -> None:
        if not self._next_is(token):
            raise ValueError(f"{token} is missing")
