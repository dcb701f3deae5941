"""Test the first summary of a long history: the API adds up outcomes in steps, and clients retry until it is done."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from outcomes.calendar import instants
from outcomes.contract.models import NewOutcome
from outcomes.totals import materialized
from outcomes_client import AsyncOutcomesClient, OutcomesClient, Retry, StillAddingUpError

from clients.python.tests.conftest import ONE_TRY, Api, Outcomes
from clients.python.tests.faults import FaultyServer
from ops.template import parse_yaml
from tests.conftest import ROOT, template_tables
from tests.events import proxy_event, session
from tests.servers import serving

# this import needs the environment variables that tests.conftest sets
app = import_module("functions.summarize_outcomes.app")

DAYS = 8
IMPATIENT = replace(ONE_TRY, adding_up=0)
SAID = "503 Still adding up: the API saves its progress and continues from there"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """Serve the summary function for a user with outcomes on 8 days. Each call has time to add up about one day."""

    def upstream(method: str, target: str, _headers: Mapping[str, str], _body: bytes) -> Any:
        asked = urlsplit(target)
        query: dict[str, str | list[str]] = {**parse_qs(asked.query)}
        response = app.handler(proxy_event(method, asked.path, authorizer=session(42), query=query), None)
        return response["statusCode"], response["headers"], response["body"].encode()

    monkeypatch.setattr(materialized, "AGGREGATION_SECONDS", -1)
    monkeypatch.setattr(materialized, "GRACE_SECONDS", 100)
    with template_tables(parse_yaml((ROOT / "template.yaml").read_text())):
        for day in range(DAYS):
            body = {"outcomeType": "deal_closed", "title": "Closed", "valueUsd": Decimal("0.1")}
            outcome = NewOutcome.parse(body, session_user=42)
            app.store.add(outcome, "key", milliseconds=instants.now() - (day + 1) * 86_400_000)
        with serving(FaultyServer(upstream)) as door:
            yield Api(door, list, "a-key", "session=of-user-42", 42, quick=Retry())


pytestmark = pytest.mark.usefixtures("waited")


def looks(api: Api) -> int:
    return len(api.door.requests)


async def test_both_clients_wait_for_complete_totals(
    api: Api, waited: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "outcomes_client")
    with OutcomesClient(**api.settings) as client:
        summary = client.summary()
    assert (summary.count, summary.value_usd) == (DAYS, Decimal("0.8"))
    assert len(waited) == looks(api) - 1 > 2
    assert min(waited) >= 1
    assert f"{SAID}. Trying again, for at most " in caplog.records[0].getMessage()
    asked = looks(api)
    async with AsyncOutcomesClient(**api.settings) as awaiting:
        assert await awaiting.summary() == summary
    assert looks(api) == asked + 1  # only one call was needed, because the totals were saved


def test_the_command_prints_why_it_waits(api: Api, outcomes: Outcomes) -> None:
    run = outcomes("summary")
    assert (run.code, f"$0.80 in {DAYS} outcomes" in run.out) == (0, True)
    assert run.err.startswith(f"outcomes: {api.url}: {SAID}. Trying again, for at most ")
    assert looks(api) > 3


def test_a_later_call_continues_after_a_deadline(api: Api) -> None:
    with OutcomesClient(**api.settings | {"retry": IMPATIENT}) as client:
        for _ in range(2):
            with pytest.raises(StillAddingUpError) as failure:
                client.summary()
            assert failure.value.retryable
    assert looks(api) == 2
    with OutcomesClient(**api.settings) as client:
        assert client.summary().count == DAYS
