"""Errors of a call of AWS.

    CallFailed
    ├── ServiceError              answered with an error that another attempt would not mend
    │   ├── ConditionFailed
    │   └── TransactionCanceled
    └── Unavailable               not answered, or with errors that might have passed

Beside them stand two of `outcomes.errors`, by which nothing was done: `Busy`, every attempt was throttled; `Mistimed`,
this host's clock was wrong.
"""

from typing import Any

from outcomes.aws.connection import Reply


class CallFailed(Exception):
    """A call had no success. maybe_done: an attempt may have taken effect all the same; if not, none has."""

    maybe_applied = False


class ServiceError(CallFailed):
    """The service answered with an error.

    code: such as `ValidationException`; the status, where the answer has none.
    body: the answer as JSON; empty where that is no object.
    """

    def __init__(self, operation: str, code: str, reply: Reply, body: dict[str, Any]) -> None:
        # A complaint about a signature quotes what should have been signed, the session token among it.
        message = "" if "Signature" in code else body.get("message", body.get("Message", ""))
        request_id = reply.headers.get("x-amzn-requestid")
        super().__init__(f"{operation}: {code} (status {reply.status}, request {request_id}) {message}".rstrip())
        self.code = code
        self.body = body


class ConditionFailed(ServiceError):
    """The condition of a write did not hold. If it asked for the item that was there, `body` has it as `Item`."""


class TransactionCanceled(ServiceError):
    """Nothing of a transaction was done. `body` has its `CancellationReasons`, one for each action."""

    @property
    def codes(self) -> list[str]:
        """Read why each action was refused, `None` where it was not."""
        reasons = self.body.get("CancellationReasons")
        listed = reasons if isinstance(reasons, list) else []
        return [str(reason.get("Code", "None")) if isinstance(reason, dict) else "None" for reason in listed]


class Unavailable(CallFailed):
    """Attempts or time are used up. `__cause__` says why the last attempt failed."""
