"""Corrections of an outcome: what may be sent, who may make which, and what each moves and changes."""

from decimal import Decimal
from enum import StrEnum
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from outcomes.contract import occurrence, rules
from outcomes.contract.bodies import Body, ignored_fields, read_or_refuse
from outcomes.contract.caller import Caller
from outcomes.contract.limits import MAX_CORRECTIONS, MAX_REASON
from outcomes.contract.models import NewOutcome, digest
from outcomes.contract.status import CONFIRMED, DISPUTED, RECORDED, TALLIES_BY_STATUS, VOID, CountedFields
from outcomes.contract.sums import Delta
from outcomes.errors import BadRequest, Fault, Forbidden, NotPossible

if TYPE_CHECKING:
    from collections.abc import Mapping


class CorrectionType(StrEnum):
    AMEND = "amend"
    VOID = "void"
    CONFIRM = "confirm"
    DISPUTE = "dispute"
    UPHOLD = "uphold"


class Transition(NamedTuple):
    """The statuses from which a correction is possible, and the one after it."""

    origins: frozenset[str]
    to: str


TRANSITIONS = {
    CorrectionType.AMEND: Transition(frozenset({RECORDED, CONFIRMED, DISPUTED}), RECORDED),
    CorrectionType.VOID: Transition(frozenset({RECORDED, CONFIRMED, DISPUTED}), VOID),
    CorrectionType.CONFIRM: Transition(frozenset({RECORDED, DISPUTED}), CONFIRMED),
    CorrectionType.DISPUTE: Transition(frozenset({RECORDED, CONFIRMED}), DISPUTED),
    CorrectionType.UPHOLD: Transition(frozenset({DISPUTED}), RECORDED),
}

_ANY = frozenset({"key", "session", None})
_AS_RECORDED = {"platform": _ANY, "agent": frozenset({"key"}), "owner": frozenset({"session"})}

CORRECTION_PERMISSIONS: dict[CorrectionType, dict[str, frozenset[str | None]]] = {
    CorrectionType.AMEND: _AS_RECORDED,
    CorrectionType.VOID: _AS_RECORDED,
    CorrectionType.CONFIRM: {"owner": frozenset({"key"})},
    CorrectionType.DISPUTE: {"owner": _ANY},
    CorrectionType.UPHOLD: {"platform": _ANY},
}
"""Callers who may: to each kind, what must have recorded the outcome: a key, a session, or None, which is not known.

Who records never confirms, and so nobody confirms what a session may have recorded.
"""


_WITHOUT_NUMBER = {
    (CorrectionType.VOID, "platform"),
    (CorrectionType.UPHOLD, "platform"),
    (CorrectionType.DISPUTE, "owner"),
}
"""Corrections that are never refused for being too many, by the kind of caller: the last word is not used up."""


class Recorded(NamedTuple):
    """The part of an outcome that decides on its corrections.

    recorded_by: as `Caller.recorded_by` says, or None where that was not kept. version: how often it was corrected.
    """

    recorded_by: str | None
    fields: CountedFields
    version: int


class _Head(NamedTuple):
    type: Annotated[CorrectionType, rules.one_of(CorrectionType)]
    reason: Annotated[str | None, rules.or_null(rules.text(MAX_REASON))] = None
    user_id: Annotated[int | None, rules.or_null(rules.whole_number())] = None


HEAD = Body(_Head)
CHANGES = Body(NewOutcome, parts=[name for name in NewOutcome._fields if name != "user_id"])
REASON = rules.text(MAX_REASON)
NO_CHANGE = "would change nothing"
SOME_CHANGE = f"must be an object with at least one of {', '.join(CHANGES.rules)}"


class Correction(NamedTuple):
    """A correction as it is sent, valid.

    user_id: whose outcome it is about; None is nobody's.
    changes: of an amend, what is to be, by the names of NewOutcome's fields.
    ignored: the fields of the body that were not read.
    refusal: why it may not be made any more, see `read_or_refuse`. If its key is remembered, it was made when it might.
    """

    type: CorrectionType
    reason: str | None
    user_id: int | None
    changes: dict[str, Any]
    ignored: list[str]
    refusal: BadRequest | None = None

    @staticmethod
    def parse(body: dict[str, Any], caller: Caller, recorded_at: int | None, key: str | None) -> "Correction":
        """Read the correction in `body`, a JSON object whose numbers are `Decimal`, that `caller` wants made.

        recorded_at: when the outcome was recorded, in milliseconds since 1970; None if there is no such outcome.
        key: its idempotency key, if it has one.

        Raises BadRequest, naming every fault.
        """
        read = partial(Correction._read, body, caller, recorded_at)
        correction, refusal = read_or_refuse(read, key)
        return correction._replace(refusal=refusal)

    @staticmethod
    def _read(
        body: dict[str, Any],
        caller: Caller,
        recorded_at: int | None,
        as_before: bool,
    ) -> "Correction":
        if caller.session_user is not None:
            body = body | {"userId": Decimal(caller.session_user)}
        elif caller.agent_key and body.get("userId") is None:
            body = body | {"userId": Decimal(caller.agent_key.user_id)}
        head, faults = _given(HEAD, body, as_before)
        type_ = body.get("type")
        if type_ in [*TRANSITIONS] and type_ != CorrectionType.CONFIRM and body.get("reason") is None:
            faults.append(Fault(field="reason", message=REASON.words))
            faults.sort(key=lambda fault: [*HEAD.rules].index(fault["field"]))
        changes: dict[str, Any] = {}
        ignored = ignored_fields(body, HEAD.rules)
        if type_ == CorrectionType.AMEND:
            changes, more = _changes(body.get("changes"), caller, recorded_at, as_before)
            faults += more
            ignored = ignored_fields(body, [*HEAD.rules, "changes"])
            if isinstance(body.get("changes"), dict):
                ignored += [f"changes.{name}" for name in ignored_fields(body["changes"], CHANGES.rules)]
        if faults:
            raise BadRequest(f"Invalid {faults[0]['field'].partition('.')[0]}", faults, ignored)
        return Correction(head["type"], head.get("reason"), head.get("user_id"), changes, ignored)

    def require_allowed(self, caller: Caller, recorded: Recorded) -> None:
        """Raise Forbidden when `caller` may not make this correction, wherever the outcome stands."""
        kind = None if recorded.recorded_by is None else recorded.recorded_by.partition(":")[0]
        if kind not in CORRECTION_PERMISSIONS[self.type].get(caller.kind, frozenset()):
            raise Forbidden
        caller.require("correct")
        if key := caller.agent_key:
            key.check({"user_id": self.user_id})
            try:
                key.check(recorded.fields._asdict())
            except Forbidden:
                if caller.may_read:
                    raise
                raise Forbidden from None  # which bound it breaks would tell of what is there
            key.check(self.changes, within="changes.")

    def next_status(self, caller: Caller, recorded: Recorded, corrected_by: "Mapping[str, int]") -> str:
        """Find the status that the correction gives an outcome.

        corrected_by: to each kind of caller, how often it has corrected it.

        Raises NotPossible when it cannot from there, or was corrected too often.
        """
        transition = TRANSITIONS[self.type]
        status = recorded.fields.status
        if status not in transition.origins:
            message = f"cannot {self.type} an outcome that is {status}"
            raise NotPossible(details=[Fault(field="type", message=message)])
        kind = caller.kind
        if corrected_by.get(kind, 0) >= MAX_CORRECTIONS[kind] and (self.type, kind) not in _WITHOUT_NUMBER:
            raise NotPossible
        # The word of its owner stands until the owner or the platform has seen what the agent made of it.
        if self.type == CorrectionType.AMEND and status == DISPUTED and caller.agent_key:
            return DISPUTED
        return transition.to

    def refuse_unchanged(self, caller: Caller) -> None:
        """Raise BadRequest for an amend that changes nothing, unless that tells an agent's key what it may not read."""
        if caller.may_read or not caller.agent_key:
            raise BadRequest("Invalid changes", [Fault(field="changes", message=NO_CHANGE)], self.ignored)

    def fingerprint(self) -> dict[str, bytes]:
        """Digest each field that is given, by its name in a request, equal for equal values."""
        fields: dict[str, Any] = {"type": self.type, "reason": self.reason}
        digests = {name: digest(name, value) for name, value in fields.items() if value is not None}
        for name, in_request in CHANGES.names.items():
            if name in self.changes:
                value = self.changes[name]
                # Cleared is something else than left alone.
                digests[f"changes.{in_request}"] = (
                    sha256().digest()[:16] if value is None else digest(in_request, value)
                )
        return digests


def deltas(before: CountedFields, after: CountedFields) -> list[Delta]:
    """List how a correction changes what counts, such that any sum is the sum of what was recorded and of effects.

    What goes and what comes are two effects, for the difference of two values may have more digits than can be kept.
    """
    gone, come = TALLIES_BY_STATUS[before.status], TALLIES_BY_STATUS[after.status]
    unchanged = set(gone) & set(come) if before[:-1] == after[:-1] else set()
    return [
        *[_delta(tally, before, -1) for tally in gone if tally not in unchanged],
        *[_delta(tally, after, 1) for tally in come if tally not in unchanged],
    ]


def _delta(tally: str, fields: CountedFields, sign: int) -> Delta:
    value = fields.value_usd.copy_negate() if fields.value_usd and sign < 0 else fields.value_usd
    return Delta(tally, fields.occurred_at, fields.outcome_type, fields.agent_id, sign, value)


def _given(
    kind: Body[Any], body: dict[str, Any], as_before: bool, within: str = ""
) -> tuple[dict[str, Any], list[Fault]]:
    """Read the fields that are given, or name the faulty ones."""
    try:
        return kind.given(body, as_before=as_before), []
    except BadRequest as refused:
        return {}, [Fault(field=within + fault["field"], message=fault["message"]) for fault in refused.details]


def _changes(
    changes: object, caller: Caller, recorded_at: int | None, as_before: bool
) -> tuple[dict[str, Any], list[Fault]]:
    if not isinstance(changes, dict) or not changes.keys() & CHANGES.rules.keys():
        return {}, [Fault(field="changes", message=SOME_CHANGE)]
    given, faults = _given(CHANGES, changes, as_before, "changes.")
    if recorded_at is not None:
        fault = occurrence.fault(given.get("occurred_at"), recorded_at, caller, "changes.occurredAt")
        faults += [fault] if fault else []
    return given, faults
