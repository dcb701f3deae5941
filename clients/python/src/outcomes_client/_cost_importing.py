"""Read files of costs for import, and add up their charges by user, day, source, agent and label."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from . import _json
from ._calls import UnreadableError
from ._importing import Line, csv_rows, json_lines
from ._models import CostLine, Lines, add_line, by_agent_and_label

if TYPE_CHECKING:
    from ._client import OutcomesClient

Layout = Literal["focus", "csv", "ndjson"]

MOST_LINES = 200  # the API's maximum number of lines for a day of a source
LONGEST_LABEL, LONGEST_UNIT = 100, 40
LARGEST_ID = 2**53 - 1
OTHER = "other"
"""The label of the smallest lines of an agent, if a day has too many."""

_REMEMBERED = 10_000  # maximum number of cached dates and owners, because each line of a log can have a different date

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?", re.ASCII)
_ID = re.compile(r"0*[1-9][0-9]{0,15}(\.0*)?", re.ASCII)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")  # the API refuses texts with one of these characters
_TOML: dict[type, str] = {str: "string", int: "integer", list: "array", dict: "table"}


class Columns(NamedTuple):
    """The names of a file's columns. `source` has several names; the first one that a charge has is used."""

    date: str
    source: tuple[str, ...]
    cost: str
    quantity: str
    unit: str
    label: str
    currency: str
    agent: str = ""


_PLAIN = Columns("date", ("source",), "cost", "quantity", "unit", "label", "currency", "agent")
# https://focus.finops.org/focus-columns/; FOCUS 1.3 replaces ProviderName by ServiceProviderName.
_FOCUS = Columns(
    date="ChargePeriodStart",
    source=("ProviderName", "ServiceProviderName"),
    cost="BilledCost",
    quantity="ConsumedQuantity",
    unit="ConsumedUnit",
    label="ServiceName",
    currency="BillingCurrency",
)


class Key(NamedTuple):
    """Identifies a user's costs of a day from a source. `user_id` is None for the caller's own user."""

    date: date
    source: str
    user_id: int | None

    def __str__(self) -> str:
        return f"{self.date} {self.source}{'' if self.user_id is None else f' of user {self.user_id}'}"


@dataclass
class Day:
    """The costs of a day by agent and label. `lacks` describes the charges that were refused, `refused` has labels."""

    lines: Lines = field(default_factory=dict)
    lacks: list[str] = field(default_factory=list)
    refused: set[str | None] = field(default_factory=set)


class MapError(Exception):
    """The mapping file is not valid."""


class Map:
    """The rules of a mapping file, which say to whom a charge belongs. The first matching rule is used.

    label: the column that contains the labels of the charges.
    """

    def __init__(self, text: bytes = b"") -> None:
        """Parse TOML. Raises MapError."""
        try:
            said = tomllib.loads(text.decode())
        except ValueError as exc:
            raise MapError(f"not TOML: {exc}") from exc
        _only(said, {"label": str, "rule": list}, "the file")
        self.label: str | None = said.get("label")
        self._rules: list[dict[str, Any]] = said.get("rule", [])
        for number, rule in enumerate(self._rules, start=1):
            _only(rule, {"when": dict, "user": int, "agent": int}, f"rule {number}")
            if not rule.get("when") or rule.keys() == {"when"}:
                raise MapError(f"rule {number} must have when, and user or agent")
            if not all(1 <= rule.get(name, 1) <= LARGEST_ID for name in ("user", "agent")):
                raise MapError(f"rule {number} must have ids from 1 to {LARGEST_ID}")
            try:
                _json.encode(rule["when"])
            except (TypeError, ValueError) as exc:  # JSON cannot represent a date, NaN or infinity
                raise MapError(f"rule {number} must compare with text, such as '2026-11-01', or with numbers") from exc
        self._columns = sorted({name for rule in self._rules for name in rule["when"]})
        self._owner = lru_cache(_REMEMBERED)(self._find_owner)
        self._used: set[int] = set()

    @property
    def names_users(self) -> bool:
        return any("user" in rule for rule in self._rules)

    @property
    def unused(self) -> list[int]:
        """Return the numbers of the rules that have assigned no charge so far."""
        return [number for number in range(1, len(self._rules) + 1) if number not in self._used]

    def owner(self, charge: Mapping[str, Any]) -> tuple[int | None, int | None]:
        """Return the user and the agent of a charge. Each is None if no rule determines it."""
        cells = (charge.get(name) for name in self._columns)
        return self._owner(*(None if cell is None else _text(cell) for cell in cells))

    def _find_owner(self, *cells: str | None) -> tuple[int | None, int | None]:
        charge = dict(zip(self._columns, cells, strict=True))
        for number, rule in enumerate(self._rules, start=1):
            if _matches(rule["when"], charge):
                self._used.add(number)
                return rule.get("user"), rule.get("agent")
        return None, None


def _only(said: object, kinds: Mapping[str, type], where: str) -> None:
    """Raise MapError unless `said` is a table whose members all have these names and types."""
    for name, value in (said if isinstance(said, dict) else {"a value": None}).items():
        if type(value) is not kinds.get(name):
            known = ", ".join(f"{each} ({_TOML[kind]})" for each, kind in kinds.items())
            raise MapError(f"{where} has {name}, and may have {known}")


def _matches(wanted: Any, cell: Any) -> bool:
    if isinstance(wanted, dict):
        there = _members(cell) if isinstance(cell, str) else cell
        return isinstance(there, Mapping) and all(_matches(each, there.get(name)) for name, each in wanted.items())
    if isinstance(wanted, list):
        return any(_matches(each, cell) for each in wanted)
    return cell is not None and _text(cell) == _text(wanted)


def _members(text: str) -> Any:
    """Parse a cell with a JSON object, such as `Tags` in FOCUS. Return None if the cell is not valid JSON."""
    try:
        return _json.decode(text.encode())
    except ValueError:
        return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else _json.encode(value).decode()


class Charges:
    """The charges of a file, added up: `days` has the costs of each day of each source and user."""

    def __init__(self, layout: Layout, rules: Map, user_id: int | None) -> None:
        self.days: dict[Key, Day] = {}
        self._layout, self._map, self._user_id = layout, rules, user_id
        columns = _FOCUS if layout == "focus" else _PLAIN
        self._columns = columns if rules.label is None else columns._replace(label=rules.label)

    def sorted_days(self) -> list[tuple[Key, Day]]:
        return sorted(self.days.items(), key=lambda item: (*item[0][:2], item[0].user_id or 0))

    def read(self, file: Iterable[bytes]) -> Iterator[Line]:
        """Add each line of the file to its day. Yield the lines; a refused line has the reason.

        Raises:
            HeadingError: the first line of a CSV file does not name the columns that a charge needs.
        """
        needed = self._columns
        lines = (
            json_lines(file)
            if self._layout == "ndjson"
            else csv_rows(
                file,
                (needed.date, needed.cost, *([needed.currency] if self._layout == "focus" else needed.source)),
                lambda _, cell: cell or None,
            )
        )
        for line in lines:
            yield line if line.body is None else Line(line.number, line.size, line.body, self._add(line))

    def _add(self, line: Line) -> str:
        """Add a line to its day. Return the reason if it is refused."""
        said, columns = line.body or {}, self._columns
        day, label = None, None
        try:
            source = slug(next((text for name in columns.source if (text := _cell(said, name))), ""))
            date_ = _date(_cell(said, columns.date) or "")
            user_id, agent_id = self._map.owner(said)
            day = self.days.setdefault(Key(date_, source, self._user_id if user_id is None else user_id), Day())
            label = _cell(said, columns.label)
            add_line(day.lines, self._charge(said, agent_id, label))
        except ValueError as exc:
            fault = "not UTF-8" if isinstance(exc, UnicodeError) else str(exc)
            if day is not None:
                day.lacks.append(f"line {line.number}{f' ({label})' if label else ''}: {fault}")
                day.refused |= {label and label[:LONGEST_LABEL].strip(), OTHER}
            return f"{label}: {fault}" if label else fault
        return ""

    def _charge(self, said: Mapping[str, Any], agent_id: int | None, label: str | None) -> CostLine:
        """Read a charge. An agent that the charge names takes precedence over `agent_id`. Raises ValueError."""
        columns = self._columns
        currency = _cell(said, columns.currency) or ("" if self._layout == "focus" else "USD")
        if currency.upper() != "USD":
            raise ValueError(f"{columns.currency} is {currency or 'missing'}, not USD")
        cost = _number(said.get(columns.cost), columns.cost)
        if cost is None:
            raise ValueError(f"{columns.cost} is missing")
        # FOCUS has no column of agents, and a column with an empty name is not one
        own_agent = (columns.agent and _cell(said, columns.agent)) or ""
        own_id = int(Decimal(own_agent)) if _ID.fullmatch(own_agent) else 0
        return CostLine(
            cost_usd=cost,
            agent_id=own_id if 1 <= own_id <= LARGEST_ID else agent_id,
            quantity=_number(said.get(columns.quantity), columns.quantity),
            unit=_short(_cell(said, columns.unit), LONGEST_UNIT, columns.unit),
            label=_short(label, LONGEST_LABEL, columns.label),
        )


def _cell(said: Mapping[str, Any], name: str) -> str | None:
    """Return a cell as text without spaces around it. Return None if it is empty.

    Raises UnicodeEncodeError if the file is not UTF-8.
    """
    value = said.get(name)
    text = None if value is None else _text(value).strip()
    if text:
        text.encode()
    return text or None


def _short(text: str | None, longest: int, name: str) -> str | None:
    """Return the beginning of a text. Raises ValueError if it has a control character."""
    short = text and text[:longest].strip()
    if short and _CONTROL.search(short):
        raise ValueError(f"{name} has a control character")
    return short


def slug(name: str) -> str:
    """Return the source of a provider: `OpenAI` is `openai`, `Solora AI` is `solora-ai`. Raises ValueError."""
    source = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:40].strip("-_")
    if not source:
        raise ValueError(f"{name!r} is no source: it has no letter from a to z and no digit")
    return source


@lru_cache(_REMEMBERED)
def _date(text: str) -> date:
    """Return the UTC day of an instant or date. A time without an offset, or with BigQuery's ` UTC`, is in UTC."""
    try:
        moment = datetime.fromisoformat(text.removesuffix(" UTC"))
        return (moment if moment.tzinfo is None else moment.astimezone(UTC)).date()
    except (ValueError, OverflowError) as exc:  # converted to UTC, the instant may be after the year 9999
        raise ValueError(f"{text!r} is no date") from exc


def _number(value: object, name: str) -> Decimal | None:
    """Parse an amount or a quantity, from JSON or from text. None and empty text are None. Raises ValueError."""
    if value is None or value == "":
        return None
    text = "" if isinstance(value, bool) else str(value).strip()
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{name} is no number: {value}")
    number = Decimal(text)
    if number and not -130 <= number.adjusted() < 15:  # within these limits, the API adds up amounts exactly
        raise ValueError(f"{name} is out of range: {value}")
    # The API refuses them, with all of the day. A short text has no more, and most are short.
    if len(text) > 38 and len("".join(map(str, number.as_tuple().digits)).strip("0")) > 38:
        raise ValueError(f"{name} has more than 38 significant digits: {value}")
    return number or Decimal(0)


def fitting(day: Day) -> list[CostLine]:
    """Return the lines of a day. If there are too many, add up the smallest in the line OTHER of their agent.

    Raises DayError if even one line for each agent is too many.
    """
    ranked = sorted(day.lines, key=lambda key: (-abs(day.lines[key].cost_usd), key[0] or 0, key[1] or ""))
    for count in range(MOST_LINES, -1, -1):
        if len({*ranked[:count], *((agent_id, OTHER) for agent_id, _ in ranked[count:])}) <= MOST_LINES:
            break
    else:
        raise DayError(f"it has costs of more than {MOST_LINES} agents")
    kept = {key: day.lines[key] for key in ranked[:count]}
    for key in ranked[count:]:
        add_line(kept, replace(day.lines[key], label=OTHER))
    return list(kept.values())


class DayError(Exception):
    """The costs of a day cannot be put. The text says why."""


def store(client: OutcomesClient, key: Key, day: Day, *, replace_lost: bool) -> bool:
    """Put the lines of a day, as they fit, unless they are already stored. Return whether they were put.

    Raises:
        DayError: `replace_lost` is false, and the file lacks stored lines of agents or labels, or a charge of a line
            whose sum is another than the stored one was refused.
        OutcomesError: the API refused the lines, or did not answer.
    """
    lines = fitting(day)
    new, is_put = by_agent_and_label(lines), False

    def changed(stored: list[CostLine] | None) -> list[CostLine] | None:
        nonlocal is_put
        before = by_agent_and_label(stored or ())
        if stored is not None and before == new:
            return None
        gone = before.keys() - new.keys() - day.lines.keys()
        differ = {key for key in before.keys() & new.keys() if before[key].cost_usd != new[key].cost_usd}
        for lost, why in (
            (gone, "it would lose lines that are stored"),
            ({key for key in differ if key[1] in day.refused}, "it lacks refused charges of lines that are stored"),
        ):
            if lost and not replace_lost:
                named = [
                    " ".join(["unallocated" if agent is None else f"agent {agent}", label or ""])
                    for agent, label in sorted(lost, key=lambda each: (each[0] or 0, each[1] or ""))
                ]
                raise DayError(f"{why} ({', '.join(map(str.strip, named))}); --replace replaces it")
        # If the answer to the PUT is lost, the next read finds these lines stored, and `is_put` must stay true.
        is_put = True
        return lines

    try:
        client._run(client._calls.change_costs(key.date, key.source, key.user_id, changed, repeatable=True))
    except UnreadableError as exc:
        if not replace_lost:
            raise DayError(f"{exc}; --replace replaces them") from None
        client.put_costs(key.date, key.source, lines, user_id=key.user_id)
    return is_put
