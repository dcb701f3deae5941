"""Evaluate the policies of roles as IAM does, on the actions, resources and condition keys that a call has.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, NamedTuple

from local.environment import ACCOUNT, REGION
from local.template import Template
from ops.errors import StackError

COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": str.__eq__,
    "StringLike": fnmatchcase,
    "ArnEquals": fnmatchcase,
    "ArnLike": fnmatchcase,
}
QUANTIFIERS = {"", "ForAllValues", "ForAnyValue"}
ATTRIBUTES, LEADING_KEYS = "dynamodb:Attributes", "dynamodb:LeadingKeys"
ENCLOSING, RETURN_VALUES = "dynamodb:EnclosingOperation", "dynamodb:ReturnValues"

_STATEMENT = re.compile(r'(SELECT|INSERT|UPDATE|DELETE)\b.*?"([^"]+)"', re.DOTALL)
_ATTRIBUTE = re.compile(r"(?<![\w.:#])(#?\w+)\b(?!\s*\()")
_WORDS = {"SET", "REMOVE", "ADD", "DELETE", "AND", "OR", "NOT", "BETWEEN", "IN"}
_EQUALS = re.compile(r"(#?\w+)\s*=\s*(:\w+)")


class Asked(NamedTuple):
    """A permission that a call needs. context: the values of condition keys."""

    action: str
    resource: str
    context: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __str__(self) -> str:
        return " ".join([f"{self.action} on {self.resource}", *(f"{key}={values}" for key, values in self.context)])


class Statement(NamedTuple):
    """A statement of a policy. conditions: operator, key and values of each."""

    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, statement: Mapping[str, Any]) -> "Statement":
        """Read a statement. Raises StackError if it has elements or operators that are not evaluated here."""
        conditions = [
            (operator, key, _texts(values))
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        ]
        operators = [operator.removesuffix("IfExists").rpartition(":") for operator, *_ in conditions]
        known = all(kind in QUANTIFIERS and name in COMPARISONS for kind, _, name in operators)
        if not known or {"NotAction", "NotResource"} & statement.keys():
            raise StackError(f"the local stack cannot evaluate the policy {statement}")
        allows = statement["Effect"] == "Allow"
        return cls(allows, _texts(statement["Action"]), _texts(statement["Resource"]), tuple(conditions))

    def matches(self, asked: Asked) -> bool:
        context = dict(asked.context)
        return (
            any(fnmatchcase(asked.action.lower(), each.lower()) for each in self.actions)
            and any(fnmatchcase(asked.resource, each) for each in self.resources)
            and all(_holds(operator, context.get(key), values) for operator, key, values in self.conditions)
        )


class Role:
    """Evaluates what a role allows. hash_keys: those of tables, by name, and of indexes, by `table/index/name`."""

    def __init__(self, statements: Iterable[Mapping[str, Any]], hash_keys: Mapping[str, str]) -> None:
        self.statements = [Statement.of(each) for each in statements]
        self.allowed: set[Asked] = set()
        """Permissions that were asked for, and allowed."""
        self._keys = {key for each in self.statements for _, key, _ in each.conditions}
        self._hash_keys = hash_keys

    def refused(self, service: str, operation: str, request: Mapping[str, Any]) -> list[Asked]:
        """Return the permissions that a call needs and the role does not have. service: as in names of actions."""
        asked = self._asked(operation, request) if service == "dynamodb" else [needed(service, operation, request)]
        return [each for each in asked if each not in self.allowed and not self._allow(each)]

    def _allow(self, asked: Asked) -> bool:
        matching = [each.allows for each in self.statements if each.matches(asked)]
        allows = bool(matching) and all(matching)
        if allows:
            self.allowed.add(asked)
        return allows

    def _asked(self, operation: str, request: Mapping[str, Any]) -> Iterator[Asked]:
        for action, part in _parts(operation, request):
            table = part.get("TableName", "")
            place = f"{table}/index/{part['IndexName']}" if "IndexName" in part else table
            resource = table if table.startswith("arn:") else f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{place}"
            context = [] if not self._keys else self._context(operation, action, part, self._hash_keys.get(place, ""))
            yield Asked(f"dynamodb:{action}", resource if table else "*", tuple(context))

    def _context(
        self, operation: str, action: str, part: Mapping[str, Any], hash_key: str
    ) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield the condition keys that the role's policies use, with their values."""
        # AWS lists this key for all actions of transactions but this one.
        if ENCLOSING in self._keys and operation.startswith("Transact") and action != "ConditionCheckItem":
            yield ENCLOSING, (operation,)
        if RETURN_VALUES in self._keys and "ReturnValues" in part:
            yield RETURN_VALUES, (part["ReturnValues"],)
        if not {ATTRIBUTES, LEADING_KEYS} & self._keys:
            return
        items = [*part.get("Keys", []), *(each for name in ("Key", "Item") if (each := part.get(name)))]
        names, values = part.get("ExpressionAttributeNames", {}), part.get("ExpressionAttributeValues", {})
        if ATTRIBUTES in self._keys:
            found = {name for item in items for name in item}
            for name, text in part.items():
                if name.endswith("Expression"):
                    found |= {names.get(each, each) for each in _attributes(text)}
            yield ATTRIBUTES, tuple(sorted(found))
        if LEADING_KEYS in self._keys:
            equal = _EQUALS.findall(part.get("KeyConditionExpression", ""))
            items += [{names.get(name, name): values[value]} for name, value in equal]
            leading = {str(*item[hash_key].values()) for item in items if hash_key in item}
            if leading:
                yield LEADING_KEYS, tuple(sorted(leading))


def roles(template: Template) -> dict[str, Role]:
    """Return the roles of functions by the functions' names. Raises StackError if a policy cannot be evaluated.

    Functions have no role here if theirs is not in the template.
    """
    declared = template.resources("AWS::IAM::Role")
    found = {}
    for logical_id, properties in template.resources("AWS::Lambda::Function").items():
        match properties.get("Role"):
            case {"Fn::GetAtt": [str(role), "Arn"]} if role in declared:
                found[template.name(logical_id)] = role_of(template, role)
    return found


def role_of(template: Template, logical_id: str) -> Role:
    """Return a role with the policies that it alone has. Raises StackError if one cannot be evaluated."""
    policies = template.resolve(template.resources("AWS::IAM::Role")[logical_id].get("Policies", []))
    documents = [policy["PolicyDocument"]["Statement"] for policy in policies]
    statements = [each for part in documents for each in (part if isinstance(part, list) else [part])]
    return Role(statements, hash_keys(template))


def hash_keys(template: Template) -> dict[str, str]:
    """Return the hash keys of the template's tables and indexes, as `Role` needs them."""
    found = {}
    for logical_id, properties in template.resources("AWS::DynamoDB::Table").items():
        name, table = template.name(logical_id), template.resolve(properties)
        found[name] = table["KeySchema"][0]["AttributeName"]
        for index in table.get("GlobalSecondaryIndexes", []):
            found[f"{name}/index/{index['IndexName']}"] = index["KeySchema"][0]["AttributeName"]
    return found


def needed(service: str, operation: str, request: Mapping[str, Any]) -> Asked:
    """Return the permission that a call of another service than DynamoDB needs."""
    at = f"{REGION}:{ACCOUNT}"
    match service, request:
        case "secretsmanager", {"SecretId": str(id_)}:
            resource = id_
        case "sqs", {"QueueUrl": str(url)}:
            resource = f"arn:aws:sqs:{at}:{url.rpartition('/')[2]}"
        case "events", {"Entries": [{"EventBusName": str(name)}, *_]}:
            resource = f"arn:aws:events:{at}:event-bus/{name}"
        case "s3", {"Bucket": str(bucket), **more}:
            resource = f"arn:aws:s3:::{bucket}" + (f"/{more['Key']}" if "Key" in more else "")
        case "cloudformation", {"StackName": str(name)}:
            resource = f"arn:aws:cloudformation:{at}:stack/{name}/1"
        case "logs", {"logGroupName": str(name)}:
            resource = f"arn:aws:logs:{at}:log-group:{name}"
        case "lambda", {"FunctionName": str(name)} | {"Resource": str(name)}:
            resource = name if name.startswith("arn:") else f"arn:aws:lambda:{at}:function:{name}"
        case "sns", {"TopicArn": str(arn)}:
            resource = arn
        case _:
            resource = "*"
    return Asked(f"{service}:{operation}", resource)


def _parts(operation: str, request: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the actions of a request to DynamoDB, each with its part of the request.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
    """
    match operation:
        case "TransactWriteItems" | "TransactGetItems":
            for name, part in (each for action in request["TransactItems"] for each in action.items()):
                yield f"{name}Item", part
        case "BatchGetItem":
            for table, part in request["RequestItems"].items():
                yield operation, {"TableName": table, **part}
        case "BatchWriteItem":
            for table, writes in request["RequestItems"].items():
                items = [item for write in writes for each in write.values() for item in each.values()]
                yield operation, {"TableName": table, "Keys": items}
        case "BatchExecuteStatement":
            for verb, table in {
                found.groups() for each in request["Statements"] if (found := _read(each["Statement"]))
            }:
                yield f"PartiQL{verb.capitalize()}", {"TableName": table}
        case _:
            yield operation, request


@lru_cache
def _read(statement: str) -> re.Match[str] | None:
    return _STATEMENT.match(statement)


@lru_cache
def _attributes(expression: str) -> frozenset[str]:
    """Return the attributes at the beginning of each path in an expression, as they are written there."""
    return frozenset(each for each in _ATTRIBUTE.findall(expression) if each.upper() not in _WORDS)


def _holds(operator: str, given: tuple[str, ...] | None, wanted: tuple[str, ...]) -> bool:
    kind, _, name = operator.removesuffix("IfExists").rpartition(":")
    if given is None:
        return kind == "ForAllValues" or operator.endswith("IfExists")
    found = [any(COMPARISONS[name](value, each) for each in wanted) for value in given]
    return any(found) if kind == "ForAnyValue" else all(found)


def _texts(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
