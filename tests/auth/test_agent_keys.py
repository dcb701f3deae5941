"""Test the authorizer with agent keys: lookup, context, failures, and the time of last use."""

import json
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest
from outcomes.auth.keys import fingerprint
from outcomes.calendar import instants
from outcomes.contract.agent_key_bodies import NewAgentKey, Scope
from outcomes.keys import key_text
from outcomes.keys.agent_keys import AgentKeys

from functions.list_outcomes import app as list_outcomes
from functions.record_outcome import app as record_outcome
from local.responses import Refusal, gateway_response
from tests.auth.conftest import CURRENT_KEY, ROOT, refused
from tests.auth.events import load_event
from tests.auth.gateway import rest_api
from tests.events import proxy_event, session
from tests.faults import DENIED, THROTTLED, Fault, error, faulty, fine, lost, unreachable

type Log = Callable[[], list[dict[str, Any]]]

NOON = 1_775_044_800_000  # 2026-04-01T12:00:00Z
HOUR = 3_600_000
STAGE = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/v1"
COOKIE = load_event("post_with_session")["headers"]["Cookie"]
UNKNOWN = "oc_0123456789abcdef_000000000000000000000000000000002HE1O8"
WANTED = NewAgentKey("Nightly import", 42)


class Clock:
    """A clock in milliseconds since 1970, set by the test."""

    now = NOON


@pytest.fixture(autouse=True)
def milliseconds(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(instants, "now", lambda: clock.now)
    return clock


@pytest.fixture
def keys(tables: dict[str, str]) -> AgentKeys:
    return AgentKeys(tables["KeysTable"])


def bearing(text: str, **headers: list[str]) -> dict[str, Any]:
    """Return the event of a POST request with this key as its bearer token."""
    return load_event("post_with_key", Authorization=[f"Bearer {text}"], **headers)


def context(authorizer: ModuleType, event: dict[str, Any]) -> Any:
    return authorizer.handler(event, None)["context"]


def test_a_key_is_authorized_with_its_bounds(authorizer: ModuleType, keys: AgentKeys) -> None:
    text, key = keys.create(
        NewAgentKey(
            name="Nightly import",
            user_id=42,
            agent_id=7,
            outcome_types=("deal_closed", "task_complete"),
            max_value_usd=Decimal("500.5"),
            scopes=(Scope.RECORD, Scope.READ),
            expires_at=NOON + HOUR,
        ),
        "session",
    )
    answer = authorizer.handler(bearing(text), None)
    assert answer["principalId"] == f"key:{key.id}"
    [statement] = answer["policyDocument"]["Statement"]
    assert (statement["Effect"], statement["Resource"]) == ("Allow", f"{STAGE}/POST/api/outcomes")
    assert answer["context"] == {
        "caller": "agent",
        "keyId": key.id,
        "userId": "42",
        "agentId": "7",
        "outcomeTypes": "deal_closed task_complete",
        "maxValueUsd": "500.5",
        "scopes": "record read",
    }


def test_a_context_omits_missing_bounds(authorizer: ModuleType, keys: AgentKeys) -> None:
    text, key = keys.create(WANTED, "session")
    assert context(authorizer, bearing(text)) == {
        "caller": "agent",
        "keyId": key.id,
        "userId": "42",
        "scopes": "record",
    }


def test_functions_enforce_the_bounds_of_the_context(authorizer: ModuleType, keys: AgentKeys) -> None:
    text, key = keys.create(WANTED._replace(agent_id=7, max_value_usd=Decimal("1E-130")), "session")

    def record(**fields: Any) -> int:
        body = {"outcomeType": "deal_closed", "title": "Closed a deal"} | fields
        event = proxy_event("POST", authorizer=context(authorizer, bearing(text)), body=body)
        return int(record_outcome.handler(event, None)["statusCode"])

    assert [record(), record(valueUsd=0)] == [200] * 2
    assert [record(valueUsd=1e-129), record(agentId=8), record(userId=7)] == [403] * 3
    response = list_outcomes.handler(proxy_event("GET", authorizer=session(42), query={"include": "ledger"}), None)
    by = [(each["agent_id"], each["recorded_by"]) for each in json.loads(response["body"])["outcomes"]]
    assert by == [(7, f"key:{key.id}")] * 2


class TestAPausedKey:
    def test_is_denied_from_its_next_call_until_it_is_resumed(self, authorizer: ModuleType, keys: AgentKeys) -> None:
        text, key = keys.create(WANTED, "session")
        allowed = authorizer.handler(bearing(text), None)
        used = keys.find(key.id)
        keys.set_paused(42, key.id, paused=True)
        for event in (bearing(text), bearing(text, Cookie=[COOKIE])):  # the session beside it does not count
            answer = authorizer.handler(event, None)
            [statement] = answer["policyDocument"]["Statement"]
            assert (answer["principalId"], statement["Effect"]) == (f"key:{key.id}", "Deny")
            assert statement["Resource"] == f"{STAGE}/POST/api/outcomes"
        keys.set_paused(42, key.id, paused=False)
        assert authorizer.handler(bearing(text), None) == allowed
        assert keys.find(key.id) == used

    def test_stays_paused_under_a_new_secret(self, authorizer: ModuleType, keys: AgentKeys) -> None:
        first, key = keys.create(WANTED, "session")
        paused = keys.set_paused(42, key.id, paused=True)
        second, rotated = keys.rotate(42, key.id, 24, "session")
        assert rotated.paused_at == paused.paused_at
        for text in (first, second):
            assert authorizer.handler(bearing(text), None)["policyDocument"]["Statement"][0]["Effect"] == "Deny"

    def test_is_a_401_with_a_wrong_secret_or_once_it_is_revoked(self, authorizer: ModuleType, keys: AgentKeys) -> None:
        text, key = keys.create(WANTED, "session")
        keys.set_paused(42, key.id, paused=True)
        assert refused(authorizer, bearing(key_text.new_key(key.id)))
        keys.revoke(42, key.id)
        assert refused(authorizer, bearing(text))

    def test_notes_no_use_and_is_counted(
        self, authorizer: ModuleType, keys: AgentKeys, capsys: pytest.CaptureFixture[str]
    ) -> None:
        text, key = keys.create(WANTED, "session")
        keys.set_paused(42, key.id, paused=True)
        authorizer.handler(bearing(text), None)
        assert (found := keys.find(key.id))
        assert found.last_used_at is None
        assert json.loads(capsys.readouterr().out)["reason"] == "paused_key"


@pytest.mark.parametrize("paused", [True, False])
def test_the_gateway_says_paused_only_with_the_context_of_a_paused_key(authorizer: ModuleType, *, paused: bool) -> None:
    context = authorizer.PAUSED if paused else {"caller": "agent", "keyId": "x"}
    answer = gateway_response(rest_api(), Refusal("ACCESS_DENIED", context=context))
    said = (
        b'{"error":"Paused","details":[{"field":"Authorization","message":"paused by the owner","error":"Forbidden"}]}'
    )
    assert (answer.status, answer.body) == (403, said if paused else b'{"error":"Forbidden"}')


@pytest.mark.parametrize("text", [UNKNOWN, UNKNOWN[:-1], "oc_", "oc_nonsense"])
def test_with_an_invalid_key_a_valid_session_counts(authorizer: ModuleType, text: str) -> None:
    assert context(authorizer, bearing(text, Cookie=[COOKIE])) == {"caller": "session", "userId": "42"}
    assert refused(authorizer, bearing(text))


def test_an_invalid_checksum_reads_nothing_and_a_valid_key_one_item(authorizer: ModuleType, keys: AgentKeys) -> None:
    text, _ = keys.create(WANTED, "session")
    table = authorizer._agent_keys()
    with faulty(table.dynamodb, {"GetItem", "UpdateItem"}, fine) as calls:
        for junk in (text[:-1], text.swapcase(), f"{text[:-1]}!", text + "0", "oc_" + "x" * 500):
            assert refused(authorizer, bearing(junk))
        assert calls == []
        for _ in range(3):
            context(authorizer, bearing(text))
        assert calls == ["GetItem", "UpdateItem", "GetItem", "GetItem"]


class TestReading:
    def get(self, path: str, **headers: list[str]) -> dict[str, Any]:
        event = load_event("get_with_session", **headers)
        return event | {"path": path, "resource": path, "methodArn": f"{STAGE}/GET{path}"}

    @pytest.mark.parametrize("path", ["/api/keys", "/api/keys/self"])
    def test_of_keys_takes_a_key(self, authorizer: ModuleType, keys: AgentKeys, path: str) -> None:
        text, _ = keys.create(WANTED, "session")
        answer = authorizer.handler(self.get(path, Authorization=[f"Bearer {text}"]), None)
        assert answer["context"]["caller"] == "agent"
        assert answer["policyDocument"]["Statement"][0]["Resource"] == f"{STAGE}/GET{path}"
        platform = authorizer.handler(self.get(path, Authorization=[f"Bearer {CURRENT_KEY}"]), None)
        assert platform["context"] == {"caller": "key"}

    def test_of_keys_authorizes_a_session_for_that_route_only(self, authorizer: ModuleType) -> None:
        answer = authorizer.handler(self.get("/api/keys", Cookie=[COOKIE]), None)
        assert answer["context"] == {"caller": "session", "userId": "42"}
        assert answer["policyDocument"]["Statement"][0]["Resource"] == f"{STAGE}/GET/api/keys"


@pytest.mark.usefixtures("no_waiting")
class TestTrouble:
    @pytest.mark.parametrize("trouble", [error(THROTTLED), error(DENIED), error("X", status=500), unreachable])
    def test_with_the_table_is_a_500(self, authorizer: ModuleType, keys: AgentKeys, log: Log, trouble: Fault) -> None:
        text, _ = keys.create(WANTED, "session")
        for event in (bearing(text), bearing(UNKNOWN), bearing(text, Cookie=[COOKIE])):
            with (
                faulty(authorizer._agent_keys().dynamodb, "GetItem", trouble),
                pytest.raises(RuntimeError, match=r"^Cannot identify the caller$"),
            ):
                authorizer.handler(event, None)
        lines = log()
        assert len(lines) == 3
        assert all(line["cause"].startswith("Keys table: ") for line in lines)
        assert text[20:] not in str(lines)

    def test_with_a_malformed_row_is_a_500_without_contents(
        self, authorizer: ModuleType, keys: AgentKeys, log: Log
    ) -> None:
        text, key = keys.create(WANTED, "session")
        keys.dynamodb.call("PutItem", {"TableName": keys.table, "Item": {"id": {"S": key.id}}})
        with pytest.raises(RuntimeError, match=r"^Cannot identify the caller$"):
            authorizer.handler(bearing(text), None)
        [line] = log()
        assert line["cause"].startswith("KeyError in ")

    @pytest.mark.parametrize("trouble", [error(THROTTLED), error(DENIED), error("X", status=500), unreachable, lost])
    def test_with_noting_the_use_does_not_fail_the_call(
        self, authorizer: ModuleType, keys: AgentKeys, log: Log, trouble: Fault
    ) -> None:
        text, key = keys.create(WANTED, "session")
        with faulty(authorizer._agent_keys().dynamodb, "UpdateItem", trouble) as calls:
            assert context(authorizer, bearing(text))["keyId"] == key.id
        assert len(calls) == 1
        [line] = log()
        assert (line["level"], line["message"]) == ("WARNING", "Could not update last_used_at of a key")
        assert text[20:] not in str(line)


LOADED = """
import json, sys
event = json.load(sys.stdin)
bare = set(sys.modules)
import app
try:
    app.handler(event, None)
except Exception as answer:
    print(answer, *sorted(set(sys.modules) - bare), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("text", "keys_table", "reads_id"),
    [(UNKNOWN[:-1], "table", True), (UNKNOWN, "", False)],
    ids=["junk", "AgentKeys is off"],
)
def test_other_texts_than_agent_keys_do_not_load_the_look_up(text: str, keys_table: str, reads_id: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        input=json.dumps(bearing(text)),
        env={
            "PYTHONPATH": f"{ROOT / 'layers/common'}:{ROOT / 'functions/authorizer'}",
            "KEY_FINGERPRINTS": fingerprint("another-key"),
            "SESSION_SECRET_ARN": "session-secret",
            "SESSION_SECRET_OVERLAP_DAYS": "30",
            "SESSIONS_TABLE": "table",
            "KEYS_TABLE": keys_table,
            "ACCEPT_PLAIN_COOKIES": "false",
            "PLATFORM_MAY_READ": "false",
            "OIDC_ISSUER": "",
            "POWERTOOLS_METRICS_NAMESPACE": "Outcomes",
            "POWERTOOLS_SERVICE_NAME": "outcomes",
        },
        check=True,
        text=True,
        capture_output=True,
    )
    answer, *loaded = done.stderr.split()
    assert answer == "Unauthorized"
    assert ("outcomes.keys.key_text" in loaded) is reads_id
    assert not {
        module
        for module in loaded
        if module.startswith(("outcomes.aws", "outcomes.keys.agent_keys", "outcomes.ledger"))
    }
