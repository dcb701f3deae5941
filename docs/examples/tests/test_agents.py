"""Run the agent examples in their frameworks, with scripted models and a local stack."""

import itertools
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from docs.examples.tests.conftest import free_port, installed
from docs.examples.tests.relay import relay
from tests.local.stacks import Stack

FRAMEWORKS = ["ai-sdk", "ai-sdk-6", "openai-agents"]
WORK = {"outcomeType": "deal_closed", "title": "Renewed Acme", "valueUsd": "12500.50", "name": "deal 4711"}

users = itertools.count(90_000)


@dataclass(frozen=True)
class Ran:
    """The result of a finished agent run: the final text, the tool's answers, and the log."""

    text: str
    tool: list[str]
    told: str


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Compile the examples with the AI SDK 7 and 6, which also checks their types."""
    folder, of_version_6 = installed("agents"), tmp_path_factory.mktemp("version") / "agents"
    shutil.copytree(folder, of_version_6, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (of_version_6 / "node_modules").mkdir()
    for package in (folder / "node_modules").iterdir():
        target = folder / "node_modules/ai-6" if package.name == "ai" else package
        (of_version_6 / "node_modules" / package.name).symlink_to(target)
    for each in (folder, of_version_6):
        tsc = subprocess.run(
            ["npm", "run", "build"], cwd=each, capture_output=True, text=True, timeout=120, check=False
        )
        assert tsc.returncode == 0, tsc.stdout
    places = {framework: folder / f"dist/scripted/{framework}.js" for framework in FRAMEWORKS}
    return places | {"ai-sdk-6": of_version_6 / "dist/scripted/ai-sdk.js"}


@dataclass(frozen=True)
class Agent:
    """An agent of a framework, which records for a user. Its model answers each turn with a given text or tool call."""

    framework: str
    script: Path
    stack: Stack
    user: int

    def run(self, *turns: str | dict[str, Any], response: str = "response-1", job: str = "", **environment: str) -> Ran:
        known = {"OUTCOMES_URL": self.stack.url, "INTERNAL_API_KEY": self.stack.key, "OUTCOMES_USER_ID": str(self.user)}
        known |= {"PATH": os.environ["PATH"], **environment}
        command = ["node", str(self.script), json.dumps(turns), response, *filter(None, [job])]
        ran = subprocess.run(command, env=known, capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 0, ran.stderr
        return Ran(**json.loads(ran.stdout), told=ran.stderr)

    @property
    def recorded(self) -> list[tuple[str, float | None]]:
        """Return the titles and values of the user's outcomes, oldest first."""
        answer = httpx.get(f"{self.stack.url}/api/outcomes", headers={"Cookie": self.stack.cookie(self.user)})
        return [(outcome["title"], outcome["value_usd"]) for outcome in reversed(answer.json()["outcomes"])]


@pytest.fixture(params=FRAMEWORKS)
def agent(request: pytest.FixtureRequest, scripts: dict[str, Path], stack: Stack) -> Agent:
    return Agent(request.param, scripts[request.param], stack, next(users))


@pytest.mark.parametrize("text", ["I could not close it.", "Soon it will be CLOSED $12500.50 Renewed Acme", "Done!"])
def test_any_other_final_output_is_no_outcome(agent: Agent, text: str) -> None:
    assert agent.run(text).told == ""
    assert agent.recorded == []


def test_where_the_model_gives_no_id_the_ai_sdk_makes_one_and_openai_agents_does_not(
    agent: Agent,
) -> None:
    told = agent.framework == "openai-agents"
    assert ("The response has no id" in agent.run("CLOSED $1 Renewed Acme", response="").told) == told
    assert len(agent.recorded) == (0 if told else 1)


def test_a_run_counts_once_by_the_id_of_its_response_or_of_its_job(agent: Agent) -> None:
    text = "CLOSED $12500.50 Renewed Acme"
    for response, job in (("1", ""), ("1", ""), ("2", ""), ("3", "job-7"), ("4", "job-7")):
        ran = agent.run(text, response=f"response-{response}", job=job)
        assert (ran.text, ran.told) == (text, "")
    assert agent.recorded == [("Renewed Acme", 12500.5)] * 3


def test_the_tool_records_once_for_a_name(agent: Agent) -> None:
    ran = agent.run(
        WORK, WORK, WORK | {"title": "Renewed Initech", "name": "deal-4712", "valueUsd": None}, "Both are done."
    )
    assert [answer.partition(" as ")[0] for answer in ran.tool] == ["Recorded"] * 3
    assert ran.tool[0] == ran.tool[1]
    assert agent.recorded == [("Renewed Acme", 12500.5), ("Renewed Initech", None)]


def test_no_run_has_the_key_of_another_run_s_work(agent: Agent) -> None:
    agent.run(WORK | {"name": "b"}, "Done.", job="a")
    assert agent.run("CLOSED $1 Renewed Initech", job="a/b").told == ""
    assert agent.recorded == [("Renewed Acme", 12500.5), ("Renewed Initech", 1)]


def test_a_model_is_told_what_to_change_and_changes_it(agent: Agent) -> None:
    ran = agent.run(WORK | {"title": " "}, WORK, WORK | {"title": "Another deal"}, "Done.")
    assert ran.tool[0].startswith("It is not recorded. ")
    assert "title" in ran.tool[0]
    assert ran.tool[0].endswith("Change that and call again.")
    assert ran.tool[1].startswith("Recorded as ")
    assert ran.tool[2] == "It is not recorded. Another outcome has this name. If it is the same work, do nothing."
    assert agent.recorded == [("Renewed Acme", 12500.5)]


def test_a_run_ends_well_where_the_api_is_down_and_its_failure_is_told_with_the_key(agent: Agent) -> None:
    down = f"http://127.0.0.1:{free_port()}"
    ran = agent.run("CLOSED $1 Renewed Acme", OUTCOMES_URL=down)
    assert ran.text == "CLOSED $1 Renewed Acme"
    assert "An outcome may or may not be recorded (idempotency key response-1)" in ran.told
    [answer] = agent.run(WORK, "Done.", OUTCOMES_URL=down).tool
    assert answer == "It may or may not be recorded. Call again later with the same name and fields."


def test_a_model_cannot_fix_an_invalid_key(agent: Agent) -> None:
    refused = agent.run(WORK, "Done.", INTERNAL_API_KEY="no-key")
    assert refused.tool == ["It is not recorded. You cannot fix this: tell the person who runs this agent."]
    assert "no-key" not in refused.told


def test_what_an_earlier_try_may_have_recorded_is_not_said_to_be_missing(agent: Agent) -> None:
    with relay(agent.stack.url) as proxy:
        for turn in ("CLOSED $1 Renewed Acme", WORK):
            proxy.faults.append("drop")
            proxy.answer = (401, {}, b'{"error":"Unauthorized"}')
            ran = agent.run(turn, "Done.", OUTCOMES_URL=f"http://127.0.0.1:{proxy.server_port}")
            assert "An outcome may or may not be recorded (idempotency key " in ran.told
        assert ran.tool[0].startswith("It may or may not be recorded. ")
