"""Read the entries of a user's ledger as they were recorded, even if the outcomes were corrected later.

An outcome's item has its current values. After an amend, the recorded values of fields that sums depend on are in
`as_recorded`. The recorded value of any other field is in the entry of the first amend that changed it.

A correction's entry contains its effects on sums. The counted fields of the outcome before and after the correction are
computed from these effects. An amend of other fields has no effects; then the preceding corrections are read.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from outcomes.aws.backoff import KEYS_PER_CALL
from outcomes.aws.paced_reads import PacedReads
from outcomes.aws.services import Answer, Item
from outcomes.contract.status import CONFIRMED, DISPUTED, RECORDED, TALLIES_BY_STATUS, VOID, CountedFields
from outcomes.errors import NotFound
from outcomes.ledger import ulid
from outcomes.ledger.correction_entries import corrections_of, id_of, version_of
from outcomes.ledger.entries import in_order, instant_of, sort_key_of
from outcomes.ledger.histories import Histories
from outcomes.ledger.items import item_key, sort_key
from outcomes.statements.format import RecordedCorrection, RecordedOutcome, correction_text, outcome_text

_UNCOUNTED = ("title", "description", "metadata")
_COUNTED = ("outcome_type", "agent_id", "value_usd", "occurred_at")

type Entry = RecordedOutcome | RecordedCorrection


class RecordedEntries:
    """The entries of one user as they were recorded."""

    def __init__(self, reads: PacedReads, table: str, user_id: int) -> None:
        self.histories = Histories(reads, table, str(user_id))
        self.reader = self.histories.reader
        self.user_id = user_id
        self._counted: dict[str, tuple[int, CountedFields]] = {}
        """The last version of each outcome that was yielded, with its fields."""

    def recorded(self, begin: str, end: str, after: str | None = None) -> Iterator[Entry]:
        """Yield the entries recorded in [begin, end), sorted by time and id.

        The interval must be settled, so that no entry is added to it later.
        after: an entry's id; only later entries are yielded. Raises NotFound if the user is being erased.
        """
        begin = max(begin, following(after)) if after else begin
        while begin < end:
            window, begin = self.window(begin, end)
            yield from window

    def window(self, begin: str, end: str, limit: int | None = None) -> tuple[Iterator[Entry], str]:
        """Read a page of the outcomes recorded in [begin, end), and on demand the corrections recorded meanwhile.

        So nobody reads corrections of months to use those of an hour. limit: maximum outcomes of the page.
        Return the entries, sorted, and the end of the page, from which the next window begins.
        """
        page = next(self.reader.outcomes(begin, end, limit))
        if "LastEvaluatedKey" in page:
            end = following(page["LastEvaluatedKey"]["created_at"]["S"].partition("#")[2])
        return self._window(page, begin, end), end

    def _window(self, page: Answer, begin: str, end: str) -> Iterator[Entry]:
        outcomes: Iterator[tuple[str, RecordedOutcome | Item]] = self._outcomes(page)
        for _, entry in in_order(outcomes, self._corrections(begin, end)):
            if isinstance(entry, dict):
                yield self._correction(entry)
            else:
                self._counted[entry.id] = 0, counted(entry)
                yield entry

    def of_outcome(self, id_: str) -> list[str]:
        """Return the ids of all entries of an outcome, oldest first. Raises NotFound."""
        return [id_, *map(id_of, self._history(self._item(id_)))]

    def _outcomes(self, page: Answer) -> Iterator[tuple[str, RecordedOutcome]]:
        for group in _groups(page["Items"]):
            histories = self.histories.of([item for item in group if "as_recorded" in item])
            for item in group:
                yield sort_key_of(item), _outcome(item, histories.get(id_of(item), []))

    def _corrections(self, begin: str, end: str) -> Iterator[tuple[str, Item]]:
        for page in self.reader.corrections(begin, end):
            for item in page["Items"]:
                yield sort_key_of(item), item

    def _correction(self, entry: Item) -> RecordedCorrection:
        id_, version = entry["outcome"]["S"], version_of(entry)
        recorded_at = sort_key(id_).partition("#")[0]
        changes = {
            name: (_value(name, change["M"]["before"]), _value(name, change["M"]["after"]))
            for name, change in entry.get("changes", {"M": {}})["M"].items()
        }
        if "occurred_at" in changes:
            was, now = changes["occurred_at"]
            changes["occurred_at"] = was or recorded_at, now or recorded_at
        effects = [effect["M"] for effect in entry["effects"]["L"]]
        gone = [effect for effect in effects if effect["sign"]["N"] == "-1"]
        come = [effect for effect in effects if effect["sign"]["N"] == "1"]
        before = _fields_of((gone or come)[0], gone) if effects else self._before(id_, version)
        status = _status(come) if effects else before.status
        counted = {name: after for name, (_, after) in changes.items() if name in CountedFields._fields}
        after = before._replace(status=status, **counted)
        self._counted[id_] = version, after
        reason = entry["reason"]["S"] if "reason" in entry else None
        by = entry["recorded_by"]["S"]
        type_ = entry["type"]["S"]
        at = instant_of(entry)
        return RecordedCorrection(id_of(entry), id_, type_, reason, by, at, changes or None, before, after)

    def _before(self, id_: str, version: int) -> CountedFields:
        """Return the counted fields of an outcome just before its correction with this version."""
        if self._counted.get(id_, (None,))[0] != version - 1:
            item = self._item(id_)
            history = self._history(item)
            self._counted[id_] = 0, counted(_outcome(item, history))
            for entry in history:
                if version_of(entry) < version:
                    self._correction(entry)
        return self._counted[id_][1]

    def _item(self, id_: str) -> Item:
        """Read an outcome. Raises NotFound."""
        found = self.histories.items([item_key(self.user_id, id_)]) if ulid.is_valid(id_) else []
        if not found:
            raise NotFound
        return found[0]

    def _history(self, outcome: Item) -> list[Item]:
        return self.histories.of([outcome])[id_of(outcome)]


def following(id_: str) -> str:
    """Return the first sort key after that of an entry."""
    return f"{sort_key(id_)}!"


def entry_text(entry: Entry) -> str:
    """Return the canonical text of an entry."""
    return outcome_text(entry) if isinstance(entry, RecordedOutcome) else correction_text(entry)


def _groups(page: list[Item]) -> Iterator[list[Item]]:
    """Divide outcomes into groups, so that one call can read the corrections of a group.

    An outcome that needs more than one call is a group of its own. Groups are small, so that a request that runs out of
    time has finished some of them.
    """
    group: list[Item] = []
    keys = 0
    for item in page:
        more = len(corrections_of(item)) if "as_recorded" in item else 0
        if group and keys + more > KEYS_PER_CALL:
            yield group
            group, keys = [], 0
        group.append(item)
        keys += more
    yield group


def _outcome(item: Item, history: list[Item]) -> RecordedOutcome:
    """Return an outcome as it was recorded. history: its corrections, oldest first, if it was amended."""
    recorded = {name: item[name] for name in _UNCOUNTED if name in item}
    for entry in reversed(history):
        for name, change in entry.get("changes", {"M": {}})["M"].items():
            recorded[name] = change["M"]["before"]
    recorded |= dict.fromkeys(_COUNTED) | item["as_recorded"]["M"] if "as_recorded" in item else item
    instant, _, id_ = item["created_at"]["S"].partition("#")
    return RecordedOutcome(
        id=id_,
        agent_id=_value("agent_id", recorded.get("agent_id")),
        outcome_type=recorded["outcome_type"]["S"],
        title=recorded["title"]["S"],
        description=_value("description", recorded.get("description")),
        value_usd=_value("value_usd", recorded.get("value_usd")),
        metadata=_value("metadata", recorded.get("metadata")),
        occurred_at=_value("occurred_at", recorded.get("occurred_at")) or instant,
        created_at=instant,
        recorded_by=_value("recorded_by", item.get("recorded_by")),
    )


def counted(outcome: RecordedOutcome) -> CountedFields:
    return CountedFields(outcome.occurred_at, outcome.outcome_type, outcome.agent_id, outcome.value_usd)


def _fields_of(effect: Item, gone: list[Item]) -> CountedFields:
    """Return the counted fields of an outcome before a correction.

    A correction subtracts the outcome's earlier values from tallies, and adds its new values. effect: one of these
    changes. gone: all changes that subtract.
    """
    value = _value("value_usd", effect.get("value_usd"))
    return CountedFields(
        effect["occurred_at"]["S"],
        effect["outcome_type"]["S"],
        _value("agent_id", effect.get("agent_id")),
        value.copy_negate() if value and effect in gone else value,
        _status(gone),
    )


def _status(effects: list[Item]) -> str:
    """Return the status of an outcome before or after a correction, according to the tallies that the effects change.

    effects: for the status before, the effects that subtract the outcome; for the status after, those that add it.
    """
    tallies = {effect["tally"]["S"] for effect in effects}
    return next(
        (status for status in (CONFIRMED, DISPUTED, VOID) if TALLIES_BY_STATUS[status][-1] in tallies), RECORDED
    )


def _value(name: str, attribute: dict[str, Any] | None) -> Any:
    """Return the value of an attribute. Numbers other than ids are `Decimal`."""
    if attribute is None or "NULL" in attribute:
        return None
    if "S" in attribute:
        return attribute["S"]
    return int(attribute["N"]) if name == "agent_id" else Decimal(attribute["N"])
