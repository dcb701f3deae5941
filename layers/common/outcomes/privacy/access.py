"""Access to all that is held of one person, as lines of JSON: GDPR, articles 15 and 20.

Each line says what it is, as `record`:

outcome             as a list with `include=ledger` has it
correction          as `GET /api/outcomes/{id}` has it, with `outcome_id`
kept_sum            timezone, from, to, and sums of some of the outcomes above by day, type and agent; sums are null
                    where they are damaged, of a format that is read no more, or too many for a line
kept_zones          day, and the time zones in which sums began to be kept on it
agent_key           as `GET /api/keys` has it
session             whatever the platform wrote into the row
idempotency_key     outcome_id and correction_id that it stands for, forgotten_at

No line has what opens something: neither secret or digest of a key, nor that of a session's token.
"""

from binascii import a2b_base64
from decimal import Decimal
from typing import Any, NamedTuple

from outcomes.aws.services import DynamoDB, Item
from outcomes.contract import instants, json_text
from outcomes.contract.json_text import response_bytes
from outcomes.contract.limits import MAX_RESPONSE_BYTES
from outcomes.contract.sums import TALLIES, Sums
from outcomes.errors import Busy
from outcomes.keys.agent_keys import agent_key
from outcomes.ledger import ulid
from outcomes.ledger.correction_entries import entry_json
from outcomes.ledger.items import outcome_json
from outcomes.privacy.data_sources import (
    LIMITS,
    Bounds,
    OutOfTime,
    Portion,
    Tables,
    cursor_at,
    is_agent_key,
    is_correction,
    read_cursor,
    user_data_sources,
)
from outcomes.totals import codec


class Lines(NamedTuple):
    """Some lines, and with which cursor the next are asked for, None at the end. wait: seconds until then."""

    lines: list[str]
    cursor: str | None
    wait: int


class Access:
    """The tables that hold anything of a person."""

    def __init__(self, tables: Tables, bounds: Bounds) -> None:
        self.user_data_sources = list(user_data_sources(tables).values())
        self.bounds = bounds
        self.dynamodb = DynamoDB(LIMITS)

    def read(self, user_id: int, cursor: str | None) -> Lines:
        """Read as many lines as a response holds, or a portion has time for.

        Raises BadRequest for a cursor that no response gave. Whatever a call raises passes through.
        """
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
        except OutOfTime:
            pass
        except Busy:
            wait = 1
        return Lines(lines, cursor_at(place, start) if place < len(self.user_data_sources) else None, wait)


def _line(row: Item) -> str | None:
    """Write a row; None for one that only lists others. Tables are told apart by the attributes of their keys."""
    if "stretch" in row:
        return _kept(row)
    if "key_sha256" in row:
        return _idempotency_key(row)
    if "token_sha256" in row:
        attributes = {name: _value(typed) for name, typed in row.items() if name != "token_sha256"}
        return _json({"record": "session"} | attributes)
    if "id" in row:
        return _json({"record": "agent_key"} | agent_key(row).public()) if is_agent_key(row) else None
    if is_correction(row):
        id_ = row["outcome"]["S"]
        outcome = {"created_at": {"S": f"{instants.text(ulid.milliseconds(id_))}#{id_}"}}
        return f'{{"record":"correction","outcome_id":"{id_}",{entry_json(row, outcome, with_metadata=True)[1:]}'
    return f'{{"record":"outcome",{outcome_json(row, include_ledger=True)[1:]}'


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
    timezone, begin, *_ = row["stretch"]["S"].split("#")
    if "zones" in row:
        return _json({"record": "kept_zones", "day": begin, "timezones": _value(row["zones"])})
    ends = {"from": instants.text(int(begin)), "to": instants.text(int(row["end"]["N"]))}
    line = {"record": "kept_sum", "timezone": timezone} | ends
    text = _json(line | {"sums": _sums(row)})
    return text if response_bytes(text) < MAX_RESPONSE_BYTES // 2 else _json(line | {"sums": None})


def _sums(row: Item) -> list[dict[str, Any]] | None:
    read = Sums()
    if "sums" not in row or not row["rules"]["S"].startswith(f"{codec.FORMAT} "):
        return None
    try:
        codec.read(a2b_base64(row["sums"]["B"]), read)
    except codec.Damaged:
        return None
    return [
        cell._asdict()
        | {"agent_id": None if cell.agent_id is None else Decimal(cell.agent_id)}
        | {
            name: {"count": Decimal(sum_.count), "value_usd": sum_.exact}
            for name, sum_ in zip(TALLIES, tallies, strict=True)
        }
        for cell, tallies in read.sorted()
    ]


def _value(typed: dict[str, Any]) -> Any:
    """Read an attribute, whatever its type, numbers as `Decimal`; bytes are Base64."""
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
