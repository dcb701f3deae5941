"""Parse corrections of an outcome, check whether they are allowed, and compute the new status and changes of sums."""

from decimal import Decimal
from enum import StrEnum
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from outcomes.contract import occurrence, rules
from outcomes.contract.bodies import Body, ignored_fields, read_or_refuse
from outcomes.contract.caller import Caller
from outcomes.contract.models import NewOutcome, digest
from outcomes.contract.outcome_type import Types
from outcomes.contract.status import CONFIRMED, DISPUTED, RECORDED, VOID, CountedFields
from outcomes.errors import BadRequest, Fault, Forbidden, NotPossible, Stale
from outcomes.limits import MAX_CORRECTIONS, MAX_REASON

if TYPE_CHECKING:
    from collections.abc import Mapping


class CorrectionType(StrEnum):
    AMEND = "amend"
    VOID = "void"
    CONFIRM = "confirm"
    DISPUTE = "dispute"
    UPHOLD = "uphold"


class Transition(NamedTuple):
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
ENDED_KEY = "ended key"
"""Recorded what an agent key did that its owner has paused or revoked, unless the outcome is confirmed."""

CORRECTION_PERMISSIONS: dict[CorrectionType, dict[str, frozenset[str | None]]] = {
    CorrectionType.AMEND: _AS_RECORDED,
    CorrectionType.VOID: _AS_RECORDED | {"owner": frozenset({"session", ENDED_KEY})},
    CorrectionType.CONFIRM: {"owner": _ANY},
    CorrectionType.DISPUTE: {"owner": _ANY},
    CorrectionType.UPHOLD: {"platform": _ANY},
}
"""For each correction type, the kinds of callers that are allowed to make it. For each kind, who must have recorded the
outcome: a key, a session, ENDED_KEY, or None if unknown. Only the owner confirms, because the one who pays says what
counts."""

_UNLIMITED = {(CorrectionType.VOID, "platform"), (CorrectionType.UPHOLD, "platform"), (CorrectionType.DISPUTE, "owner")}
"""Corrections and callers to which MAX_CORRECTIONS does not apply, so that nobody can exhaust them."""


class OutcomeState(NamedTuple):
    """The state that decides whether an outcome may be corrected.

    recorded_by: who recorded it, or None if unknown. version: the number of corrections.
    """

    recorded_by: str | None
    fields: CountedFields
    version: int


class _Head(NamedTuple):
    type: Annotated[CorrectionType, rules.one_of(CorrectionType)]
    reason: Annotated[str | None, rules.or_null(rules.text(MAX_REASON))] = None
    user_id: Annotated[int | None, rules.or_null(rules.whole_number())] = None
    if_version: Annotated[int | None, rules.or_null(rules.whole_number(0))] = None


class Assignment(NamedTuple):
    """The body of a request that assigns an outcome to a user. Only outcomes without a user can be assigned."""

    user_id: Annotated[int, rules.whole_number()]


ASSIGNMENT = Body(Assignment)
HEAD = Body(_Head)
FIELDS = ("type", "reason", "userId", "changes", "ifVersion")
"""The fields of a correction, in the order in which faults are reported."""
CHANGES = Body(NewOutcome, parts=[name for name in NewOutcome._fields if name != "user_id"])
REASON = rules.text(MAX_REASON)
NO_CHANGE = "would change nothing"
WANTED_VERSION = "is not the version of the outcome"
SOME_CHANGE = f"must be an object with at least one of {', '.join(CHANGES.rules)}"


class Correction(NamedTuple):
    """A valid request for a correction.

    user_id: the outcome's user, or None. changes: an amend's new values, by the names in NewOutcome.
    ignored: unknown fields of the body. if_version: the version that the outcome must have, or None for any.
    refusal: the error if only the outcome type is not valid any more (see `read_or_refuse`). It is raised unless a
    correction is stored under the idempotency key.
    """

    type: CorrectionType
    reason: str | None
    user_id: int | None
    changes: dict[str, Any]
    ignored: list[str]
    if_version: int | None = None
    refusal: BadRequest | None = None

    @staticmethod
    def parse(
        body: dict[str, Any], caller: Caller, types: Types, recorded_at: int | None, key: str | None
    ) -> "Correction":
        """Parse a body, a JSON object whose numbers are `Decimal`. Raises BadRequest with every fault.

        types: the valid outcome types. recorded_at: when the outcome was recorded, in milliseconds since 1970; None if
        its id is invalid. key: the idempotency key.
        """
        correction, refusal = read_or_refuse(partial(Correction._read, body, caller, recorded_at), types, key)
        return correction._replace(refusal=refusal)

    @staticmethod
    def _read(body: dict[str, Any], caller: Caller, recorded_at: int | None, types: Types | None) -> "Correction":
        if caller.session_user is not None:
            body = body | {"userId": Decimal(caller.session_user)}
        elif caller.agent_key and body.get("userId") is None:
            body = body | {"userId": Decimal(caller.agent_key.user_id)}
        head, faults = _given(HEAD, body)
        type_ = body.get("type")
        others = [fault for fault in faults if fault["field"] != "reason"]
        is_lacking = body.get("reason") is None or others != faults
        if is_lacking and type_ in [*TRANSITIONS] and type_ != CorrectionType.CONFIRM:
            faults = [*others, Fault(field="reason", message=REASON.words)]  # without "or null"
        changes: dict[str, Any] = {}
        ignored = ignored_fields(body, HEAD.rules)
        if type_ == CorrectionType.AMEND:
            changes, more = _changes(body.get("changes"), caller, recorded_at, types)
            faults += more
            ignored = ignored_fields(body, [*HEAD.rules, "changes"])
            if isinstance(body.get("changes"), dict):
                ignored += [f"changes.{name}" for name in ignored_fields(body["changes"], CHANGES.rules)]
        if faults:
            faults.sort(key=lambda fault: FIELDS.index(fault["field"].partition(".")[0]))
            wrong_type = any(fault["field"] == "changes.outcomeType" for fault in faults)
            error = f"Invalid {faults[0]['field'].partition('.')[0]}"
            raise BadRequest(error, faults, ignored, (types or ()) if wrong_type else ())
        optional = (head.get("reason"), head.get("user_id"), changes, ignored, head.get("if_version"))
        return Correction(head["type"], *optional)

    def key_to_look_up(self, caller: Caller, recorded: OutcomeState) -> str | None:
        """Return the id of the agent key that must be paused or revoked for this correction, or None."""
        kind, _, key_id = (recorded.recorded_by or "").partition(":")
        permitted = CORRECTION_PERMISSIONS[self.type].get(caller.kind, frozenset())
        if ENDED_KEY not in permitted or kind in permitted or recorded.fields.status == CONFIRMED:
            return None
        return key_id or None

    def require_allowed(self, caller: Caller, recorded: OutcomeState, *, is_of_ended_key: bool = False) -> None:
        """Raise Forbidden if `caller` may not make this correction of the outcome.

        is_of_ended_key: whether the key of `key_to_look_up` is paused or revoked.
        """
        kind = None if recorded.recorded_by is None else recorded.recorded_by.partition(":")[0]
        permitted = CORRECTION_PERMISSIONS[self.type].get(caller.kind, frozenset())
        if permitted:  # before the next check, whose result depends on the outcome
            caller.require("correct")
        if not is_of_ended_key and kind not in permitted:
            raise Forbidden
        if key := caller.agent_key:
            key.check({"user_id": self.user_id})
            try:
                key.check(recorded.fields._asdict())
            except Forbidden:
                if caller.may_read:
                    raise
                raise Forbidden from None  # naming the violated bound would reveal the outcome's content
            key.check(self.changes, within="changes.")

    def require_version(self, caller: Caller, version: int) -> None:
        """Raise Stale if the outcome's version is not the one that the request requires."""
        if self.if_version not in {None, version}:
            details = [Fault(field="ifVersion", message=WANTED_VERSION)]
            raise Stale(details, version if caller.may_read else None)

    def next_status(self, caller: Caller, recorded: OutcomeState, corrected_by: "Mapping[str, int]") -> str:
        """Return the outcome's status after the correction.

        corrected_by: the number of earlier corrections, by kind of caller. Raises NotPossible if the status does not
        allow the correction, or if there are too many corrections.
        """
        transition = TRANSITIONS[self.type]
        status = recorded.fields.status
        if status not in transition.origins:
            message = f"cannot {self.type} an outcome that is {status}"
            raise NotPossible(details=[Fault(field="type", message=message)])
        kind = caller.kind
        if corrected_by.get(kind, 0) >= (most := MAX_CORRECTIONS[kind]) and (self.type, kind) not in _UNLIMITED:
            message = f"the outcome has {most} corrections by callers of your kind ({kind}), which is the limit"
            raise NotPossible(details=[Fault(field="type", message=message)])
        # An agent cannot end a dispute by amending: the owner or the platform decides on the amended outcome.
        if self.type == CorrectionType.AMEND and status == DISPUTED and caller.agent_key:
            return DISPUTED
        return transition.to

    def refuse_unchanged(self, caller: Caller) -> None:
        """Raise BadRequest for an amend that changes nothing.

        Do not raise it for an agent key without the scope `read`: from the unchanged version in its answer, this key
        learns only whether the values that it sent are the current ones.
        """
        if caller.may_read or not caller.agent_key:
            raise BadRequest("Invalid changes", [Fault(field="changes", message=NO_CHANGE)], self.ignored)

    def fingerprint(self) -> dict[str, bytes]:
        """Return a digest of each field that was sent, by the field's name in a request.

        Equal values have equal digests.
        """
        fields: dict[str, Any] = {"type": self.type, "reason": self.reason}
        digests = {name: digest(name, value) for name, value in fields.items() if value is not None}
        for name, in_request in CHANGES.names.items():
            if name in self.changes:
                value = self.changes[name]
                # A field that was sent as null is not the same as a field that was not sent.
                digests[f"changes.{in_request}"] = (
                    sha256().digest()[:16] if value is None else digest(in_request, value)
                )
        return digests


def _given(
    kind: Body[Any], body: dict[str, Any], types: Types | None = None, within: str = ""
) -> tuple[dict[str, Any], list[Fault]]:
    """Parse the fields that were sent. Return their values, or the faults if a field is invalid."""
    try:
        return kind.given(body, types), []
    except BadRequest as refused:
        return {}, [Fault(field=within + fault["field"], message=fault["message"]) for fault in refused.details]


def _changes(
    changes: object, caller: Caller, recorded_at: int | None, types: Types | None
) -> tuple[dict[str, Any], list[Fault]]:
    if not isinstance(changes, dict) or not changes.keys() & CHANGES.rules.keys():
        return {}, [Fault(field="changes", message=SOME_CHANGE)]
    given, faults = _given(CHANGES, changes, types, "changes.")
    if recorded_at is not None:
        fault = occurrence.fault_of(changes.get("occurredAt"), recorded_at, caller, "changes.occurredAt")
        faults += [fault] if fault else []
    return given, faults
