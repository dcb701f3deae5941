"""Test `outcomes mcp`, the bridge from stdio to the API's tools, with the official MCP client and raw JSON lines."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest
from outcomes_client import OutcomesClient
from outcomes_client._mcp import Bridge

from clients.python.tests.conftest import ONE_TRY, Api, FullDisk, Outcomes
from clients.python.tests.faults import AFTER_THE_WRITE, BEFORE_THE_WRITE, SLOW

COMMAND = [sys.executable, "-m", "outcomes_client", "mcp"]
LATEST, MODERN = "2025-11-25", "2026-07-28"

on_the_stack = pytest.mark.parametrize("api", ["stack"], indirect=True)


@pytest.fixture
def agents_key(owner: OutcomesClient) -> str:
    return owner.create_key("Model", agent_id=7, scopes=["record", "read", "correct"]).key


type Bridging = Callable[..., Bridge]


@pytest.fixture
def bridging(api: Api) -> Iterator[Bridging]:
    """Yield a function that creates a bridge with a key, by default the platform's key."""
    with ExitStack() as clients:
        yield lambda key=api.key, **settings: Bridge(
            clients.enter_context(OutcomesClient(api.url, key, **{"retry": api.quick, **settings}))
        )


@pytest.fixture
def bridge(bridging: Bridging, agents_key: str) -> Bridge:
    return bridging(agents_key)


def deal(api: Api, **more: Any) -> dict[str, Any]:
    key = f"deal-of-{api.user}"
    return {
        "outcome_type": "deal_closed",
        "title": "Acme renewed",
        "idempotency_key": key,
        "value_usd": "12.50",
        **more,
    }


def said(result: Any) -> str:
    content = result.content[0]
    assert content.type == "text"
    return str(content.text)


def asking(method: str, params: dict[str, Any], id_: int | str | None = 1) -> bytes:
    message = {"jsonrpc": "2.0", "method": method, "params": params, **({} if id_ is None else {"id": id_})}
    return json.dumps(message).encode()


def calling(tool: str, arguments: dict[str, Any]) -> bytes:
    return asking("tools/call", {"name": tool, "arguments": arguments})


def answered(bridge: Bridge, line: bytes) -> Any:
    answer = bridge.answer(line)
    assert answer is not None
    assert b"\n" not in answer
    return json.loads(answer)


def refusal(bridge: Bridge, tool: str, arguments: dict[str, Any]) -> str:
    result = answered(bridge, calling(tool, arguments))["result"]
    assert result["isError"]
    return str(result["content"][0]["text"])


# The real process


@on_the_stack
async def test_the_official_client_has_the_api_s_own_tools_by_stdio(api: Api, agents_key: str) -> None:
    environment = {**os.environ, "OUTCOMES_URL": api.url, "INTERNAL_API_KEY": agents_key}
    from mcp.client import Client  # imported late, because only one process needs it
    from mcp.client.stdio import StdioServerParameters, stdio_client

    parameters = StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], env=environment)
    async with Client(stdio_client(parameters)) as model:
        tools = (await model.list_tools()).tools
        assert [tool.name for tool in tools][:2] == ["record_outcome", "record_outcomes"]
        assert f"Your key records for user {api.user} and agent 7 only" in (tools[0].description or "")
        first, again = [await model.call_tool("record_outcome", deal(api)) for _ in range(2)]
        assert first.structured_content
        assert again.structured_content == first.structured_content | {"replayed": True}
        listed = (await model.call_tool("list_outcomes", {})).structured_content
        assert listed
        assert [one["title"] for one in listed["outcomes"]] == ["Acme renewed"]
        refused = await model.call_tool("record_outcome", deal(api, outcome_type="sale"))
        assert (refused.is_error, "outcome_type: must be one of negotiation_complete" in said(refused)) == (True, True)
    assert len(api.recorded()) == 1


@on_the_stack
def test_all_requests_before_the_end_of_input_are_answered_exactly(api: Api, agents_key: str) -> None:
    digits = "0.1000000000000000000000000000000000001"
    record = calling("record_outcome", deal(api)).replace(b'"12.50"', digits.encode())
    notification = asking("notifications/initialized", {}, None)
    environment = {**os.environ, "OUTCOMES_URL": api.url, "INTERNAL_API_KEY": agents_key}

    def run(*lines: bytes) -> list[bytes]:
        given = b"\n".join([*lines, b""])
        done = subprocess.run(COMMAND, env=environment, input=given, capture_output=True, timeout=60, check=True)
        assert done.stderr == b""
        return done.stdout.splitlines()

    # Notifications and empty lines get no answer.
    [recorded] = run(notification, b"", record)
    assert json.loads(recorded)["result"]["structuredContent"]["replayed"] is False
    [listed] = run(calling("list_outcomes", {}))
    assert f'"value_usd":{digits},'.encode() in listed


def test_an_answer_that_cannot_be_written_is_reported(outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=[b"not JSON"]))
    monkeypatch.setattr("sys.stdout", FullDisk())
    run = outcomes("mcp")
    assert (run.code, run.err.splitlines()[0]) == (
        1,
        "outcomes: An answer could not be written: [Errno 28] No space left on device",
    )


# Messages


@on_the_stack
@pytest.mark.parametrize("version", ["2025-03-26", "2025-06-18", LATEST])
def test_the_agreed_protocol_version_is_sent_with_later_messages(api: Api, bridge: Bridge, version: str) -> None:
    asked = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    assert answered(bridge, asking("initialize", asked, "a"))["result"]["protocolVersion"] == version
    assert bridge.answer(asking("notifications/initialized", {}, None)) is None
    assert answered(bridge, asking("ping", {}, 2**53 + 1)) == {"jsonrpc": "2.0", "id": 2**53 + 1, "result": {}}
    versions = [headers.get("MCP-Protocol-Version") for headers, _ in api.door.requests[-3:]]
    assert versions == [None, version, version]


@on_the_stack
def test_a_message_with_its_own_version_is_described_in_headers(api: Api, bridge: Bridge) -> None:
    about = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    found = answered(bridge, asking("server/discover", {"_meta": about}))["result"]
    assert MODERN in found["supportedVersions"]
    called = {"_meta": about, "name": "record_outcome", "arguments": deal(api)}
    assert answered(bridge, asking("tools/call", called))["result"]["isError"] is False
    for invalid in (b"nonsense", b"[]", b'{"jsonrpc":"2.0","id":1,"method":7}'):  # the API answers them with an error
        assert answered(bridge, invalid)["error"]["code"] in (-32700, -32600)
    unknown = answered(bridge, asking("tools/call", {"_meta": about, "name": "é\n", "arguments": {}}))
    assert unknown["error"]["message"] == "Unknown tool"
    headers = api.door.requests[-1][0]
    assert headers["Mcp-Method"] == "tools/call"
    assert headers["Mcp-Name"] == f"=?base64?{base64.b64encode('é\n'.encode()).decode()}?="


@on_the_stack
def test_a_call_whose_answer_was_lost_is_repeated_and_counts_once(
    api: Api, bridging: Bridging, agents_key: str
) -> None:
    api.fail(*({*AFTER_THE_WRITE, *BEFORE_THE_WRITE} - {*SLOW}))
    bridge = bridging(agents_key)
    assert answered(bridge, calling("record_outcome", deal(api)))["result"]["isError"] is False
    assert len(api.recorded()) == 1


# Test the answers that the bridge itself gives


@on_the_stack
def test_a_lost_answer_tells_the_model_to_call_again(
    api: Api, bridging: Bridging, agents_key: str, caplog: pytest.LogCaptureFixture
) -> None:
    api.fail("drop after the write")
    bridge = bridging(agents_key, retry=ONE_TRY)
    text = refusal(bridge, "record_outcome", deal(api))
    assert text.endswith("It may or may not have been done. Call again later with the same arguments.")
    assert "No answer from the Outcomes API" in caplog.text
    again = answered(bridge, calling("record_outcome", deal(api)))["result"]["structuredContent"]
    assert again["replayed"]


NO_MESSAGE = "200, but not a message of the Model Context Protocol"
NO_TOOLS: list[Any] = [
    (403, {}, b'{"message":"Missing Authentication Token"}'),
    (404, {}, b'{"error":"Not found"}'),
    (404, {}, b"<html>"),
]


@pytest.mark.parametrize("answer", NO_TOOLS)
def test_an_api_without_mcp_is_reported(
    api: Api, bridging: Bridging, answer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    api.door.upstream = lambda *_: answer
    bridge = bridging(retry=ONE_TRY)
    says = f"{answer[0]}: there is no /mcp at this URL (OUTCOMES_URL): the API is older than this client"
    refused = answered(bridge, asking("initialize", {"protocolVersion": LATEST}))["error"]
    assert refused["message"].startswith(says)
    assert says in refusal(bridge, "list_outcomes", {})
    assert says in caplog.text
    assert bridge.answer(asking("notifications/initialized", {}, None)) is None


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (
            (503, {"Retry-After": "1"}, b'{"error":"Busy"}'),
            "503 Busy. Call again later with the same arguments.",
        ),
        (
            (413, {}, b'{"error":"Payload too large"}'),
            "413 Payload too large. Call again with fewer or shorter items.",
        ),
    ],
)
def test_a_model_is_told_what_it_can_do_itself(api: Api, bridging: Bridging, answer: Any, says: str) -> None:
    api.door.upstream = lambda *_: answer
    assert refusal(bridging(retry=ONE_TRY), "record_outcome", deal(api)) == says


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((401, {}, b'{"error":"Unauthorized"}'), "401 Unauthorized: the key (INTERNAL_API_KEY) is not valid"),
        ((403, {}, b'{"error":"Forbidden"}'), "403 Forbidden: the key (INTERNAL_API_KEY) may not do this"),
        ((400, {}, b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"K3Y-secret"}}'), "400 without a reason"),
        *(((200, {}, body), NO_MESSAGE) for body in (b"<html>", b"{}", b"7")),
    ],
)
def test_failures_for_a_person_to_fix_are_reported_without_the_key(
    api: Api, bridging: Bridging, answer: Any, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    api.door.upstream = lambda *_: answer
    bridge = bridging("K3Y-secret", retry=ONE_TRY)
    text = refusal(bridge, "record_outcome", deal(api))
    assert text.startswith(says)
    advice = "It may or may not have been done." if says == NO_MESSAGE else "tell the person who runs this server."
    assert advice in text
    assert "secret" not in text + caplog.text


def test_each_call_of_a_batch_is_told_that_it_could_not_be_forwarded(api: Api, bridging: Bridging) -> None:
    api.door.upstream = lambda *_: (401, {}, b'{"error":"Unauthorized"}')
    batch = [calling("record_outcome", {}), asking("notifications/cancelled", {}, None), b"7", asking("ping", {}, 2)]
    called, pinged = answered(bridging(retry=ONE_TRY), b"[%s]" % b",".join(batch))
    assert called["result"]["content"][0]["text"].startswith("401 Unauthorized")
    assert (pinged["id"], pinged["error"]["message"][:16]) == (2, "401 Unauthorized")


def test_an_internal_failure_is_answered_too(
    api: Api, bridging: Bridging, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bridge = bridging()
    monkeypatch.setattr(bridge._client, "_run", lambda _: 1 / 0)
    assert "tell the person who runs this server" in refusal(bridge, "record_outcome", deal(api))
    assert "ZeroDivisionError" in caplog.text


# Test bridges that are limited to one user or agent


@on_the_stack
def test_variables_set_user_and_agent_and_keep_numbers_exact(api: Api, bridging: Bridging) -> None:
    bridge = bridging(user_id=api.user, agent_id=7)
    digits = b"0.1000000000000000000000000000000000001"
    long = b"9" * 5000
    one = calling("record_outcome", deal(api, metadata={"n": "long"})).replace(b'"12.50"', digits)
    assert answered(bridge, one.replace(b'"long"', long))["result"]["isError"] is False
    several = [deal(api, idempotency_key=key, agent_id=7, user_id=api.user) for key in "ab"]
    told = answered(bridge, calling("record_outcomes", {"outcomes": several}))["result"]["structuredContent"]
    assert (told["recorded"], told["not_recorded"]) == (2, 0)
    recorded = api.recorded()
    assert [(each["user_id"], each["agent_id"]) for each in recorded] == [(api.user, 7)] * 3
    assert str(recorded[2]["value_usd"]).encode() == digits
    assert str(recorded[2]["metadata"]["n"]).encode() == long
    void = {"outcome_id": recorded[2]["id"], "reason": "Twice", "idempotency_key": "v"}
    assert answered(bridge, calling("void_outcome", void))["result"]["isError"] is False


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("record_outcome", {"user_id": 43}, "This server records for user_id 42 only. Leave user_id out"),
        ("record_outcome", {"agent_id": 8}, "This server records for agent_id 7 only. Leave agent_id out"),
        ("record_outcomes", {"outcomes": [{}, {"user_id": 43}]}, "for user_id 42 only"),
        ("correct_outcomes", {"corrections": [{}, {"user_id": 43}]}, "for user_id 42 only"),
        ("amend_outcome", {"user_id": 43}, "for user_id 42 only"),
        ("amend_outcome", {"agent_id": 8}, "for agent_id 7 only"),
        ("amend_outcome", {"clear": ["agent_id"]}, "for agent_id 7 only"),
        ("correct_outcomes", {"corrections": [{"clear": ["title", "agent_id"]}]}, "for agent_id 7 only"),
        ("void_outcome", {"user_id": "42"}, "for user_id 42 only"),
    ],
)
def test_a_model_cannot_record_or_correct_for_others(
    api: Api, bridging: Bridging, tool: str, arguments: dict[str, Any], says: str
) -> None:
    bridge = bridging(retry=ONE_TRY, user_id=42, agent_id=7)
    assert says in refusal(bridge, tool, arguments)
    assert not api.door.requests


def test_each_message_of_a_batch_is_checked(api: Api, bridging: Bridging) -> None:
    # An answer of several lines becomes one line.
    api.door.upstream = lambda *_: (200, {}, b'{\r\n "jsonrpc": "2.0",\n "id": 1, "result": {"a": "b  c"}\n}\n')
    bridge = bridging(retry=ONE_TRY, user_id=42)
    bad, good = calling("record_outcome", {"user_id": 43}), calling("record_outcome", {})
    batch = [bad, good, asking("ping", {}), b"7", b"[%s]" % bad]  # a batch in a batch is not forwarded, but null
    refused, *handed_on = answered(bridge, b"[%s]" % b",".join(batch))
    assert "for user_id 42 only" in refused["result"]["content"][0]["text"]
    assert [each["result"] for each in handed_on] == [{"a": "b  c"}] * 4
    recording, *others = [json.loads(body) for _, body in api.door.requests]
    assert recording["params"]["arguments"] == {"user_id": 42}
    assert others == [*(json.loads(each) for each in batch[2:4]), None]


@pytest.mark.parametrize("user_id", [42, None])
@pytest.mark.parametrize("unread", [b"\xff", b"1e99999999999999999999", b"[" * 100_000])
def test_a_line_that_cannot_be_read_is_answered_and_not_forwarded(
    api: Api, bridging: Bridging, unread: bytes, user_id: int | None
) -> None:
    bridge = bridging(retry=ONE_TRY, user_id=user_id)
    error = {"code": -32700, "message": "The message cannot be read as JSON"}
    line = calling("record_outcome", {"user_id": 43, "x": "?"}).replace(b"?", unread)
    assert answered(bridge, line.replace(b'"%s"' % unread, unread)) == {"jsonrpc": "2.0", "id": None, "error": error}
    assert not api.door.requests


@pytest.mark.parametrize("arguments", [7, {"outcomes": 7}, {"outcomes": [7]}, {"agent_id": 8}])
def test_calls_that_record_nothing_are_forwarded_unchanged(api: Api, bridging: Bridging, arguments: Any) -> None:
    api.door.upstream = lambda *_: (200, {}, b'{"jsonrpc":"2.0","id":1,"result":{}}')
    bridge = bridging(retry=ONE_TRY, user_id=42, agent_id=7)
    tool = "list_outcomes" if arguments == {"agent_id": 8} else "record_outcomes"
    answered(bridge, calling(tool, arguments))
    sent = json.loads(api.door.requests[0][1])
    assert sent["params"]["arguments"] == arguments
