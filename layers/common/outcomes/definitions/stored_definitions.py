"""Read a user's definitions from their rows in the table of statements.

user_id (HASH, S)       `42`
id (RANGE, S)           the kind of the row, see below
put_at                  S, when the row was written

All definitions in force, without notes, `definitions`. It stays when the last definition is deleted:

changes                 N, incremented by each PUT and DELETE, for optimistic locking
timezone                S, of all definitions
definitions             S, see `definitions_text`
first_made_at           S, see `Definitions`; absent if empty

A version of a month's definition, `definition#2026-12#000000003`. It is never changed, so these rows are the history:

timezone                S
dispute_days, types     N and S, the definition with notes; absent if this version is a DELETE. `types` is JSON as in
                        answers of the API
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from outcomes.aws.services import DynamoDB, Item
from outcomes.contract import json_text
from outcomes.definitions.definition_rules import Definition, Definitions, Rule

HEAD = "definitions"
VERSION = "definition#"


def read(dynamodb: DynamoDB, table: str, user_id: int) -> Definitions | None:
    """Return a user's definitions, or None if there are none. table: the name of the table of statements."""
    definitions = definitions_of(dynamodb.call("GetItem", head_request(table, user_id)).get("Item", {}))
    return definitions if definitions.all else None


def head_request(table: str, user_id: int) -> dict[str, Any]:
    """Return the request of the GetItem that reads the row for `definitions_of`."""
    return {"TableName": table, "Key": row_key(user_id, HEAD), "ConsistentRead": True}


def definitions_of(row: Item) -> Definitions:
    """Read the row of all definitions, which is empty if it does not exist."""
    if not row:
        return Definitions()
    every = tuple(map(_definition, json_text.read(row["definitions"]["S"])))
    first_made_at = row["first_made_at"]["S"] if "first_made_at" in row else ""
    return Definitions(row["timezone"]["S"], every, int(row["changes"]["N"]), row["put_at"]["S"], first_made_at)


def unchanged(definitions: Definitions) -> dict[str, Any]:
    """Return the condition that the row of all definitions is as it was read, or still absent.

    After an erasure, `changes` begins at 1 again. So the condition also compares `put_at`.
    """
    if not definitions.changes:
        return {"ConditionExpression": "attribute_not_exists(changes)"}
    values = {":changes": {"N": str(definitions.changes)}, ":put_at": {"S": definitions.put_at}}
    return {
        "ConditionExpression": "changes = :changes AND put_at = :put_at",
        "ExpressionAttributeValues": values,
    }


def check_unchanged(table: str, user_id: int, definitions: Definitions) -> dict[str, Any]:
    """Return the action that checks that the row of all definitions is as it was read."""
    return {"ConditionCheck": {"TableName": table, "Key": row_key(user_id, HEAD), **unchanged(definitions)}}


def definitions_text(every: Iterable[Definition]) -> str:
    """Return the JSON of definitions, as lists, without notes."""
    return json_text.exact([_written(each) for each in every], levels=4)


def row_key(user_id: int, id_: str) -> Item:
    return {"user_id": {"S": str(user_id)}, "id": {"S": id_}}


def version_key(user_id: int, month: str, version: int) -> Item:
    return row_key(user_id, f"{VERSION}{month}#{version:09d}")


def types_of(version: Item) -> list[dict[str, Any]]:
    """Return the rules of a version's row, as the API lists them. Numbers are `Decimal`."""
    types: list[dict[str, Any]] = json_text.read(version["types"]["S"])
    return types


def is_version(row: Item) -> bool:
    """Check whether a row of the table of statements, or its key, is a version of a month's definition."""
    return bool(row["id"]["S"].startswith(VERSION))


def version_json(version: Item) -> str:
    """Return the JSON of a version's row, as the API lists it. A DELETE has no days and no types, but null."""
    month, number = version["id"]["S"].removeprefix(VERSION).split("#")
    days, types = (version["dispute_days"]["N"], version["types"]["S"]) if "types" in version else ("null", "null")
    return (
        f'{{"from":"{month}","version":{int(number)},"timezone":{json_text.string(version["timezone"]["S"])}'
        f',"dispute_days":{days},"types":{types},"put_at":"{version["put_at"]["S"]}"}}'
    )


def _definition(written: list[Any]) -> Definition:
    month, version, dispute_days, rules, put_at, made_at = written
    by_type = {name: Rule(*rule) for name, rule in rules.items()}
    return Definition(month, int(version), int(dispute_days), by_type, put_at, made_at)


def _written(definition: Definition) -> list[Any]:
    month, version, dispute_days, rules, put_at, made_at = definition
    by_type = {name: list(rule) for name, rule in rules.items()}
    return [month, Decimal(version), Decimal(dispute_days), by_type, put_at, made_at]
