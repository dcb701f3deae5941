"""Speed up moto's DynamoDB, which is slow with thousands of items. Only this module imports moto.

Importing this module patches moto in places where moto has no hook, see the end of the file.
"""

import base64
import json
import pickle
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from copy import copy, deepcopy
from email.utils import formatdate
from functools import cache, cached_property, lru_cache, partial
from hashlib import sha256
from itertools import count, dropwhile
from types import SimpleNamespace
from typing import Any, Self, override

import moto.core.responses
import moto.dynamodb.models
import moto.dynamodb.models.utilities
import moto.dynamodb.parsing.ast_nodes
import moto.dynamodb.responses
import moto.dynamodb.urls
from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from moto import mock_aws
from moto.backends import get_backend
from moto.core.base_backend import BackendDict
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.common_models import BaseModel
from moto.core.exceptions import JsonRESTError
from moto.core.request import Request
from moto.core.responses import ActionResult
from moto.core.utils import camelcase_to_underscores, get_service_model, method_names_from_class
from moto.dynamodb.comparisons import ConditionExpressionParser, get_comparison_func
from moto.dynamodb.exceptions import ConditionalCheckFailed, DynamodbException, ItemSizeTooLarge
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.table import RESULT_SIZE_LIMIT, StreamShard
from moto.dynamodb.models.table import Table as MotoTable
from moto.dynamodb.models.utilities import dynamo_json_dump, dynamo_to_dict
from moto.dynamodb.parsing.expressions import UpdateExpressionParser  # type: ignore[attr-defined]
from moto.dynamodb.parsing.validators import ActionCountValidator, OverlappingPathsValidator
from moto.dynamodb.responses import DynamoHandler
from moto.events.models import EventPattern

from local import dynamodb_rules
from local.environment import ACCOUNT, REGION

__all__ = [  # other modules import moto's names from this module
    "DynamoDBBackend",
    "DynamoType",
    "EventPattern",
    "Item",
    "JsonRESTError",
    "MotoTable",
    "StreamShard",
    "dynamo_json_dump",
    "mock_aws",
    "with_bytes",
]

PAGE_ITEMS = 2_000
"""Items per page of a query. Writing 1 MB of small items takes moto longer than the functions' timeout."""

TARGET = "DynamoDB_20120810."
"""Prefix of the operation's name in the header X-Amz-Target."""

ABOUT_ITEMS = {
    "BatchExecuteStatement",
    "BatchGetItem",
    "BatchWriteItem",
    "DeleteItem",
    "GetItem",
    "PutItem",
    "Query",
    "Scan",
    "TransactGetItems",
    "TransactWriteItems",
    "UpdateItem",
}
"""Operations whose parameters and results need no conversion to JSON, except bytes."""

JSON = "application/x-amz-json-1.0"

READ_UNIT_BYTES = 4_096
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html"""

MAX_ITEM_BYTES = 405_000
"""As in moto. DynamoDB refuses items of some 409 KB."""

PARSED = 4_096
"""The number of parsed conditions that are kept."""

BROKEN: list[str] = []
"""Requests that DynamoDB would refuse. Tests fail if they leave any here."""

_request_numbers = count(1)

_INSERT = re.compile(r'INSERT INTO "([^"]+)" VALUE \{([^{}]+)\}')
_PLACE = re.compile(r"'(\w+)':\?")
"""A statement that inserts an item, and one attribute of it, whose value is a parameter."""

_UPDATED = re.compile(r"(?:SET|ADD|,)\s*([#\w]+)\s*[=:]")
"""An attribute that an update sets or adds to."""

_EXPRESSIONS = {"hash_key_conditions", "range_key_conditions"}


class Table(MotoTable):
    """A table whose queries and transactions do not visit every item."""

    is_in_transaction = False
    read_bytes: int | None = None  # number of bytes that the last query read; None if moto itself ran that query

    @override
    def query(  # type: ignore[override]  # legacy conditions are passed on unchanged
        self,
        hash_key: DynamoType | None,
        range_comparison: str | None,
        range_objs: list[DynamoType],
        limit: int | None,
        exclusive_start_key: dict[str, Any] | None,
        scan_index_forward: bool,
        projection_expressions: list[list[str]] | None,
        index_name: str | None = None,
        consistent_read: bool = False,
        filter_expression: Any = None,
        **conditions: Any,
    ) -> tuple[list[Item], int, dict[str, Any] | None]:
        """Query like moto, but end a page after PAGE_ITEMS items as if these were 1 MB.

        For each query, moto would sort all items of a table and copy every match. Only queries with legacy conditions,
        and those that moto refuses, are still passed to moto.
        """
        limit = min(limit or PAGE_ITEMS, PAGE_ITEMS)
        self.read_bytes = None
        sort_key = self._sort_key(index_name) if not (index_name and consistent_read) else None
        if not hash_key or not sort_key or conditions.keys() - _EXPRESSIONS:
            return super().query(
                hash_key,
                range_comparison,
                range_objs,
                limit,
                exclusive_start_key,  # type: ignore[arg-type]  # None on the first page, whatever moto says
                scan_index_forward,
                projection_expressions,
                index_name,
                consistent_read,
                filter_expression,
                **conditions,
            )
        partition = self.items.get(hash_key, {})
        if index_name:
            partition = {item.attrs[sort_key]: item for item in partition.values() if sort_key in item.attrs}
        start = DynamoType(exclusive_start_key[sort_key]) if exclusive_start_key else None
        found: list[Item] = []
        size, last = 0, None
        for key in _from_first(partition, range_comparison, range_objs, start, descending=not scan_index_forward):
            item = partition[key]
            item_size = _size(item)
            if size + item_size > RESULT_SIZE_LIMIT:
                last = self._get_last_evaluated_key(found[-1], index_name)
                break
            if range_comparison and not key.compare(range_comparison, range_objs):
                break
            found.append(item)
            size += item_size
            if len(found) == limit:  # DynamoDB names the last key even if nothing follows
                last = self._get_last_evaluated_key(item, index_name)
                break
        scanned = len(found)
        self.read_bytes = size
        if filter_expression is not None:
            found = [item for item in found if filter_expression.expr(item)]
        if projection_expressions:
            found = [_projected(item, projection_expressions) for item in found]
        return found, scanned, last

    def _sort_key(self, index_name: str | None) -> str | None:
        """Return the range key of the table or of an index.

        The index must have the table's hash key and unique range keys.
        """
        if not index_name:
            return self.range_key_attr
        schemas = [each.schema_key_attrs for each in self.global_indexes if each.name == index_name]
        return schemas[0][1] if schemas else None

    @override
    def get_item(
        self,
        hash_key: DynamoType,
        range_key: DynamoType | None = None,
        projection_expression: list[list[str]] | None = None,
    ) -> Item | None:
        item = super().get_item(hash_key, range_key)
        return _projected(item, projection_expression) if item and projection_expression else item

    def put_copy(self, hash_key: DynamoType, range_key: DynamoType | None) -> None:
        """Replace an item with a copy: updates modify items in place, but snapshots share them."""
        item = deepcopy(self.get_item(hash_key, range_key))
        if item is None:
            return
        if range_key is None:
            self.items[hash_key] = item  # type: ignore[assignment]  # moto's own type for it has range keys only
        else:
            self.items[hash_key][range_key] = item

    def put_back(self, hash_key: DynamoType, range_key: DynamoType | None, item: Item | None) -> None:
        """Restore the item that a key had before a transaction, or remove the item if there was none."""
        if item is None:
            self.items[hash_key].pop(range_key, None) if range_key else self.items.pop(hash_key, None)
        elif range_key:
            self.items[hash_key][range_key] = item
        else:
            self.items[hash_key] = item  # type: ignore[assignment]  # moto's own type for it has range keys only

    def __deepcopy__(self, _memo: object) -> Self:
        """Return a snapshot that shares the items, because items are never modified in place.

        moto copies the table for each action of a transaction; `_transact_write_items` makes these copies unnecessary.
        """
        if self.is_in_transaction:
            return self
        twin = copy(self)
        twin.stream_shard = copy(self.stream_shard)
        twin.items = copy(self.items)
        if self.has_range_key:
            twin.items.update({key: dict(partition) for key, partition in self.items.items()})
        return twin


def _size(item: Item) -> int:
    """Return an item's size in bytes, computed once. Updates reset the cached value."""
    if "bytes" not in item.__dict__:
        item.__dict__["bytes"] = item.size()
    return int(item.__dict__["bytes"])


def _projected(item: Item, expressions: list[list[str]]) -> Item:
    """Return an item's projected attributes. moto itself would rebuild the item for each attribute."""
    names = {path[0] for path in expressions}
    if any(len(path) > 1 or "[" in path[0] for path in expressions):
        return item.project(expressions)
    projected = copy(item)
    projected.attrs = LimitedSizeDict()
    dict.update(projected.attrs, {name: value for name, value in item.attrs.items() if name in names})
    return projected


def _from_first(
    keys: Iterable[DynamoType],
    comparison: str | None,
    operands: list[DynamoType],
    start: DynamoType | None,
    *,
    descending: bool,
) -> Iterator[DynamoType]:
    """Sort range keys. Drop keys up to `start`, and then keys before the first key that matches the comparison.

    In sort order, all keys that match a key condition are consecutive.
    """
    in_order = iter(sorted(keys, key=_value, reverse=descending))
    if start:
        last = _value(start)
        in_order = dropwhile(lambda key: _value(key) >= last if descending else _value(key) <= last, in_order)
    if comparison:
        fits, values = get_comparison_func(comparison), [_value(operand) for operand in operands]
        in_order = dropwhile(lambda key: not fits(_value(key), *values), in_order)
    return in_order


def _value(key: DynamoType) -> Any:
    # moto's cast returns text unchanged, but first it slowly checks for every other type.
    return key.value if key.type == "S" else key.cast_value


class Handler(DynamoHandler):
    """Parses and writes item operations as plain JSON, which takes a third of the time that moto takes.

    moto uses the service's model to convert each request and result, attribute by attribute. A request that
    DynamoDB refuses never reaches moto. sent: the request's body.
    """

    sent: str | bytes = b""

    @cached_property
    @override
    def dynamodb_backend(self) -> Any:
        """Return the backend, which moto would search for several times in each call."""
        return backend("dynamodb")

    @override
    def parse_parameters(self, request: Request) -> None:
        if self._get_action() not in ABOUT_ITEMS:
            return super().parse_parameters(request)
        self.sent = request.data
        try:
            self.params = json.loads(self.sent, object_hook=with_bytes)
        except ValueError:
            super().parse_parameters(request)

    @override
    def call_action(self) -> Any:
        operation = self._get_action()
        try:
            if operation in ABOUT_ITEMS:
                _rules().check(operation, self.params, self.sent)
            return super().call_action()
        except dynamodb_rules.Broken as broken:
            BROKEN.append(f"{operation}: {broken}")
            error = {"__type": f"com.amazonaws.dynamodb.v20120810#{broken.code}", "message": str(broken)}
            headers = {"Content-Type": JSON} | self.response_headers
            return 400, *self._enrich_response(headers, json.dumps(error))

    @override
    def query(self) -> ActionResult:
        """Query, and return the consumed read units as AWS counts them. moto always returns 1."""
        result = super().query()
        answer: Any = result.result
        table: Any = self.dynamodb_backend.get_table(self.body["TableName"])
        if "ConsumedCapacity" in answer and table.read_bytes is not None:
            units = max(1, -(-table.read_bytes // READ_UNIT_BYTES))
            answer["ConsumedCapacity"]["CapacityUnits"] = units if self.body.get("ConsistentRead") else units / 2
        return result

    @override
    def update_item(self) -> ActionResult:
        """Update an item. moto would return only the attributes that are different now, and a new item's key."""
        result = super().update_item()
        if self.params.get("ReturnValues") == "UPDATED_NEW":
            answer: Any = result.result
            names = self.params.get("ExpressionAttributeNames", {})
            updated = [names.get(name, name) for name in _UPDATED.findall(self.params["UpdateExpression"])]
            item = _stored(self.params["TableName"], self.params["Key"]) or {}
            answer["Attributes"] = {name: item[name] for name in updated if name in item}
        return result

    @override
    def transact_write_items(self) -> ActionResult:
        """Run a transaction once for each ClientRequestToken, which moto ignores."""
        token, payload = self.params.get("ClientRequestToken", ""), sha256(repr(self.params).encode()).digest()
        if not knows(token):
            result = super().transact_write_items()
            _remember(token, payload)
            return result
        if _transactions()[token][1] != payload:
            message = "The token was used with other parameters"
            raise dynamodb_rules.Broken(message, "IdempotentParameterMismatchException")
        return ActionResult({})

    @override
    def batch_execute_statement(self) -> ActionResult:
        """Insert items. moto would copy all tables for each statement, and overwrite existing items."""
        statements = [(_INSERT.fullmatch(each["Statement"]), each["Parameters"]) for each in self.body["Statements"]]
        return ActionResult({"Responses": [self._inserted(insert, values) for insert, values in statements]})

    def _inserted(self, insert: re.Match[str] | None, values: list[Any]) -> dict[str, Any]:
        if not insert:
            return _statement_error("ValidationError", "the local stack only supports INSERT statements")
        name, attributes = insert.groups()
        item = dict(zip(_PLACE.findall(attributes), values, strict=True))
        try:
            _rules().check_item(name, item)
            table = self.dynamodb_backend.get_table(name)
            table.put_item(item, condition_expression=f"attribute_not_exists({table.hash_key_attr})")
        except ConditionalCheckFailed:
            return {"TableName": name} | _statement_error("DuplicateItem", "Duplicate primary key exists in table")
        except DynamodbException as error:
            return {"TableName": name} | _statement_error("ValidationError", str(error.message))
        return {"TableName": name}

    @staticmethod
    @override
    def _enrich_response(headers: dict[str, str], body: Any) -> tuple[dict[str, str], Any]:
        """Number the requests. moto would draw 52 random characters for each id."""
        headers["x-amzn-requestid"] = f"{next(_request_numbers):052}"
        return headers, body

    @override
    def serialized(self, action_result: ActionResult) -> Any:
        operation, answer = self._get_action(), action_result.result
        if operation not in ABOUT_ITEMS or not isinstance(answer, dict):
            return super().serialized(action_result)
        known = _answer_members(operation)
        content = {name: value for name, value in answer.items() if name in known}
        return 200, {"Content-Type": JSON} | self.response_headers, _as_json(content)


def _statement_error(code: str, message: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementError.html"""
    return {"Error": {"Code": code, "Message": message}}


def with_bytes(value: dict[str, Any]) -> dict[str, Any]:
    """Decode a binary value, `{"B": "<Base64>"}`. Binary sets stay encoded, which moto accepts.

    An item may also have an attribute with the name B. Its value is an object and not a string, so it stays as it is.
    """
    text = value.get("B")
    return {"B": base64.b64decode(text)} if isinstance(text, str) else value


TOKEN_SECONDS = 600
"""https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html#DDB-TransactWriteItems-request-ClientRequestToken"""


def _transactions() -> dict[str, tuple[float, bytes]]:
    """Return when which transaction took effect, by its token, oldest first, since moto was reset."""
    done: dict[str, tuple[float, bytes]] = backend("dynamodb").__dict__.setdefault("transactions", {})
    return done


def _remember(token: str, payload: bytes) -> None:
    """Remember a transaction, and forget those whose tokens DynamoDB does not know any more."""
    done, now = _transactions(), time.time()
    while done and now - next(iter(done.values()))[0] > TOKEN_SECONDS:
        del done[next(iter(done))]
    if token:
        done[token] = now, payload


def knows(token: str) -> bool:
    """Return whether DynamoDB would still know the token of a transaction."""
    return bool(token) and time.time() - _transactions().get(token, (0.0, b""))[0] <= TOKEN_SECONDS


def forget_transactions() -> None:
    """Forget the tokens of transactions, after the tables were replaced by those of another time."""
    _transactions().clear()


def _rules() -> dynamodb_rules.Rules:
    return dynamodb_rules.Rules(backend("dynamodb").tables, _stored)


def _stored(table: str, key: dict[str, Any]) -> dict[str, Any] | None:
    item = backend("dynamodb").get_item(table, key)
    return item.to_json()["Attributes"] if item else None


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


@cache
def _answer_members(operation: str) -> frozenset[str]:
    """Return the names of an operation's result members. moto's results have additional members."""
    shape: Any = get_service_model("dynamodb").operation_model(operation).output_shape
    return frozenset(shape.members)


def answer(headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, Any], str | bytes]:
    """Return status, headers and body of moto's answer to a DynamoDB call.

    This skips moto's lookup of service and account and its parsing of HTTP. headers: must include Content-Type and
    X-Amz-Target.
    """
    handler: Any = Handler()
    handler.region, handler.current_account = REGION, ACCOUNT
    handler.headers, handler.querystring, handler.uri_match = headers, {}, {}
    handler.response_headers = {"date": _http_date(int(time.time()))}
    request = {"method": "POST", "content_type": headers["content-type"], "path": "/", "values": {}}
    handler.parse_parameters(SimpleNamespace(**request, headers=headers, data=body))
    status, answered, content = handler.call_action()
    return status, answered, content


_services = BotocoreStubber()
_services.enabled = True


def answer_any(
    method: str, url: str, headers: Mapping[str, str], body: bytes
) -> tuple[int, Mapping[str, Any], bytes] | None:
    """Return status, headers and body of moto's answer to a call of any AWS service; None if the service is unknown.

    It uses the hook with which moto intercepts botocore's requests.
    """
    request = AWSPreparedRequest(method, url, HTTPHeaders(), body, stream_output=False)
    for name, value in headers.items():
        request.headers[name] = value
    answered = _services("before-send", request)
    return None if answered is None else (answered.status_code, answered.headers, answered.content)


def backend(service: str) -> Any:
    """Return moto's backend for a service, in the only account and region."""
    return _backends(service)[ACCOUNT][REGION]


_backends: Any = cache(get_backend)
_http_date = lru_cache(maxsize=1)(partial(formatdate, usegmt=True))
_as_json = json.JSONEncoder(default=_base64).encode


def _update_item(backend: DynamoDBBackend, table_name: str, key: dict[str, Any], *how: Any, **more: Any) -> Item:
    """Update a copy of an item, and replace the item with it."""
    table: Any = backend.get_table(table_name)
    table.put_copy(*backend.get_keys_value(table, key))
    item = _update_in_place(backend, table_name, key, *how, **more)
    item.__dict__.pop("bytes", None)
    return item


def _transact_write_items(backend: DynamoDBBackend, actions: list[dict[str, Any]]) -> None:
    """Run a transaction. If it is cancelled, restore the changed items. moto would copy whole tables instead."""
    found = [each for action in actions for each in _found(backend, action)]
    tables = {table.name: table for table, *_ in found}
    shards = {name: copy(table.stream_shard) for name, table in tables.items()}
    for table in tables.values():
        table.is_in_transaction = True
    try:
        _transact(backend, actions)
    except Exception:
        for table, hash_key, range_key, item in found:
            table.put_back(hash_key, range_key, item)
        for name, table in tables.items():
            table.stream_shard = shards[name]
        raise
    finally:
        for table in tables.values():
            table.is_in_transaction = False


type _Found = tuple[Any, DynamoType, DynamoType | None, Item | None]
"""A table, a key, and the item before the transaction."""


def _found(backend: DynamoDBBackend, action: dict[str, Any]) -> Iterator[_Found]:
    for operation in action.values():
        table: Any = backend.tables.get(operation.get("TableName"))
        # moto itself rejects an invalid key, before it writes anything.
        with suppress(AttributeError, DynamodbException, TypeError, ValueError):
            key = backend.get_keys_value(table, operation.get("Item") or operation.get("Key"))
            yield table, *key, table.get_item(*key)


def _init_item(item: Item, hash_key: DynamoType, range_key: DynamoType | None, attrs: dict[str, Any]) -> None:
    """Initialize an item, and check its size once. moto would add up all attributes again for each."""
    item.hash_key, item.range_key, item.attrs = hash_key, range_key, LimitedSizeDict()
    dict.update(item.attrs, {name: DynamoType(value) for name, value in attrs.items()})
    if _size(item) > MAX_ITEM_BYTES:
        raise ItemSizeTooLarge


def _parse(parser: ConditionExpressionParser) -> Any:
    """Parse a condition once, with the names and values in it. moto would parse it several times for a request."""
    key = parser.condition_expression, repr(parser.expression_attribute_names), repr(parser.expression_attribute_values)
    if key not in _parsed:
        if len(_parsed) == PARSED:
            _parsed.clear()
        _parsed[key] = _parse_anew(parser), parser.expr_attr_names_found, parser.expr_attr_values_found
    condition, parser.expr_attr_names_found, parser.expr_attr_values_found = _parsed[key]
    return condition


def _traverse(traverser: Any, node: Any, place: int = -1) -> Any:
    """Visit a node of an update's syntax tree, its children first. moto would ask abstract classes twice about each."""
    if not _is_node(type(node)):
        return node
    parent = node.parent
    looks_ahead, processes = _known.get(type(traverser)) or _interests(traverser)
    for index, child in enumerate(node.children or ()):
        if looks_ahead:
            traverser.pre_processing_of_child(node, index)
        _traverse(traverser, child, index)
    if processes(type(node)):
        node = traverser.process(node)
        node.parent = parent
        if parent:
            parent.children[place] = node
    return node


def _interests(traverser: Any) -> tuple[bool, Callable[[type], bool]]:
    """Return whether a traverser looks at children beforehand, and which classes of nodes it processes."""
    first, kinds = _nodes.DepthFirstTraverser.pre_processing_of_child, traverser.nodes_to_be_processed()
    looks_ahead = type(traverser).pre_processing_of_child is not first
    _known[type(traverser)] = looks_ahead, cache(lambda kind: issubclass(kind, kinds))
    return _known[type(traverser)]


def _copied_value(value: DynamoType, memo: dict[int, Any]) -> DynamoType:
    """Copy a list, a map or a set. Share all other values: nothing changes them in place."""
    return value if value.type in _SCALARS else _copy_value(value, memo)


def _copied_item(item: Item, memo: dict[int, Any]) -> Item:
    twin = object.__new__(Item)
    twin.hash_key, twin.range_key, twin.attrs = item.hash_key, item.range_key, LimitedSizeDict()
    dict.update(twin.attrs, {name: _copied_value(value, memo) for name, value in item.attrs.items()})
    return twin


def _cast_value(value: DynamoType) -> Any:
    """Return a value as Python has it. moto would first ask whether a text has any other type."""
    return value.value if value.type == "S" else _cast(value)


def _value_size(value: DynamoType) -> int:
    return len(value.value.encode()) if value.type == "S" else _other_size(value)


def _plain(value: Any) -> Any:
    """Return a part of a result without moto's classes."""
    if type(value) is DynamoType:
        return {value.type: value.value} if value.type in _TEXTS else _to_dict(value)
    if type(value) is str:
        return value
    return {name: _plain(each) for name, each in value.items()} if isinstance(value, dict) else _to_dict(value)


def _missing(backends: BackendDict[Any], account: str) -> Any:
    backends._create_account_specific_backend(account)
    return backends[account]


def _new(model: type[BaseModel], *_: Any, **__: Any) -> BaseModel:
    """Create an instance of a model. moto would keep every instance for its dashboard, and so every item forever."""
    return object.__new__(model)


_lex = lru_cache(maxsize=4096)(partial(ConditionExpressionParser._lex_one_node, ConditionExpressionParser("", {}, {})))
_pickled = lru_cache(pickle.dumps)
_nodes: Any = moto.dynamodb.parsing.ast_nodes
_is_node: Any = cache(lambda kind: issubclass(kind, _nodes.Node))
_known: dict[type, tuple[bool, Callable[[type], bool]]] = {}
_parsed: dict[tuple[str | None, str, str], tuple[Any, list[str], list[str]]] = {}
_parse_anew = ConditionExpressionParser.parse

_SCALARS, _TEXTS = {"S", "N", "B", "BOOL", "NULL"}, {"S", "N"}
_copy_value, _other_size, _to_dict = DynamoType.__deepcopy__, DynamoType.size, dynamo_to_dict
_cast: Any = DynamoType.cast_value.fget  # type: ignore[attr-defined]

_update_in_place, _transact = DynamoDBBackend.update_item, DynamoDBBackend.transact_write_items

# With our class Table, the API's list takes about 10 ms if 10,000 outcomes are stored.
moto.dynamodb.models.Table = Table  # type: ignore[attr-defined]
# Run item operations without the service's model, with which moto would check each value of each item.
moto.dynamodb.urls.url_paths["{0}/"] = Handler.dispatch
# Without a cache, moto lists a service's methods on each call, which takes a tenth of the processor time of
# tests/sequences.
moto.core.responses.method_names_from_class = cache(method_names_from_class)  # type: ignore[attr-defined]
moto.core.responses.camelcase_to_underscores = cache(camelcase_to_underscores)  # type: ignore[attr-defined]
# moto would take a lock, and search its list of all services, each time it looks up its tables.
BackendDict.__missing__ = _missing  # type: ignore[attr-defined]
del BackendDict.__getitem__
# Without a cache, moto parses each update expression twice, which takes a tenth of the processor time of
# tests/sequences.
UpdateExpressionParser.make = lru_cache(UpdateExpressionParser.make)
# Without the following lines, an update takes 1.6 times as long. For each update, moto copies the syntax tree of the
# expression and visits all nodes ten times. For each visit, it builds the tuple of node types to process. Two of the
# ten validators only need the root. moto also tokenizes the same condition again for each call.
_nodes.Node.__deepcopy__ = lambda node, _memo: pickle.loads(_pickled(node))  # noqa: S301  # our own bytes
for _validator in ActionCountValidator, OverlappingPathsValidator:
    _validator.traverse = _nodes.DepthFirstTraverser.process
_nodes.DepthFirstTraverser.traverse_node_recursively = _traverse
ConditionExpressionParser.parse = _parse  # type: ignore[method-assign, assignment]
ConditionExpressionParser._lex_one_node = lambda _parser, expression: _lex(expression)  # type: ignore[method-assign, assignment]
Item.__init__ = _init_item  # type: ignore[method-assign, assignment]
# An import of 20,000 outcomes takes 450 MB instead of 16 GB, because no old items are kept or copied.
BaseModel.__new__ = _new  # type: ignore[method-assign, assignment]
DynamoDBBackend.update_item = _update_item  # type: ignore[method-assign, assignment]
DynamoDBBackend.transact_write_items = _transact_write_items  # type: ignore[method-assign, assignment]
# Nearly all values are texts: without these lines, writes take 1.1 times as long, and queries 1.4 times.
DynamoType.cast_value = property(_cast_value)  # type: ignore[assignment]
DynamoType.size = _value_size  # type: ignore[method-assign, assignment]
DynamoType.__deepcopy__, Item.__deepcopy__ = _copied_value, _copied_item  # type: ignore[method-assign, assignment]
for _module in moto.dynamodb.responses, moto.dynamodb.models.utilities:
    _module.dynamo_to_dict = _plain  # type: ignore[attr-defined]
