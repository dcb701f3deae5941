"""The models of requests and answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from decimal import Context, Decimal
from typing import Any, Literal

from . import _moments
from ._choices import OutcomeType
from ._moments import Moment

_EXACT = Context(prec=1000)


@dataclass(frozen=True, kw_only=True)
class NewOutcome:
    """An outcome to record. The API validates the fields; see its contract for their limits.

    `value_usd` is sent with all digits; use Decimal for money. `user_id` needs a key: a session records for its own
    user. `occurred_at` is when the outcome happened, default now; a date means its midnight in UTC.

    `idempotency_key` is 1 to 255 visible ASCII characters; the default is a random key. If the work has an id that
    never changes, pass this id as the key: even if several processes record the work, it then counts once.
    """

    # make contract: fields to record
    outcome_type: OutcomeType | str
    title: str
    description: str | None = None
    value_usd: Decimal | float | None = None
    agent_id: int | None = None
    user_id: int | None = None
    metadata: Mapping[str, Any] | None = None
    occurred_at: Moment | None = None
    # end of make contract
    idempotency_key: str | None = None

    def body(self) -> dict[str, Any]:
        """Return the request body, without fields that are None."""
        said = {_in_request(each.name): getattr(self, each.name) for each in fields(self)}
        return {
            name: _moments.of_body(value) if isinstance(value, date) else value
            for name, value in said.items()
            if value is not None
        }


def _in_request(name: str) -> str:
    first, *more = name.split("_")
    return first + "".join(map(str.capitalize, more))


def _sent_as(model: Any) -> dict[str, str]:
    return {each.name: _in_request(each.name) for each in fields(model) if "_" in each.name}


SENT_AS = _sent_as(NewOutcome)
"""Field names in requests: `agent_id` is `agentId`."""


@dataclass(frozen=True)
class Recorded:
    """A recorded outcome.

    `replayed`: it was already recorded with the same key. `ignored_fields`: fields that the API ignored, because they
    are misspelt or the API is older. `unassigned`: it has no user, so it is in nobody's feed.
    """

    id: str
    replayed: bool
    idempotency_key: str
    ignored_fields: tuple[str, ...] = ()
    unassigned: bool = False


@dataclass(frozen=True)
class Result:
    """The result of one item of `record_many`.

    An item that is not `ok` has one of these statuses. `invalid`: change the item. `conflict`: its key belongs to
    another outcome. `forbidden`: it exceeds the agent key's limits. `limited`: the key has recorded as much as it may
    today. `failed`: it may or may not be recorded. If the result is `retryable`, send the item again with the same
    `idempotency_key`.

    `ignored_fields` and `unassigned` are as in `Recorded`.
    """

    status: Literal["created", "replayed", "invalid", "forbidden", "conflict", "limited", "failed"]
    idempotency_key: str
    id: str | None = None
    error: str | None = None
    details: list[Mapping[str, Any]] = field(default_factory=list)
    retryable: bool = False
    ignored_fields: tuple[str, ...] = ()
    unassigned: bool = False

    @property
    def ok(self) -> bool:
        """Return whether the outcome is recorded, by this call or an earlier one."""
        return self.status in ("created", "replayed")


@dataclass(frozen=True)
class Corrected:
    """The result of a correction: its id, and the outcome's status and version after it.

    `outcome` is the corrected outcome, or None if the caller may not read it. `replayed`, `idempotency_key` and
    `ignored_fields` are as in `Recorded`.
    """

    id: str
    status: str
    version: int
    outcome: Outcome | None
    replayed: bool
    idempotency_key: str
    ignored_fields: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class NewCorrection:
    """A correction for `correct_many`. `id` is the outcome's; the other fields are the arguments of `amend`, `void`,
    `confirm`, `dispute` and `uphold`, which `type` names.

    `if_version` is the version that the outcome must have; 0 means that it was never corrected.
    """

    id: str
    type: Literal["amend", "void", "confirm", "dispute", "uphold"]
    reason: str | None = None
    changes: Mapping[str, Any] | None = None
    user_id: int | None = None
    if_version: int | None = None
    idempotency_key: str | None = None

    def body(self) -> dict[str, Any]:
        """Return the correction as in a request, without fields that are None."""
        return _said(self, (each.name for each in fields(self)))


CORRECTION_SENT_AS = _sent_as(NewCorrection)


@dataclass(frozen=True)
class CorrectionResult:
    """The result of one item of `correct_many`.

    `id` is the outcome's, and `correction` the id of the correction. An item that is not `ok` has one of these
    statuses. `invalid`: change the item. `conflict`: its key belongs to another correction. `stale`: the outcome has
    another version, which `version` says if the caller may read it. `forbidden`, `not_found`, `not_possible`: as the
    errors of single corrections. `limited`: the key may correct no more today. `failed`: it may or may not be made. If
    the result is `retryable`, send the item again with the same `idempotency_key`.
    """

    # make contract: statuses of corrections
    status: Literal[
        "corrected",
        "replayed",
        "invalid",
        "forbidden",
        "not_found",
        "not_possible",
        "stale",
        "conflict",
        "limited",
        "failed",
    ]
    # end of make contract
    id: str
    idempotency_key: str
    correction: str | None = None
    outcome_status: str | None = None
    version: int | None = None
    error: str | None = None
    details: list[Mapping[str, Any]] = field(default_factory=list)
    retryable: bool = False
    ignored_fields: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Return whether the correction is made, by this call or an earlier one."""
        return self.status in ("corrected", "replayed")


@dataclass(frozen=True)
class ExportPart:
    """A part of an export, which consists of complete lines. `next_cursor` is None in the last part."""

    text: str
    next_cursor: str | None


@dataclass(frozen=True)
class CostLine:
    """The cost of an agent on a day, for one label (such as a model). Without `agent_id`, it is unallocated.

    A negative `cost_usd` is a credit. `quantity` and `unit` say what was bought, such as 1200000 tokens.
    """

    cost_usd: Decimal
    agent_id: int | None = None
    quantity: Decimal | None = None
    unit: str | None = None
    label: str | None = None

    def body(self) -> dict[str, Any]:
        """Return the line as in a request, without fields that are None."""
        return _said(self, (each.name for each in fields(self)))

    def plus(self, more: CostLine) -> CostLine:
        """Return the exact sum with another line of the same agent. Quantities of different units have no sum."""
        quantity = None
        if self.unit == more.unit and self.quantity is not None and more.quantity is not None:
            quantity = _EXACT.add(self.quantity, more.quantity)
        unit = None if quantity is None else self.unit
        return replace(self, cost_usd=_EXACT.add(self.cost_usd, more.cost_usd), quantity=quantity, unit=unit)


type Lines = dict[tuple[int | None, str | None], CostLine]
"""The lines of a day by their agent and label, which identify a line."""


def by_agent_and_label(lines: Iterable[CostLine]) -> Lines:
    return {(line.agent_id, line.label): line for line in lines}


def add_line(lines: Lines, line: CostLine) -> None:
    """Add a line to a day's lines. If the day has a line with the same agent and label, add both up."""
    key = line.agent_id, line.label
    lines[key] = lines[key].plus(line) if key in lines else line


# make contract: models of answers
@dataclass(frozen=True)
class ListedType:
    """An outcome type that the API records, with its name for people."""

    type: str
    label: str


@dataclass(frozen=True)
class Outcome:
    """A recorded outcome. Numbers in `metadata` are int or float, or Decimal if neither reads them exactly.

    `status`, `occurred_at`, `recorded_by` and `version` are None unless requested with `ledger`. `recorded_by` is
    `key`, `key:<id>` for an agent key, `session`, or None if unknown. `version` is the number of corrections.
    """

    id: str
    user_id: int | None
    agent_id: int | None
    outcome_type: str
    title: str
    description: str | None
    value_usd: Decimal | None
    metadata: dict[str, Any] | None
    created_at: datetime
    status: str | None = None
    occurred_at: datetime | None = None
    recorded_by: str | None = None
    version: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as the API lists it; `value_usd` stays a Decimal."""
        return _listed(self, Outcome, () if self.status else ["status", "occurred_at", "recorded_by", "version"])


@dataclass(frozen=True)
class Correction:
    """A correction of an outcome. `by` has the values of `Outcome.recorded_by`.

    For an amendment, `changes` has `before` and `after` for each changed field. Amounts are Decimal, instants are text.
    If `assign` voided the outcome, `assigned_to` is the user who got it, and `assigned_id` the id of the new outcome.
    """

    id: str
    type: str
    reason: str | None
    by: str | None
    created_at: datetime
    changes: dict[str, dict[str, Any]] | None
    assigned_to: int | None = None
    assigned_id: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the correction as the API lists it; amounts stay Decimal."""
        return _listed(self, Correction, ["changes", "assigned_to", "assigned_id"])


@dataclass(frozen=True)
class History:
    """An outcome in its current state, and its corrections, oldest first."""

    outcome: Outcome
    corrections: list[Correction]


@dataclass(frozen=True)
class Page:
    """A page of outcomes, newest first. `next_cursor` is None on the last page."""

    outcomes: list[Outcome]
    next_cursor: str | None


@dataclass(frozen=True)
class ListedStatement:
    """An existing statement. `size`: the number of its entries. `root`: the root hash of their tree."""

    id: str
    period: str
    timezone: str
    cut: datetime
    size: int
    root: str


@dataclass(frozen=True)
class StatementPage:
    """A page of statements, latest `cut` (the end of the period) first. `next_cursor` is None on the last page."""

    statements: list[ListedStatement]
    next_cursor: str | None


@dataclass(frozen=True)
class Total:
    """The number and exact value of outcomes."""

    count: int
    value_usd: Decimal


@dataclass(frozen=True)
class TypeTotal(Total):
    """The total of one outcome type."""

    outcome_type: str


@dataclass(frozen=True)
class AgentTotal(Total):
    """The total of one agent, or of outcomes without an agent (None)."""

    agent_id: int | None


@dataclass(frozen=True)
class OtherAgents(Total):
    """The total of all agents that `by_agent` leaves out; `agents` is their number."""

    agents: int


@dataclass(frozen=True)
class DayTotal(Total):
    """The total of one day, week or month. `date` is its first day within the period."""

    date: date


@dataclass(frozen=True)
class PeriodTotal(Total):
    """The total of a period, from `start` (inclusive) to `end` (exclusive)."""

    start: str
    end: str


@dataclass(frozen=True)
class Summary(PeriodTotal):
    """Totals of outcomes that happened from `start` (inclusive) to `end` (exclusive), both ISO 8601.

    Days are local days in `timezone`. `confirmed` is part of the totals; `disputed` and `voided` are not. All three are
    zero if the API is too old to return them. Only one of `by_day`, `by_week` and `by_month` is filled, as requested.
    `previous` is None unless requested. `by_agent` has up to 100 entries; `other_agents` is the total of all other
    agents, if any.
    """

    timezone: str
    by_type: list[TypeTotal]
    by_agent: list[AgentTotal]
    by_day: list[DayTotal]
    confirmed: Total = Total(0, Decimal(0))
    disputed: Total = Total(0, Decimal(0))
    voided: Total = Total(0, Decimal(0))
    by_week: list[DayTotal] = field(default_factory=list)
    by_month: list[DayTotal] = field(default_factory=list)
    previous: PeriodTotal | None = None
    other_agents: OtherAgents | None = None


@dataclass(frozen=True)
class AgentKey:
    """The description of an agent key. A limit is None if it does not apply.

    `max_value_usd` is the maximum absolute value of an outcome, `last_used_at` the hour of the last use. `max_per_day`
    is how many outcomes and corrections it may record in a UTC day, and `recorded_today` about how many it has.
    `made_by` and `rotated_by` say who created it and who last rotated it: `session` or `platform`, or None if nobody
    did or if unknown. `paused_at` is since when the key is paused, or None.
    """

    id: str
    user_id: int
    name: str
    agent_id: int | None
    outcome_types: tuple[str, ...] | None
    max_value_usd: Decimal | None
    max_per_day: int | None
    recorded_today: int | None
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    made_by: str | None
    rotated_by: str | None
    rotated_at: datetime | None
    paused_at: datetime | None

    def as_dict(self) -> dict[str, Any]:
        """Return the description as the API lists it; `max_value_usd` stays a Decimal."""
        return _listed(self, AgentKey)


@dataclass(frozen=True)
class NewAgentKey(AgentKey):
    """A new or rotated key. Its secret, `key`, is returned only here, and is not part of the repr."""

    key: str = field(repr=False)


@dataclass(frozen=True)
class CostVersion:
    """An earlier version of a day's costs. `lines` is None for a deletion, and empty if nothing was spent."""

    version: int
    lines: list[CostLine] | None
    put_by: str
    put_at: datetime


@dataclass(frozen=True)
class CostDay:
    """The costs of a UTC day from a source. `put_by` has the values of `Outcome.recorded_by`.

    `versions` has earlier versions, newest first, if they were requested.
    """

    date: date
    source: str
    version: int
    lines: list[CostLine]
    put_by: str
    put_at: datetime
    versions: list[CostVersion] = field(default_factory=list)


@dataclass(frozen=True)
class TypeRule:
    """Says when outcomes of a type count. `*` is for all other types.

    `when` is `claimed`, `unless_disputed`, `confirmed` or `never`. `each_usd` takes the place of each outcome's value,
    and `basis` says whether it is `stated` or `estimated`.
    """

    outcome_type: str
    when: str
    each_usd: Decimal | None
    basis: str
    note: str | None


@dataclass(frozen=True)
class Definition:
    """A definition of which outcomes count. `start` is its first month, such as `2026-12`.

    `dispute_days` is for the rule `unless_disputed`: an outcome counts so many days after the end of the month.
    """

    start: str
    version: int
    timezone: str
    dispute_days: int
    types: list[TypeRule]
    put_at: datetime


@dataclass(frozen=True)
class WatchPeriod:
    """The week or month of a watch: its `name`, such as `2026-12`, `start` and `end`."""

    name: str
    start: str
    end: str


@dataclass(frozen=True)
class Telling:
    """The last event about a line. `already` says whether the first comparison found it crossed."""

    period: str
    percent: int
    type: str
    at: datetime
    figure: Decimal
    already: bool


@dataclass(frozen=True)
class Watch:
    """A watch, by which a user is told when a figure crosses a line.

    `at` are percents of `target`. If `figure` is None, `status` says why. `counted`, `waiting` and `estimated_usd` are
    of the measure `counted`.
    """

    id: str
    name: str
    measure: str
    outcome_type: str | None
    agent_id: int | None
    every: str | None
    timezone: str
    target: Decimal
    at: list[int] | None
    version: int
    put_by: str
    put_at: datetime
    period: WatchPeriod | None
    figure: Decimal | None
    counted: Decimal | None
    waiting: Decimal | None
    estimated_usd: Decimal | None
    status: str | None
    told: list[Telling]


@dataclass(frozen=True)
class Digest:
    """The setting of a user's weekly digest."""

    timezone: str
    day: str
    hour: int
    version: int
    put_by: str
    put_at: datetime


@dataclass(frozen=True)
class Watches:
    """A user's watches, and the setting of the digest, if there is one."""

    watches: list[Watch]
    digest: Digest | None


@dataclass(frozen=True)
class AgentCost:
    """The known cost of an agent. If `agent_id` is None: the known cost that belongs to no agent."""

    agent_id: int | None
    cost_usd: Decimal


@dataclass(frozen=True)
class OtherCosts:
    """The cost of all agents that `by_agent` leaves out; `agents` is their number."""

    agents: int
    cost_usd: Decimal


@dataclass(frozen=True)
class DayCost:
    """The cost of a UTC day, or None if no source has put it. `sources` are the sources that have put it.

    `restated_at`: the time when a source last replaced the costs after the end of the day. None if that never
    happened, or more than a day ago.
    """

    date: date
    cost_usd: Decimal | None
    sources: list[str]
    restated_at: datetime | None = None


@dataclass(frozen=True)
class SourceCost:
    """The cost from a source. `gaps`: the days without costs between its first and last day in the period."""

    source: str
    cost_usd: Decimal
    known_days: int
    gaps: list[date]


@dataclass(frozen=True)
class Costs:
    """The known costs of the UTC days that begin from `start` (inclusive) to `end` (exclusive).

    `known_days` is the number of these days that have a cost, and `of_days` the number of all.
    """

    start: str
    end: str
    days: str
    cost_usd: Decimal | None
    by_agent: list[AgentCost]
    by_day: list[DayCost]
    by_source: list[SourceCost]
    known_days: int
    of_days: int
    other_agents: OtherCosts | None = None


@dataclass(frozen=True)
class AgentValue(AgentTotal):
    """The total and the cost of one agent, or of outcomes without an agent. An unknown cost is None.

    `cost_per_outcome` is None without an agent, if the cost is not above 0, or if no outcome counts.
    """

    cost_usd: Decimal | None
    cost_per_outcome: Decimal | None


@dataclass(frozen=True)
class OtherValues(OtherAgents):
    """The total and the cost of all agents that `by_agent` leaves out."""

    cost_usd: Decimal | None


@dataclass(frozen=True)
class PartByRule(Total):
    """A part of the outcomes, for what they count. `estimated_usd` is the part of the value that is estimated."""

    estimated_usd: Decimal


@dataclass(frozen=True)
class Closing(Total):
    """Waiting outcomes that count from the local day `on`."""

    on: date


@dataclass(frozen=True)
class Waiting(PartByRule):
    """Outcomes that will count by themselves unless disputed. `closes` has the days, earliest first."""

    closes: list[Closing]


@dataclass(frozen=True)
class TypeByRule:
    """Says what counts of an outcome type, in five parts."""

    counted: PartByRule
    waiting: Waiting
    unconfirmed: PartByRule
    not_counted: Total
    before_rules: Total
    outcome_type: str


@dataclass(frozen=True)
class ByRule:
    """Says what counts by the user's definitions, in five parts that add up to all that is recorded or confirmed.

    `unconfirmed` counts only once it is confirmed. `before_rules` happened before the first definition's month.
    """

    counted: PartByRule
    waiting: Waiting
    unconfirmed: PartByRule
    not_counted: Total
    before_rules: Total
    by_type: list[TypeByRule]


@dataclass(frozen=True)
class CountedDay(DayTotal):
    """A total with the values of what counts and of what waits, which are None if `by_rule` is None."""

    counted_usd: Decimal | None = None
    waiting_usd: Decimal | None = None


@dataclass(frozen=True)
class CountedPeriod(PeriodTotal):
    """A total with the values of what counts and of what waits, which are None if `by_rule` is None."""

    counted_usd: Decimal | None = None
    waiting_usd: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class CountedSummary(Summary):
    """A summary with what counts by the user's definitions.

    `by_rule` is None without a definition, in another time zone than its, and for a period that begins or ends within a
    local day.
    """

    by_day: list[CountedDay]  # type: ignore[assignment] # a frozen list of a subclass
    by_week: list[CountedDay] = field(default_factory=list)  # type: ignore[assignment] # a frozen list of a subclass
    by_month: list[CountedDay] = field(default_factory=list)  # type: ignore[assignment] # a frozen list of a subclass
    previous: CountedPeriod | None = None
    by_rule: ByRule | None = None


@dataclass(frozen=True, kw_only=True)
class CostSummary(Summary):
    """A summary with the known costs of the UTC days that begin in the period.

    `known_days` is the number of these days that have a cost, and `of_days` the number of all. `net_usd` is the value
    less the known cost: never show it without these two numbers. `ratio` is the value divided by the cost. `by_agent`
    also has agents that only have costs. `by_rule`, `net_counted_usd` and `ratio_counted` are None unless requested
    with `counted`.
    """

    cost_usd: Decimal | None
    known_days: int | None
    of_days: int | None
    net_usd: Decimal | None
    ratio: Decimal | None
    by_agent: list[AgentValue]  # type: ignore[assignment] # a frozen list of a subclass
    by_day: list[CountedDay]  # type: ignore[assignment] # a frozen list of a subclass
    by_week: list[CountedDay] = field(default_factory=list)  # type: ignore[assignment] # a frozen list of a subclass
    by_month: list[CountedDay] = field(default_factory=list)  # type: ignore[assignment] # a frozen list of a subclass
    previous: CountedPeriod | None = None
    other_agents: OtherValues | None = None
    by_rule: ByRule | None = None
    net_counted_usd: Decimal | None = None
    ratio_counted: Decimal | None = None


@dataclass(frozen=True)
class Counts:
    """Says what an outcome counts for by its user's definition.

    `state` is `counted`, `waiting`, `unconfirmed`, `not_counted` or `no_rule`. `on` is the local day on which a waiting
    outcome counts by itself. `usd` is what it counts for, or would.
    """

    state: str
    on: date | None
    usd: Decimal | None


@dataclass(frozen=True, kw_only=True)
class CountedOutcome(Outcome):
    """An outcome with what it counts for.

    `counts` is None for a disputed or void outcome. `imported` is True if an import brought it, otherwise None.
    """

    status: str
    occurred_at: datetime
    version: int
    counts: Counts | None
    imported: bool | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as the API lists it; amounts stay Decimal."""
        return _listed(self, CountedOutcome, ["imported"])


@dataclass(frozen=True)
class CountedHistory(History):
    """An outcome with what it counts for, and its corrections, oldest first."""

    outcome: CountedOutcome


@dataclass(frozen=True)
class CountedPage(Page):
    """A page of outcomes with what they count for. `next_cursor` is None on the last page."""

    outcomes: list[CountedOutcome]  # type: ignore[assignment] # a frozen list of a subclass


# end of make contract


def definition_body(definition: Definition | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a definition as in a request. A mapping is one already."""
    if not isinstance(definition, Definition):
        return definition
    types = {rule.outcome_type: _said(rule, ("when", "each_usd", "basis", "note")) for rule in definition.types}
    return {**_said(definition, ("timezone", "dispute_days")), "types": types}


def watch_body(watch: Watch | Digest | Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a watch, or the setting of the digest, as in a request. A mapping may have its names as in answers."""
    if isinstance(watch, Watch):
        names = ("name", "measure", "outcome_type", "agent_id", "every", "timezone", "target", "at")
        return _said(watch, names)
    if isinstance(watch, Digest):
        return _said(watch, ("timezone", "day", "hour"))
    return {_in_request(name): value for name, value in watch.items()}


def _said(one: Any, names: Iterable[str]) -> dict[str, Any]:
    """Return fields with their names in requests, without those that are None."""
    said = {_in_request(name): getattr(one, name) for name in names}
    return {name: value for name, value in said.items() if value is not None}


def _listed(one: Any, model: Any, optional: Sequence[str] = ()) -> dict[str, Any]:
    """Return the fields of a model as the API lists them. `optional`: fields that are left out if they are None."""
    said = {each.name: told(getattr(one, each.name)) for each in fields(model)}
    return {name: value for name, value in said.items() if value is not None or name not in optional}


def told(value: Any) -> Any:
    """Return a model, or a part of it, with the API's names and structure; amounts stay Decimal."""
    if hasattr(value, "__dataclass_fields__"):
        names = {"start": "from", "end": "to"}
        return {names.get(each.name, each.name): told(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, list):
        return [told(each) for each in value]
    if isinstance(value, datetime):
        return _moments.text(value)
    return value.isoformat() if isinstance(value, date) else value
