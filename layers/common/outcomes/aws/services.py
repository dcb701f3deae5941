"""Call DynamoDB, Secrets Manager, SQS and EventBridge without an SDK: sign, send, check the answer, retry with backoff
and jitter.

Retries follow the SDKs' standard mode, except that throttled calls are retried only once:
https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html

These errors exist:

    CallFailed
    ├── ServiceError              an error that a retry would not fix
    │   ├── ConditionFailed
    │   └── TransactionCanceled
    └── Unavailable               no answer, or errors that a retry may fix

If a call changed nothing, it may also raise two errors of `outcomes.errors`: `Busy` if every attempt was throttled, and
`Mistimed` if this host's clock was wrong.
"""

import json
import os
import time
from binascii import crc32
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

from outcomes.aws import signature
from outcomes.aws.connection import Connection, NotSent, Reply
from outcomes.calendar import instants
from outcomes.errors import Busy, Mistimed

type Item = dict[str, dict[str, Any]]
"""An item in DynamoDB's JSON: `{"value_usd": {"N": "12.50"}}`."""


class Answer(dict[str, Any]):
    """A successful answer, with its JSON.

    maybe_applied: whether an earlier attempt may also have taken effect. date: the Date header, which the service's
    clock sets.
    """

    maybe_applied = False
    date = ""


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


class Limits(NamedTuple):
    """Limits of a call.

    attempts: the maximum number of attempts. connect: seconds to connect. read: seconds for each send or receive.
    total: seconds for all attempts. Only DNS lookups can exceed these limits.
    """

    attempts: int
    connect: float
    read: float
    total: float


NEVER = float("inf")  # no deadline

PAUSE = 0.025  # maximum pause before the second attempt in seconds; it doubles for each further attempt

MAX_ASKED_PAUSE = 5  # maximum pause in seconds that a service may ask for

THROTTLED_ATTEMPTS = 2
THROTTLED_PAUSE = 0.05
"""Maximum seconds. A partition stays throttled for longer than a request can wait."""

QUOTA = 500
COST, COST_OF_TIMEOUT, REFILL = 5, 10, 1
"""Retry quota: retries use it up, successes refill it. If a service fails for long, calls are attempted only once."""

MAX_SKEW = 240  # maximum seconds by which our clock may be off; AWS accepts signatures that are off by up to 300 s

MAX_AGE = 60
"""Maximum seconds between the timestamp that a call writes and its signature. As the service checks the signature
against its own clock, no host with a wrong clock can write into a settled interval (see `totals`) or the future."""

READS = {"BatchGetItem", "GetItem", "GetSecretValue", "Query", "Scan"}
"""Operations without side effects: a failed attempt cannot have changed anything."""

THROTTLED = {
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
PASSING = {
    "PriorRequestNotComplete",
    "ReplicatedWriteConflictException",
    "RequestTimeout",
    "RequestTimeoutException",
    "TransactionInProgressException",
}
PASSING_STATUS = {500, 502, 503, 504}
SKEWED = {
    "InvalidSignatureException",
    "RequestExpired",
    "RequestInTheFuture",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
}
ERRORS = {"ConditionalCheckFailedException": ConditionFailed, "TransactionCanceledException": TransactionCanceled}

# Domains of the AWS partitions, by the prefix of their regions. All other regions belong to the public partition or AWS
# GovCloud.
DOMAINS = {
    "cn-": "amazonaws.com.cn",
    "eu-isoe-": "cloud.adc-e.uk",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
}

AMAZON_ROOTS = f"{__file__.rpartition('/')[0]}/amazon_roots.pem"
"""The five root certificates of Amazon Trust Services. They load 20 times faster than the system's hundred.
https://www.amazontrust.com/repository/"""

# Lambda's trace ids consist of these characters.
_TRACE = frozenset("-=;:._0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")

_json = json.JSONEncoder(separators=(",", ":")).encode


def jitter(seconds: float) -> float:
    """Return a random pause from 0 to `seconds`, so that competing callers do not retry at the same time.

    It uses os.urandom, because `random` loads slowly, and copies of a process would get the same numbers from `random`.
    """
    return seconds * int.from_bytes(os.urandom(4)) / 2**32


class _Failure(NamedTuple):
    """A failed attempt that may be retried. pause: how many seconds the service asked us to wait."""

    cause: Exception
    maybe_applied: bool
    throttled: bool = False
    pause: float = 0


class Service:
    """A client for a service with the AWS JSON protocol: https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html

    It uses one kept-alive connection and is not thread-safe. Tests replace clock, sleep and jitter.
    """

    name: ClassVar[str]
    target: ClassVar[str]
    content_type: ClassVar[str]
    endpoint_variable: ClassVar[str]

    def __init__(
        self,
        limits: Limits,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[float], float] = jitter,
    ) -> None:
        self.limits = limits
        self.region = os.environ.get("AWS_DEFAULT_REGION") or os.environ["AWS_REGION"]
        endpoint = _endpoint(self.name, self.region, self.endpoint_variable)
        authorities = os.environ.get("AWS_CA_BUNDLE")
        is_amazons = not authorities and endpoint.removesuffix("/").removesuffix(":443").endswith(".amazonaws.com")
        if is_amazons:
            authorities = AMAZON_ROOTS
        self.connection = Connection(endpoint, limits.connect, limits.read, authorities, clock, or_system=is_amazons)
        self._clock, self._sleep, self._jitter = clock, sleep, jitter
        self._quota = QUOTA

    def call(
        self,
        operation: str,
        request: Mapping[str, Any],
        *,
        attempts: int | None = None,
        until: float = NEVER,
        recorded_at: int | None = None,
    ) -> Answer:
        """Make a call, with retries, and return the JSON of its answer.

        attempts: overrides the number in `limits`. until: a deadline before that of `limits`, on `time.monotonic`.
        recorded_at: the timestamp that the call writes, in milliseconds since 1970. An attempt is not sent if this
        timestamp is more than MAX_AGE away from now. Such a timestamp was made before the clock was corrected.

        Raises Busy, Mistimed, ServiceError and Unavailable.
        """
        until = min(until, self._clock() + self.limits.total)
        allowed = attempts or self.limits.attempts
        if operation == "TransactWriteItems":  # the token makes DynamoDB apply the transaction only once
            request = {"ClientRequestToken": os.urandom(16).hex(), **request}
        body = _json(request).encode()
        try:
            credentials = signature.credentials()
        except Exception as failure:
            raise Unavailable(f"{operation}: no credentials: {failure}") from failure
        attempt, cost, maybe_applied = 0, 0, False
        while True:
            attempt += 1
            signed_at = instants.now() / 1000
            if recorded_at is not None and abs(signed_at - recorded_at / 1000) > MAX_AGE:
                says = f"{operation}: writes the timestamp {recorded_at} ms, but it is {signed_at:.0f} s"
                if not maybe_applied:
                    raise Mistimed(says)
                unavailable = Unavailable(says)
                unavailable.maybe_applied = True
                raise unavailable
            result = self._attempt(operation, body, credentials, signed_at, until)
            if isinstance(result, Answer):
                self._quota = min(QUOTA, self._quota + (cost or REFILL))
                result.maybe_applied = maybe_applied
                return result
            if isinstance(result, ServiceError):
                result.maybe_applied = maybe_applied
                raise result
            maybe_applied = maybe_applied or (result.maybe_applied and operation not in READS)
            possible = min(allowed, THROTTLED_ATTEMPTS) if result.throttled else allowed
            pause = self._pause(attempt, result)
            cost = COST_OF_TIMEOUT if _is_timeout(result.cause) else COST
            if attempt >= possible or cost > self._quota or self._clock() + pause >= until:
                if result.throttled and not maybe_applied:
                    raise Busy from result.cause
                unavailable = Unavailable(f"{operation}: attempt {attempt} failed: {result.cause}")
                unavailable.maybe_applied = maybe_applied
                raise unavailable from result.cause
            self._quota -= cost
            self._sleep(pause)

    def _attempt(
        self, operation: str, body: bytes, credentials: signature.Credentials, signed_at: float, until: float
    ) -> Answer | ServiceError | _Failure:
        try:
            reply = self.connection.post(self._headers(operation, body, credentials, signed_at), body, until)
        except NotSent as failure:
            return _Failure(failure, maybe_applied=False)
        except OSError as failure:
            return _Failure(failure, maybe_applied=True)
        said = _json_object(reply.body)
        checksum = str(crc32(reply.body))
        if reply.headers.get("x-amz-crc32", checksum) != checksum or (reply.status < 300 and said is None):
            return _Failure(CallFailed(f"damaged answer of status {reply.status}"), maybe_applied=True)
        if reply.status < 300:
            answer = Answer(said or {})
            answer.date = reply.headers.get("date", "")
            return answer
        code = _error_code(reply.status, said or {})
        error = ERRORS.get(code, ServiceError)(operation, code, reply, said or {})
        if code in THROTTLED:
            return _Failure(error, maybe_applied=False, throttled=True)
        if code in PASSING or reply.status in PASSING_STATUS:
            return _Failure(error, maybe_applied=True, pause=_asked_pause(reply))
        if code in SKEWED and self._is_skewed(reply):
            return _Failure(error, maybe_applied=False)
        return error

    def _headers(
        self, operation: str, body: bytes, credentials: signature.Credentials, signed_at: float
    ) -> dict[str, str]:
        signed = {
            "content-type": self.content_type,
            "host": self.connection.host,
            "x-amz-date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(signed_at)),
            "x-amz-target": f"{self.target}.{operation}",
        }
        if credentials.token:
            signed["x-amz-security-token"] = credentials.token
        headers = {
            **signed,
            "accept-encoding": "identity",
            "authorization": signature.authorization(credentials, self.region, self.name, signed, body),
            "user-agent": "outcomes-api",
        }
        # Send the invocation's X-Ray trace id, so that the call becomes part of the same trace:
        # https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
        trace = os.environ.get("_X_AMZN_TRACE_ID")
        if trace and "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
            if not _TRACE.issuperset(trace):
                # imported here because it loads slowly, and Lambda's trace ids do not need it
                from urllib.parse import quote

                trace = quote(trace, safe="-=;:+&[]{}\"',")
            headers["x-amzn-trace-id"] = trace
        return headers

    def _pause(self, attempt: int, failure: _Failure) -> float:
        if failure.throttled:
            return self._jitter(THROTTLED_PAUSE)
        pause = self._jitter(PAUSE * 2 ** (attempt - 1))
        return max(pause, min(failure.pause, pause + MAX_ASKED_PAUSE))

    def _is_skewed(self, reply: Reply) -> bool:
        """Check whether our clock is off by more than MAX_SKEW, and if so correct it for the whole process."""
        try:
            skew = (instants.read_http_date(reply.headers.get("date", "")) - instants.now()) / 1000
        except ValueError:
            return False
        is_skewed = abs(skew) > MAX_SKEW
        if is_skewed:
            instants.correct_by(skew)
        return is_skewed


class DynamoDB(Service):
    """The DynamoDB API: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/. Binary values are Base64."""

    name = "dynamodb"
    target = "DynamoDB_20120810"
    content_type = "application/x-amz-json-1.0"
    endpoint_variable = "AWS_ENDPOINT_URL_DYNAMODB"


class SecretsManager(Service):
    """The Secrets Manager API: https://docs.aws.amazon.com/secretsmanager/latest/apireference/"""

    name = "secretsmanager"
    target = "secretsmanager"
    content_type = "application/x-amz-json-1.1"
    endpoint_variable = "AWS_ENDPOINT_URL_SECRETS_MANAGER"

    def versions(self, secret: str, until: float = NEVER) -> list[Answer]:
        """Read the current version of a secret and, if it was ever rotated, the previous one.

        Raises the errors of `call`.
        """
        found = [self.version(secret, stage, until) for stage in ("AWSCURRENT", "AWSPREVIOUS")]
        return [version for version in found if version is not None]

    def version(self, secret: str, stage: str, until: float = NEVER) -> Answer | None:
        """Read the version AWSCURRENT or AWSPREVIOUS of a secret.

        Return None for AWSPREVIOUS if the secret was never rotated. Raises the errors of `call`.
        """
        try:
            return self.call("GetSecretValue", {"SecretId": secret, "VersionStage": stage}, until=until)
        except ServiceError as error:
            if stage == "AWSPREVIOUS" and error.code == "ResourceNotFoundException":
                return None
            raise


class SQS(Service):
    """The SQS API: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/"""

    name = "sqs"
    target = "AmazonSQS"
    content_type = "application/x-amz-json-1.0"
    endpoint_variable = "AWS_ENDPOINT_URL_SQS"


class EventBridge(Service):
    """The EventBridge API: https://docs.aws.amazon.com/eventbridge/latest/APIReference/"""

    name = "events"
    target = "AWSEvents"
    content_type = "application/x-amz-json-1.1"
    endpoint_variable = "AWS_ENDPOINT_URL_EVENTBRIDGE"


def pages(send: Callable[[dict[str, Any]], Answer], request: dict[str, Any]) -> Iterator[Answer]:
    """Yield the pages of a Query or Scan of DynamoDB, reading on demand. send: sends the request of a page."""
    while True:
        page = send(request)
        yield page
        if "LastEvaluatedKey" not in page:
            return
        request = request | {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def _endpoint(service: str, region: str, variable: str) -> str:
    """Return the URL of a service: https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html

    Raises ValueError if FIPS or dual-stack endpoints are required, which are not supported.
    """
    if not _is_set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"):
        configured = os.environ.get(variable) or os.environ.get("AWS_ENDPOINT_URL")
        if configured:
            return configured
    for kind in ("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"):
        if _is_set(kind):
            raise ValueError(f"{kind} is not supported: set {variable} to that endpoint")
    domain = next((domain for start, domain in DOMAINS.items() if region.startswith(start)), "amazonaws.com")
    return f"https://{service}.{region}.{domain}"


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "").lower() == "true"


def _json_object(text: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _error_code(status: int, body: dict[str, Any]) -> str:
    """Return the part after `#` in an error such as `com.amazonaws.dynamodb.v20120810#ThrottlingException`."""
    kind = body.get("__type")
    return kind.partition(":")[0].rpartition("#")[2] if isinstance(kind, str) else str(status)


def _asked_pause(reply: Reply) -> float:
    milliseconds = reply.headers.get("x-amz-retry-after", "")
    return int(milliseconds[:9]) / 1000 if milliseconds.isascii() and milliseconds.isdigit() else 0


def _is_timeout(failure: Exception) -> bool:
    return isinstance(failure, TimeoutError) or isinstance(failure.__cause__, TimeoutError)


def _table(reason: dict[str, Any]) -> str:
    """Return the name in the ARN of a reason's table, or `name/index/name` if it is an index."""
    return str(reason.get("resource")).partition(":table/")[2] or "?"
