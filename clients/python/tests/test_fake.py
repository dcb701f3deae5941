"""Compare the fake of `outcomes_client.testing` with the local stack.

Mutation testing: the comparison must detect each fault that a test plants in the fake.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.client import HTTPConnection
from importlib.metadata import requires
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx
import pytest
from outcomes_client import ForbiddenError, NoAnswerError, OutcomesClient, Retry, ServerError, UnauthorizedError
from outcomes_client._http import Headers as ReplyHeaders
from outcomes_client._http import Reply
from outcomes_client._json import decode, encode
from outcomes_client._refusals import switched_off
from outcomes_client.testing import OutcomesFake
from outcomes_client.testing._copied.calendar import instants
from outcomes_client.testing._copied.ledger import items
from outcomes_client.testing._gateway import FAILED, FAILURES, ROUTES, UNANSWERED, refusal
from outcomes_client.testing._tables import Tables, updated

from clients.python.tests.side_by_side import USERS, Call, Caller, Headers, Side
from tests.local.stacks import WITHOUT_EVENTS, WITHOUT_ISSUER, Stack, running

ROOT = Path(__file__).parents[3]
ERRORS = (ROOT / "docs/errors.md").read_text()
SEED = int(os.environ.get("SEED", "4"))
CALLS = int(os.environ.get("CALLS", "350"))  # every planted fault of PLANTED differs within the first 140 of this seed

pytest_plugins = ["outcomes_client.testing._pytest"]

type Answered = list[tuple[Call, tuple[int, list[tuple[str, str]], str]]]


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[Stack]:
    """Run a separate stack without outcomes of other tests, because the calls also list outcomes without a user."""
    with running(tmp_path, *WITHOUT_EVENTS, *WITHOUT_ISSUER) as stack:
        yield stack


def answers_of(stack: Stack) -> Answered:
    """Make random calls to the local stack. Return the calls with the answers."""
    known = USERS | {f"~session{n}~": stack.cookie(n) for n in (1, 2)} | {"~platform0~": stack.key}
    with closing(HTTPConnection(stack.url.removeprefix("http://"), timeout=30)) as http:

        def send(method: str, target: str, headers: Headers, body: bytes) -> Any:
            http.putrequest(method, target, skip_accept_encoding=True)
            for name, value in [*headers, ("Content-Length", str(len(body)))]:
                http.putheader(name, value.encode("latin-1"))
            http.endheaders(body)
            answer = http.getresponse()
            return answer.status, answer.headers.items(), answer.read()

        side, caller, answered = Side(send, known), Caller(SEED), []
        for call in caller.calls(CALLS):
            answer = side.answer(call)
            caller.seen(answer)
            answered.append((call, answer))
    return answered


def first_difference(answered: Answered) -> str | None:
    """Make the same calls to a new fake, a millisecond apart.

    Return the first call that the fake answers differently. Keys that are created in the same millisecond are listed
    in any order, so the fake needs the pause. The stack takes longer than a millisecond for each call.
    """
    with OutcomesFake() as fake, pytest.MonkeyPatch.context() as patched:
        known = USERS | {f"~session{n}~": fake.session(n) for n in (1, 2)} | {"~platform0~": fake.key}

        def send(*call: Any) -> Any:
            status, headers, body = fake.answer(*call)
            return status, headers.items(), body

        side, begun = Side(send, known), instants.now()
        for number, (call, expected) in enumerate(answered):
            patched.setattr(instants, "now", always(begun + number))
            answer = side.answer(call)
            if answer != expected:
                return f"call {number} of seed {SEED}: {call}\nthe API:  {expected}\nthe fake: {answer}"
    return None


def always(value: Any) -> Callable[..., Any]:
    return lambda *_, **__: value


def without(answer: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key != name}


query, attribute = Tables.query, items.attribute

PLANTED: dict[str, tuple[str, Any]] = {
    "every condition and filter holds": ("_tables.holds", always(True)),
    "a list is oldest first": ("_tables.Tables.query", lambda *asked: {"Items": query(*asked)["Items"][::-1]}),
    "a list has one page": ("_tables.Tables.query", lambda *asked: without(query(*asked), "LastEvaluatedKey")),
    "a filter is ignored": (
        "_tables.Tables.query",
        lambda tables, asked: query(tables, without(asked, "FilterExpression")),
    ),
    "a batch is not stored": ("_tables.Tables._insert", always({})),
    "an update changes nothing": ("_tables.updated", lambda before, _: before),
    "an update removes nothing": ("_tables.updated", lambda before, asked: before | updated(before, asked)),
    "only the last value of a parameter counts": ("_gateway._lists", lambda pairs: {n: [v] for n, v in pairs}),
    "the route is not said to be missing": ("_gateway.refusal", lambda *error, **_: refusal(*error)),
    "the platform may read": ("_copied.functions.authorizer.PLATFORM_MAY_READ", True),
    "numbers are written otherwise": (
        "_copied.ledger.items.attribute",
        lambda *of: {n: v.rstrip("0") or "0" for n, v in attribute(*of).items()},
    ),
}
"""Faults by name: which attribute of a module of `outcomes_client.testing`, and what it becomes."""


def test_the_fake_answers_random_calls_as_the_local_stack_does_but_with_each_planted_fault(own_stack: Stack) -> None:
    """Make the calls to the local stack only once, because they take seconds. So one test checks all faults."""
    answered = answers_of(own_stack)
    difference = first_difference(answered)
    assert difference is None, difference
    for fault, planted in PLANTED.items():
        with pytest.MonkeyPatch.context() as patched:
            name, value = planted
            patched.setattr(f"outcomes_client.testing.{name}", value)
            assert first_difference(answered), fault


# Test the functions of the fake that users call in tests of their agents


def test_the_client_of_the_fake_records(outcomes_fake: OutcomesFake) -> None:
    outcomes_fake.client.record(
        "deal_closed", "Acme renewed", user_id=42, value_usd=Decimal("12.50"), metadata={"crm": 7}
    )
    outcomes_fake.client.record("task_complete", "For nobody")
    nobodys, acme = outcomes_fake.recorded
    assert (nobodys["title"], nobodys["user_id"]) == ("For nobody", None)
    assert acme["value_usd"] == Decimal("12.50")
    with OutcomesClient(outcomes_fake.url, cookie=outcomes_fake.session(42)) as owner:
        [listed] = owner.list().outcomes
        assert listed.as_dict() | {"created_at": acme["created_at"]} == acme
    outcomes_fake.client.void(listed.id, "Twice", user_id=42)
    assert outcomes_fake.recorded == [nobodys]


@pytest.mark.parametrize("status", FAILURES)
def test_a_status_fails_as_often_as_asked_and_nothing_is_recorded(outcomes_fake: OutcomesFake, status: int) -> None:
    outcomes_fake.fail(status, times=2)
    headers = {"Authorization": f"Bearer {outcomes_fake.key}"}
    work = {"outcomeType": "deal_closed", "title": "Acme renewed"}
    answers = [httpx.post(f"{outcomes_fake.url}/api/outcomes", json=work, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [status, status, 200]
    error = answers[0].json()["error"]
    assert f"`{error}`" in ERRORS or f'{status} {{"error":"{error}"}}' in ERRORS
    assert len(outcomes_fake.recorded) == 1


def test_a_failing_function_has_its_own_error(outcomes_fake: OutcomesFake) -> None:
    for call, function in ROUTES.items():
        outcomes_fake.fail(500)
        method, target = re.sub("{.*?}", "1", call).split()
        assert outcomes_fake.answer(method, target, [], b"").body == encode({"error": FAILED[function]})
        assert f"`{FAILED[function]}`" in ERRORS


def test_a_status_that_the_api_never_has_is_refused(outcomes_fake: OutcomesFake) -> None:
    with pytest.raises(ValueError, match="no error 418, only 400, 401"):
        outcomes_fake.fail(418)


def test_every_call_is_late_until_there_is_no_delay(outcomes_fake: OutcomesFake) -> None:
    outcomes_fake.delay(60)
    with (
        OutcomesClient(outcomes_fake.url, outcomes_fake.key, retry=Retry(deadline=0.2, timeout=0.1)) as client,
        pytest.raises(NoAnswerError),
    ):
        client.record("deal_closed", "Acme renewed")
    outcomes_fake.delay(0)
    assert outcomes_fake.client.record("deal_closed", "Acme renewed").id


def test_an_agent_key_has_its_bounds(outcomes_fake: OutcomesFake) -> None:
    outcomes_fake.fail(503)  # agent_key() is not affected, so the agent's first call fails
    key = outcomes_fake.agent_key(42, agent_id=7, max_value_usd=500)
    with OutcomesClient(outcomes_fake.url, key) as agent:
        agent.record("deal_closed", "Acme renewed", value_usd=500)
        with pytest.raises(ForbiddenError, match="values of magnitude 500 at most"):
            agent.record("deal_closed", "Too much", value_usd=501)
    assert [(one["user_id"], one["agent_id"]) for one in outcomes_fake.recorded] == [(42, 7)]


def test_a_body_in_chunks_is_read_whole(outcomes_fake: OutcomesFake) -> None:
    chunks = [b'{"outcomeType":"deal_closed",', b'"title":"Acme renewed"}']
    with httpx.Client(headers={"Authorization": f"Bearer {outcomes_fake.key}"}) as http:
        for _ in range(2):  # the second call uses the same connection
            assert http.post(f"{outcomes_fake.url}/api/outcomes", content=iter(chunks)).status_code == 200
    assert [one["title"] for one in outcomes_fake.recorded] == ["Acme renewed"] * 2


def test_threads_share_the_client_of_the_fake(outcomes_fake: OutcomesFake) -> None:
    together = Barrier(8)

    def client(_: int) -> OutcomesClient:
        together.wait()
        return outcomes_fake.client

    with ThreadPoolExecutor(8) as threads:
        assert len({*map(id, [*threads.map(client, range(8))])}) == 1


def test_without_the_extra_the_fake_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "outcomes_client.testing._copied.functions.record_outcome", None)
    with pytest.raises(ModuleNotFoundError, match=r"run uv pip install '\./clients/python\[testing\]'"):
        OutcomesFake()


def test_the_extra_of_the_fake_installs_pytest() -> None:
    extra = [needed for needed in requires("outcomes-client") or [] if "extra == 'testing'" in needed]
    assert any(needed.startswith("pytest>=") for needed in extra)


def test_what_the_fake_does_not_answer_is_501_with_a_sentence(outcomes_fake: OutcomesFake) -> None:
    for call in UNANSWERED:
        method, target = call.split()
        status, _, body = outcomes_fake.answer(method, target, [], b"")
        assert (status, decode(body)["error"][:25]) == (501, "The fake does not answer ")
    with (
        OutcomesClient(outcomes_fake.url, cookie=outcomes_fake.session(42)) as owner,
        pytest.raises(ServerError, match="501 The fake does not answer") as failure,
    ):
        owner.list_statements()
    assert not failure.value.retryable


DEALS = {"name": "Deals", "measure": "value", "every": "month", "timezone": "UTC", "target": 400, "at": [50, 100]}
MARCH = datetime(2027, 3, 29, 12, tzinfo=UTC)  # a Monday


def told(fake: OutcomesFake) -> list[tuple[str, str]]:
    """Return type, and the end of the id, of each event."""
    assert len({event["id"] for event in fake.events}) == len(fake.events)
    return [(event["type"], event["id"].partition("#")[2]) for event in fake.events]


def test_the_fake_tells_which_capabilities_it_has(outcomes_fake: OutcomesFake) -> None:
    cookie = outcomes_fake.session(42)
    status, headers, body = outcomes_fake.answer("GET", "/api/outcomes", [("Cookie", cookie)], b"")
    assert switched_off(Reply(status, ReplyHeaders(headers.items()), body)) == ["Export", "Statements", "ModelTools"]


def test_the_clock_can_be_moved_and_watches_tell_what_happened_meanwhile(outcomes_fake: OutcomesFake) -> None:
    outcomes_fake.now = MARCH
    for user in (41, 42):
        outcomes_fake.client.put_watch("deals", DEALS, user_id=user)
    outcomes_fake.client.put_digest({"timezone": "Asia/Kolkata", "day": "monday", "hour": 8}, user_id=42)
    first = outcomes_fake.client.record("deal_closed", "Acme renewed", value_usd=300, user_id=42)
    outcomes_fake.now += timedelta(minutes=15)
    assert told(outcomes_fake) == [("watch.reached", "2027-03#50#1")]
    outcomes_fake.client.void(first.id, "Cancelled", user_id=42)
    outcomes_fake.now += timedelta(days=7)
    assert told(outcomes_fake)[1:] == [
        ("watch.undone", "2027-03#50#2"),
        *[("watch.missed", "2027-03#100#1")] * 2,
        ("digest.week", "2027-W13"),
    ]
    assert [event["subject"] for event in outcomes_fake.events[2:4]] == [f"users/{n}/watches/deals" for n in (41, 42)]
    digest = outcomes_fake.events[-1]
    assert (
        digest["data"]["text"]
        == "Week 2027-W13: $0 claimed ($0 the week before); 0 outcomes of the last 90 days wait for review"
    )
    assert "2027-04-05T02:30" <= digest["time"] < "2027-04-05T06:00"  # evaluated about every two hours


def test_the_clock_that_was_moved_is_that_of_all_answers(outcomes_fake: OutcomesFake) -> None:
    begun = outcomes_fake.now
    assert abs(begun - datetime.now(UTC)) < timedelta(hours=1)
    key = outcomes_fake.agent_key(42, expires_at=(begun + timedelta(hours=2)).isoformat(), scopes=["record", "read"])
    with OutcomesClient(outcomes_fake.url, key, retry=Retry(deadline=0.5)) as agent, OutcomesFake() as other:
        for _ in range(2):
            agent.record("deal_closed", "Acme renewed", value_usd=1)
            outcomes_fake.now += timedelta(hours=1)
        with pytest.raises(UnauthorizedError):
            agent.record("deal_closed", "Too late")
        assert other.now < begun + timedelta(hours=1)
    last, first = (datetime.fromisoformat(one["created_at"]) for one in outcomes_fake.recorded)
    assert timedelta(hours=1) <= last - first < timedelta(hours=2)
    with OutcomesClient(outcomes_fake.url, cookie=outcomes_fake.session(42)) as owner:
        found = owner.summary(by="day", start=begun - timedelta(days=1), end=outcomes_fake.now)
    assert (str(found.value_usd), sum(day.count for day in found.by_day)) == ("2", 2)


def test_the_clock_goes_back_only_before_anything_is_stored(outcomes_fake: OutcomesFake) -> None:
    outcomes_fake.session(42)
    outcomes_fake.now -= timedelta(days=400)
    outcomes_fake.client.record("deal_closed", "Acme renewed")
    with pytest.raises(ValueError, match="goes back only before"):
        outcomes_fake.now -= timedelta(seconds=1)
    with pytest.raises(ValueError, match="needs a time zone"):
        outcomes_fake.now = datetime(2028, 1, 1)  # noqa: DTZ001 - the fault


FALSE_CONTROLS: list[tuple[str, dict[str, Any]]] = [
    ("fail", {"status": 418}),
    ("delay", {"hours": 1}),
    ("delay", {"seconds": -1}),
    ("delay", {"seconds": 1e300}),
    ("delay", {"seconds": "1"}),
    ("session", {"user_id": "Ava"}),
    ("session", {"user_id": 0}),
    ("session", {"user_id": 2**53}),
    ("now", {"now": "tomorrow"}),
    ("now", {"now": "2027-03-29"}),
    ("now", {"hours": 1}),
]


def test_the_command_serves_a_fake_that_other_languages_control() -> None:
    command = [sys.executable, "-m", "outcomes_client", "fake", "--port", "0", "--user", "43"]
    # If a shell runs the tests in the background, they ignore SIGINT. Undo that.
    with (
        subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
        ) as run,
        ExitStack() as stack,
    ):
        stack.callback(run.kill)  # otherwise, a failure below would wait for its end
        assert run.stdout
        said = dict(run.stdout.readline().strip().split("=", 1) for _ in range(3))
        with httpx.Client(base_url=said["OUTCOMES_URL"]) as http:

            def control(name: str, **body: Any) -> Any:
                answer = http.post(f"/fake/{name}", json=body)
                return answer.status_code, answer.json()

            assert control("fail", status=503) == (200, {"ok": True})
            assert control("delay", seconds=0.01) == (200, {"ok": True})
            work = {"outcomeType": "deal_closed", "title": "Acme renewed"}
            headers = {"Cookie": said["OUTCOMES_COOKIE"]}
            assert [http.post("/api/outcomes", json=work, headers=headers).status_code for _ in range(2)] == [503, 200]
            [recorded] = http.get("/fake/recorded").json()["recorded"]
            assert (recorded["title"], recorded["user_id"]) == ("Acme renewed", 43)
            assert control("now", now="2026-01-01T12:00:00Z")[0] == 400  # something is recorded
            assert control("now", now="2127-03-29T12:00:00Z")[1]["now"][:16] == control("now")[1]["now"][:16]
            assert control("events") == (200, {"events": []})
            assert control("session", user_id=7) == (200, {"cookie": "session=session-of-user-7"})
            for name, wrong in FALSE_CONTROLS:
                assert control(name, **wrong)[0] == 400, (name, wrong)
            assert control("stop")[0] == 404
        taken = subprocess.run([*command[:-4], "--port", said["OUTCOMES_URL"].rpartition(":")[2]], capture_output=True)
        assert (taken.returncode, taken.stdout) == (1, b"")
        assert b"cannot listen on port" in taken.stderr
        run.send_signal(signal.SIGINT)
        assert run.wait(30) == 130


def test_the_fake_is_ready_with_few_modules() -> None:
    """Count what a new process loads besides the client: loading modules is nearly all of the fake's start."""
    code = (
        "import httpx, outcomes_client._client, sys; before = {*sys.modules}; from outcomes_client.testing import *; "
    )
    code += "OutcomesFake().close(); print(*{*sys.modules} - before)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = run.stdout.split()
    packages = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names
    assert {name for name in packages if not name.startswith("_")} - {"tzdata"} == {"outcomes_client", "pydantic_core"}
    assert len(loaded) < 150


def test_pytest_finds_the_fixture_by_the_entry_point(tmp_path: Path) -> None:
    (tmp_path / "test_agent.py").write_text(
        "def test_agent(outcomes_fake):\n"
        "    outcomes_fake.client.record('deal_closed', 'Acme renewed')\n"
        "    assert len(outcomes_fake.recorded) == 1\n"
    )
    # Do not load other packages' plugins, which takes a second.
    options = [f"-pno:{plugin}" for plugin in ("cacheprovider", "schemathesis", "langsmith_plugin", "hypothesispytest")]
    run = subprocess.run([sys.executable, "-m", "pytest", "-q", *options], cwd=tmp_path, capture_output=True, text=True)
    assert "1 passed" in run.stdout, run.stdout
