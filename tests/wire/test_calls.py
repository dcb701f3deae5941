"""Test our AWS client: retries, throttling, deadlines, clocks, and errors."""

import json
import time
from collections.abc import Iterator

import pytest
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker
from outcomes.aws import services as wire
from outcomes.aws.services import (
    Answer,
    CallFailed,
    DynamoDB,
    ServiceError,
    Unavailable,
)
from outcomes.calendar import instants
from outcomes.errors import Busy, Mistimed

from tests.wire.conftest import ENDPOINT, LIMITS, our_client
from tests.wire.network import NEVER, Network, Trouble, drops, error, fine, http

THROTTLE = error("ProvisionedThroughputExceededException")
BROKEN = error("InternalServerError", 500)
REFUSED = Trouble("refused", ConnectionRefusedError(111, "Connection refused"))
SILENT = Trouble("silent", answer=(NEVER,))
RESET = Trouble("reset", answer=(ConnectionResetError,))
DAMAGED = Trouble("damaged", answer=(http(200, b"{}", sent=b"[}"),))
DENIED = error("AccessDeniedException")


def call(client: DynamoDB, network: Network, *troubles: Trouble) -> Answer:
    network.meet(*troubles)
    return client.call("PutItem", {"TableName": "t"})


def test_a_request_is_sent_unchanged(dynamodb: DynamoDB, network: Network) -> None:
    request = {"TableName": "t", "Item": {"title": {"S": 'Té "\\ 🎉 \x00 \ud800'}, "n": {"N": "1e-130"}}}
    dynamodb.call("PutItem", request)
    [sent] = network.received
    assert json.loads(sent.body) == request
    assert sent.headers["x-amz-target"] == "DynamoDB_20120810.PutItem"
    assert sent.headers["content-type"] == "application/x-amz-json-1.0"


class TestThrottling:
    """Our client gives up throttled calls sooner than botocore does."""

    def test_knows_botocore_s_codes(self) -> None:
        of_botocore = {
            *vars(ThrottledRetryableChecker)["_THROTTLED_ERROR_CODES"],
            *vars(TransientRetryableChecker)["_TRANSIENT_ERROR_CODES"],
            "ReplicatedWriteConflictException",  # DynamoDB's service model marks this error as retryable
        }
        assert of_botocore - {"EC2ThrottledException"} == wire.THROTTLED | wire.PASSING
        assert not wire.THROTTLED & wire.PASSING

    @pytest.mark.parametrize("code", sorted(wire.THROTTLED))
    def test_is_busy_after_a_second_attempt(self, dynamodb: DynamoDB, network: Network, code: str) -> None:
        with pytest.raises(Busy) as raised:
            call(dynamodb, network, *[error(code)] * 4)
        assert network.met == 2
        assert network.now <= wire.THROTTLED_PAUSE
        assert code in str(raised.value.__cause__)

    @pytest.mark.parametrize(
        ("operation", "first", "raised"),
        [
            *(("PutItem", unsent, Busy) for unsent in (REFUSED, Trouble("slow to connect", NEVER))),
            *(
                ("PutItem", uncertain, Unavailable)
                for uncertain in (SILENT, RESET, BROKEN, DAMAGED, error("TransactionInProgressException"))
            ),
            *((operation, SILENT, Busy) for operation in sorted(wire.READS)),
        ],
        ids=str,
    )
    def test_is_busy_unless_an_earlier_attempt_may_have_taken_effect(
        self, dynamodb: DynamoDB, network: Network, operation: str, first: Trouble, raised: type[Busy | Unavailable]
    ) -> None:
        network.meet(first, *[THROTTLE] * 3)
        with pytest.raises(raised) as error:
            dynamodb.call(operation, {})
        assert network.met == 2
        assert getattr(error.value, "maybe_applied", False) is (raised is Unavailable)

    def test_does_not_use_up_the_attempts_of_other_faults(self, dynamodb: DynamoDB, network: Network) -> None:
        assert call(dynamodb, network, THROTTLE, BROKEN) == {}
        assert network.met == 3


FAILING: list[tuple[list[Trouble], bool]] = [
    *(([trouble] * 3, False) for trouble in (REFUSED, Trouble("slow", NEVER))),
    *((troubles, False) for troubles in ([DENIED], [THROTTLE, DENIED])),
    *(([trouble] * 3, True) for trouble in (SILENT, RESET, BROKEN, DAMAGED)),
    *((troubles, True) for troubles in ([RESET, DENIED], [REFUSED, RESET, REFUSED])),
    ([BROKEN, error("ConditionalCheckFailedException")], True),
]
PASSING: list[tuple[list[Trouble], bool]] = [
    *((troubles, False) for troubles in ([], [REFUSED], [THROTTLE])),
    *((troubles, True) for troubles in ([RESET], [BROKEN])),
]


@pytest.mark.parametrize(("troubles", "maybe_applied"), [*FAILING, *PASSING], ids=str)
def test_an_answer_or_failure_says_whether_an_earlier_attempt_may_have_been_applied(
    dynamodb: DynamoDB, network: Network, troubles: list[Trouble], maybe_applied: bool
) -> None:
    result: Answer | CallFailed
    try:
        result = call(dynamodb, network, *troubles)
    except CallFailed as failure:
        result = failure
    assert isinstance(result, CallFailed) is ((troubles, maybe_applied) in FAILING)
    assert result.maybe_applied is maybe_applied


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b'{"__type":"a#ValidationException","message":"lower"}', "ValidationException", "lower"),
        (b'{"__type":"ValidationException","Message":"upper"}', "ValidationException", "upper"),
        (b'{"__type":7,"message":null}', "400", ""),
        (b'{"message":"only"}', "400", "only"),
        *((body, "400", "") for body in (b"", b"[]", b'"no"', b"null", b"1", b"<html>", b"\xff", b"[" * 100_000)),
    ],
)
def test_an_error_has_operation_code_status_and_request_id(
    dynamodb: DynamoDB, network: Network, body: bytes, code: str, message: str
) -> None:
    with pytest.raises(ServiceError) as raised:
        call(dynamodb, network, Trouble("error", answer=(http(400, body),)))
    assert raised.value.code == code
    assert str(raised.value).startswith(f"PutItem: {code} (status 400, request R1)")
    assert message in str(raised.value)
    assert network.met == 1


@pytest.mark.parametrize(
    "answer",
    [
        *(http(500, body) for body in (b"", b"[]", b'"no"', b"null", b"1", b"<html>", b"\xff")),
        *(
            http(200, body, crc=crc)
            for body in (b"", b"[]", b"null", b"<html>", b"\xff", b'{"Item":', b"[" * 100_000)
            for crc in (True, False)
        ),
        *(http(200, {"a": 1}, {"x-amz-crc32": checksum}) for checksum in ("0", "", "x", "-1", "1e3")),
    ],
    ids=lambda answer: repr(answer.partition(b"\r\n\r\n")[2][:10]),
)
def test_a_server_error_of_any_shape_and_a_damaged_success_are_retried(
    dynamodb: DynamoDB, network: Network, answer: bytes
) -> None:
    """Botocore differs: it fails at once, or treats an answer as an empty one if the checksum is missing or correct."""
    damaged = Trouble("damaged", answer=(answer,))
    assert call(dynamodb, network, damaged, damaged, fine({"Item": {}})) == {"Item": {}}
    with pytest.raises(Unavailable, match=r"damaged answer of status 200|status 500"):
        call(dynamodb, network, *[damaged] * 3)


def test_an_error_does_not_quote_the_signed_request(dynamodb: DynamoDB, network: Network) -> None:
    """AWS's error message quotes the signed request, which contains the session token."""
    for code in ("InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignatureException"):
        said = {"__type": f"a#{code}", "message": "should have been 'x-amz-security-token:FwoGZXIvYXdzE'"}
        with pytest.raises(ServiceError) as raised:
            call(dynamodb, network, Trouble("signature", answer=(http(400, said),)))
        assert str(raised.value) == f"PutItem: {code} (status 400, request R1)"


class TestTime:
    """A call takes no longer than its limits allow."""

    @pytest.mark.parametrize(
        "trouble",
        [
            SILENT,
            Trouble("no connection", NEVER),
            Trouble("dripping headers", answer=drops(http(200, {}), 150, 1.9)),
            Trouble("dripping body", answer=(http(200, b"{}", sent=b"")[:-2], *drops(b" " * 99 + b"{}", 100, 1.5))),
            Trouble("endless", answer=(b"HTTP/1.1 200 OK\r\n\r\n", *drops(b" " * 1000, 1000, 1.0))),
            Trouble("for ever about to begin", answer=drops(b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 1000, 1.0)),
            error("ServiceUnavailable", 503, {"x-amz-retry-after": "60000"}),
            error("ServiceUnavailable", 503, {"x-amz-retry-after": "4900"}),
            error("ThrottlingException", 400, {"x-amz-retry-after": "60000"}),
        ],
    )
    @pytest.mark.parametrize("limits", [LIMITS, wire.Limits(attempts=2, connect=0.5, read=1, total=4)])
    def test_stays_within_the_limits_under_any_fault(
        self, network: Network, monkeypatch: pytest.MonkeyPatch, trouble: Trouble, limits: wire.Limits
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", ENDPOINT)
        with our_client(network, limits=limits) as client, pytest.raises((Busy, Unavailable)):
            call(client, network, *[trouble] * 9)
        assert network.now <= limits.total

    @pytest.mark.parametrize(
        "trouble", [SILENT, BROKEN, THROTTLE, Trouble("drips", answer=drops(http(200, {}), 9, 0.5))]
    )
    def test_may_be_less_for_one_call(self, dynamodb: DynamoDB, network: Network, trouble: Trouble) -> None:
        network.meet(*[trouble] * 9)
        with pytest.raises((Busy, Unavailable)):
            dynamodb.call("UpdateItem", {"TableName": "t"}, attempts=1, until=network.now + 1)
        assert network.met == 1
        assert network.now <= 1

    def test_of_sending_is_bounded_too(self, dynamodb: DynamoDB, network: Network) -> None:
        network.bytes_a_second = 100
        with pytest.raises(Unavailable) as raised:
            dynamodb.call("PutItem", {"TableName": "t" * 10_000})
        assert network.now <= LIMITS.total
        assert raised.value.maybe_applied

    def test_between_attempts_grows_with_jitter(self, network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", ENDPOINT)
        drawn: list[float] = []

        def half(seconds: float) -> float:
            drawn.append(seconds)
            return seconds / 2

        with our_client(network, limits=wire.Limits(5, 1, 2, 12), jitter=half) as client:
            call(client, network, *[BROKEN] * 4)
        assert drawn == [0.025, 0.05, 0.1, 0.2]
        assert network.now == sum(drawn) / 2

    @pytest.mark.parametrize(
        ("asked", "waited"),
        [("1500", 1.5), *((invalid, wire.PAUSE) for invalid in ("-1", "1.5", "soon", "", "²"))],
    )
    def test_that_the_service_asks_for_is_waited(
        self, dynamodb: DynamoDB, network: Network, asked: str, waited: float
    ) -> None:
        call(dynamodb, network, error("ServiceUnavailable", 503, {"x-amz-retry-after": asked}))
        assert network.now == waited

    def test_jitter_spans_the_whole_interval(self) -> None:
        drawn = [wire.jitter(1) for _ in range(200)]
        assert all(0 <= seconds < 1 for seconds in drawn)
        assert len(set(drawn)) > 190
        assert min(drawn) < 0.2 < 0.8 < max(drawn)


def test_a_throttled_call_is_busy_when_the_quota_of_retries_is_used_up(dynamodb: DynamoDB, network: Network) -> None:
    for _ in range(30):
        with pytest.raises(Unavailable):
            call(dynamodb, network, *[SILENT] * 3)
    before = network.met
    with pytest.raises(Busy):
        call(dynamodb, network, THROTTLE)
    assert network.met - before == 1


class TestClock:
    """When the host's clock is wrong, the client uses the clock of the AWS service."""

    NOON = 1_775_044_800  # 2026-04-01T12:00:00Z
    WRONG = "Wed, 01 Apr 2026 13:30:00 GMT"

    @pytest.fixture
    def client(self, network: Network, monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoDB]:
        monkeypatch.setenv("AWS_ENDPOINT_URL", ENDPOINT)
        monkeypatch.setattr(time, "time_ns", lambda: self.NOON * 10**9)
        monkeypatch.setattr(instants, "_correction", 0)
        with our_client(network) as client:
            yield client

    @pytest.mark.parametrize("code", sorted(wire.SKEWED))
    @pytest.mark.parametrize(
        ("date", "signed"),
        [(WRONG, "20260401T133000Z"), ("Tue, 31 Mar 2026 12:00:00 GMT", "20260331T120000Z")],
    )
    def test_that_is_wrong_is_corrected_for_later_calls(
        self, client: DynamoDB, network: Network, code: str, date: str, signed: str
    ) -> None:
        call(client, network, error(code, headers={"Date": date}))
        client.call("PutItem", {"TableName": "t"})
        assert [sent.headers["x-amz-date"] for sent in network.received] == ["20260401T120000Z", signed, signed]

    @pytest.mark.parametrize("seconds", [-(wire.MAX_AGE + 1), wire.MAX_AGE + 1])
    def test_skew_sends_no_entry_with_an_old_timestamp(self, client: DynamoDB, network: Network, seconds: int) -> None:
        with pytest.raises(Mistimed, match="writes the timestamp"):
            client.call("PutItem", {"TableName": "t"}, recorded_at=(self.NOON + seconds) * 1000)
        assert network.received == []

    @pytest.mark.parametrize("date", [WRONG, "Wed, 01 Apr 2026 10:30:00 GMT"])
    def test_corrected_sends_no_entry_made_before(self, client: DynamoDB, network: Network, date: str) -> None:
        refused = error("InvalidSignatureException", headers={"Date": date})
        for before, maybe_applied in (([], False), ([REFUSED], False), ([SILENT], True)):
            instants._correction = 0
            met = network.met
            network.meet(*before, refused)
            with pytest.raises(Unavailable if maybe_applied else Mistimed, match="writes the timestamp"):
                client.call("PutItem", {"TableName": "t"}, recorded_at=instants.now())
            assert network.met == met + len(before) + 1

    @pytest.mark.parametrize(
        ("code", "date", "attempts"),
        [
            ("InvalidSignatureException", WRONG, 2),  # after a correction, a second refusal has another cause
            ("AccessDeniedException", WRONG, 1),
            *(
                ("InvalidSignatureException", right, 1)
                for right in ("Wed, 01 Apr 2026 12:03:00 GMT", "", "noon", "Wed, 01 Apr 99999999 12:00:00 GMT")
            ),
        ],
    )
    def test_that_is_right_does_not_retry_a_refusal(
        self, client: DynamoDB, network: Network, code: str, date: str, attempts: int
    ) -> None:
        with pytest.raises(ServiceError, match=code):
            call(client, network, *[error(code, headers={"Date": date})] * 3)
        assert network.met == attempts


class TestTransactions:
    """https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html#DDB-TransactWriteItems-request-ClientRequestToken"""

    def tokens(self, network: Network) -> list[str]:
        return [json.loads(sent.body)["ClientRequestToken"] for sent in network.received]

    def test_have_one_token_for_all_attempts_and_another_for_the_next_call(
        self, dynamodb: DynamoDB, network: Network
    ) -> None:
        for _ in range(2):
            network.meet(RESET, BROKEN)
            dynamodb.call("TransactWriteItems", {"TransactItems": []})
        first, second = self.tokens(network)[:3], self.tokens(network)[3:]
        assert len(set(first)) == len(set(second)) == 1
        assert set(first).isdisjoint(second)
        assert 1 <= len(first[0]) <= 36

    def test_keep_a_given_token(self, dynamodb: DynamoDB, network: Network) -> None:
        dynamodb.call("TransactWriteItems", {"TransactItems": [], "ClientRequestToken": "own"})
        assert self.tokens(network) == ["own"]


def test_the_trace_header_of_the_invocation_is_passed_on(
    dynamodb: DynamoDB, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    traces = ["Root=1-5759e988;Parent=5399;Sampled=1", "a b\r\nX-Evil: 1"]
    call(dynamodb, network)
    for trace in traces:
        monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)
        call(dynamodb, network)
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "record")
        call(dynamodb, network)
        monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME")
    sent = [request.headers.get("x-amzn-trace-id") for request in network.received]
    assert sent == [None, None, traces[0], None, "a%20b%0D%0AX-Evil:%201"]
    assert not any("x-evil" in request.headers for request in network.received)
