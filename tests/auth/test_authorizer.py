"""Test the authorizer, from its Lambda event to its IAM policy."""

import hmac
import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from outcomes.auth.encrypted_cookies import NEXT_AUTH
from outcomes.auth.keys import fingerprint
from outcomes.auth.session_secrets import SessionSecrets

from local.session_cookies import encrypted_cookie, stored_row
from tests.auth.conftest import CURRENT_KEY, PREVIOUS_KEY, REAL_COOKIES, SECRET, refused
from tests.auth.events import load_event
from tests.aws import aws_client
from tests.faults import DENIED, THROTTLED, Fault, error, faulty, unreachable

type Deploy = Callable[..., ModuleType]
type Log = Callable[[], list[dict[str, Any]]]

STAGE = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/v1"
FOREVER = 4_931_000_000  # a time in the year 2126, in seconds since 1970
COOKIE = load_event("post_with_session")["headers"]["Cookie"]


def policy(resource: str, principal: str, context: dict[str, str]) -> dict[str, Any]:
    return {
        "principalId": principal,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": resource}],
        },
        "context": context,
    }


KEY = policy(f"{STAGE}/POST/api/outcomes", "key", {"caller": "key"})
SESSION = policy(f"{STAGE}/POST/api/outcomes", "user:42", {"caller": "session", "userId": "42"})
READING_SESSION = policy(f"{STAGE}/GET/*", "user:42", {"caller": "session", "userId": "42"})


@pytest.mark.parametrize(
    ("event", "answer"), [("post_with_key", KEY), ("post_with_session", SESSION), ("get_with_session", READING_SESSION)]
)
def test_known_callers_are_authorized(authorizer: ModuleType, event: str, answer: dict[str, Any]) -> None:
    assert authorizer.handler(load_event(event), None) == answer


@pytest.mark.parametrize("key", [CURRENT_KEY, PREVIOUS_KEY])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_current_and_the_previous_key_are_valid(authorizer: ModuleType, key: str, scheme: str) -> None:
    assert authorizer.handler(load_event("post_with_key", Authorization=[f"{scheme} {key}"]), None) == KEY


def platform_reads(user: str, path: str = "/api/outcomes") -> dict[str, Any]:
    """Return the event of a request that reads a user's outcomes with the platform's key."""
    event = load_event("get_with_session", Authorization=[f"Bearer {CURRENT_KEY}"])
    return event | {"resource": path, "queryStringParameters": {"userId": user}}


def test_a_log_line_says_whose_outcomes_the_platform_reads_without_the_id(deploy: Deploy, log: Log) -> None:
    authorizer = deploy(PLATFORM_MAY_READ="true")
    for user in ("3141592653589793", "3141592653589793", "7", "none", "x", ""):
        authorizer.handler(platform_reads(user, "/api/outcomes/summary"), None)
    key = HKDF(SHA256(), 32, b"", b"Outcomes API: users in logs").derive(SECRET.encode())
    first, other = (hmac.new(key, user, "sha256").hexdigest() for user in (b"3141592653589793", b"7"))
    assert [line.get("user") for line in log()] == [first, first, other, "none"]
    assert {(line["level"], line["message"], line["resource"]) for line in log()} == {
        ("INFO", "Platform reads", "/api/outcomes/summary")
    }
    assert "3141592653589793" not in str(log())


@pytest.mark.parametrize(("user", "reads"), [("42", {}), ("none", {"reads": "none"})])
def test_a_platform_that_may_not_read_only_reads_the_outcomes_of_no_user(
    authorizer: ModuleType, log: Log, user: str, reads: dict[str, str]
) -> None:
    assert authorizer.handler(platform_reads(user), None)["context"] == {"caller": "key"} | reads
    assert len(log()) == len(reads)


def test_reading_the_costs_of_a_day_is_logged_even_if_the_platform_may_only_read_its_own(
    deploy: Deploy, log: Log
) -> None:
    read = platform_reads("3141592653589793", "/api/costs/{date}/{source}")
    for may_read, reads in ("false", {}), ("true", {"reads": "3141592653589793"}):
        authorizer = deploy(PLATFORM_MAY_READ=may_read)
        assert authorizer.handler(read, None)["context"] == {"caller": "key"} | reads
        assert authorizer.handler(read | {"httpMethod": "PUT"}, None)["context"] == {"caller": "key"}
    assert [line["resource"] for line in log()] == ["/api/costs/{date}/{source}"] * 2
    assert len({line["user"] for line in log()}) == 1
    assert "3141592653589793" not in str(log())


def test_routes_without_outcomes_and_calls_that_write_are_not_logged(deploy: Deploy, log: Log) -> None:
    authorizer = deploy(PLATFORM_MAY_READ="true")
    for path in ("/api/keys", "/api/keys/self", "/api/outcomes/types"):
        assert authorizer.handler(platform_reads("42", path), None)["context"] == {"caller": "key"}
    assert authorizer.handler(platform_reads("42") | {"httpMethod": "POST"}, None)["context"] == {"caller": "key"}
    assert log() == []


@pytest.mark.usefixtures("no_waiting")
def test_the_platform_reads_no_user_if_that_cannot_be_logged(deploy: Deploy, log: Log) -> None:
    authorizer = deploy(PLATFORM_MAY_READ="true")
    with (
        faulty(authorizer._sessions().secrets.secrets_manager, "GetSecretValue", error(DENIED)),
        pytest.raises(RuntimeError, match=r"^Cannot identify the caller$"),
    ):
        authorizer.handler(platform_reads("42"), None)
    [line] = log()
    assert line["cause"].startswith("Session secret: ")
    assert authorizer.handler(platform_reads("none"), None)["context"]["reads"] == "none"


def test_without_a_session_secret_the_platform_reads_no_user(
    deploy: Deploy, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SessionSecrets, "_read", lambda *_: None)
    with pytest.raises(RuntimeError, match=r"^Cannot identify the caller$"):
        deploy(PLATFORM_MAY_READ="true").handler(platform_reads("42"), None)
    assert [line["cause"] for line in log()] == ["Session secret: it has no current version"]


def test_a_key_in_the_query_string_is_ignored(authorizer: ModuleType) -> None:
    event = load_event("post_with_key", Authorization=[]) | {
        "queryStringParameters": {"Authorization": f"Bearer {CURRENT_KEY}", "key": CURRENT_KEY},
        "multiValueQueryStringParameters": {"Authorization": [f"Bearer {CURRENT_KEY}"], "key": [CURRENT_KEY]},
    }
    assert refused(authorizer, event)


def test_a_session_is_found_in_any_of_several_cookie_headers(authorizer: ModuleType) -> None:
    event = load_event("post_with_session", Cookie=["theme=dark"], cookie=[COOKIE])
    assert authorizer.handler(event, None) == SESSION


def test_plain_cookies_count_only_where_they_are_accepted(deploy: Deploy) -> None:
    plain = encrypted_cookie(NEXT_AUTH, NEXT_AUTH.name, {"userId": 42, "exp": FOREVER}, SECRET)
    event = load_event("post_with_session", Cookie=[plain])
    assert refused(deploy(), event)
    assert deploy(ACCEPT_PLAIN_COOKIES="true").handler(event, None) == SESSION


def test_a_deleted_session_stops_at_once(
    authorizer: ModuleType, put_session: Callable[[dict[str, Any]], None], tables: dict[str, str]
) -> None:
    row = stored_row("token", 42, FOREVER)
    put_session(row)
    event = load_event("post_with_session", Cookie=["__Secure-session=token"])
    assert authorizer.handler(event, None) == SESSION
    aws_client("dynamodb").delete_item(TableName=tables["SessionsTable"], Key={"token_sha256": row["token_sha256"]})
    assert refused(authorizer, event)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"Accept": ["*/*"]}, "no_credentials"),
        ({"Authorization": ["Bearer wrong"]}, "bad_key"),
        ({"Authorization": ["Basic dTpw"]}, "bad_key"),
        ({"Cookie": ["theme=dark"]}, "no_session"),
        ({"Cookie": ["__Secure-session=unknown"]}, "unknown_session"),
        ({"Cookie": ["__Secure-session=a; __Secure-session=b"]}, "ambiguous_session"),
        ({"Cookie": ["__Secure-next-auth.session-token=a.b"]}, "malformed_session"),
    ],
)
def test_refusals_are_counted_by_reason(
    authorizer: ModuleType, capsys: pytest.CaptureFixture[str], headers: dict[str, list[str]], reason: str
) -> None:
    assert refused(authorizer, load_event("post_with_key", **headers))
    metric = json.loads(capsys.readouterr().out)
    assert (metric["AuthRefused"], metric["reason"]) == ([1.0], reason)
    [directive] = metric["_aws"]["CloudWatchMetrics"]
    assert sorted(directive["Dimensions"][0]) == ["reason", "service"]


TROUBLES = [error(THROTTLED), error(DENIED), error("InternalServerError", status=500), unreachable]


@pytest.mark.parametrize("trouble", TROUBLES, ids=["throttled", "denied", "broken", "unreachable"])
@pytest.mark.usefixtures("no_waiting")
class TestTroubleWithAws:
    """While an AWS service fails, the answer is a 500, not a 401: the caller may be authorized."""

    @pytest.mark.parametrize(
        ("cookie", "operation", "cause"),
        [("__Secure-session=CANARY", "GetItem", "Sessions table: "), (COOKIE, "GetSecretValue", "Session secret: ")],
        ids=["the sessions table", "the session secret"],
    )
    def test_is_a_500(
        self, authorizer: ModuleType, log: Log, trouble: Fault, cookie: str, operation: str, cause: str
    ) -> None:
        event = load_event("post_with_session", Cookie=[cookie])
        sessions = authorizer._sessions()
        service = sessions.stored.dynamodb if operation == "GetItem" else sessions.secrets.secrets_manager
        with (
            faulty(service, operation, trouble),
            pytest.raises(RuntimeError, match=r"^Cannot identify the caller$") as raised,
        ):
            authorizer.handler(event, None)
        [line] = log()
        assert line["level"] == "ERROR"
        assert line["cause"].startswith(cause)
        assert line["correlation_id"] == event["requestContext"]["requestId"]
        assert cookie.partition("=")[2] not in f"{line} {raised.value}"

    def test_does_not_stop_a_key(self, authorizer: ModuleType, trouble: Fault) -> None:
        with (
            faulty(authorizer._sessions().stored.dynamodb, "GetItem", trouble),
            faulty(authorizer._sessions().secrets.secrets_manager, "GetSecretValue", trouble),
        ):
            assert authorizer.handler(load_event("post_with_key"), None) == KEY


def test_an_unexpected_error_quotes_nothing(authorizer: ModuleType, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(cookies: list[str], _until: float) -> int:
        raise ValueError(f"What is {cookies}?")

    monkeypatch.setattr(authorizer._sessions(), "user_id", broken)
    with pytest.raises(RuntimeError, match=r"^Cannot identify the caller$") as raised:
        authorizer.handler(load_event("post_with_session"), None)
    assert raised.value.__suppress_context__  # the cause quotes the cookie, so the traceback must not contain the cause
    [line] = log()
    assert line["cause"].startswith("ValueError in ")
    assert "session-token" not in f"{line} {raised.value}"


def test_an_invalid_fingerprint_stops_the_deployment(deploy: Deploy) -> None:
    with pytest.raises(ValueError, match="Entry 2 of the key fingerprints is not a SHA-256 in hex") as raised:
        deploy(KEY_FINGERPRINTS=f"{fingerprint(CURRENT_KEY)},{CURRENT_KEY}")
    assert CURRENT_KEY not in str(raised.value)


@pytest.mark.parametrize("days", ["0", "0.5", "7.0", "365"])
def test_every_overlap_that_cloudformation_takes_as_a_number_lets_callers_in(deploy: Deploy, days: str) -> None:
    assert deploy(SESSION_SECRET_OVERLAP_DAYS=days).handler(load_event("post_with_session"), None) == SESSION


anything = st.text(st.characters(), max_size=40)  # includes lone surrogates
fragments = st.sampled_from(
    [
        *(f"{name}={value}" for real in REAL_COOKIES["made"] for name, value in real["cookies"].items()),
        *(name for real in REAL_COOKIES["made"] for name in real["cookies"]),
        "__Secure-session",
        "__Secure-session=token",
        f"Bearer {CURRENT_KEY}",
        "Bearer",
        *'=;,." \t\0{}[]',
        "bad[x]=1",
        '{"a":1}',
        "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAAAAAAAAAAAAAA.AA.AAAAAAAAAAAAAAAAAAAAAA",
    ]
)
header = st.lists(fragments | anything, max_size=6).map("".join) | st.lists(fragments | anything, max_size=6).map(
    "; ".join
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    event=st.sampled_from(["post_with_key", "get_with_session"]),
    cookies=st.lists(header, max_size=3),
    authorization=st.lists(header, max_size=2),
)
@example(event="post_with_key", cookies=["__Secure-session=\ud800"], authorization=["Bearer \ud800"])
@example(
    event="post_with_key", cookies=["__Secure-session=" + "a" * 100_000], authorization=["Bearer " + "a" * 100_000]
)
def test_any_headers_are_authorized_or_a_401(
    authorizer: ModuleType, event: str, cookies: list[str], authorization: list[str]
) -> None:
    request = load_event(event, Accept=["*/*"], Cookie=cookies, Authorization=authorization)
    try:
        answer = authorizer.handler(request, None)
        assert answer in (KEY, SESSION, READING_SESSION)
    except Exception as answer:
        if type(answer) is not Exception or str(answer) != "Unauthorized":
            raise
