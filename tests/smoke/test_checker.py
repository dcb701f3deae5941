"""The smoke test's checker reports each planted server fault, but neither lost answers nor throttled calls."""

import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from outcomes.contract import json_text

from functions.correct_outcome import app as correct_outcome
from functions.get_outcome import app as get_outcome
from functions.list_outcomes import app as list_outcomes
from functions.record_batch import app as record_batch
from functions.record_outcome import app as record_outcome
from functions.summarize_outcomes import app as summarize_outcomes
from smoke.api import Api
from smoke.aws import User, Visit
from smoke.checker import Checker
from smoke.judge import Call
from smoke.report import compare_with_log, differences, write
from tests.events import KEY, proxy_event, session

type Send = Callable[[httpx.Request], httpx.Response]
type Fault = Callable[[httpx.Request, Send], httpx.Response]

URL = "https://api.example.com/v1/api/outcomes"
USERS = [User(101, "session=101"), User(102, "session=102")]
ROUTES: dict[tuple[str, str], Any] = {
    ("POST", ""): record_outcome,
    ("POST", "/batch"): record_batch,
    ("POST", "/{id}/corrections"): correct_outcome,
    ("GET", ""): list_outcomes,
    ("GET", "/{id}"): get_outcome,
    ("GET", "/summary"): summarize_outcomes,
}


@pytest.fixture(autouse=True)
def monotonic_clock_that_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each read of the clock advance it by a millisecond, so that no time limit depends on the machine's load."""
    milliseconds = count(time.monotonic_ns() // 1_000_000)
    monkeypatch.setattr(time, "monotonic", lambda: next(milliseconds) / 1000)


class Functions(httpx.BaseTransport):
    """A transport that passes requests to our functions. The planted `fault` may change or replace an answer.

    log: the lines of the access log, one for each request.
    """

    def __init__(self, fault: Fault) -> None:
        self.log: list[dict[str, str]] = []
        self._fault = fault
        self._lock = threading.Lock()
        self._ids = count(1)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            response = self._fault(request, self._send)
        response.headers["x-amzn-requestid"] = id_ = f"id-{next(self._ids)}"
        _, resource, _ = route(request)
        self.log.append(
            {
                "requestId": id_,
                "status": str(response.status_code),
                "method": request.method,
                "resource": f"/api/outcomes{resource}",
                "caller": "key" if "authorization" in request.headers else "session",
            }
        )
        return response

    def _send(self, request: httpx.Request) -> httpx.Response:
        app, resource, id_ = route(request)
        cookie = request.headers.get("cookie", "")
        event = proxy_event(
            request.method,
            f"/api/outcomes{resource}",
            authorizer=session(int(cookie.partition("=")[2])) if cookie else KEY,
            body=request.content.decode() or None,
            headers={"Idempotency-Key": request.headers["idempotency-key"]}
            if "idempotency-key" in request.headers
            else {},
            query=dict(request.url.params),
            parameters={"id": id_} if id_ else None,
        )
        response = app.handler(event, None)
        return httpx.Response(response["statusCode"], headers=response["headers"], content=response["body"])


def route(request: httpx.Request) -> tuple[Any, str, str]:
    """Return the function that answers a request.

    Also return the request's route below /api/outcomes, and the outcome id in its path.
    """
    path = request.url.path.partition("/api/outcomes")[2]
    id_ = next(iter(re.findall("[0-9A-Z]{26}", path)), "")
    resource = path.replace(id_, "{id}") if id_ else path
    return ROUTES[request.method, resource], resource, id_


class Guests(Visit):
    """Two users in temporary tables. Nothing has to be deleted afterwards, so idempotency keys are not stored."""

    def __init__(self) -> None:
        self.users = USERS

    def note_key(self, key: str, user: User, *, by: str = "key", of: str | None = None) -> None: ...


def checked(
    fault: Fault, *, off: tuple[str, ...] = (), budget: int = 70, **limits: list[int]
) -> tuple[Checker, Functions]:
    """Run the checker on our functions with a fault."""
    functions = Functions(fault)
    with httpx.Client(transport=functions) as client:
        api = Api(URL, client, "the key", off=off)
        checker = Checker(api, client, Guests(), seed=4711, limits=limits, budget=budget)
        try:
            checker.run()
        except AssertionError as failure:
            checker.faults = checker.faults or [str(failure)]
    return checker, functions


def in_call(
    number: int, app: Any, fault: Fault, of: Callable[[httpx.Request], bool] = lambda _: True
) -> Callable[[], Fault]:
    """Let a fault happen only in one call of a function. number: of this call, from 1; with 0, it happens in all."""

    def new() -> Fault:
        calls = count(1)

        def meet(request: httpx.Request, send: Send) -> httpx.Response:
            is_met = route(request)[0] is app and of(request) and number in {0, next(calls)}
            return fault(request, send) if is_met else send(request)

        return meet

    return new


def instead(status: int, body: Any, *, stores: bool = False, **headers: str) -> Fault:
    """Return a fault that answers this. stores: whether the function is called before."""

    def fault(request: httpx.Request, send: Send) -> httpx.Response:
        if stores:
            send(request)
        return httpx.Response(status, headers={n.replace("_", "-"): text for n, text in headers.items()}, json=body)

    return fault


def edited(edit: Callable[[httpx.Request, Any], None]) -> Fault:
    """Return a fault that changes the JSON of an answer."""

    def fault(request: httpx.Request, send: Send) -> httpx.Response:
        response = send(request)
        edit(request, answer := json_text.read(response.text))
        headers = {"content-type": "application/json"}
        return httpx.Response(response.status_code, headers=headers, content=json_text.exact(answer, 32))

    return fault


def has_key(request: httpx.Request) -> bool:
    return "idempotency-key" in request.headers


def has_no_key(request: httpx.Request) -> bool:
    return not has_key(request)


def twice(request: httpx.Request, send: Send) -> httpx.Response:
    send(request)
    return send(request)


def for_another_user(request: httpx.Request, send: Send) -> httpx.Response:
    body = json.loads(request.content)
    body["userId"] = 203 - body["userId"]
    return send(httpx.Request("POST", request.url, headers=request.headers, json=body))


def replayed_with_another_id(request: httpx.Request, send: Send) -> httpx.Response:
    response = send(request)
    if "idempotent-replayed" in response.headers:
        response.headers["outcome-id"] = UNKNOWN
    return response


def replayed_as_new(request: httpx.Request, send: Send) -> httpx.Response:
    response = send(request)
    response.headers.pop("idempotent-replayed", None)
    return response


def off_by_a_cent(_request: httpx.Request, answer: Any) -> None:
    for part in (answer, answer["by_day"][-1], *answer["by_type"][:1]):
        part["value_usd"] += Decimal("0.01")


def one_more_on_the_last_day(_request: httpx.Request, answer: Any) -> None:
    answer["by_day"][-1]["count"] += 1


def out_of_order(_request: httpx.Request, answer: Any) -> None:
    answer["outcomes"][:2] = answer["outcomes"][1::-1]


def without_the_newest(request: httpx.Request, answer: Any) -> None:
    if "limit=20" not in str(request.url):  # leave the final lists complete: other answers are checked against them
        del answer["outcomes"][:1]


def with_an_outcome_of_somebody_else(_request: httpx.Request, answer: Any) -> None:
    answer["outcomes"] += [each | {"title": "Bought the competitor", "user_id": 7} for each in answer["outcomes"][-1:]]


def a_correction_undone() -> Fault:
    first: dict[str, Any] = {}

    def undo(_request: httpx.Request, answer: Any) -> None:
        answer["outcomes"] = [first.setdefault(each["id"], each) for each in answer["outcomes"]]

    return in_call(0, list_outcomes, edited(undo))()


UNKNOWN = "01M00000000000000000000000"
CORRECTED = {"ok": True, "id": UNKNOWN, "status": "recorded", "version": 1}
FAULTS: dict[str, tuple[Callable[[], Fault], str]] = {
    "a lost outcome": (
        in_call(2, record_outcome, instead(200, {"ok": True}, outcome_id=UNKNOWN), has_no_key),
        "was answered with 200, and is not stored",
    ),
    "an outcome recorded twice": (in_call(3, record_outcome, twice, has_no_key), "is stored twice"),
    "an outcome of another user": (
        in_call(3, record_outcome, for_another_user, lambda request: "authorization" in request.headers),
        "lists an outcome that was not recorded for this user",
    ),
    "a sum off by a cent": (
        in_call(0, summarize_outcomes, edited(off_by_a_cent)),
        "is not the sum of what was recorded and corrected",
    ),
    "a sum that is not that of its days": (
        in_call(0, summarize_outcomes, edited(one_more_on_the_last_day)),
        "has parts that do not add up to the whole",
    ),
    "a lost correction": (
        in_call(1, correct_outcome, instead(200, CORRECTED), has_no_key),
        "was answered with 200, and is not stored",
    ),
    "a correction undone": (a_correction_undone, "without a correction made before"),
    "a replay with another id": (
        in_call(0, record_outcome, replayed_with_another_id, has_key),
        "its answers have different ids",
    ),
    "a replay that says it is new": (
        in_call(0, record_outcome, replayed_as_new, has_key),
        "two answers say that it was new",
    ),
    "a list out of order": (in_call(0, list_outcomes, edited(out_of_order)), "is not in order"),
    "a list without the newest": (
        in_call(0, list_outcomes, edited(without_the_newest)),
        "which was recorded before",
    ),
    "a list with an outcome of somebody else": (
        in_call(0, list_outcomes, edited(with_an_outcome_of_somebody_else)),
        "lists an outcome that was not recorded for this user",
    ),
    "a refused call that was stored": (
        in_call(3, record_outcome, instead(400, {"error": "Invalid title"}, stores=True), has_no_key),
        "an answer that a valid request must not get",
    ),
    "a throttled call that was stored": (
        in_call(0, record_outcome, instead(429, {"error": "Too many requests"}, stores=True, retry_after="1")),
        "was refused, and is stored",
    ),
    "a possible correction refused": (
        in_call(0, correct_outcome, instead(409, {"error": "Not possible"})),
        "was refused as not possible, although it was",
    ),
    "a history that fails": (
        in_call(0, get_outcome, instead(500, {"error": "Failed to get outcome"})),
        "no answer after 5 attempts",
    ),
}


@pytest.mark.usefixtures("tables", "no_waiting")
@pytest.mark.parametrize(("fault", "found"), FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_is_found(fault: Any, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smoke.checker.THREADS", 1)  # with one thread, the order of calls is fixed
    checker, _ = checked(fault())

    assert any(found in each for each in checker.faults), checker.faults
    report = write(tmp_path, checker, []).read_text()
    assert found in report
    assert "Bought the competitor" not in report


def answers_lost_in_turn() -> Fault:
    """Lose the answer to every fifth call if this call is a write. Half of these calls are executed, half are not."""
    calls = count(1)

    def meet(request: httpx.Request, send: Send) -> httpx.Response:
        call = next(calls)
        if request.method == "GET" or call % 5:
            return send(request)
        if call % 2:
            send(request)
        raise httpx.ReadTimeout("lost")

    return meet


def refusals_in_turn() -> Fault:
    """Refuse every fourth call without executing it, as API Gateway's throttling (429) or a busy table (503) does.

    Never refuse two calls of a thread in a row. Otherwise, all attempts of one call could be refused by chance.
    """
    calls = count(1)
    thread = threading.local()

    def meet(request: httpx.Request, send: Send) -> httpx.Response:
        call = next(calls)
        status, error = (429, "Too many requests") if call % 8 else (503, "Busy")
        thread.is_refused = call % 4 == 0 and not getattr(thread, "is_refused", False)
        if not thread.is_refused:
            return send(request)
        return httpx.Response(status, headers={"retry-after": "1"}, json={"error": error})

    return meet


@pytest.mark.usefixtures("tables", "no_waiting")
@pytest.mark.parametrize("fault", [answers_lost_in_turn, refusals_in_turn])
def test_lost_answers_and_refusals_are_no_fault(fault: Callable[[], Fault]) -> None:
    checker, functions = checked(fault(), BatchThrottle=[10, 12])

    assert checker.faults == []
    assert "above the limit: 24 calls at once, " in checker.notes[0]
    assert ({call.status for call in checker.calls} - {200, 409}) <= {None, 429, 503}
    checker.calls = [call for call in checker.calls if call.status]
    compare_with_log(lambda _since: functions.log, 0, checker)


@pytest.mark.usefixtures("tables", "no_waiting")
def test_capabilities_that_are_off_are_not_called() -> None:
    checker, functions = checked(lambda request, send: send(request), off=("Batch", "Corrections", "Totals"), budget=20)

    assert checker.faults == []
    assert {line["resource"] for line in functions.log} == {"/api/outcomes"}
    assert checker.notes[0] == "no calls above the limit: RecordThrottle is unknown"


CALL = Call(17, "record", "key", sent=1.0, answered=1.5, status=200, request_id="a")
LINE = {"requestId": "a", "status": "200", "method": "POST", "resource": "/api/outcomes", "caller": "key"}


@pytest.mark.parametrize(
    ("call", "log", "found"),
    [
        (CALL, [LINE], []),
        (CALL, [LINE, LINE | {"requestId": "of somebody else"}], []),
        (CALL, [], ["is not in the access log"]),
        (CALL, [LINE, LINE], ["is in the access log 2 times"]),
        (CALL, [LINE | {"status": "500"}], ["is 500 POST /api/outcomes in the access log"]),
        (CALL, [LINE | {"resource": "/mcp"}], ["is 200 POST /mcp in the access log"]),
        (CALL, [LINE | {"caller": "session"}], ["is by session in the access log, not by key"]),
        (CALL, [LINE | {"caller": "-"}], ["is by - in the access log, not by key"]),
        (replace(CALL, status=429), [LINE | {"status": "429", "caller": "-"}], []),
        (replace(CALL, status=429), [], []),
        (replace(CALL, status=None), [], []),
    ],
)
def test_the_access_log_must_say_what_was_answered(call: Call, log: list[dict[str, str]], found: list[str]) -> None:
    prefix = f"call 17 (record, {call.status}, request a) "
    assert list(differences([call], log)) == [prefix + each for each in found]


@pytest.mark.usefixtures("no_waiting")
def test_late_lines_of_the_access_log_are_waited_for() -> None:
    checker = Checker(Api(URL, httpx.Client()), httpx.Client(), Guests(), seed=1, limits={})
    checker.calls = [CALL]
    answers = iter([[], [LINE]])

    compare_with_log(lambda _since: next(answers), 0, checker)

    assert checker.faults == []
    assert list(answers) == []
