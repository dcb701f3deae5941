"""Run the cases shared with the TypeScript client, with the blocking and the async client."""

from __future__ import annotations

import dataclasses
import inspect
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from outcomes_client import AsyncOutcomesClient, Outcome, OutcomesClient, OutcomesError, Retry

Case = Mapping[str, Any]
Kind = type[OutcomesClient] | type[AsyncOutcomesClient]

TABLE = json.loads((Path(__file__).parents[2] / "cases.json").read_text())
CASES: list[Case] = TABLE["cases"]
SAYS = {
    "call": {"client", "env", "call", "answers", "requests", "waits", "timeouts", "notices", "result", "error"},
    "settings": {"client", "env", "error"},
    "number": {"text", "value", "written"},
}
"""The fields of each kind of case."""

A_CLIENT = {"key": "s3cret-key", "cookie": "session=s3cret"}
NO_ERROR: Case = {
    **{"status": None, "error": None, "details": [], "retryable": False, "retryAfter": None, "ignoredFields": []},
    **{"idempotencyKey": None, "results": [], "corrections": [], "says": ""},
}
HEADERS = ("Accept", "Content-Type", "Authorization", "Cookie", "Idempotency-Key", "If-Match", "If-None-Match")
RANDOM_KEY = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
AMOUNTS = ("valueUsd", "maxValueUsd", "costUsd", "quantity")


def of(kind: str) -> pytest.MarkDecorator:
    cases = [case for case in CASES if case["kind"] == kind]
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


def test_every_case_has_a_known_kind_and_only_fields_that_are_checked() -> None:
    assert len({case["name"] for case in CASES}) == len(CASES)
    for case in CASES:
        assert case.keys() - {"name", "kind"} <= SAYS[case["kind"]], case["name"]


def test_every_call_has_a_case() -> None:
    calls = {name for name, _ in inspect.getmembers(OutcomesClient, inspect.isfunction) if not name.startswith("_")}
    assert {snake(case["call"][0]) for case in CASES if case["kind"] == "call"} == calls - {"close"}


@of("call")
@pytest.mark.parametrize("kind", [OutcomesClient, AsyncOutcomesClient])
async def test_a_call_matches_the_table(
    kind: Kind, case: Case, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in case.get("env", {}).items():
        monkeypatch.setenv(name, value)
    world = World(case)
    answers = list(world.answers)
    time = SimpleNamespace(sleep=world.sleep, monotonic=world.clock)
    monkeypatch.setattr("outcomes_client._client.time", time)
    monkeypatch.setattr("outcomes_client._async_client.time", time)
    monkeypatch.setattr("outcomes_client._async_client.anyio", SimpleNamespace(sleep=world.asleep))
    told: dict[str, Any] = {}
    with caplog.at_level(logging.WARNING, "outcomes_client"):
        client = world.client(kind)
        try:
            told["result"] = tell(await made(client, case["call"]))
        except OutcomesError as error:
            told["error"] = tell_error(error)
    assert not world.answers
    assert "s3cret" not in str(told) + caplog.text
    requests, told = named((world.requests, told))
    expected = case.get("requests")
    if expected:
        assert alike(requests, [requested(one, case) for one in expected]), requests
    else:
        assert requests == requests[:1] * len(answers)
    assert world.waits == pytest.approx(case.get("waits", []))
    assert world.timeouts == pytest.approx(case.get("timeouts", world.timeouts), abs=0.001)
    notices = [one.getMessage().partition(": ")[2] for one in caplog.records if one.name == "outcomes_client"]
    reasons = [said.partition(". Trying again")[0] for said in notices]
    notices = [said for n, said in enumerate(notices) if reasons[n] not in reasons[max(0, n - 1) : n]]
    begun = case.get("notices", [])
    assert [said[: len(begin)] for said, begin in zip(notices, begun, strict=True)] == begun
    assert alike(told, {name: case[name] for name in ("result", "error") if name in case}), told


async def made(client: Any, call: list[Any]) -> Any:
    """Make a call of `cases.json`, and return its result."""
    method, *arguments = call
    options = arguments.pop() if arguments and isinstance(arguments[-1], dict) else {}
    done = getattr(client, snake(method))(
        *map(value_of, arguments), **{snake(name): value_of(value, name) for name, value in options.items()}
    )
    if inspect.isasyncgen(done):
        return [each async for each in done]
    if inspect.isawaitable(done):
        return await done
    return list(done) if inspect.isgenerator(done) else done


async def test_what_cannot_be_sent_is_refused_with_an_error_of_this_package_whatever_the_call() -> None:
    answers = [{"status": 400, "body": '{"error":"Invalid from"}'}] * 9
    for method, *arguments in {case["call"][0]: case["call"] for case in CASES if case["kind"] == "call"}.values():
        for each in with_one_wrong(arguments):
            with suppress(OutcomesError):
                await made(World({"answers": answers}).client(OutcomesClient), [method, *each])


def with_one_wrong(value: Any, name: str = "") -> Iterator[Any]:
    """Yield copies of a value, each with one of its parts replaced by a wrong one of the same type."""
    match value:
        case dict() if not any(tag.startswith("$") for tag in value):
            yield from ({**value, key: each} for key, item in value.items() for each in with_one_wrong(item, key))
        case list():
            for n, item in enumerate(value):
                yield from ([*value[:n], each, *value[n + 1 :]] for each in with_one_wrong(item))
        case str() | None if name not in AMOUNTS:
            yield "\ud800"
            if name in ("start", "end", "expiresAt", "occurredAt"):
                yield datetime(2026, 4, 1)  # noqa: DTZ001 - the mistake under test
        case _ if name != "ifVersion":
            yield float("nan")


@of("settings")
@pytest.mark.parametrize("kind", [OutcomesClient, AsyncOutcomesClient])
def test_settings_match_the_table(kind: Kind, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in case.get("env", {}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OutcomesError) as failure:
        World(case).client(kind)
    assert alike(tell_error(failure.value), case["error"]), failure
    assert "s3cret" not in str(failure.value)


@of("number")
def test_a_number_matches_the_table(case: Case) -> None:
    outcome = {
        **{"id": "01A", "user_id": 42, "agent_id": None, "outcome_type": "task_complete", "title": "x"},
        **{"description": None, "value_usd": None, "metadata": "@", "created_at": "2026-04-01T12:00:00.000Z"},
    }
    page = json.dumps({"outcomes": [outcome], "next_cursor": None}).replace('"@"', f'{{"n":[{case["text"]}]}}')
    recorded = {"headers": {"Outcome-Id": "01A"}, "body": '{"ok":true}'}
    world = World({"answers": [{"body": page}, recorded]})
    client = world.client(OutcomesClient)
    metadata = client.list().outcomes[0].metadata
    client.record("task_complete", "x", user_id=42, metadata=metadata)
    assert tagged(metadata) == {"n": [case["value"]]}
    written = json.loads(world.requests[1]["body"], parse_float=str, parse_int=str)["metadata"]
    # Python writes a float without a fraction as, for example, "5.0".
    assert written["n"][0].removesuffix(".0") == case.get("written", case["text"])


class World:
    """A fake server with the answers of a case, and a clock that advances only with answers and waits."""

    def __init__(self, case: Case) -> None:
        self.settings = case.get("client", A_CLIENT)
        self.url = self.settings and case.get("kind") != "settings"
        self.answers = list(answers_of(case.get("answers", [])))
        self.now = 0.0
        self.waits: list[float] = []
        self.timeouts: list[float] = []
        self.requests: list[dict[str, Any]] = []

    def client(self, kind: Kind) -> Any:
        given = {"url": "https://api.example/v1", **self.settings} if self.url else self.settings
        settings: dict[str, Any] = {{"key": "api_key"}.get(name, snake(name)): value for name, value in given.items()}
        if "retry" in settings:
            settings["retry"] = Retry(**{snake(name): value for name, value in settings["retry"].items()})
        client = kind(**settings, transport=httpx.MockTransport(self.answer))
        client._calls._clock, client._calls._jitter = self.clock, lambda _, ceiling: ceiling / 2
        return client

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)

    def answer(self, request: httpx.Request) -> httpx.Response:
        timeout = request.extensions["timeout"]["read"]
        self.timeouts.append(timeout)
        self.requests.append(
            {
                "method": request.method,
                "path": request.url.raw_path.decode().partition("?")[0],
                "query": sorted([name, value] for name, value in request.url.params.multi_items()),
                "headers": {name: request.headers[name] for name in HEADERS if name in request.headers},
                "body": request.content.decode(),
            }
        )
        answer = self.answers.pop(0)
        self.now += answer.get("seconds", 0)
        match answer.get("name"):
            case "lost":
                raise httpx.ReadError("lost")
            case "refused":
                raise httpx.ConnectError("refused")
            case "silent":
                self.now += timeout
                raise httpx.ReadTimeout("silent")
            case "half":
                return httpx.Response(200, stream=Half())
            case "too long":
                return httpx.Response(200, stream=TooLong())
        return httpx.Response(
            answer.get("status", 200), headers=answer.get("headers", {}), content=answer["body"].encode()
        )


class Stream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A response of which each client reads the same parts."""

    def __iter__(self) -> Iterator[bytes]:
        raise NotImplementedError

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part


class Half(Stream):
    """A response that ends before its body is complete."""

    def __iter__(self) -> Iterator[bytes]:
        yield b'{"ok":'
        raise httpx.RemoteProtocolError("half")


class TooLong(Stream):
    """A response that fails the test if the client reads more than 17 MiB."""

    def __iter__(self) -> Iterator[bytes]:
        yield from [b" " * 2**20] * 17
        raise AssertionError("read on")


def answers_of(said: list[Any]) -> Iterator[dict[str, Any]]:
    for one in said:
        answer: dict[str, Any] = {"name": one} if isinstance(one, str) else one
        answer = {**TABLE["answers"].get(answer.get("name"), {}), **answer}
        yield from [answer] * answer.get("times", 1)


def requested(one: Case, case: Case) -> dict[str, Any]:
    """Return an expected request from cases.json, with the headers that the file leaves out."""
    client, env = case.get("client", A_CLIENT), case.get("env", {})
    by = {}
    if one["by"] == "key":
        by = {"Authorization": f"Bearer {client.get('key') or client.get('apiKey') or env['INTERNAL_API_KEY']}"}
    elif one["by"] == "session":
        by = {"Cookie": client.get("cookie") or env["OUTCOMES_COOKIE"]}
    body = one.get("body", "")
    headers = {"Accept": "application/json", **({"Content-Type": "application/json"} if body else {}), **by}
    return {
        **{"method": one["method"], "path": one["path"], "query": one.get("query", [])},
        **{"headers": {**headers, **one.get("headers", {})}, "body": body},
    }


def snake(name: str) -> str:
    return re.sub("[A-Z]", lambda capital: f"_{capital[0].lower()}", name)


def camel(name: str) -> str:
    return re.sub("_(.)", lambda found: found[1].upper(), name)


def value_of(value: Any, name: str = "") -> Any:
    """Convert an argument in `cases.json` to a Python value."""
    match value:
        case {"$decimal": text}:
            return Decimal(text)
        case {"$integer": text}:
            return int(text)
        case {"$number": text}:
            return float(text)
        case {"$instant": text}:
            return datetime.fromisoformat(text)
        case {"$repeat": [str() as text, int() as times]}:
            return text * times
        case {"$many": [dict() as item, int() as times]}:
            return [item] * times
        case dict():
            return {key: value_of(item, key) for key, item in value.items()}
        case list():
            return [value_of(item) for item in value]
    return Decimal(value) if name in AMOUNTS and value is not None else value


def tagged(value: Any) -> Any:
    """Convert metadata to the notation of `cases.json`, such as {"$decimal": "1.5"}."""
    if isinstance(value, dict):
        return {name: tagged(item) for name, item in value.items()}
    if isinstance(value, list):
        return [tagged(item) for item in value]
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    return {"$integer": str(value)} if type(value) is int and abs(value) >= 2**53 else value


def tell(value: Any) -> Any:
    """Convert a result to the notation of `cases.json`, which has the TypeScript client's names."""
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        if "created_at" in fields and fields.get("status", "") is None:
            fields = {name: fields[name] for name in fields if name not in LEDGER}
        if hasattr(value, "ok"):
            fields["ok"] = value.ok
        return {camel(name): tagged(item) if name == "metadata" else tell(item) for name, item in fields.items()}
    if isinstance(value, dict):
        return {camel(name): tell(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [tell(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, bytes):
        return value.decode()
    return str(value) if isinstance(value, Decimal | date) else value


LEDGER = [each.name for each in dataclasses.fields(Outcome) if each.default is not dataclasses.MISSING]


def tell_error(error: OutcomesError) -> dict[str, Any]:
    told = {camel(name): tell(value) for name, value in vars(error).items() if name[0] != "_"}
    return {"kind": type(error).__name__, "says": str(error), "retryable": error.retryable, **told}


def named(value: Any) -> Any:
    """Replace random idempotency keys by $uuid1, $uuid2 and so on, in order of appearance."""
    names: dict[str, str] = {}
    text = RANDOM_KEY.sub(lambda key: names.setdefault(key[0], f"$uuid{len(names) + 1}"), json.dumps(value))
    return json.loads(text)


def alike(seen: Any, expected: Any) -> bool:
    """Return whether a value matches the expected value in `cases.json`. "any" matches every value."""
    if expected == "any":
        return True
    if isinstance(seen, str) and isinstance(expected, dict):
        return {"$length": len(seen)} == expected
    if isinstance(seen, dict) and isinstance(expected, dict):
        if "recordedBy" in expected:  # a later field is null in an outcome of an older API
            expected = {name: None for name, value in seen.items() if value is None} | expected
        if "kind" in expected:
            expected = {**NO_ERROR, **expected, "says": "any" if expected.get("says", "") in seen["says"] else "said"}
        return seen.keys() == expected.keys() and all(alike(seen[name], expected[name]) for name in seen)
    if isinstance(seen, list) and isinstance(expected, list):
        return len(seen) == len(expected) and all(map(alike, seen, expected))
    return bool(seen == expected)
