"""Find in requests what DynamoDB refuses and moto accepts.

Each rule names DynamoDB's answer. Rules of numbers:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html#HowItWorks.DataTypes.Number
"""

import re
from collections.abc import Callable, Iterator
from decimal import Context, Decimal, DecimalException, Inexact, Overflow, Subnormal
from typing import Any

NUMBERS = Context(prec=38, Emin=-130, Emax=125, traps=[Overflow, Subnormal, Inexact])
OUT_OF_RANGE: dict[type[DecimalException], str] = {
    Overflow: "Number overflow. Attempting to store a number with magnitude larger than supported range",
    Subnormal: "Number underflow. Attempting to store a number with magnitude smaller than supported range",
    Inexact: "Attempting to store more than 38 significant digits in a Number",
}

_NUMBER = re.compile(r'"N": ?"([^"]*)"')
_PLACE = re.compile(r"[:#]\w+")
_BETWEEN = re.compile(r"\bBETWEEN\s+(:\w+)\s+AND\s+(:\w+)", re.IGNORECASE)
_EQUALS = re.compile(r"(#?\w+)\s*=\s*(:\w+)")
_NESTED = re.compile(r"(?:SET|,|ADD)\s+([#\w]+(?:\.[#\w]+)+)\s*(?:=|:)", re.IGNORECASE)


class Broken(Exception):
    """A request breaks a rule. code: the error's code in DynamoDB's answer."""

    def __init__(self, message: str, code: str = "ValidationException") -> None:
        super().__init__(message)
        self.code = code


def _check_number(text: str) -> None:
    try:
        NUMBERS.create_decimal(text)
    except tuple(OUT_OF_RANGE) as refused:
        raise Broken(OUT_OF_RANGE[type(refused)]) from None


class Rules:
    """The rules.

    tables: moto's tables by name. found: gets a table's name and a key, and returns the item in DynamoDB's JSON.
    """

    def __init__(self, tables: Any, found: Callable[[str, dict[str, Any]], dict[str, Any] | None]) -> None:
        self.tables = tables
        self.found = found

    def check(self, operation: str, request: dict[str, Any], text: str | bytes) -> None:
        """Raise Broken if DynamoDB would refuse the request. text: its JSON."""
        for number in _NUMBER.findall(text if isinstance(text, str) else text.decode()):
            _check_number(number)
        for part in _parts(operation, request):
            _check_expressions(part)
            self.check_item(part.get("TableName", ""), part.get("Item", {}) | _assigned(part, "UpdateExpression"))
            self._check_path(part)
        if "ExclusiveStartKey" in request and operation == "Query":
            self._check_start(request)
        if operation in {"BatchGetItem", "BatchWriteItem"}:
            self._check_keys_differ(request)

    def check_item(self, name: str, attributes: dict[str, Any]) -> None:
        """Check that attributes that are keys of an index have the declared type. Raises Broken."""
        if not (table := self.tables.get(name)):
            return
        types = {each["AttributeName"]: each["AttributeType"] for each in table.attr}
        for attribute, value in attributes.items():
            # moto checks the table's own keys.
            is_of_index = attribute in types and attribute not in {table.hash_key_attr, table.range_key_attr}
            if is_of_index and types[attribute] not in value:
                raise Broken(f"Type mismatch for Index Key {attribute} Expected: {types[attribute]}")

    def _check_path(self, part: dict[str, Any]) -> None:
        """Check that an update below a map has this map."""
        names = part.get("ExpressionAttributeNames", {})
        for path in _NESTED.findall(part.get("UpdateExpression", "")):
            *parents, _ = (names.get(name, name) for name in path.split("."))
            value: Any = {"M": self.found(part["TableName"], part["Key"]) or {}}
            for name in parents:
                value = value.get("M", {}).get(name, {})
            if "M" not in value:
                raise Broken("The document path provided in the update expression is invalid for update")

    def _check_start(self, request: dict[str, Any]) -> None:
        start = request["ExclusiveStartKey"]
        equal = _assigned(request, "KeyConditionExpression")
        if any(start.get(name, value) != value for name, value in equal.items()):
            raise Broken("The provided starting key is outside query boundaries based on provided conditions")

    def _check_keys_differ(self, request: dict[str, Any]) -> None:
        for name, wanted in request["RequestItems"].items():
            table = self.tables.get(name)
            attributes = [*filter(None, (table.hash_key_attr, table.range_key_attr))] if table else []
            keys = wanted["Keys"] if isinstance(wanted, dict) else [_item_of(each) for each in wanted]
            seen = [str([key.get(attribute) for attribute in attributes]) for key in keys]
            if table and len({*seen}) < len(seen):
                raise Broken("Provided list of item keys contains duplicates")


def _parts(operation: str, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each part of a request that is about one item or has expressions."""
    if operation == "BatchWriteItem":
        for name, writes in request["RequestItems"].items():
            yield from ({"TableName": name, **write.get("PutRequest", {})} for write in writes)
    elif operation == "BatchGetItem":
        yield from request["RequestItems"].values()
    elif operation in {"TransactWriteItems", "TransactGetItems"}:
        yield from (part for action in request["TransactItems"] for part in action.values())
    else:
        yield request


def _assigned(part: dict[str, Any], expression: str) -> dict[str, Any]:
    """Return the values of attributes for which an expression says `name = :value`."""
    names, values = part.get("ExpressionAttributeNames", {}), part.get("ExpressionAttributeValues", {})
    return {names.get(name, name): values[value] for name, value in _EQUALS.findall(part.get(expression, ""))}


def _check_expressions(part: dict[str, Any]) -> None:
    text = " ".join(str(value) for name, value in part.items() if name.endswith("Expression"))
    used = {*_PLACE.findall(text)}
    for member in "ExpressionAttributeValues", "ExpressionAttributeNames":
        if unused := part.get(member, {}).keys() - used:
            raise Broken(f"Value provided in {member} unused in expressions: keys: {sorted(unused)}")
    values = part.get("ExpressionAttributeValues", {})
    for low, high in _BETWEEN.findall(text):
        first, last = values[low], values[high]
        if first.keys() != last.keys() or _sortable(first) > _sortable(last):
            raise Broken("The BETWEEN operator requires upper bound to be greater than or equal to lower bound")


def _sortable(value: dict[str, Any]) -> Any:
    [(kind, operand)] = value.items()
    return Decimal(operand) if kind == "N" else operand.encode() if isinstance(operand, str) else operand


def _item_of(write: dict[str, Any]) -> dict[str, Any]:
    """Return the item or the key of a request in a batch of writes."""
    [[attributes]] = [request.values() for request in write.values()]
    item: dict[str, Any] = attributes
    return item
