"""Functions answer before their timeout, even if AWS services are slow or fail."""

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from email.utils import formatdate
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any
from unittest.mock import patch

import pytest
from outcomes.auth.encrypted_cookies import AUTHJS, NEXT_AUTH
from outcomes.aws.services import DynamoDB
from outcomes.calendar import instants
from outcomes.keys import key_text
from outcomes.ledger import ulid

from local.session_cookies import encrypted_cookie
from tests.conftest import ROOT
from tests.events import KEY, agent, proxy_event, session
from tests.wire.conftest import ENDPOINT
from tests.wire.network import NEVER, Chunk, Network, Received, Trouble, drops, error, http

SECONDS_LEFT = 0.25
"""Seconds of each timeout that are reserved for computing."""

USER = session(42)
NOW = 1_775_044_800_000  # 2026-04-01T12:00:00Z
ID = ulid.new(NOW)
OUTCOME = {"outcomeType": "deal_closed", "title": "Closed", "userId": 42}
EARLY = OUTCOME | {"occurredAt": "1999-01-01T00:00:00Z"}

type Meets = Callable[[Received], Trouble]


def asks_for(milliseconds: int) -> Trouble:
    return error("ServiceUnavailable", 503, {"x-amz-retry-after": f"{milliseconds}"})


def always(trouble: Trouble) -> Callable[[], Meets]:
    return lambda: lambda _request: trouble


def going_on(seconds: float) -> Callable[[], Meets]:
    """Take `seconds` for each answer. Each answer is a partial result, so the function must make another call."""
    return lambda: lambda request: Trouble("going on", answer=(seconds, unfinished(request)))


def going_on_at_the_last(attempt: int, seconds: float, failing: Trouble) -> Callable[[], Meets]:
    """Let all attempts of a call fail, except the last one.

    The last attempt takes `seconds` and returns a partial result.
    """

    def begin() -> Meets:
        attempts = itertools.count(1)
        late = going_on(seconds)()
        return lambda request: failing if next(attempts) % attempt else late(request)

    return begin


def going_on_by_another_clock() -> Meets:
    """Refuse the first signature after 0.9 s, because of the clock. Then return partial results, each after 1.9 s."""
    attempts = itertools.count()
    date = {"Date": formatdate(instants.now() / 1000 + 3600, usegmt=True)}
    refused = Trouble("clock", answer=(0.9, http(400, {"__type": "a#InvalidSignatureException"}, date)))
    late = going_on(1.9)()
    # The first request is the second call of this lambda, because `Service.__init__` calls the lambda once.
    return lambda request: refused if next(attempts) < 2 else late(request)


pages = itertools.count()


def unfinished(request: Received) -> bytes:
    """Return a partial result, after which the function must make another call."""
    body = json.loads(request.body)
    match request.operation:
        case "Query":
            before = NOW - next(pages)
            last = {"user_id": {"S": "42"}, "created_at": {"S": f"{instants.text(before)}#{ulid.new(before)}"}}
            return http(200, {"Items": [], "Count": 0, "LastEvaluatedKey": last})
        case "Scan":
            return http(200, {"Items": [], "Count": 0, "LastEvaluatedKey": {"id": {"S": f"{next(pages)}"}}})
        case "TransactWriteItems":
            reasons = [{"Code": "None"} for _ in body["TransactItems"][1:]]
            conflict = {"CancellationReasons": [{"Code": "TransactionConflict"}, *reasons]}
            return http(400, {"__type": "a#TransactionCanceledException", **conflict})
        case "UpdateItem":
            return http(400, {"__type": "a#TransactionConflictException"})
        case "BatchExecuteStatement":
            throttled = [{"Error": {"Code": "ThrottlingError", "Message": "told"}} for _ in body["Statements"][1:]]
            return http(200, {"Responses": [{"TableName": "OutcomesTable"}, *throttled]})
        case "BatchWriteItem":
            [(table, puts)] = body["RequestItems"].items()
            return http(200, {"UnprocessedItems": {table: puts[1:]} if puts[1:] else {}})
        case "BatchGetItem":
            [(table, wanted)] = body["RequestItems"].items()
            first, *left = wanted["Keys"]
            of_entry = {"type": {"S": "confirm"}, "by": {"S": "session"}}
            of_either = {"outcome_type": {"S": "deal_closed"}, "title": {"S": "t"}} | of_entry
            there = [first | of_either] if "user_id" in first else []
            unread = {table: wanted | {"Keys": left}} if left else {}
            return http(200, {"Responses": {table: there}, "UnprocessedKeys": unread})
        case "GetSecretValue":
            return http(200, {"SecretString": "a secret", "CreatedDate": 0})
        case "PutEvents":
            results = [{"EventId": "e"}, *({"ErrorCode": "ThrottlingException"} for _ in body["Entries"][1:])]
            return http(200, {"FailedEntryCount": len(results) - 1, "Entries": results})
    return http(200, {})


HOLD_UPS: dict[str, Callable[[], Meets]] = {
    "asks for an hour": always(asks_for(3_600_000)),
    "asks for five seconds": always(asks_for(4_990)),
    "asks for a second": always(asks_for(1_000)),
    "is throttled, and asks for an hour": always(
        error("ThrottlingException", headers={"x-amz-retry-after": "3600000"})
    ),
    "is silent": always(Trouble("silent", answer=(NEVER,))),
    "cannot be reached": always(Trouble("no connection in time", NEVER)),
    "drips": always(Trouble("drips", answer=drops(http(200, {}), 150, 0.9))),
    "is slow and unfinished": going_on(1.9),
    "is less slow and unfinished": going_on(0.9),
    "fails late, and then is unfinished": going_on_at_the_last(2, 0.9, Trouble("late", answer=(0.9, http(500, {})))),
    "fails late twice, and then is unfinished": going_on_at_the_last(
        3, 1.9, Trouble("late", answer=(1.9, http(500, {})))
    ),
    "refuses the clock, and then is unfinished": going_on_by_another_clock,
    "asks for a pause twice, and then is unfinished": going_on_at_the_last(3, 1.9, asks_for(4_000)),
}


class Service(Network):
    """A fake network. The function `meets` decides which fault each request meets."""

    def __init__(self, meets: Meets) -> None:
        super().__init__()
        self.meets = meets
        connecting = meets(Received({"x-amz-target": "a.b"}, b"{}")).connecting
        self.refusal = Trouble("no connection", connecting)

    def _next(self) -> Trouble:
        return self.refusal

    def answer(self, request: Received) -> tuple[Chunk, ...]:
        self.received.append(request)
        return self.meets(request).answer


def sent_to(
    function: str, method: str, path: str = "/api/outcomes", *, by: Any = USER, **request: Any
) -> tuple[str, dict[str, Any]]:
    """Return a function, and the event of a request that it answers."""
    return function, proxy_event(method, path, authorizer=by, **request)


def authorize(**headers: str) -> tuple[str, dict[str, Any]]:
    function, event = sent_to("authorizer", "POST", by=None, headers=headers)
    return function, event | {"methodArn": "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/v1/POST/api/outcomes"}


AGENT_KEY = {"Authorization": f"Bearer {key_text.new_key(key_text.new_id())}"}
CLAIMS: dict[str, object] = {"userId": 42, "exp": 4_000_000_000}
COOKIES = [encrypted_cookie(each, f"__Secure-{each.name}", CLAIMS, "theirs") for each in (NEXT_AUTH, AUTHJS)]
COOKIE = {"Cookie": "; ".join([*COOKIES, "__Secure-session=token"])}
IDEMPOTENT: dict[str, Any] = {"headers": {"Idempotency-Key": "k"}}
BATCH = [
    *(OUTCOME | {"idempotencyKey": f"{number}"} for number in range(60)),
    *[OUTCOME] * 30,
    *(EARLY | {"idempotencyKey": f"early {number}"} for number in range(10)),
]
ONE, KEYS, STATEMENTS, COSTS = "/api/outcomes/{id}", "/api/keys", "/api/statements", "/api/costs/{date}/{source}"
OF_OUTCOME: dict[str, Any] = {"parameters": {"id": ID}}
OF_KEY: dict[str, Any] = {"parameters": {"id": key_text.new_id()}}
OF_STATEMENT: dict[str, Any] = {"parameters": {"id": "2026-01@UTC"}, "query": {"outcome": ID}}
DEFINITIONS = "/api/definitions"
DEFINITION = {"timezone": "UTC", "disputeDays": 14, "types": {"*": {"when": "unless_disputed"}}}
OF_MONTH: dict[str, Any] = {"parameters": {"month": "9998-12"}}
OF_DAY: dict[str, Any] = {"parameters": {"date": f"{datetime.now(UTC):%Y-%m-%d}", "source": "openai"}}
WATCHES = "/api/watches"
WATCH = {"name": "Deals", "measure": "value", "every": "month", "timezone": "UTC", "target": 1}
MESSAGE = {
    "messageId": "1",
    "receiptHandle": "r",
    "body": '{"detail": {"id": "a"}}',
    "attributes": {"ApproximateReceiveCount": "1"},
}


def recorded(number: int) -> dict[str, Any]:
    """Return the stream record of a new outcome."""
    key = {"user_id": {"S": "42"}, "created_at": {"S": f"{instants.text(NOW + number)}#{ulid.new(NOW + number)}"}}
    outcome = key | {"outcome_type": {"S": "deal_closed"}, "title": {"S": "Closed"}, "recorded_by": {"S": "key"}}
    change = {"Keys": key, "NewImage": outcome, "SequenceNumber": f"{number}"}
    return {"eventID": f"{number}", "eventName": "INSERT", "dynamodb": change}


def corrected(number: int) -> dict[str, Any]:
    """Return the stream record of a correction."""
    before = recorded(number)
    outcome = before["dynamodb"]["NewImage"]
    after = outcome | {"version": {"N": "1"}, "corrections": {"L": [{"S": ulid.new(NOW + number)}]}}
    return before | {"eventName": "MODIFY", "dynamodb": before["dynamodb"] | {"OldImage": outcome, "NewImage": after}}


DISPUTE = {"type": "dispute", "reason": "No."}
VOID = {"outcome_id": ID, "reason": "Twice", "idempotency_key": "k"}
KEYED = {"outcome_type": "deal_closed", "title": "Closed", "idempotency_key": "k"}


def tool_call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    params = {"name": name, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def mcp(body: Any) -> tuple[str, dict[str, Any]]:
    return sent_to("mcp", "POST", "/mcp", by=agent("record read correct"), body=json.dumps(body))


CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "authorizer, agent key": authorize(**AGENT_KEY),
    "authorizer, sessions": authorize(**COOKIE),
    "authorizer, both": authorize(**AGENT_KEY, **COOKIE),
    "record": sent_to("record_outcome", "POST", by=KEY, body=OUTCOME),
    "record once": sent_to("record_outcome", "POST", by=KEY, body=OUTCOME, **IDEMPOTENT),
    "record once, too late": sent_to("record_outcome", "POST", by=KEY, body=EARLY, **IDEMPOTENT),
    "batch": sent_to("record_batch", "POST", by=KEY, body={"outcomes": BATCH}),
    "list": sent_to("list_outcomes", "GET"),
    "list, filtered": sent_to("list_outcomes", "GET", query={"agentId": "7"}),
    "export": sent_to("export_outcomes", "GET", "/api/outcomes/export"),
    "summary": sent_to("summarize_outcomes", "GET"),
    "one": sent_to("get_outcome", "GET", ONE, **OF_OUTCOME),
    "correct": sent_to("correct_outcome", "POST", f"{ONE}/corrections", body=DISPUTE, **IDEMPOTENT, **OF_OUTCOME),
    "tool, record": mcp(tool_call("record_outcome", KEYED)),
    "tool, record several": mcp(tool_call("record_outcomes", {"outcomes": [KEYED, KEYED | {"idempotency_key": "l"}]})),
    "tool, void": mcp(tool_call("void_outcome", VOID)),
    "tool, list": mcp(tool_call("list_outcomes", {})),
    "tools, in a batch": mcp([tool_call("value_summary", {})] * 10),
    "make a statement": sent_to("statements", "POST", STATEMENTS, body={"period": "2026-01"}),
    "list statements": sent_to("statements", "GET", STATEMENTS),
    "statement": sent_to("statements", "GET", f"{STATEMENTS}/{{id}}", **OF_STATEMENT),
    "statement's entries": sent_to("statements", "GET", f"{STATEMENTS}/{{id}}/entries", **OF_STATEMENT),
    "statement's proof": sent_to("statements", "GET", f"{STATEMENTS}/{{id}}/proof", **OF_STATEMENT),
    "put costs": sent_to("costs", "PUT", COSTS, body={"lines": []}, **OF_DAY),
    "costs": sent_to("costs", "GET", COSTS, query={"include": "versions"}, **OF_DAY),
    "put a definition": sent_to("definitions", "PUT", f"{DEFINITIONS}/{{month}}", body=DEFINITION, **OF_MONTH),
    "list definitions": sent_to("definitions", "GET", DEFINITIONS),
    "try a definition": sent_to("try_definition", "POST", f"{DEFINITIONS}/try", body={"definition": DEFINITION}),
    "put a watch": sent_to("watches", "PUT", f"{WATCHES}/{{id}}", body=WATCH, parameters={"id": "deals"}),
    "list watches": sent_to("watches", "GET", WATCHES),
    "evaluate watches": ("evaluate_watches", {}),
    "list public keys": sent_to("statement_keys", "GET", "/.well-known/outcomes-keys.json", by=None),
    "make a key": sent_to("manage_keys", "POST", KEYS, body={"name": "a"}),
    "list keys": sent_to("manage_keys", "GET", KEYS),
    "rotate a key": sent_to("manage_keys", "POST", f"{KEYS}/{{id}}/rotate", body={"overlapHours": 1}, **OF_KEY),
    "revoke a key": sent_to("manage_keys", "DELETE", f"{KEYS}/{{id}}", **OF_KEY),
    "erase": ("erase_user", {"user_id": 42}),
    "erase again": ("erase_user", {"again": True}),
    "write out": ("export_user", {"user_id": 42}),
    "tell of outcomes": ("publish_events", {"Records": [recorded(number) for number in range(100)]}),
    "tell of corrections": ("publish_events", {"Records": [corrected(number) for number in range(100)]}),
    # Slow and failing receivers are tested in tests/webhooks.
    "deliver": ("deliver_webhook", {"Records": [MESSAGE]}),
}

RAISE = {"authorizer", "erase_user", "export_user", "evaluate_watches", "publish_events"}
"""Functions that raise an error on failure: the authorizer to return a 401 or 500, the others to be retried."""


@contextmanager
def started(function: str, service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Load a function that uses the network's clock, and yield its handler."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", ENDPOINT)
    of_sessions = {
        "SESSION_SECRET_ARN": "session-secret",
        "SESSION_SECRET_OVERLAP_DAYS": "30",
        "SESSIONS_TABLE": "SessionsTable",
    }
    also = {"KEY_FINGERPRINTS": "", "ACCEPT_PLAIN_COOKIES": "false", "OIDC_ISSUER": ""}
    for name, value in (of_sessions | also).items():
        monkeypatch.setenv(name, value)
    defaults = DynamoDB.__init__.__kwdefaults__
    with ExitStack() as stack:
        stack.enter_context(patch("outcomes.aws.connection.socket", service))
        stack.enter_context(
            patch.dict(defaults, clock=service.clock, sleep=service.sleep, jitter=lambda seconds: seconds)
        )
        stack.enter_context(patch("time.monotonic", service.clock))
        stack.enter_context(patch("time.sleep", service.sleep))
        stack.callback(service.close)
        spec = spec_from_file_location("app", ROOT / "functions" / function / "app.py")
        assert spec
        assert spec.loader
        app = module_from_spec(spec)
        spec.loader.exec_module(app)
        yield app.handler


def timeout(template: Any, function: str) -> float:
    """Return the timeout in seconds that template.yaml gives the function in this folder."""
    [resource] = [
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Properties"].get("CodeUri") == f"functions/{function}/"
    ]
    return float(resource.get("Timeout", template["Globals"]["Function"]["Timeout"]))


@pytest.mark.parametrize("call", CALLS)
def test_a_function_answers_in_time_whatever_holds_its_service_up(
    call: str, template: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    function, event = CALLS[call]
    for hold_up, answers in HOLD_UPS.items():
        monkeypatch.setattr(instants, "_correction", 0)
        service = Service(answers())
        with started(function, service, monkeypatch) as handler:
            try:
                handler(event, None)
            except Exception as error:
                error.add_note(hold_up)
                if function not in RAISE:
                    raise
        assert service.now <= timeout(template, function) - SECONDS_LEFT, hold_up
        if "unfinished" in hold_up:
            assert service.received, hold_up


def test_every_function_is_tested() -> None:
    assert {function for function, _ in CALLS.values()} == {
        path.parent.name for path in ROOT.glob("functions/*/app.py")
    }
