"""Test the client and its command with a deployment in which every capability is off."""

from __future__ import annotations

from pathlib import Path

import pytest
from outcomes_client import OutcomesClient, UnauthorizedError
from outcomes_client._mcp import Bridge

from clients.python.tests.conftest import Api, Outcomes
from clients.python.tests.test_cli import AGENT_KEY

pytestmark = pytest.mark.parametrize("api", ["core_stack"], indirect=True)


def test_a_command_says_what_the_deployment_lacks(outcomes: Outcomes) -> None:
    run = outcomes("summary")
    assert (run.code, run.out) == (1, "")
    assert run.err.startswith("outcomes: 404 Not found: Totals is Off in this deployment")


def test_an_import_says_that_it_takes_batches(outcomes: Outcomes, tmp_path: Path) -> None:
    file = tmp_path / "outcomes.csv"
    file.write_text("outcome_type,title\ndeal_closed,Renewed Acme\n")
    run = outcomes("import", str(file))
    assert run.code == 1
    assert "Batch is Off in this deployment" in run.err


def test_an_import_of_costs_does_not_advise_to_run_again_what_never_helps(outcomes: Outcomes, tmp_path: Path) -> None:
    file = tmp_path / "costs.csv"
    file.write_text("date,source,cost\n2026-11-01,openai,5\n")
    run = outcomes("costs", "import", str(file), "--format", "csv", "--user", "42")
    assert (run.code, run.out) == (1, "0 days put, 0 unchanged, 0 refused\n")
    said = "stopped: 404 Not found: Costs is Off in this deployment, or OUTCOMES_URL has a wrong path"
    assert run.err.splitlines() == [said]


def test_the_doctor_is_content_and_says_what_is_off(outcomes: Outcomes) -> None:
    run = outcomes("doctor")
    assert run.code == 0, run.out
    off = "Batch, Totals, Export, Corrections, AgentKeys, Statements, Costs, Definitions, Watches, ModelTools"
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
