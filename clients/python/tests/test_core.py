"""Test the client and its command with a deployment in which every capability is off."""

from __future__ import annotations

from pathlib import Path

import pytest
from outcomes_client import CapabilityOffError, NewOutcome, OutcomesClient, UnauthorizedError
from outcomes_client._mcp import Bridge

from clients.python.tests.conftest import Api, Outcomes
from clients.python.tests.test_cli import AGENT_KEY

pytestmark = pytest.mark.parametrize("api", ["core_stack"], indirect=True)

ID = "01KN4EMBG0QK3YB9X6N1V8ZT5R"


def test_recording_and_listing_are_as_everywhere(api: Api, client: OutcomesClient) -> None:
    for replayed in (False, True):
        done = client.record("deal_closed", "Renewed Acme", user_id=api.user, idempotency_key="deal-1")
        assert done.replayed is replayed
    assert [one.title for one in client.list().outcomes] == ["Renewed Acme"]


@pytest.mark.parametrize(
    ("command", "capability"),
    [
        ("summary", "Totals"),
        ("export", "Export"),
        (f"get {ID}", "Corrections"),
        (f"void {ID} --reason Twice", "Corrections"),
        ("keys list --user 42", "AgentKeys"),
    ],
)
def test_a_command_says_what_the_deployment_lacks(outcomes: Outcomes, command: str, capability: str) -> None:
    run = outcomes(*command.split())
    assert (run.code, run.out) == (1, "")
    assert run.err.startswith(f"outcomes: 404 Not found: {capability} is Off in this deployment")


def test_an_import_says_that_it_takes_batches(outcomes: Outcomes, tmp_path: Path) -> None:
    file = tmp_path / "outcomes.csv"
    file.write_text("outcome_type,title\ndeal_closed,Renewed Acme\n")
    run = outcomes("import", str(file))
    assert run.code == 1
    assert "Batch is Off in this deployment" in run.err


def test_no_item_of_several_is_recorded(api: Api, client: OutcomesClient) -> None:
    with pytest.raises(CapabilityOffError) as caught:
        client.record_many([NewOutcome(outcome_type="deal_closed", title="Renewed Acme", user_id=api.user)])
    assert [result.ok for result in caught.value.results] == [False]
    assert not api.recorded()


def test_the_doctor_is_content_and_says_what_is_off(outcomes: Outcomes) -> None:
    run = outcomes("doctor")
    assert run.code == 0, run.out
    off = "Batch, Totals, Export, Corrections, AgentKeys, Statements, Costs, ModelTools"
    assert f"Off in this deployment: {off}" in run.out
    assert "Batch is Off in this deployment: record_many and import will not work" in run.out


def test_an_agent_key_is_refused_and_the_doctor_says_why(
    api: Api, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OutcomesClient(api.url, AGENT_KEY, retry=api.quick) as client, pytest.raises(UnauthorizedError):
        client.record("deal_closed", "Renewed Acme")
    monkeypatch.setenv("INTERNAL_API_KEY", AGENT_KEY)
    run = outcomes("doctor")
    assert run.code == 1
    assert "AgentKeys is Off in this deployment" in run.out


def test_the_bridge_of_tools_says_that_there_are_none(api: Api, client: OutcomesClient) -> None:
    answer = Bridge(client).answer(b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}')
    assert answer is not None
    assert b"ModelTools is Off in this deployment" in answer
    assert not api.recorded()
