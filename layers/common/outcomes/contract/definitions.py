"""Parse definitions, by which a user says which outcomes count."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from outcomes.contract import outcome_type
from outcomes.contract.bodies import Body, ignored_fields
from outcomes.contract.rules import calendar_month, money, one_of, or_default, or_null, text_or_null, whole_number
from outcomes.contract.rules import time_zone as zone_name
from outcomes.contract.sums import ALL_TYPES
from outcomes.errors import BadRequest, Fault
from outcomes.limits import MAX_DEFINITION_TYPES, MAX_DISPUTE_DAYS, MAX_NOTE


class CountedWhen(StrEnum):
    CLAIMED = "claimed"
    UNLESS_DISPUTED = "unless_disputed"
    CONFIRMED = "confirmed"
    NEVER = "never"


class ValueBasis(StrEnum):
    STATED = "stated"
    ESTIMATED = "estimated"


class TypeRule(NamedTuple):
    """Says when outcomes of a type count, and for how much. each_usd: takes the place of each outcome's value."""

    when: Annotated[str, one_of(CountedWhen)]
    each_usd: Annotated[Decimal | None, or_null(money())] = None
    basis: Annotated[str, or_default(one_of(ValueBasis), ValueBasis.STATED)] = ValueBasis.STATED
    note: Annotated[str | None, text_or_null(MAX_NOTE)] = None


class _Month(NamedTuple):
    month: Annotated[str, calendar_month()]


class _Head(NamedTuple):
    timezone: Annotated[str, zone_name()]
    dispute_days: Annotated[int, whole_number(0, MAX_DISPUTE_DAYS)]


TYPE_RULE = Body(TypeRule)
DEFINITION_MONTH = Body(_Month)
DEFINITION = Body(_Head)
TYPES_WORDS = (
    f"must be an object with a rule for {ALL_TYPES}, which is for all other types, and rules for at most "
    f"{MAX_DEFINITION_TYPES} names of 2 to 40 lower-case letters, digits and _, beginning with a letter"
)
NEVER_WORTH = "must be null if `when` is never"
ONLY_ESTIMATED = "must be stated, unless there is an eachUsd"


class NewDefinition(NamedTuple):
    """A valid definition. types: the rules by type, sorted, with that of ALL_TYPES as the last."""

    timezone: str
    dispute_days: int
    types: Mapping[str, TypeRule]

    def public_types(self) -> list[dict[str, Any]]:
        """Return the rules as the API lists them. Numbers are `Decimal`."""
        return [{"outcome_type": name} | rule._asdict() for name, rule in self.types.items()]


class Trial(NamedTuple):
    """A valid request to try a definition for a period. since, until: as in the parameters of a summary."""

    definition: NewDefinition
    since: str | None
    until: str | None

    @staticmethod
    def parse(body: dict[str, Any]) -> "Trial":
        """Parse a body. Raises BadRequest, for the definition the same as a PUT."""
        definition = body.get("definition")
        if not isinstance(definition, dict):
            raise BadRequest("Invalid definition", [Fault(field="definition", message="must be an object")])
        for name in ("from", "to"):
            if not isinstance(body.get(name), str | None):
                raise BadRequest(f"Invalid {name}", [Fault(field=name, message="must be a string")])
        return Trial(read_definition(definition), body.get("from"), body.get("to"))


def read_month(text: str) -> str:
    """Read a month from a path. Raises BadRequest."""
    return DEFINITION_MONTH.read({"month": text}).month


def read_definition(body: dict[str, Any]) -> NewDefinition:
    """Parse a body, a JSON object whose numbers are `Decimal`. Raises BadRequest with every fault."""
    types, faults = _types(body.get("types"))
    try:
        timezone, dispute_days = DEFINITION.read(body)
    except BadRequest as refused:
        faults = [*refused.details, *faults]
    if faults:
        name = faults[0]["field"].partition(".")[0]
        raise BadRequest(f"Invalid {name}", faults, ignored_definition_fields(body))
    ordered = sorted(types.items(), key=lambda each: (each[0] == ALL_TYPES, each[0]))
    return NewDefinition(timezone, dispute_days, dict(ordered))


def ignored_definition_fields(body: dict[str, Any]) -> list[str]:
    """Return the names of a body's unknown fields, as `ignored_fields` does, such as `types.deal_closed.color`."""
    unknown = [name for name in body if name not in (*DEFINITION.rules, "types")]
    types = body.get("types")
    for name, rule in types.items() if isinstance(types, dict) else ():
        if _is_name(name) and isinstance(rule, dict):
            unknown += [f"types.{name}.{field}" for field in rule if field not in TYPE_RULE.rules]
    return ignored_fields(unknown, ())


def ignored_trial_fields(body: dict[str, Any]) -> list[str]:
    """Return the names of unknown fields of the body of a trial. Those of its definition begin with `definition.`."""
    unknown = ignored_fields(body, ("definition", "from", "to"))
    return unknown + [f"definition.{name}" for name in ignored_definition_fields(body["definition"])]


def _types(sent: object) -> tuple[dict[str, TypeRule], list[Fault]]:
    """Parse the rules. Return them by type, and the faults."""
    has_names = isinstance(sent, dict) and ALL_TYPES in sent and all(map(_is_name, sent))
    if not isinstance(sent, dict) or not has_names or len(sent) > MAX_DEFINITION_TYPES + 1:
        return {}, [Fault(field="types", message=TYPES_WORDS)]
    types: dict[str, TypeRule] = {}
    faults: list[Fault] = []
    for name, rule in sent.items():
        where = f"types.{name}"
        if not isinstance(rule, dict):
            faults.append(Fault(field=where, message="must be an object"))
            continue
        try:
            types[name] = TYPE_RULE.read(rule)
        except BadRequest as refused:
            faults += [Fault(field=f"{where}.{fault['field']}", message=fault["message"]) for fault in refused.details]
            continue
        when, each_usd, basis, _ = types[name]
        if when == CountedWhen.NEVER and each_usd is not None:
            faults.append(Fault(field=f"{where}.eachUsd", message=NEVER_WORTH))
        elif basis == ValueBasis.ESTIMATED and each_usd is None:
            faults.append(Fault(field=f"{where}.basis", message=ONLY_ESTIMATED))
    return types, faults


def _is_name(name: str) -> bool:
    return name == ALL_TYPES or outcome_type.is_name(name)
