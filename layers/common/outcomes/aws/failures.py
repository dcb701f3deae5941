"""Define the errors that calls to AWS raise.

    CallFailed
    ├── ServiceError              an error that a retry would not fix
    │   ├── ConditionFailed
    │   └── TransactionCanceled
    └── Unavailable               no answer, or errors that a retry may fix

If a call changed nothing, it may also raise two errors of `outcomes.errors`: `Busy` if every attempt was throttled, and
`Mistimed` if this host's clock was wrong.
"""

from typing import Any

from outcomes.aws.replies import Reply


class CallFailed(Exception):
    """A call failed. maybe_applied: whether an attempt may have taken effect nevertheless."""

    maybe_applied = False


class ServiceError(CallFailed):
    """The service answered with an error.

    code: for example `ValidationException`; the HTTP status if the answer has no code.
    body: the answer's JSON object; empty if the answer is anything else.
    """

    def __init__(self, operation: str, code: str, reply: Reply, body: dict[str, Any]) -> None:
        # Messages about signatures quote the canonical request, which includes the session token.
        message = "" if "Signature" in code else body.get("message", body.get("Message", ""))
        request_id = reply.headers.get("x-amzn-requestid")
        super().__init__(f"{operation}: {code} (status {reply.status}, request {request_id}) {message}".rstrip())
        self.code = code
        self.body = body

    @property
    def throttled_by(self) -> list[str]:
        """Return DynamoDB's reasons for throttling, each with the table or index. Without any, return the error's code.

        https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ThrottlingReason.html
        """
        said = self.body.get("throttlingReasons", self.body.get("ThrottlingReasons"))
        reasons = [each for each in said if isinstance(each, dict)] if isinstance(said, list) else []
        return [f"{each['reason']} of {_table(each)}" for each in reasons if each.get("reason")] or [self.code]


class ConditionFailed(ServiceError):
    """The condition of a write was false. `body` contains the existing item as `Item` if the write asked for it."""


class TransactionCanceled(ServiceError):
    """The whole transaction was cancelled. `body` contains its `CancellationReasons`, one per action."""

    @property
    def codes(self) -> list[str]:
        """Return the cancellation code of each action: "None" for an action that did not cause the cancellation."""
        reasons = self.body.get("CancellationReasons")
        listed = reasons if isinstance(reasons, list) else []
        return [str(reason.get("Code", "None")) if isinstance(reason, dict) else "None" for reason in listed]

    @property
    def throttled_by(self) -> list[str]:
        """Return the codes, because DynamoDB does not say more about a transaction."""
        return sorted(set(self.codes) - {"None"})


class Unavailable(CallFailed):
    """No attempts or no time are left. `__cause__` is the error of the last attempt."""


def _table(reason: dict[str, Any]) -> str:
    """Return the name in the ARN of a reason's table, or `name/index/name` if it is an index."""
    return str(reason.get("resource")).partition(":table/")[2] or "?"
