"""Convert rows of another system's table to outcomes of this API. A mapping names the columns and types.

For example, a mapping:

    [columns]                   # a field of the API, and the column that contains it
    id = "uuid"
    created_at = "inserted_at"

    [types]                     # a type of the table, and one of the API
    closed_won = "deal_closed"
"""

import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from outcomes.aws.services import Item
from outcomes.calendar import instants
from outcomes.contract import json_text
from outcomes.contract.bodies import request_name
from outcomes.contract.models import NewOutcome
from outcomes.contract.occurrence import BACKFILL_FROM
from outcomes.contract.outcome_fields import LISTED
from outcomes.contract.outcome_type import Types
from outcomes.errors import BadRequest
from outcomes.ledger import ulid
from outcomes.ledger.items import item_key, outcome_item

from history.files import Cells
from ops.errors import StackError

FIELDS = ("id", "user_id", *LISTED, "created_at")
REQUIRED = ("id", "outcome_type", "title", "created_at")
_PARSED = {"user_id", "agent_id", "value_usd", "metadata"}
"""Fields whose values are numbers or JSON. In CSV, and in NDJSON of some databases, they are text."""

# psql writes instants as `2026-04-01 12:00:00.123456+00`. An offset with minutes is `+05:30`.
_PSQL_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?)([+-]\d\d)(?::?(\d\d))?", re.ASCII)


class NotImported(Exception):
    """The row is refused. The error's text contains the reason."""


class Imported(NamedTuple):
    """An outcome to import. type, value: the outcome's type and value. item: the item to write."""

    id: str
    user_id: int | None
    type: str
    value: Decimal | None
    item: Item

    @property
    def partition(self) -> str:
        """Return the partition key of the outcome's item: the user's id, or a shard of the outcomes without a user."""
        return str(self.item["user_id"]["S"])

    @property
    def created_at(self) -> str:
        return instants.text(ulid.milliseconds(self.id))

    def under(self, id_: str) -> "Imported":
        """Return a copy with another id of the same instant."""
        return self._replace(id=id_, item=self.item | item_key(self.user_id, id_))


class Mapper:
    """Converts rows to outcomes.

    types: the deployment's outcome types. now: milliseconds since 1970; rows created later are refused. finds_only:
    whether outcomes are only needed to find the stored ones. Then a row may break rules that were added since.
    """

    def __init__(self, mapping: Mapping[str, Any], types: Types, now: int, *, finds_only: bool = False) -> None:
        """Raises StackError if the mapping has unknown entries."""
        known = {"columns": FIELDS, "types": None}
        for table, names in known.items():
            entries = mapping.get(table, {})
            if not isinstance(entries, dict) or not all(isinstance(value, str) for value in entries.values()):
                raise StackError(f"[{table}] of the mapping must contain text only")
            if names and (unknown := [name for name in entries if name not in names]):
                raise StackError(f"[{table}] of the mapping names {', '.join(unknown)}; known are {', '.join(names)}")
        if unknown := [name for name in mapping if name not in known]:
            raise StackError(f"the mapping has [columns] and [types], not {', '.join(unknown)}")
        self.mapped: dict[str, str] = mapping.get("columns", {})
        self.column = {name: self.mapped.get(name, name) for name in FIELDS}
        self.type_of: dict[str, str] = {} if finds_only else mapping.get("types", {})
        self.types = types
        self.now = now
        self.finds_only = finds_only

    @property
    def required(self) -> list[str]:
        """Return the columns that a table must have: those of REQUIRED fields, and those that the mapping names."""
        return list(dict.fromkeys([*(self.column[name] for name in REQUIRED), *self.mapped.values()]))

    def outcome(self, cells: Cells) -> Imported:
        """Convert a row. Raises NotImported."""
        fields = {name: cells.get(column) for name, column in self.column.items()}
        old_id = _old_id(fields.pop("id"))
        created_at = self._created_at(fields.pop("created_at"))
        if self.finds_only:
            fields = {"user_id": fields["user_id"], "outcome_type": self.types[0], "title": "-", "metadata": None}
        for name in _PARSED & fields.keys():
            fields[name] = _parsed(fields[name])
        fields["metadata"] = _with_old_id(fields["metadata"], old_id)
        if isinstance(fields["outcome_type"], str):
            fields["outcome_type"] = self.type_of.get(fields["outcome_type"], fields["outcome_type"])
        body = {request_name(name): value for name, value in fields.items()}
        try:
            outcome = NewOutcome.parse(body, session_user=None, types=self.types)
        except BadRequest as refused:
            raise NotImported(_reason(refused, fields)) from None
        id_ = ulid_of(created_at, old_id)
        item = outcome_item(outcome, "key", id_) | {"imported": {"BOOL": True}}
        return Imported(id_, outcome.user_id, outcome.outcome_type, outcome.value_usd, item)

    def _created_at(self, value: Any) -> int:
        """Parse an instant in the format of psql or JSON, cut to milliseconds. Raises NotImported."""
        text = str(value).replace(" ", "T", 1)
        if parts := _PSQL_INSTANT.fullmatch(text):
            time, hours, minutes = parts.groups()
            text = f"{time}{hours}:{minutes or '00'}"
        try:
            created_at = instants.read(text)
        except ValueError:
            raise NotImported(f"created_at must be an instant with offset, not {value}") from None
        if not BACKFILL_FROM <= created_at <= self.now:
            raise NotImported(f"created_at must be from {instants.text(BACKFILL_FROM)} until now, not {value}")
        return created_at


def read_mapping(path: Path | None) -> dict[str, Any]:
    """Read a mapping from a file of TOML. Raises StackError."""
    try:
        return tomllib.loads(path.read_text()) if path else {}
    except (OSError, ValueError) as error:
        raise StackError(f"cannot read the mapping {path}: {error}") from error


def ulid_of(created_at: int, old_id: str) -> str:
    """Derive an outcome's id from its time and its old id, so that importing it again gives the same id."""
    digest = sha256(old_id.encode(errors="surrogatepass")).digest()
    return ulid.from_number(created_at << 80 | int.from_bytes(digest[:10]))


def next_round(id_: str) -> str:
    """Derive the id under which a row is imported after the outcome with this id was undone.

    It has the same instant. It also has the same last character, so an outcome without a user stays in its partition.
    """
    number = ulid.number(id_)
    digest = int.from_bytes(sha256(number.to_bytes(16)).digest()[:10])
    return ulid.from_number(number >> 80 << 80 | digest >> 5 << 5 | number & 31)


def size_of(item: Item) -> int:
    """Estimate an item's size in bytes. The result is too high, because DynamoDB packs digits of numbers."""
    return sum(len(name) + len(str(*value.values()).encode()) for name, value in item.items())


def _old_id(value: Any) -> str:
    if isinstance(value, str | Decimal) and str(value):
        return str(value)
    raise NotImported("id is missing" if value is None or value == "" else "id must be text or a number")


def _parsed(value: Any) -> Any:
    """Parse text that contains a number or JSON. Return other text unchanged; the field's rules then refuse it."""
    if not isinstance(value, str):
        return value
    try:
        return json_text.read(value) if value else None
    except (ValueError, RecursionError):
        return value


def _with_old_id(metadata: Any, old_id: str) -> Any:
    """Add `imported_id` to metadata. Raises NotImported if it contains another `imported_id`."""
    if metadata is not None and not isinstance(metadata, dict):
        return metadata  # the rule for metadata refuses this value later
    if (metadata or {}).get("imported_id", old_id) != old_id:
        raise NotImported("metadata contains another imported_id")
    return {**(metadata or {}), "imported_id": old_id}


def _reason(refused: BadRequest, fields: dict[str, Any]) -> str:
    if not refused.details:
        return f"{refused.error}: {fields['outcome_type']!r} is none of {', '.join(refused.types)}"
    also = {"metadata": " (imported_id included)"}
    return "; ".join(f"{each['field']} {each['message']}{also.get(each['field'], '')}" for each in refused.details)
