"""Say whether a single outcome counts by its user's definitions."""

from outcomes.aws.services import DynamoDB, Item
from outcomes.calendar import instants
from outcomes.calendar.local_days import LocalDays, month_of
from outcomes.calendar.period import time_zone
from outcomes.contract.json_text import compact
from outcomes.definitions import stored_definitions
from outcomes.definitions.counting import Counts, counts, usd_text
from outcomes.definitions.definition_rules import Definitions
from outcomes.ledger import ulid
from outcomes.ledger.correction_entries import newest_of
from outcomes.ledger.items import counted_fields


class OutcomeCounts:
    """Says what one user's outcomes count for now."""

    def __init__(self, definitions: Definitions | None) -> None:
        self.definitions = definitions or Definitions()
        self.days = LocalDays(time_zone(self.definitions.timezone or "UTC"))
        self.today = self._day(instants.now())

    @classmethod
    def of_user(cls, dynamodb: DynamoDB, table: str, user_id: int | None) -> "OutcomeCounts":
        """Read a user's definitions. table: the table of statements. user_id: None for outcomes without a user."""
        return cls(None if user_id is None else stored_definitions.read(dynamodb, table, user_id))

    def of(self, item: Item) -> Counts | None:
        """Return what an outcome counts for; None if it is disputed or void."""
        fields = counted_fields(item)
        month = month_of(self._day(ulid.milliseconds(newest_of(item))))
        return counts(self.definitions, fields, self.days.of(fields.occurred_at).date, month, self.today)

    def member(self, item: Item) -> str:
        """Return the JSON members to add to an outcome."""
        found, imported = self.of(item), ',"imported":true' if "imported" in item else ""
        if not found:
            return f',"counts":null{imported}'
        usd = "null" if found.usd is None else usd_text(found.usd)
        return f',"counts":{{"state":"{found.state}","on":{compact(found.on)},"usd":{usd}}}{imported}'

    def cells(self, item: Item) -> list[str]:
        """Return the cells to add to a line of CSV."""
        found = self.of(item)
        usd = "" if not found or found.usd is None else usd_text(found.usd)
        told = [found.state, found.on or "", usd] if found else ["", "", ""]
        return [*told, "true" if "imported" in item else ""]

    def _day(self, milliseconds: int) -> str:
        return self.days.of(instants.text(milliseconds)).date
