"""Export all stored data of a user as lines of JSON (GDPR, articles 15 and 20).

Each line has its kind as `record`:

outcome             as in a list with `include=ledger`; an outcome that was recorded without a user and later assigned
                    to the user has a second line: its void original
correction          as in `GET /api/outcomes/{id}`, with `outcome_id`
kept_sum            timezone, from, to, and sums of some of these outcomes by day, type and agent, or for `all` types or
                    agents; sums are null if they are damaged, in an older format, or too long for a line;
                    statuses: only in sums for a summary that filters by status: `standing` then counts the outcomes
                    with these statuses. Of sums by the month of an outcome's newest entry, instead of tallies: the
                    changes of the local month of `from`, of the month before, and of the one before that
kept_zones          day, and the time zones in which sums were first stored on that day; or without a day, the zones in
                    which there may be sums for `all` types or agents
imports             epoch: how often sums were discarded for an import of earlier outcomes; blocked_until: the times
                    until which imports that have not ended prevent storing sums
statement           id, and the statement as it is served; null if it is too long for a line or a row
agent_key           as in `GET /api/keys`, without `recorded_today`
revoked_agent_key   id, revoked_at, forget_at
limited_agent_key   id, limited_on: the day on which it last reached its daily limit, max_per_day, forget_at
definition          a version as in `GET /api/definitions`; `types` is null if it was a deletion
watch               as in `GET /api/watches`, without figures, with `made` and `first_put_at`; states: what was told of
                    its open periods
digest              likewise, of the setting of the digest
cost                date, source, and a version of that day's costs as in `GET /api/costs/{date}/{source}`
cost_source         source, put_by, put_at: to whom it belongs, and since when
session             all attributes that the platform wrote into the row
idempotency_key     outcome_id, correction_id, forgotten_at

No line contains a credential: no secret or digest of a key, and no digest of a session token.
"""

from binascii import a2b_base64
from decimal import Decimal
from typing import Any, NamedTuple

from outcomes.aws.services import DynamoDB, Item
from outcomes.calendar import instants
from outcomes.contract import json_text
from outcomes.contract.json_text import response_bytes
from outcomes.contract.sums import ALL_AGENTS, ALL_TYPES, TALLIES, Sums
from outcomes.costs.cost_rows import CostVersion, is_day
from outcomes.definitions.stored_definitions import is_version, version_json
from outcomes.errors import Busy
from outcomes.keys.agent_keys import agent_key
from outcomes.ledger import imports
from outcomes.ledger.correction_entries import entry_json
from outcomes.ledger.imports import Imports
from outcomes.ledger.items import outcome_json, sort_key
from outcomes.limits import MAX_RESPONSE_BYTES
from outcomes.privacy.data_sources import (
    LIMITS,
    Bounds,
    OutOfTime,
    Portion,
    Tables,
    cursor_at,
    is_agent_key,
    is_correction,
    is_statement,
    read_cursor,
    user_data_sources,
)
from outcomes.statements.statement_rows import text_of
from outcomes.totals import codec
from outcomes.totals.open_months import OPEN
from outcomes.watches.stored_watches import is_watch, row_json

_MONTHS = ("month", "month_before", "second_month_before")


class Lines(NamedTuple):
    """A portion of a user's lines.

    cursor: the cursor for the next call, or None at the end. wait: seconds to wait before that call.
    """

    lines: list[str]
    cursor: str | None
    wait: int


class Access:
    """Reads the tables that contain user data."""

    def __init__(self, tables: Tables, bounds: Bounds) -> None:
        self.user_data_sources = list(user_data_sources(tables).values())
        self.bounds = bounds
        self.dynamodb = DynamoDB(LIMITS)

    def read(self, user_id: int, cursor: str | None) -> Lines:
        """Read as many lines as fit into a response and into the time limit. Raises BadRequest for a bad cursor."""
        place, start = read_cursor(cursor, [source.key for source in self.user_data_sources])
        portion = Portion(self.dynamodb, self.bounds)
        lines: list[str] = []
        room, wait = MAX_RESPONSE_BYTES, 0
        try:
            while place < len(self.user_data_sources):
                source = self.user_data_sources[place]
                for rows, after in portion.pages(source, user_id, start):
                    for row in rows:
                        line = _line(row)
                        room -= 0 if line is None else response_bytes(line) + 3
                        if room < 0:
                            return Lines(lines, cursor_at(place, start), wait)
                        lines += [] if line is None else [line]
                        start = source.key_of(row)
                    start = after
                place, start = place + 1, None
        except (OutOfTime, TimeoutError):
            pass
        except Busy:
            wait = 1
        return Lines(lines, cursor_at(place, start) if place < len(self.user_data_sources) else None, wait)


def _line(row: Item) -> str | None:
    """Return the line for a row, whose key attributes identify its table. Return None if it has no line of its own."""
    if "id" in row and "S" in row.get("user_id", {}):
        if "setting" in row:
            return _watch(row)
        if is_version(row):
            return f'{{"record":"definition",{version_json(row)[1:]}'
        return _statement(row) if is_statement(row) else None
    if "day_source" in row:
        return _cost(row)
    if "stretch" in row:
        return _kept(row)
    if "key_sha256" in row:
        return _idempotency_key(row)
    if "token_sha256" in row:
        attributes = {name: _value(typed) for name, typed in row.items() if name != "token_sha256"}
        return _json({"record": "session"} | attributes)
    if "id" in row:
        return _json({"record": "agent_key"} | agent_key(row).public()) if is_agent_key(row) else _note_of_key(row)
    if is_correction(row):
        id_ = row["outcome"]["S"]
        outcome = row | {"created_at": {"S": sort_key(id_)}}
        return f'{{"record":"correction","outcome_id":"{id_}",{entry_json(row, outcome, with_metadata=True)[1:]}'
    return f'{{"record":"outcome",{outcome_json(row, include_ledger=True)[1:]}'


def _note_of_key(row: Item) -> str:
    """Return the line for a row that says that an agent key was revoked, or when it reached its daily limit."""
    kind, _, id_ = row["id"]["S"].partition("#")
    attributes = {name: _value(typed) for name, typed in row.items()}
    return _json({"record": f"{kind}_agent_key"} | attributes | {"id": id_})


def _watch(row: Item) -> str:
    states = row["states"]["S"] if "states" in row else "null"
    kind = "watch" if is_watch(row) else "digest"
    made, first_put_at = row["made"]["S"], row["first_put_at"]["S"]
    also = f'"made":"{made}","first_put_at":"{first_put_at}","states":{states}'
    return f'{{"record":"{kind}",{row_json(row)[1:-1]},{also}}}'


def _statement(row: Item) -> str:
    text = text_of(row)
    shown = text if text and response_bytes(text) < MAX_RESPONSE_BYTES // 2 else "null"
    return f'{{"record":"statement","id":"{row["id"]["S"]}","statement":{shown}}}'


def _cost(row: Item) -> str | None:
    """Return the line for a row of the table of costs: one version of a day's costs, or the owner of a source.

    Return None for the rows of months and the row of all sources, because they only add up other rows.
    """
    kind, *names = row["day_source"]["S"].split("#")
    if kind == "source":
        return _json(
            {"record": "cost_source", "source": names[0]} | {name: row[name]["S"] for name in ("put_by", "put_at")}
        )
    if "version" not in row:
        return None
    date, source = (kind, names[0]) if is_day(row) else names[:2]
    return _json({"record": "cost", "date": date, "source": source} | CostVersion.of(row).public())


def _idempotency_key(row: Item) -> str:
    return _json(
        {
            "record": "idempotency_key",
            "outcome_id": row["created_at"]["S"].partition("#")[2],
            "correction_id": row["correction"]["S"] if "correction" in row else None,
            "forgotten_at": instants.text(int(row["expires_at"]["N"]) * 1000),
        }
    )


def _kept(row: Item) -> str:
    if row["stretch"]["S"] == imports.STRETCH:
        found = Imports.of(row)
        blocked = [instants.text(until) for until in found.runs.values()]
        return _json({"record": "imports", "epoch": Decimal(found.epoch), "blocked_until": blocked})
    name, begin, *_ = row["stretch"]["S"].split("#")
    if "zones" in row:
        day = begin if name == "zones" else None
        return _json({"record": "kept_zones", "day": day, "timezones": _value(row["zones"])})
    timezone, _, kind = name.partition(" ")
    ends = {"from": instants.text(int(begin)), "to": instants.text(int(row["end"]["N"]))}
    line: dict[str, Any] = {"record": "kept_sum", "timezone": timezone} | ends
    line |= {"statuses": _value(row["statuses"])} if "statuses" in row else {}
    text = _json(line | {"sums": _sums(row, _MONTHS if kind == OPEN else TALLIES)})
    return text if response_bytes(text) < MAX_RESPONSE_BYTES // 2 else _json(line | {"sums": None})


def _sums(row: Item, names: tuple[str, ...]) -> list[dict[str, Any]] | None:
    read = Sums()
    if "sums" not in row or not row["rules"]["S"].startswith(f"{codec.FORMAT} "):
        return None
    try:
        codec.read(a2b_base64(row["sums"]["B"]), read)
    except codec.Damaged:
        return None
    return [
        {
            "date": cell.date,
            "outcome_type": "all" if cell.outcome_type == ALL_TYPES else cell.outcome_type,
            "agent_id": _agent(cell.agent_id),
        }
        | {
            name: {"count": Decimal(sum_.count), "value_usd": sum_.plain}
            for name, sum_ in zip(names, tallies[: len(names)], strict=True)
        }
        for cell, tallies in read.sorted()
    ]


def _agent(agent_id: int | None) -> Decimal | str | None:
    if agent_id == ALL_AGENTS:
        return "all"
    return None if agent_id is None else Decimal(agent_id)


def _value(typed: dict[str, Any]) -> Any:
    """Convert an attribute of any type to a Python value. Numbers become `Decimal`, bytes stay Base64."""
    [(type_, value)] = typed.items()
    match type_:
        case "N":
            return Decimal(value)
        case "NS":
            return [Decimal(each) for each in value]
        case "NULL":
            return None
        case "L":
            return [_value(each) for each in value]
        case "M":
            return {name: _value(each) for name, each in value.items()}
    return value


def _json(line: dict[str, Any]) -> str:
    return json_text.exact(line, levels=40)
