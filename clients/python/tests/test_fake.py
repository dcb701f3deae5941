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
from contextlib import closing
from decimal import Decimal
from http.client import HTTPConnection
from importlib.metadata import requires
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx
import pytest
from outcomes_client import ForbiddenError, NoAnswerError, OutcomesClient, Retry, ServerError
from outcomes_client._json import decode, encode
from outcomes_client.testing import OutcomesFake
from outcomes_client.testing._copied.calendar import instants
from outcomes_client.testing._copied.ledger import items
from outcomes_client.testing._gateway import FAILED, FAILURES, ROUTES, UNANSWERED, refusal
from outcomes_client.testing._tables import Tables, updated

from clients.python.tests.side_by_side import USERS, Call, Caller, Headers, Side
from tests.local.stacks import WITHOUT_EVENTS, WITHOUT_ISSUER, Stack, running

ROOT = Path(__file__).parents[3]
ERRORS = (ROOT / "docs/errors.md").read_text()
SEED = int(os.environ.get("SEED", "1"))
CALLS = int(os.environ.get("CALLS", "1000"))

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
    with pytest.raises(ServerError, match="501 The fake does not answer") as failure:
        outcomes_fake.client.summary(user_id=42)
    assert not failure.value.retryable


FALSE_CONTROLS: list[tuple[str, dict[str, Any]]] = [
    ("fail", {"status": 418}),
    ("delay", {"hours": 1}),
    ("delay", {"seconds": -1}),
    ("delay", {"seconds": 1e300}),
    ("delay", {"seconds": "1"}),
    ("session", {"user_id": "Ava"}),
    ("session", {"user_id": 0}),
    ("session", {"user_id": 2**53}),
]


def test_the_command_serves_a_fake_that_other_languages_control() -> None:
    command = [sys.executable, "-m", "outcomes_client", "fake", "--port", "0", "--user", "43"]
    # If a shell runs the tests in the background, they ignore SIGINT. Undo that.
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    ) as run:
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
            assert control("session", user_id=7) == (200, {"cookie": "session=session-of-user-7"})
            for name, wrong in FALSE_CONTROLS:
                assert control(name, **wrong)[0] == 400, (name, wrong)
            assert control("stop")[0] == 404
        taken = subprocess.run([*command[:-4], "--port", said["OUTCOMES_URL"].rpartition(":")[2]], capture_output=True)
        assert (taken.returncode, taken.stdout) == (1, b"")
        assert b"cannot listen on port" in taken.stderr
        run.send_signal(signal.SIGINT)
        assert run.wait(30) == 130


def test_the_fake_is_ready_within_a_third_of_a_second() -> None:
    """Measure the processor time of a new process, minus that of the client alone."""
    code = "import outcomes_client._client, time; begun = time.process_time(); from outcomes_client.testing import *; "
    code += "OutcomesFake().close(); print(time.process_time() - begun)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 0.3


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
