"""Send each request that moto answers to AWS's DynamoDB Local as well, and compare answers and kinds of errors.

`make proof PART=engines` sets WITNESS to its port. DynamoDB Local holds the same items as moto: it gets the same
requests, and all items again whenever a test replaces moto's tables. engines.toml names the differences that are
allowed, with their reasons.

No engine here refuses for a conflict of transactions, for throughput or for an old signature: tests inject these in
front of both. DynamoDB Local's own clock is never used: a test's clock decides what is old.
"""

import json
import os
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from http.client import HTTPConnection
from itertools import batched
from secrets import token_hex
from typing import Any

from local import moto_backend
from local.moto_backend import JSON, TARGET

WRITES = {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems", "BatchExecuteStatement"}
UNORDERED = {"Scan", "BatchGetItem"}
WRITES_PER_CALL = 25
NOT_COMPARED = {"ConsumedCapacity", "ItemCollectionMetrics", "UnprocessedItems", "UnprocessedKeys"}


class Differs(BaseException):
    """The engines answer differently. It is not an Exception, so that no code goes on after it."""


class Witness:
    """A DynamoDB Local that holds what moto holds. compared, stored: the numbers of compared answers and items."""

    def __init__(self, port: int) -> None:
        self.connection = HTTPConnection("127.0.0.1", port, timeout=30)
        # DynamoDB Local keeps the tables of each access key apart.
        self.access_key = f"witness{os.environ.get('PYTEST_XDIST_WORKER', '')}"
        self.tables: dict[str, Any] = {}  # moto's objects, as last seen
        self.written: set[str] = set()  # tables that hold items here
        self.created: set[str] = set()
        self.compared = 0
        self.stored = 0
        self.tokens: dict[str, str] = {}  # the tokens sent in place of tests' tokens

    def compare(self, operation: str, request: Any, status: int, content: str | bytes) -> None:
        """Compare moto's answer. Raises Differs."""
        answered = self.call(operation, request)
        self.compared += 1
        mine, other = _comparable(operation, status, json.loads(content)), _comparable(operation, *answered)
        if mine != other and not any(allows(mine, other) for allows in DIFFERENCES.values()):
            raise Differs(f"{operation} {json.dumps(request)[:2000]}\nmoto: {mine}\nDynamoDB Local: {other}")

    def follow(self, tables: Any) -> None:
        """Before a request: hold what moto holds, if a test has replaced its tables."""
        for name, table in tables.items():
            if self.tables.get(name) is not table:
                self._copy(name, table)
        self.tables = dict(tables)

    def call(self, operation: str, request: Any) -> tuple[int, Any]:
        headers = {
            "Content-Type": JSON,
            "X-Amz-Target": TARGET + operation,
            "Authorization": f"AWS4-HMAC-SHA256 Credential={self.access_key}/20260401/us-east-1/dynamodb/aws4_request, "
            "SignedHeaders=host, Signature=0",
        }
        sent = "POST", "/", json.dumps(request), headers
        try:
            self.connection.request(*sent)
            response = self.connection.getresponse()
        except ConnectionError:  # DynamoDB Local closes a connection that was idle for 30 s
            self.connection.close()
            self.connection.request(*sent)
            response = self.connection.getresponse()
        return response.status, json.loads(response.read())

    def _copy(self, name: str, table: Any) -> None:
        if name not in self.created:
            self.call("DeleteTable", {"TableName": name})
            self._expect("CreateTable", _declared(name, table))
            self.created.add(name)
            self.written.discard(name)
        held: dict[str, Any] = {}
        if name in self.written:
            stored = [*self._scan(name)]
            self._compare_stored(name, stored)
            held = {_text_of(item): item for item in stored}
        wanted = {_text_of(item): item for item in _items(table)}
        keys = [*filter(None, (table.hash_key_attr, table.range_key_attr))]
        old = [{key: item[key] for key in keys} for text, item in held.items() if text not in wanted]
        self._write(name, [{"DeleteRequest": {"Key": key}} for key in old])
        new = [item for text, item in wanted.items() if text not in held]
        self._write(name, [{"PutRequest": {"Item": item}} for item in new])
        self.written = self.written | {name} if wanted else self.written - {name}

    def _write(self, name: str, requests: list[Any]) -> None:
        for some in batched(requests, WRITES_PER_CALL, strict=False):
            answer = self._expect("BatchWriteItem", {"RequestItems": {name: some}})
            assert not answer["UnprocessedItems"], answer

    def _compare_stored(self, name: str, stored: list[Any]) -> None:
        """Compare all items of a table, after the last call of a test. Raises Differs."""
        mine, other = (sorted(map(_text_of, items)) for items in (_items(self.tables[name]), stored))
        self.stored += len(other)
        if mine != other:
            raise Differs(
                f"{name} holds {[*Counter(mine) - Counter(other)]} only in moto, and in DynamoDB Local only "
                f"{[*Counter(other) - Counter(mine)]}"
            )

    def _scan(self, name: str) -> Iterator[Any]:
        scan = {"TableName": name}
        while True:
            page = self._expect("Scan", scan)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            scan = {"TableName": name, "ExclusiveStartKey": page["LastEvaluatedKey"]}

    def _expect(self, operation: str, request: Any) -> Any:
        status, answer = self.call(operation, request)
        assert status == 200, (operation, request, answer)
        return answer


def _items(table: Any) -> Iterator[dict[str, Any]]:
    for partition in table.items.values():
        for item in partition.values() if table.has_range_key else [partition]:
            yield json.loads(json.dumps(item.to_json()["Attributes"], default=_text))


def _text_of(item: Any) -> str:
    return json.dumps(_plain(item), sort_keys=True)


def _text(value: bytes) -> str:
    return b64encode(value).decode()


def _declared(name: str, table: Any) -> dict[str, Any]:
    indexes = [
        {"IndexName": index.name, "KeySchema": index.schema, "Projection": index.projection}
        for index in table.global_indexes
    ]
    declared = {
        "TableName": name,
        "KeySchema": table.schema,
        "AttributeDefinitions": table.attr,
        "BillingMode": "PAY_PER_REQUEST",
    }
    return declared | ({"GlobalSecondaryIndexes": indexes} if indexes else {})


def _comparable(operation: str, status: int, answer: Any) -> Any:
    """Return what the engines have to agree on: of an error its kind, of an answer its items."""
    if status != 200:
        kind = answer["__type"].rpartition("#")[2]
        codes = [reason.get("Code", "None") for reason in answer.get("CancellationReasons", [])]
        items = [_plain(reason.get("Item")) for reason in answer.get("CancellationReasons", [])]
        return kind, codes, items
    said = {name: _plain(value) for name, value in answer.items() if name not in NOT_COMPARED}
    if operation in UNORDERED:
        said = json.loads(json.dumps(said, sort_keys=True), object_hook=_sorted)
    return said


def _sorted(value: dict[str, Any]) -> dict[str, Any]:
    return {
        name: sorted(each, key=lambda one: json.dumps(one, sort_keys=True)) if isinstance(each, list) else each
        for name, each in value.items()
    }


def _plain(value: Any) -> Any:
    """Write numbers and sets alike."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if not isinstance(value, dict):
        return value
    if isinstance(number := value.get("N"), str):
        return {"N": str(Decimal(number).normalize())}
    return {name: sorted(each) if name in {"SS", "NS", "BS"} else _plain(each) for name, each in value.items()}


def _are_pages(mine: Any, other: Any) -> bool:
    """Return whether both are pages with the same beginning, of which the shorter says that more follows."""
    pages = [each for each in (mine, other) if isinstance(each, dict) and "Items" in each]
    if len(pages) < 2:
        return False
    shorter, longer = sorted(pages, key=lambda page: len(page["Items"]))
    return "LastEvaluatedKey" in shorter and longer["Items"][: len(shorter["Items"])] == shorter["Items"]


DIFFERENCES = {"where a page ends": _are_pages}
"""The differences of engines.toml, each with a function that recognizes it."""


def install(port: int) -> Witness:
    """Compare each request that moto's handler answers."""
    witness = Witness(port)
    call_action = moto_backend.Handler.call_action

    def call_and_compare(handler: Any) -> Any:
        operation = handler._get_action()
        if operation not in moto_backend.ABOUT_ITEMS:
            return call_action(handler)
        witness.follow(moto_backend.backend("dynamodb").tables)
        request = json.loads(handler.sent)
        if token := request.get("ClientRequestToken"):  # a test's clock decides when a token is forgotten
            if not moto_backend.knows(token):
                witness.tokens[token] = token_hex(16)
            request["ClientRequestToken"] = witness.tokens[token]
        status, headers, content = call_action(handler)
        if operation in WRITES:
            witness.written |= {*witness.tables}
        witness.compare(operation, request, status, content)
        return status, headers, content

    any_class: Any = moto_backend.Handler
    any_class.call_action = call_and_compare
    return witness
