"""moto's tables and its answers about them, made to keep up with what a laptop keeps.

moto offers no hook for it: importing this module has it use these classes from then on.
"""

import base64
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from copy import copy, deepcopy
from email.utils import formatdate
from functools import cache
from itertools import dropwhile
from types import SimpleNamespace
from typing import Any, Self, override

import moto.core.responses
import moto.dynamodb.models
from moto.core.model import MapShape, StructureShape
from moto.core.serialize import SERVICE_SPECIFIC_SERIALIZERS, JSONSerializer
from moto.core.utils import method_names_from_class
from moto.dynamodb.comparisons import get_comparison_func
from moto.dynamodb.models.dynamo_type import DynamoType, Item, LimitedSizeDict
from moto.dynamodb.models.table import RESULT_SIZE_LIMIT
from moto.dynamodb.models.table import Table as MotoTable
from moto.dynamodb.responses import DynamoHandler

from local.environment import ACCOUNT, REGION

PAGE_ITEMS = 2_000
"""Items on a page of a query. moto takes longer to write 1 MB of small ones than the functions wait for an answer."""

TARGET = "DynamoDB_20120810."
"""What the header X-Amz-Target of a call begins with, before the operation's name."""

ATTRIBUTE = "AttributeValue"
"""The name that DynamoDB's model has for the value of an attribute."""

_EXPRESSIONS = {"hash_key_conditions", "range_key_conditions"}


class Table(MotoTable):
    """A table whose queries and transactions do not handle every item that it holds."""

    @override
    def query(  # type: ignore[override]  # its conditions on attributes are handed on as they come
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
        """Answer as moto does, but end a page after PAGE_ITEMS as if they were 1 MB.

        moto sorts all items of a table for each query, and copies each that it finds. Queries of an index and legacy
        conditions on attributes are left to it.
        """
        limit = min(limit or PAGE_ITEMS, PAGE_ITEMS)
        if not hash_key or not self.range_key_attr or index_name or conditions.keys() - _EXPRESSIONS:
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
        start = DynamoType(exclusive_start_key[self.range_key_attr]) if exclusive_start_key else None
        found: list[Item] = []
        size, last = 0, None
        for key in _from_first(partition, range_comparison, range_objs, start, descending=not scan_index_forward):
            item = partition[key]
            item_size = item.size()
            if len(found) == limit or size + item_size > RESULT_SIZE_LIMIT:
                last = self._get_last_evaluated_key(found[-1], None)
                break
            if range_comparison and not key.compare(range_comparison, range_objs):
                break
            found.append(item)
            size += item_size
        scanned = len(found)
        if filter_expression is not None:
            found = [item for item in found if filter_expression.expr(item)]
        if projection_expressions:
            found = [_projected(item, projection_expressions) for item in found]
        return found, scanned, last

    @override
    def get_item(
        self,
        hash_key: DynamoType,
        range_key: DynamoType | None = None,
        projection_expression: list[list[str]] | None = None,
    ) -> Item | None:
        """Put a copy in the place of an item and return it: moto's updates change what they get, a snapshot may not."""
        item = deepcopy(super().get_item(hash_key, range_key))
        if item is None:
            return None
        if range_key is None:
            self.items[hash_key] = item  # type: ignore[assignment]  # moto's own type for it has range keys only
        else:
            self.items[hash_key][range_key] = item
        return _projected(item, projection_expression) if projection_expression else item

    def __deepcopy__(self, _memo: object) -> Self:
        """Return the table as it is now, for moto to go back to when a transaction is cancelled.

        moto would copy each item, and does so for each action of a transaction: a hundred copies of everything.
        """
        twin = copy(self)
        twin.stream_shard = copy(self.stream_shard)
        twin.items = defaultdict(dict)
        for key, item in self.items.items():
            twin.items[key] = dict(item) if self.has_range_key else item
        return twin


def _projected(item: Item, expressions: list[list[str]]) -> Item:
    """Take attributes out of an item. moto makes the whole item anew for each of them."""
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
    """Put range keys in order, without those up to `start` and those before the first that fits the comparison.

    What fits a key condition is one stretch of the order.
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
    # What moto makes of a text is the text, after a look whether it is anything else.
    return key.value if key.type == "S" else key.cast_value


class Serializer(JSONSerializer):
    """A serializer that writes the attributes of items as they are, which takes half of the time of a list.

    moto looks into each for all ten types that an attribute can have, under several names each.
    """

    @override
    def _serialize_type_structure(
        self, serialized: MutableMapping[str, Any], value: Any, shape: StructureShape, key: str
    ) -> None:
        if shape.name == ATTRIBUTE:
            self._default_serialize(serialized, _in_json(value), shape, key)
        else:
            super()._serialize_type_structure(serialized, value, shape, key)

    @override
    def _serialize_type_map(self, serialized: MutableMapping[str, Any], value: Any, shape: MapShape, key: str) -> None:
        if shape.value.name == ATTRIBUTE:
            self._default_serialize(serialized, _in_json(value), shape, key)
        else:
            super()._serialize_type_map(serialized, value, shape, key)


def _in_json(value: Any) -> Any:
    """Write an attribute, or what it holds, with its bytes as Base64."""
    match value:
        case str() | bool() | None:
            return value
        case bytes():
            return base64.b64encode(value).decode()
        case dict():
            return {name: _in_json(part) for name, part in value.items()}
        case _:
            return [_in_json(part) for part in value]


def answer(headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, Any], str | bytes]:
    """Return status, headers and body of moto's answer to a call of DynamoDB.

    Without what moto does for each call to find the service and the account, and to read HTTP. headers: Content-Type
    and X-Amz-Target among them, in any case if they are looked up so.
    """
    handler: Any = DynamoHandler()
    handler.region, handler.current_account = REGION, ACCOUNT
    handler.headers, handler.querystring, handler.uri_match = headers, {}, {}
    handler.response_headers = {"date": formatdate(usegmt=True)}
    request = {"method": "POST", "content_type": headers["content-type"], "path": "/", "values": {}}
    handler.parse_parameters(SimpleNamespace(**request, headers=headers, data=body))
    status, answered, content = handler.call_action()
    return status, answered, content


# moto lists the methods of a service for each request.
moto.core.responses.method_names_from_class = cache(method_names_from_class)  # type: ignore[attr-defined]
moto.dynamodb.models.Table = Table  # type: ignore[attr-defined]
SERVICE_SPECIFIC_SERIALIZERS["dynamodb"] = {"json": Serializer}
