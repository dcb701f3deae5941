"""Errors of calls to AWS.

    CallFailed
    ├── ServiceError              an error that is not worth a retry
    │   ├── ConditionFailed
    │   └── TransactionCanceled
    └── Unavailable               no answer, or errors that a retry may pass

Two more are of `outcomes.errors`, and mean that nothing was done: `Busy`, every attempt was throttled; `Mistimed`, this
host's clock was wrong.
"""

from typing import Any

from outcomes.aws.connection import Reply


class CallFailed(Exception):
    """A call failed. maybe_applied: whether an attempt may have taken effect all the same."""

    maybe_applied = False


class ServiceError(CallFailed):
    """The service answered with an error.

    code: such as `ValidationException`; the HTTP status if the answer has no code.
    body: the answer's JSON; empty if that is not an object.
    """

    def __init__(self, operation: str, code: str, reply: Reply, body: dict[str, Any]) -> None:
        # Messages about signatures quote the canonical request, which includes the session token.
        message = "" if "Signature" in code else body.get("message", body.get("Message", ""))
        request_id = reply.headers.get("x-amzn-requestid")
        super().__init__(f"{operation}: {code} (status {reply.status}, request {request_id}) {message}".rstrip())
        self.code = code
        self.body = body


class ConditionFailed(ServiceError):
    """The condition of a write did not hold. `body` has the existing item as `Item` if the write asked for it."""


class TransactionCanceled(ServiceError):
    """A transaction was cancelled as a whole. `body` has its `CancellationReasons`, one for each action."""

    @property
    def codes(self) -> list[str]:
        """Return the cancellation code of each action; "None" for actions that did not cause it."""
        reasons = self.body.get("CancellationReasons")
        listed = reasons if isinstance(reasons, list) else []
        return [str(reason.get("Code", "None")) if isinstance(reason, dict) else "None" for reason in listed]


class Unavailable(CallFailed):
    """No attempts or no time left. `__cause__` is the failure of the last attempt."""
