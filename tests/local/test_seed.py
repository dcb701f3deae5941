"""`make seed`."""

import json
import re
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from outcomes.calendar import instants
from outcomes.ledger.entries import Entries
from outcomes.ledger.store import OutcomeStore

from functions.correct_outcome import app as correct_outcome
from functions.definitions import app as definitions
from functions.record_outcome import app as record_outcome
from functions.watches import app as watches
from local.seed import DAY, DAYS_OF_COSTS, GAP, corrections, costs, outcomes, seed, sign
from ops.errors import StackError
from tests.events import KEY, proxy_event, session
from tests.outcome_types import TYPES

NOW = 1_742_990_400_000
"""2025-03-26T12:00:00Z"""
COUNT = len(list(outcomes(NOW)))
HALF = COUNT // 2
"""The number of outcomes that are imported."""
CORRECTIONS = "/api/outcomes/{id}/corrections"


class Api:
    """The API in this process. It answers only as many writes as `answers` says, and then refuses connections."""

    def __init__(self) -> None:
        self.answers = 1_000
        self.imported: list[dict[str, Any]] = []
        """Rows that were brought as of another system's table."""

    def seed(self, user_id: int, file: Path, now: int) -> None:
        with self._client(KEY) as client, self._client(session(user_id)) as owner:
            seed(client, owner, user_id, file, now, self._bring, off=["Costs"])

    def define(self, user_id: int, month: str) -> int:
        """Put a definition as a user, and return the status."""
        body = {"timezone": "UTC", "disputeDays": 0, "types": {"*": {"when": "never"}}}
        with self._client(session(user_id)) as owner:
            return owner.put(f"/api/definitions/{month}", json=body).status_code

    def _bring(self, rows: list[dict[str, Any]]) -> int:
        new = [row for row in rows if row not in self.imported]
        self.imported += new
        return len(new)

    def _client(self, caller: dict[str, Any]) -> httpx.Client:
        return httpx.Client(base_url="http://api", transport=httpx.MockTransport(partial(self._answer, caller)))

    def _answer(self, caller: dict[str, Any], request: httpx.Request) -> httpx.Response:
        if not self.answers:
            raise httpx.ConnectError("refused")
        if request.method == "GET":
            return httpx.Response(200, json={"types": [{"type": type_} for type_ in TYPES]})
        self.answers -= 1
        if request.method == "PUT":
            return self._put(caller, request)
        _, _, _, *id_ = request.url.path.split("/")
        path, parameters = (CORRECTIONS, {"id": id_[0]}) if id_ else ("/api/outcomes", None)
        event = proxy_event(
            "POST",
            path,
            parameters=parameters,
            authorizer=caller,
            body=request.content.decode(),
            headers={"Idempotency-Key": request.headers["Idempotency-Key"]},
        )
        answer = (correct_outcome if id_ else record_outcome).handler(event, None)
        return httpx.Response(answer["statusCode"], headers=answer["headers"], text=answer["body"])

    def _put(self, caller: dict[str, Any], request: httpx.Request) -> httpx.Response:
        path, _, name = request.url.path.rpartition("/")
        app, parameter = (watches, "id") if path.endswith("watches") else (definitions, "month")
        event = proxy_event(
            "PUT",
            f"{path}/{{{parameter}}}",
            parameters={parameter: name},
            authorizer=caller,
            body=request.content.decode(),
            headers={name: request.headers[name] for name in ("If-None-Match",) if name in request.headers},
        )
        with patch.object(instants, "now", lambda: NOW):
            answer = app.handler(event, None)
        return httpx.Response(answer["statusCode"], text=answer["body"])


@pytest.fixture
def api(tables: dict[str, str]) -> Api:  # noqa: ARG001 (they must exist)
    return Api()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "seeded"


def happened(user_id: int) -> list[str]:
    """Return each `occurred_at` of the user's outcomes, in the order in which they were recorded."""
    store = OutcomeStore("OutcomesTable")
    entries = Entries(partial(store.dynamodb.call, "Query"), store.table, str(user_id))
    recorded = entries.recorded(instants.text(0), instants.text(instants.LAST_MILLISECOND))
    # An entry that records an outcome has one delta, for the tally "standing". Entries of corrections differ.
    return [entry.deltas[0].occurred_at for entry in recorded if [one.tally for one in entry.deltas] == ["standing"]]


def test_a_user_is_seeded_once(api: Api, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    api.seed(7, file, NOW)
    assert capsys.readouterr().out.endswith(f"User 7 now has {COUNT} more outcomes of the last 75 days.\n")
    for days in (0, 1, 40):
        api.seed(7, file, NOW + days * DAY)
        assert capsys.readouterr().out == "User 7 was seeded before: nothing was added.\n"
    assert (len(happened(7)), len(happened(42))) == (COUNT - HALF, 0)
    api.seed(42, file, NOW + DAY)
    assert len(happened(7)) == COUNT - HALF
    assert len(happened(42)) + len(api.imported) == len(list(outcomes(NOW + DAY))) + HALF


def test_the_older_half_is_imported_with_its_dates(api: Api, file: Path) -> None:
    api.seed(7, file, NOW)
    planned = list(outcomes(NOW))
    assert [(row["created_at"], row["title"]) for row in api.imported] == [
        (instants.text(milliseconds), fields["title"]) for milliseconds, fields in planned[:HALF]
    ]
    assert happened(7) == [instants.text(milliseconds) for milliseconds, _ in planned[HALF:]]


def test_a_watch_of_the_months_value_is_near_its_line(api: Api, file: Path) -> None:
    api.seed(7, file, NOW)
    [watch] = watched(7)["watches"]
    month = instants.text(NOW)[:7]
    value = sum(fields.get("valueUsd") or 0 for at, fields in outcomes(NOW) if instants.text(at)[:7] == month)
    assert 0.9 < value / watch["target"] < 1
    api.seed(7, file, NOW)
    assert [each["version"] for each in watched(7)["watches"]] == [1]


def watched(user_id: int) -> Any:
    with patch.object(instants, "now", lambda: NOW):
        return json.loads(
            watches.handler(proxy_event("GET", "/api/watches", authorizer=session(user_id)), None)["body"]
        )


def defined(user_id: int) -> dict[str, Any]:
    """Return when outcomes of each type count, by the first month of each definition."""
    answer = definitions.handler(proxy_event("GET", "/api/definitions", authorizer=session(user_id)), None)
    listed = json.loads(answer["body"])["definitions"]
    return {each["from"]: {rule["outcome_type"]: rule["when"] for rule in each["types"]} for each in listed}


def test_a_definition_says_what_counts_unless_the_user_has_made_one(api: Api, file: Path) -> None:
    api.seed(7, file, NOW)
    rules = {"content_published": "confirmed", "deal_closed": "claimed", "task_complete": "never"}
    assert defined(7) == {"2025-02": rules | {"*": "unless_disputed"}}
    for user_id, month in ((8, "2025-02"), (9, "2025-04")):
        assert api.define(user_id, month) == 200
        api.seed(user_id, file, NOW)
        assert defined(user_id) == {month: {"*": "never"}}


def test_one_outcome_is_recorded_twice_and_one_day_has_no_costs() -> None:
    told = Counter(
        (fields["agentId"], fields["title"], fields.get("valueUsd")) for _, fields in list(outcomes(NOW))[-9:]
    )
    assert sorted(told.values(), reverse=True)[:2] == [2, 1]
    days = {date for date, _ in costs(NOW)}
    assert len(days) == DAYS_OF_COSTS - 1
    assert instants.text(NOW - GAP * DAY)[:10] not in days


@pytest.mark.parametrize("day", range(7))
def test_the_latest_outcomes_are_corrected_on_any_day_of_the_week(day: int) -> None:
    recorded = [fields for _, fields in outcomes(NOW + day * DAY)]
    made = {body["type"]: (index, is_owners) for index, is_owners, body in corrections(recorded)}
    assert {type_: is_owners for type_, (_, is_owners) in made.items()} == {
        "amend": False,
        "void": False,
        "confirm": True,
        "dispute": True,
    }
    assert len({index for index, _ in made.values()}) == len(made)
    # The corrected outcomes are among the 20 that the first page shows.
    assert all(index >= len(recorded) - 20 for index, _ in made.values())


def test_an_interrupted_seeding_is_completed_on_another_day(
    api: Api, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.answers = 20
    with pytest.raises(
        StackError, match=r"^the running stack cannot be seeded: http://api does not answer \(refused\)$"
    ):
        api.seed(7, file, NOW)
    assert len(happened(7)) == 20
    api.answers = 1_000
    api.seed(7, file, NOW + 3 * DAY)
    assert f"User 7 now has {COUNT - HALF - 20} more outcomes" in capsys.readouterr().out
    assert len(happened(7)) == COUNT - HALF
    assert len(api.imported) == HALF


def test_a_seeding_interrupted_long_ago_is_not_completed(api: Api, file: Path) -> None:
    api.answers = 20
    with pytest.raises(StackError):
        api.seed(7, file, NOW)
    api.answers = 1_000
    api.seed(7, file, NOW + 30 * DAY)
    assert len(happened(7)) == 20


@pytest.mark.parametrize("text", ["7\n", "seven 7\n", "7 1 2\n", "7 soon\n"])
def test_a_damaged_file_is_named(api: Api, file: Path, text: str) -> None:
    file.write_text(text)
    says = rf"^{file} is damaged; make reset DATA={file.parent} deletes all$"
    with pytest.raises(StackError, match=says):
        api.seed(7, file, NOW)


def test_a_file_that_cannot_be_opened_is_named(api: Api, tmp_path: Path) -> None:
    with pytest.raises(StackError, match=rf"^cannot use {re.escape(str(tmp_path))}: Is a directory$"):
        api.seed(7, tmp_path, NOW)


def test_an_error_of_the_api_is_quoted(file: Path) -> None:
    def refuse(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, text='{"error":"Unauthorized"}')

    with (
        httpx.Client(base_url="http://api", transport=httpx.MockTransport(refuse)) as client,
        pytest.raises(StackError, match=r'^the running stack cannot be seeded: 401 {"error":"Unauthorized"}$'),
    ):
        seed(client, client, 7, file, NOW, len)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([(200, {})], "User 7 has a signed statement of 2025-02.\n"),
        ([(503, {}), (200, {})], "User 7 has a signed statement of 2025-02.\n"),
        (
            [(409, {"details": [{"field": "period", "message": "is before the first entry"}]})],
            "User 7 has no statement of 2025-02: period is before the first entry.\n",
        ),
    ],
)
def test_the_statement_of_the_last_month_is_made(
    answers: list[tuple[int, Any]], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        status, body = answers[len(asked) - 1]
        return httpx.Response(status, json=body, headers={"Retry-After": "0"})

    with httpx.Client(base_url="http://api", transport=httpx.MockTransport(answer)) as owner:
        sign(owner, 7, NOW)
    assert asked == [{"period": "2025-02", "timezone": "UTC"}] * len(answers)
    assert capsys.readouterr().out == said


def test_the_last_month_of_january_is_december_and_a_refusal_is_quoted() -> None:
    refusal = httpx.MockTransport(lambda request: httpx.Response(400, content=request.content))
    with (
        httpx.Client(base_url="http://api", transport=refusal) as owner,
        pytest.raises(
            StackError, match=r'^the running stack made no statement: 400 {"period":"2024-12","timezone":"UTC"}$'
        ),
    ):
        sign(owner, 7, NOW - 70 * DAY)
