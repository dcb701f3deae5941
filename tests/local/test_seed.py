"""The outcomes of `make seed`."""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from outcomes.contract import instants
from outcomes.storage.entries import Entries
from outcomes.storage.store import OutcomeStore

from functions.record_outcome import app
from local.errors import StackError
from local.seed import DAY, outcomes, seed
from tests.events import KEY, proxy_event

NOW = 1_742_990_400_000
"""2025-03-26T12:00:00Z"""
COUNT = len(list(outcomes(NOW)))


class Api:
    """The API of the tables, for `client`; it says no more once it has answered `answers` requests."""

    def __init__(self) -> None:
        self.answers = 1_000
        self.client = httpx.Client(base_url="http://api", transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if not self.answers:
            raise httpx.ConnectError("refused")
        self.answers -= 1
        headers = {"Idempotency-Key": request.headers["Idempotency-Key"]}
        answer = app.handler(proxy_event("POST", authorizer=KEY, body=request.content.decode(), headers=headers), None)
        return httpx.Response(answer["statusCode"], headers=answer["headers"], text=answer["body"])


@pytest.fixture
def api(tables: dict[str, str]) -> Iterator[Api]:  # noqa: ARG001 (they must be there)
    api = Api()
    yield api
    api.client.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "seeded"


def happened(user_id: int) -> list[str]:
    """List when the user's outcomes happened, in the order in which they were recorded."""
    entries = Entries(OutcomeStore("OutcomesTable").dynamodb, "OutcomesTable", user_id, lambda: None)
    recorded = entries.recorded(instants.text(0), instants.text(instants.LAST_MILLISECOND))
    return [effect.occurred_at for entry in recorded for effect in entry.effects]


def test_a_user_is_seeded_once(api: Api, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seed(api.client, 7, file, NOW)
    assert capsys.readouterr().out.endswith(f"User 7 now has {COUNT} more outcomes of the last 30 days.\n")
    for days in (0, 1, 40):
        seed(api.client, 7, file, NOW + days * DAY)
        assert capsys.readouterr().out == "User 7 was seeded before: nothing is added.\n"
    assert (len(happened(7)), len(happened(42))) == (COUNT, 0)
    seed(api.client, 42, file, NOW + DAY)
    assert len(happened(7)) == COUNT
    assert len(happened(42)) == len(list(outcomes(NOW + DAY)))


def test_what_happened_first_is_recorded_first(api: Api, file: Path) -> None:
    seed(api.client, 7, file, NOW)
    times = [datetime.fromisoformat(time).timestamp() * 1000 for time in happened(7)]
    assert times == sorted(times)
    assert NOW - 31 * DAY < times[0] < NOW - 28 * DAY
    assert NOW - DAY < times[-1] < NOW


def test_what_was_interrupted_is_completed_on_another_day(
    api: Api, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api.answers = 20
    with pytest.raises(
        StackError, match=r"^the running stack cannot be seeded: http://api does not answer \(refused\)$"
    ):
        seed(api.client, 7, file, NOW)
    assert len(happened(7)) == 20
    api.answers = 1_000
    seed(api.client, 7, file, NOW + 3 * DAY)
    assert f"User 7 now has {COUNT - 20} more outcomes" in capsys.readouterr().out
    assert len(happened(7)) == COUNT


def test_what_was_interrupted_long_ago_stays_as_it_is(api: Api, file: Path) -> None:
    api.answers = 20
    with pytest.raises(StackError):
        seed(api.client, 7, file, NOW)
    api.answers = 1_000
    seed(api.client, 7, file, NOW + 30 * DAY)
    assert len(happened(7)) == 20


@pytest.mark.parametrize("text", ["7\n", "seven 7\n", "7 1 2\n", "7 soon\n"])
def test_a_damaged_note_is_named(api: Api, file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(StackError, match=rf"^{re.escape(str(file))} is damaged; make reset starts anew$"):
        seed(api.client, 7, file, NOW)


def test_a_note_that_cannot_be_made_is_named(api: Api, tmp_path: Path) -> None:
    with pytest.raises(StackError, match=rf"^cannot use {re.escape(str(tmp_path))}: Is a directory$"):
        seed(api.client, 7, tmp_path, NOW)


def test_an_api_that_refuses_is_quoted(file: Path) -> None:
    def refuse(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, text='{"error":"Unauthorized"}')

    with (
        httpx.Client(base_url="http://api", transport=httpx.MockTransport(refuse)) as client,
        pytest.raises(StackError, match=r'^the running stack cannot be seeded: 401 {"error":"Unauthorized"}$'),
    ):
        seed(client, 7, file, NOW)
